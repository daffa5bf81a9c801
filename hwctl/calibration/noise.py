"""Read noise: every cell is read again and again, without a pulse in between."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from hwctl.calibration.probe import Probe
from hwctl.crossbar.results import Floats

READINGS = 32  # of each cell at each number of averages
AVERAGES = (1, 4, 16, 64)
UNUSUAL = 1e-4  # share of quiet cells that may be called noisy


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
    flagged = _noisy(cells[-1])
    quiet = cells[:, ~flagged]
    pooled = np.sqrt(np.nanmean(quiet**2, axis=1))
    degrees = max(np.isfinite(quiet[0]).sum() * (READINGS - 1), 1)
    return ReadNoise(AVERAGES, pooled, pooled / np.sqrt(2.0 * degrees), cells, flagged)


def _noisy(scatter: Floats) -> NDArray[np.bool_]:
    """Return which cells scatter more than chance allows: their variance over the median's is beyond chi-square."""
    variances = scatter**2
    usual = np.nanmedian(variances)
    degrees = READINGS - 1
    # Wilson and Hilferty's cube root makes chi-square nearly normal (PNAS 17 (1931) 684).
    limit = degrees * (1 - 2 / (9 * degrees) + NormalDist().inv_cdf(1 - UNUSUAL) * np.sqrt(2 / (9 * degrees))) ** 3
    return np.asarray(~(variances * degrees <= limit * usual))
