"""The range of every cell: driven to either end by its strongest pulses until nothing changes any more."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwctl.calibration.probe import Ints, Probe, Stage
from hwctl.crossbar.results import Floats

BATCH = 2  # pulses between two readings
FEWEST = 3  # batches that together have to change nothing; more where the budget allows
DRIFT = 0.02  # of the way: cells that on average may still have moved by more in those batches were not at an end
SURE = 2.0  # standard errors of that average


@dataclass(frozen=True)
class Bound:
    """One end of the range, each array (cells,)."""

    found: Floats
    """S: mean of the readings at the end; NaN where the end was not reached. Nothing is extrapolated."""
    error: Floats
    """S: standard error, with what a cell may still have been away from the end."""
    furthest: Floats
    """S: where the cell was left, reached or not."""

    @property
    def reached(self) -> NDArray[np.bool_]:
        """Return which cells reached the end."""
        return np.isfinite(self.found)


def bound(probe: Probe, sign: int, moves: NDArray[np.bool_], sigma: float, most: int) -> Bound:
    """Drive cells up (sign 1) or down (-1), at most `most` pulses each.

    moves (cells,): the others are left alone. sigma: S, of what is seen at one reading. A cell is there once several
    batches together changed it by no more than noise explains, twice the standard deviation of a difference.
    """
    level = np.full(probe.cells, probe.levels(0 if sign > 0 else 1) - 1)
    window, still = max(FEWEST, most // (8 * BATCH)), 2.0 * np.sqrt(2.0) * sigma
    start = probe.present
    readings, found, drift = [start], np.full(probe.cells, np.nan), np.zeros(probe.cells)
    going, reached = moves & np.isfinite(start), np.zeros(probe.cells, np.bool_)
    for _ in range(most // BATCH):
        counts: Ints = np.where(going & (probe.left >= BATCH), sign * BATCH, 0)
        if not counts.any():
            break
        readings.append(probe.pulse(Stage.BOUNDS, counts, level))
        if len(readings) > window:
            last = np.array(readings[-window - 1 :])
            change = sign * (last[-1] - last[0])
            quiet = going & (change <= still)
            found[quiet], drift[quiet] = last[1:, quiet].mean(axis=0), change[quiet]
            reached |= quiet
        going &= ~reached & np.isfinite(probe.present)
    if reached.any():
        still_moving = drift[reached].mean() + SURE * drift[reached].std() / np.sqrt(reached.sum())
        if not still_moving <= DRIFT * sign * (probe.present - start)[reached].mean():
            reached[:] = False
    return Bound(
        np.where(reached, found, np.nan),
        np.where(reached, np.hypot(sigma / np.sqrt(window), still / 8), np.nan),
        probe.present,
    )
