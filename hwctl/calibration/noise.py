"""Read noise: every cell is read again and again, without a pulse in between."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwctl.calibration.probe import Probe
from hwctl.crossbar.results import Floats
from hwctl.crossbar.scatter import beyond_chance

READINGS = 32  # of each cell at each number of averages
AVERAGES = (1, 4, 16, 64)


@dataclass(frozen=True)
class ReadNoise:
    """Scatter of readings."""

    averages: tuple[int, ...]
    pooled: Floats
    """S (averages,): standard deviation of a reading, over the cells that are not flagged."""
    pooled_error: Floats
    """S (averages,): standard error of it."""
    cells: Floats
    """S (averages, cells)"""
    flagged: NDArray[np.bool_]
    """(cells,): averaging does not quieten them, as of RTN."""

    def of(self, averages: int) -> float:
        """Return the standard deviation in S of a reading of so many conversions, at least that of the most."""
        return float(max(self.pooled[0] / np.sqrt(averages), self.pooled[-1] if averages < self.averages[-1] else 0.0))


def read_noise(probe: Probe) -> ReadNoise:
    """Read a region READINGS times at each number of averages. No pulse is sent."""
    scatter = []
    for number in AVERAGES:
        readings = np.array([probe.read(number) for _ in range(READINGS)])
        scatter.append(readings.std(axis=0, ddof=1))
    cells = np.array(scatter)
    flagged = beyond_chance(cells[-1] ** 2, READINGS - 1)
    quiet = cells[:, ~flagged]
    pooled = np.sqrt(np.nanmean(quiet**2, axis=1))
    degrees = max(np.isfinite(quiet[0]).sum() * (READINGS - 1), 1)
    return ReadNoise(AVERAGES, pooled, pooled / np.sqrt(2.0 * degrees), cells, flagged)
