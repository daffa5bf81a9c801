"""Readings that are averaged until each cell is known well enough, by its own scatter."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hwctl.crossbar import Crossbar
from hwctl.crossbar.levels import Levels
from hwctl.crossbar.results import Floats
from hwctl.crossbar.scatter import beyond_chance
from hwctl.crossbar.waiting import let_pass
from hwctl.errors import LimitError
from hwctl.programming.loop import Loop
from hwctl.programming.result import Counts, Mask
from hwctl.protocol.codes import MAX_AVERAGES_LOG2
from hwctl.protocol.packing import Region

VISITS = 16  # readings of a cell, one after the other, of which the scatter is taken
MOST = 1 << 14  # conversions of a cell at most
LONGEST_PAUSE = 10.0  # s between two readings of a cell


@dataclass(frozen=True)
class PreciseReading:
    """What repeated readings say of cells, each array (cells,)."""

    mean: Floats
    """S; NaN where the converter saturated once."""
    error: Floats
    """S: standard error of the mean, with what the converter's steps leave of it; NaN where the mean is."""
    conversions: Counts
    unquiet: Mask
    """Averaging did not bring the error below what was wished, or the converter saturated."""
    noisy: Mask
    """The cell scatters more than usual, as random telegraph noise does; its mean is over all of its states."""
    noise: Floats
    """S: standard deviation of one conversion, were all of a cell's noise white."""


def resolution(crossbar: Crossbar) -> float:
    """Return one step of the converter of READ in S: finer is what averaging makes of readings that noise spreads."""
    return crossbar.units.siemens_per_reading * float(1 << crossbar.units.read_range)


def read_precisely(
    crossbar: Crossbar,
    rows: ArrayLike,
    cols: ArrayLike,
    wish: float,
    *,
    most: int = MOST,
    pause: float = 0.0,
    usual: float | None = None,
) -> PreciseReading:
    """Read listed cells (cells,) of the array until the standard error of each is `wish` in S or less.

    Each cell is read VISITS times, then with twice the conversions each as long as it needs them. The scatter is that
    of VISITS equal blocks of its readings in their order (Flyvbjerg and Petersen, J. Chem. Phys. 91 (1989) 461), so
    that noise that is slow against a reading counts with its true weight; what is slower than all of them together is
    not seen. most: conversions of a cell, VISITS or more; a cell that would need more is returned as it is and named
    unquiet. pause: s between two visits, 0 to LONGEST_PAUSE: virtual time of an emulated board, or the host waits.
    usual: S, the standard deviation of a conversion, beyond which cells are noisy; default what half of these cells
    show. The list may be empty. Raises LimitError.
    """
    if not wish > 0 or most < VISITS or not 0 <= pause <= LONGEST_PAUSE:
        raise LimitError(
            f"a standard error of {wish * 1e6:.4g} uS, at most {most} conversions, {pause:g} s between them; give an "
            f"error above 0, {VISITS} conversions or more, and a pause of 0 to {LONGEST_PAUSE:g} s"
        )
    at_rows, at_cols = np.asarray(rows, np.int64), np.asarray(cols, np.int64)
    blocks = _visit(crossbar, at_rows, at_cols, 1, pause)
    used = np.full(at_rows.shape, VISITS)
    open_cells, averages = np.arange(at_rows.size), 1
    step = resolution(crossbar)
    bias = steps_leave(step, _pooled_noise(blocks, step) if usual is None else usual)
    while 2 * VISITS * averages <= most and averages <= 1 << MAX_AVERAGES_LOG2:
        # More conversions do nothing about what the steps leave.
        spread = _spread(blocks[:, open_cells])
        open_cells = open_cells[(np.hypot(spread, bias) > wish) & (spread > bias / 2)]
        if not open_cells.size:
            break
        new = _visit(crossbar, at_rows[open_cells], at_cols[open_cells], averages, pause)
        both = np.concatenate([blocks[:, open_cells], new])
        blocks[:, open_cells] = both.reshape(VISITS, 2, -1).mean(axis=1)
        used[open_cells] *= 2
        averages *= 2
    error = np.hypot(_spread(blocks), bias)
    single = blocks.var(axis=0, ddof=1) * (used / VISITS)
    least = crossbar.units.siemens_per_reading**2 / 12
    noisy = beyond_chance(single, VISITS - 1, least, None if usual is None else usual**2) & np.isfinite(single)
    return PreciseReading(blocks.mean(axis=0), error, used, ~(error <= wish), noisy, np.sqrt(single))


def _visit(crossbar: Crossbar, rows: Counts, cols: Counts, averages: int, pause: float) -> Floats:
    """Return VISITS readings of cells, (VISITS, cells)."""
    found = np.empty((VISITS, rows.size))
    for visit in range(VISITS):
        found[visit] = crossbar.read_cells(rows, cols, averages=averages)
        if pause:
            let_pass(crossbar, pause)
    return found


def _spread(blocks: Floats) -> Floats:
    """Return the standard error of the mean of blocks (VISITS, cells)."""
    return np.asarray(blocks.std(axis=0, ddof=1) / np.sqrt(VISITS))


def steps_leave(step: float, noise: float) -> float:
    """Return the error in S, root mean square over the cells, that the converter's steps leave after any averaging.

    noise: S, standard deviation of one conversion. What rounding leaves of a mean is a Fourier series over the place
    within a step; normal noise multiplies its terms by the distribution's characteristic function. Without noise they
    sum up to step / sqrt(12).
    """
    terms = np.arange(1.0, 101.0)
    powers = np.exp(-((2.0 * np.pi * terms * noise / step) ** 2)) / (2.0 * (np.pi * terms) ** 2)
    return float(step * np.sqrt(powers.sum()))


def _pooled_noise(visits: Floats, step: float) -> float:
    """Return the standard deviation of a conversion in S before the converter's steps, from readings (VISITS, cells).

    Over many cells the variance of what the converter shows is s^2 + step^2 / 12, less that of what the steps leave.
    The fifth of the cells that scatters most is left out, as some are noisy.
    """
    variances = np.sort(visits.var(axis=0, ddof=1)[np.isfinite(visits).all(axis=0)])
    if not variances.size:
        return 0.0
    seen = float(variances[: max(int(0.8 * variances.size), 1)].mean())
    noises = step * np.linspace(0.0, 2.0, 201)
    shown = noises**2 + step**2 / 12 - np.array([steps_leave(step, s) for s in noises.tolist()]) ** 2
    return float(np.interp(seen, shown, noises)) if seen < shown[-1] else float(np.sqrt(seen))


class PreciseLoop(Loop):
    """A closed loop of which every reading is averaged until the cell is known to a standard error."""

    def __init__(
        self, crossbar: Crossbar, region: Region, shapes: Levels, wish: float, most: int, pause: float, usual: float
    ) -> None:
        """Take what `Loop` and `read_precisely` take."""
        super().__init__(crossbar, region, shapes)
        self._asked = wish, most, pause, usual

    def read(self, chosen: Mask | None = None, averages: int = 1) -> None:
        """Read chosen cells (rows, cols), by default all open ones, as precisely as it was asked for."""
        chosen = self.open if chosen is None else chosen
        rows, cols = np.nonzero(chosen)
        wish, most, pause, usual = self._asked
        found = read_precisely(
            self._crossbar,
            rows + self._region.row0,
            cols + self._region.col0,
            wish,
            most=most,
            pause=pause,
            usual=usual,
        )
        self.reading[chosen] = found.mean
        self._reads[chosen] += found.conversions
