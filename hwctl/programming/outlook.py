"""What a distance from the target still costs: readings and pulses to be expected, by value iteration."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwctl.crossbar.results import Floats

TRAINS = np.array([1, 2, 3, 4, 6, 8, 12, 16, 24, 32])  # pulses of one move that are weighed
NODES = 41  # of the normal distribution
DISTANCES = 96
SPREADS = 64
ITERATIONS = 15
CLOSEST = 0.05  # of the band: spreads and distances below it are as good as none


@dataclass(frozen=True)
class Outlook:
    """Cost still to come for a cell of which mean distance and spread are predicted, in units of one reading."""

    table: Floats
    """(DISTANCES, SPREADS)"""
    band: float
    """S either way of the target, within which a reading ends the loop."""
    widest: float
    """Largest distance and spread of the table, over the band."""

    @classmethod
    def of(
        cls, band: float, span: float, largest: float, relative: float, floor: float, pulse_cost: float
    ) -> "Outlook":
        """Work it out for a device.

        band: S either way within which a cell is done; span: S, the device's range; largest: S, step of the strongest
        pulse; relative: standard deviation of one step over its mean; floor: S, spread of a reading that no number of
        pulses lowers; pulse_cost: of one pulse, in readings.
        """
        widest = max(span / band, 4.0)
        distances, spreads = _axis(DISTANCES, widest), _axis(SPREADS, widest)
        nodes = np.linspace(-4.0, 4.0, NODES)
        weights = np.exp(-0.5 * nodes**2)
        weights /= weights.sum()
        # One move from a distance: with n pulses that are aimed at the target, the spread falls with their root.
        pulses = np.maximum(TRAINS, distances[:, None] * (band / largest))
        aimed = np.sqrt((relative * distances[:, None]) ** 2 / pulses + (floor / band) ** 2)
        value = np.log1p(distances)
        for _ in range(ITERATIONS):
            after = _expected(value, distances, np.zeros(1), aimed.ravel(), nodes, weights).reshape(aimed.shape)
            value = (1.0 + pulse_cost * pulses + after).min(axis=1)
        table = _expected(value, distances, distances[:, None], spreads[None, :], nodes, weights)
        return cls(table, band, widest)

    def __call__(self, distance: Floats, spread: Floats) -> Floats:
        """Return the cost after a move that leads to `distance` from the target on average, give or take `spread`.

        Both in S; the shapes broadcast.
        """
        i, j = (
            _place(np.abs(values) / self.band, count, self.widest)
            for values, count in ((distance, DISTANCES), (spread, SPREADS))
        )
        return self.table[i, j]


def _axis(count: int, widest: float) -> Floats:
    """Return 0 and rising values up to the widest."""
    return np.concatenate(([0.0], np.geomspace(CLOSEST, widest, count - 1)))


def _place(values: Floats, count: int, widest: float) -> NDArray[np.int64]:
    """Return the nearest entry of `_axis`."""
    scale = (count - 2) / np.log(widest / CLOSEST)
    place = 1.0 + np.log(np.maximum(values, 1e-9) / CLOSEST) * scale
    return np.clip(np.rint(place), 0, count - 1).astype(np.int64)


def _expected(value: Floats, distances: Floats, mean: Floats, spread: Floats, nodes: Floats, weights: Floats) -> Floats:
    """Return the mean of `value` over normal distributions of the signed distance; within the band it is 0."""
    there = np.abs(mean[..., None] + spread[..., None] * nodes)
    costs = np.where(there <= 1.0, 0.0, np.interp(there, distances, value))
    return costs @ weights
