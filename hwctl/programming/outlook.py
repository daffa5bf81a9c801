"""What a distance from a target still costs, anywhere in the range: readings and pulses, by value iteration.

The states are conductances about each of some targets, the moves those that `moves.numbers` gives: so a device whose
steps shrink towards a bound, or whose RESET goes to the bottom at once, has another outlook above a target than below.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwctl.crossbar.results import Floats
from hwctl.devices.steps import StepModel
from hwctl.programming import moves

TARGETS = 24  # densest at the bounds
SIDE = 64  # distances either way of a target
SPREADS = 32
NODES = 33  # of the normal distribution
ITERATIONS = 60
SETTLED = 0.01  # readings: change of an iteration from which on the costs are found
WORST = 1000.0  # readings: what cannot be reached costs no more
CLOSEST = 0.05  # of the band: spreads and distances below it are as good as none

Ints = NDArray[Any]
Options = tuple[Ints, NDArray[Any], tuple[Ints, Ints, Ints]]
"""Numbers of states, what their moves cost with the reading after it, and where in the table they lead."""


@dataclass(frozen=True)
class Outlook:
    """Cost still to come for a cell of which mean distance and spread are predicted, in units of one reading."""

    table: Floats
    """(TARGETS, 2 SIDE + 1, SPREADS)"""
    targets: Floats
    """(TARGETS,) in S"""
    band: float
    """S either way of the target, within which a reading ends the loop."""
    widest: float
    """Largest distance and spread of the table, over the band."""

    @classmethod
    def of(cls, model: StepModel, band: float, noise: float, pulse_cost: float) -> "Outlook":
        """Work it out for cells as the model says.

        band: S either way within which a cell is done; noise: S, spread of a change that no number of pulses lowers;
        pulse_cost: of one pulse, in readings.
        """
        span = model.g_max - model.g_min
        widest = max(span / band, 4.0)
        targets = model.g_min + span * (0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, TARGETS)))
        above = _signed(widest)
        value = np.tile(np.log1p(np.abs(above)), (TARGETS, 1))
        after = _after(above, widest)
        outlook = cls(_table(after, value), targets, band, widest)
        options = outlook._options(model, noise, pulse_cost)
        for _ in range(ITERATIONS):
            before, value = value, np.where(np.abs(above) > 0, WORST, np.zeros_like(value))
            for states, costs, places in options:
                flat = (costs + outlook.table[places]).min(axis=(0, 1))
                value.reshape(-1)[states] = np.minimum(flat, value.reshape(-1)[states])
            outlook = cls(_table(after, value), targets, band, widest)
            if np.abs(value - before).max() < SETTLED:
                break
        return outlook

    def near(self, target: Floats) -> Ints:
        """Return the entry whose target is nearest to each in S."""
        middles = (self.targets[1:] + self.targets[:-1]) / 2
        return np.searchsorted(middles, target).astype(np.int64)

    def __call__(self, near: Ints, above: Floats, spread: Floats) -> Floats:
        """Return the cost after a move that leads to `above` the target (below: negative), give or take `spread`.

        near: of `near` for the target. Both in S; the shapes broadcast.
        """
        return self.table[self._places(near, above, spread)]

    def _places(self, near: Ints, above: Floats, spread: Floats) -> tuple[Ints, Ints, Ints]:
        away = _place(np.abs(above) / self.band, SIDE + 1, self.widest)
        return near, SIDE + np.where(above < 0, -away, away), _place(spread / self.band, SPREADS, self.widest)

    def _options(self, model: StepModel, noise: float, pulse_cost: float) -> list[Options]:
        """Return what there is to do below and above targets."""
        signed = _signed(self.widest) * self.band
        target = np.repeat(self.targets, signed.size)
        above = np.tile(signed, self.targets.size)
        start = np.clip(target + above, model.g_min, model.g_max)
        found: list[Options] = []
        for polarity, states in ((0, np.flatnonzero(above < 0)), (1, np.flatnonzero(above > 0))):
            for way in moves.ways(model, polarity, self.band):
                costs, places = self._way(model, way, start[states], target[states], noise, pulse_cost)
                found.append((states, costs, places))
        return found

    def _way(
        self, model: StepModel, way: moves.Way, start: Floats, target: Floats, noise: float, pulse_cost: float
    ) -> tuple[Floats, tuple[Ints, Ints, Ints]]:
        """Return what moves from `start` cost with the reading after them, and where in the table they lead."""
        ones, before, more = np.ones(start.size), np.zeros(start.size), 0
        if way is moves.Way.AGAIN:
            start, before = moves.bottom(model, np.full(start.size, model.usual[1]), start, ones)
            more = 1
        every = np.arange(len(model.levels[way.polarity]))[:, None]
        number = moves.numbers(model, way.polarity, every, ones, start, target)
        moved, variance = moves.train(model, way.polarity, every, start, number, ones)
        near = np.broadcast_to(self.near(target), moved.shape)
        places = self._places(near, start + moved - target, np.sqrt(before + variance + noise**2))
        return np.asarray(1.0 + pulse_cost * (number + more)), places


def _axis(count: int, widest: float) -> Floats:
    """Return 0 and rising values up to the widest."""
    return np.concatenate(([0.0], np.geomspace(CLOSEST, widest, count - 1)))


def _signed(widest: float) -> Floats:
    """Return distances (2 SIDE + 1,) over the band, from far below to far above."""
    side = _axis(SIDE + 1, widest)
    return np.concatenate((-side[:0:-1], side))


def _place(values: Floats, count: int, widest: float) -> Ints:
    """Return the nearest entry of `_axis`."""
    scale = (count - 2) / np.log(widest / CLOSEST)
    place = 1.0 + np.log(np.maximum(values, 1e-9) / CLOSEST) * scale
    return np.clip(np.rint(place), 0, count - 1).astype(np.int64)


def _after(above: Floats, widest: float) -> Floats:
    """Return what each distance counts (distances x spreads, distances) where a mean and a spread are predicted.

    Distances within the band count nothing: there the loop ends.
    """
    nodes = np.linspace(-4.0, 4.0, NODES)
    weights = np.exp(-0.5 * nodes**2)
    weights /= weights.sum()
    spreads = _axis(SPREADS, widest)
    there = (above[:, None, None] + spreads[None, :, None] * nodes).reshape(-1, NODES)
    outside = np.where(np.abs(there) <= 1.0, 0.0, weights)
    right = np.clip(np.searchsorted(above, there), 1, above.size - 1)
    share = np.clip((there - above[right - 1]) / (above[right] - above[right - 1]), 0.0, 1.0)
    found = np.zeros((there.shape[0], above.size))
    line = np.arange(there.shape[0])[:, None]
    np.add.at(found, (line, right), outside * share)
    np.add.at(found, (line, right - 1), outside * (1.0 - share))
    return found


def _table(after: Floats, value: Floats) -> Floats:
    """Return the table of an outlook from the values (TARGETS, distances) of known distances."""
    return (value @ after.T).reshape(value.shape[0], value.shape[1], SPREADS)
