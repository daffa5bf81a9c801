"""The symmetry point: where a cell comes to rest under SET and RESET pulses in turns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwctl.calibration.estimate import UNKNOWN, Estimate
from hwctl.calibration.fit import Curves
from hwctl.calibration.probe import Ints, Probe, Stage
from hwctl.crossbar.results import Floats
from hwctl.devices import law
from hwctl.protocol.codes import CURVE_ENTRIES

FEWEST = 8  # pairs: less shows nothing
SURE = 2.0  # standard errors of what all cells together still drift
WIDE = 6  # entries of a curve either way by which the slope is taken
NEAR = 0.05  # of the range: so near their point of rest all cells together have to be, for sure


@dataclass(frozen=True)
class Balance:
    """Where the step curves of a SET and a RESET level cancel, in places 0 to 1 of a cell's range."""

    place: Estimate
    slope: float
    """By how much a pair moves a cell back for each unit of distance from there; 0 where they do not cancel."""


@dataclass(frozen=True)
class Symmetry:
    """Conductances in S; arrays are (cells,)."""

    found: Floats
    """Mean reading behind SET and RESET pulses once nothing drifts; NaN where it did not come to that."""
    error: Floats
    furthest: Floats
    """Where the cell was left, at rest or not."""
    place: Estimate
    """Of all cells, 0 to 1 of their ranges; NaN where they may still have been on their way."""
    drift: Estimate
    """Of the range, by the last half of all pairs: positive upwards."""
    balance: Balance
    pairs: int


def balance(up: Curves, down: Curves, levels: tuple[int, int]) -> Balance:
    """Return where pooled curves of SET and RESET at these drive levels cancel."""
    net = up.pooled[levels[0]] - down.pooled[levels[1]]
    error = np.hypot(up.pooled_error[levels[0]], down.pooled_error[levels[1]])
    crossing = np.flatnonzero((net[:-1] > 0) & (net[1:] <= 0) & (up.observed[levels[0]] & down.observed[levels[1]])[1:])
    if crossing.size == 0:
        return Balance(UNKNOWN, 0.0)
    i, places = int(crossing[0]), law.entry_centres()
    around = slice(max(i - WIDE, 0), i + WIDE + 1)
    slope = -float(np.polyfit(places[around], net[around], 1)[0])
    if slope <= 0:
        return Balance(UNKNOWN, 0.0)
    share = net[i] / (net[i] - net[i + 1])
    return Balance(Estimate(float(places[i] + share / CURVE_ENTRIES), float(error[i]) / slope), slope)


def symmetry(
    probe: Probe, moves: NDArray[np.bool_], low: Floats, high: Floats, levels: tuple[int, int], balanced: Balance,
    pairs: int,
) -> Symmetry:  # fmt: skip
    """Send a SET and a RESET pulse in turns, and read behind each. At most 2 * pairs pulses a cell.

    moves, low, high (cells,): the cells that are pulsed, and their ranges in S. levels: drive levels of SET and RESET;
    balanced: where their curves cancel. A drift as small as the one seen may be that of cells at rest, or of cells that
    are slow: the slope there says which.
    """
    going = moves & np.isfinite(probe.present) & (probe.left >= 2 * pairs)
    counts: Ints = going.astype(np.int64)
    up, down = (np.full(probe.cells, level) for level in levels)
    middles = [
        (probe.pulse(Stage.SYMMETRY, counts, up) + probe.pulse(Stage.SYMMETRY, -counts, down)) / 2
        for _ in range(pairs if going.any() else 0)
    ]
    unknown, quarter = np.full(probe.cells, np.nan), len(middles) // 4
    if len(middles) < FEWEST:
        return Symmetry(unknown, unknown, probe.present, UNKNOWN, UNKNOWN, balanced, len(middles))
    span = np.where(going, high - low, np.nan)
    third, last = (np.mean(part, axis=0) for part in (middles[-2 * quarter : -quarter], middles[-quarter:]))
    change = (last - third) / span
    changes = change[np.isfinite(change)]
    drift = Estimate(float(changes.mean()), float(changes.std() / np.sqrt(changes.size))) if changes.size else UNKNOWN
    # Away from its point of rest by d, a cell comes back by slope * d a pair.
    at_rest = abs(drift.value) + SURE * drift.error < NEAR * balanced.slope * quarter
    found = (third + last) / 2 + 0.0 * span if at_rest else unknown
    # What two quarters differ by is the noise of both; their mean has half its standard deviation.
    error = np.where(np.isfinite(found), span * changes.std() / 2, np.nan)
    places = ((found - low) / span)[np.isfinite(found)]
    place = UNKNOWN
    if places.size:
        still_to_go = (abs(drift.value) + SURE * drift.error) / (balanced.slope * quarter)
        place = Estimate(float(places.mean()), float(np.hypot(places.std() / np.sqrt(places.size), still_to_go / SURE)))
    return Symmetry(found, error, probe.present, place, drift, balanced, len(middles))
