"""What the other cells of a line do to a cell: half-select disturb while they are pulsed, wires while it is read.

Some cells are left alone and read while all others are driven to the bottom and back up. What the left ones show
changes because half-selects move them (`hwctl.devices.disturb`), and because more conductance on their lines takes more
of the voltage away (`hwctl.devices.wires`). Half-selects act on all alike, wires on the far ends most: so one
least-squares fit tells them apart.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwctl.calibration.estimate import UNKNOWN, Estimate, bootstrap
from hwctl.calibration.probe import Ints, Probe, Stage
from hwctl.crossbar.results import Floats
from hwctl.devices.disturb import Disturb
from hwctl.devices.wires import WireNetwork

LEFT = 8  # one cell in so many is left alone
TRAINS = 2  # down and up
RAISED = 0.5  # of the cells that are left alone
SETTLED = 1.0  # s after which relaxation is slower than the trains that follow
FEWEST = 16  # cells that a fit needs
LARGE = 10.0  # standard deviations of a reading: what conducts less is left out
TURNS = 15  # of Gauss and Newton's method
SLOPES = 0.02  # relative step from which on slopes are taken anew; they cost the most
STEPS = np.array([0.1, 0.1, 1e-6, 1e-6])  # ohm, and shares: small ones, for slopes
MOST = np.array([1e3, 1e3, 0.1, 0.1])  # ohm, and shares: what is beyond is no disturb
INVERSIONS = 4  # improvements of a guess a turn


@dataclass(frozen=True)
class Loads:
    """Each with its standard error."""

    row_ohm: Estimate
    """Ohm of a wire's segment between two cells of a row."""
    col_ohm: Estimate
    half_select_set: Estimate
    """Share of the way to its upper bound that a half-select by SET takes a cell."""
    half_select_reset: Estimate
    """Of the way to its lower bound, by RESET."""


NOTHING = Loads(UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN)


def loads(
    probe: Probe, moves: NDArray[np.bool_], low: Floats, high: Floats, sigma: float, pulses: int,
    rng: np.random.Generator,
) -> Loads:  # fmt: skip
    """Drive all cells but some down and up. At most `pulses` a cell.

    moves, low, high (cells,): the cells that are pulsed, and their ranges in S. sigma: S, of one reading.
    """
    length = pulses // TRAINS
    still = ~moves | (rng.integers(0, LEFT, probe.cells) == 0)
    if length == 0 or still.all():
        return NOTHING
    level = np.array([probe.levels(0) - 1, probe.levels(1) - 1])
    # What conducts much shows what the wires take, and what RESETs do; the others, what SETs do.
    raised = still & moves & (probe.left >= length) & (rng.random(probe.cells) < RAISED)
    probe.pulse(Stage.LOADS, np.where(raised, length, 0), np.full(probe.cells, level[0]))
    probe.wait(SETTLED)
    shown, events = [probe.read()], []
    for train in range(TRAINS):
        polarity = 1 - train % 2
        counts: Ints = np.where(still | (probe.left < length), 0, length if polarity == 0 else -length)
        events.append(Disturb(0.0, 0.0).half_select_events(counts.reshape(probe.region.shape)).reshape(-1))
        shown.append(probe.pulse(Stage.LOADS, counts, np.full(probe.cells, level[polarity])))
    readings = np.array(shown)
    seen = still & moves & np.isfinite(readings).all(axis=0) & (readings.min(axis=0) > LARGE * sigma)
    if seen.sum() < FEWEST:
        return NOTHING
    found, error = _fit(readings, np.array(events), seen, low, high, probe.region.shape, rng)
    estimates = [Estimate(float(v), float(e)) for v, e in zip(found, error, strict=True)]
    return Loads(estimates[0], estimates[1], estimates[3], estimates[2])


def _fit(
    readings: Floats, events: Ints, seen: NDArray[np.bool_], low: Floats, high: Floats, shape: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Return (row ohm, column ohm, share by RESET, share by SET), and errors by a bootstrap over cells.

    readings: S (1 + trains, cells); events: signed half-selects (trains, cells).
    """
    shown = np.nan_to_num(readings, nan=float(np.nanmax(readings))).reshape(-1, *shape)
    pulsed, bottom, top = events[:, seen], low[seen], high[seen]
    weight = readings[:-1, seen] ** 2  # a relative change has the error of 1 / G

    def without(ohm: Floats, guess: Floats) -> Floats:
        return np.array([_without_wires(s, g, ohm) for s, g in zip(shown, guess, strict=True)])

    def rest(true: Floats, shares: Floats) -> Floats:
        """Return the relative change (trains, seen) that disturb by `shares` does not explain."""
        of_seen = true.reshape(readings.shape)[:, seen]
        return of_seen[1:] / _disturbed(of_seen[:-1], pulsed, bottom, top, shares) - 1.0

    def slopes(found: Floats, true: Floats) -> Floats:
        """Return how the rest falls with each figure, (trains, seen, 4)."""
        ohm, shares, steps = found[:2], found[2:], np.diag(STEPS)
        true = without(ohm, true)  # as far from its end as the others, so that this cancels
        here = rest(true, shares)
        others = [rest(without(ohm + step[:2], true), shares) for step in steps[:2]]
        others += [rest(true, shares + step[2:]) for step in steps[2:]]
        return np.stack([(here - other) / d for other, d in zip(others, STEPS, strict=True)], axis=-1)

    def solved(drawn: Floats, left: Floats, design: Floats) -> Floats:
        w = weight * drawn
        normal = np.einsum("tcp,tc,tcq->pq", design, w, design)
        return np.linalg.pinv(normal) @ np.einsum("tcp,tc,tc->p", design, w, left)

    every, found, true, step = np.ones(int(seen.sum())), np.zeros(4), shown, np.full(4, np.inf)
    for _ in range(TURNS):
        if (np.abs(step) > SLOPES * np.maximum(STEPS, found)).any():
            design = slopes(found, true)
        step = np.clip(found + solved(every, rest(true, found[2:]), design), 0.0, MOST) - found
        found = found + step
        true = without(found[:2], true)
        if (np.abs(step) <= np.maximum(0.1 * STEPS, 1e-3 * found)).all():
            break
    else:
        return np.full(4, np.nan), np.full(4, np.nan)
    left = rest(true, found[2:])
    more, error = bootstrap(lambda drawn: solved(drawn, left, design), every.size, rng)
    return found + more, error


def _disturbed(start: Floats, events: Ints, low: Floats, high: Floats, shares: Floats) -> Floats:
    """Return where half-selects (trains, cells), each by a share of the way, lead cells from `start` in S."""
    down, up = (np.exp(np.abs(events) * np.log1p(-share)) for share in shares)
    return np.where(events < 0, low + (start - low) * down, high - (high - start) * up)


def _without_wires(shown: Floats, guess: Floats, ohm: Floats) -> Floats:
    """Return the conductances (rows, cols) in S that wires of so many ohm a segment make appear as `shown`."""
    true = guess
    if not ohm.any():
        return shown
    for _ in range(INVERSIONS):
        seen = WireNetwork(np.maximum(true, 0.0), *ohm.tolist()).read_cells(1.0)
        true = true * np.divide(shown, seen, out=np.ones_like(shown), where=seen > 0)
    return true
