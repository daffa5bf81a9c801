"""One closed loop on the host: reads open cells alone, pulses each with its own shape, and counts."""

import numpy as np
from numpy.typing import NDArray

from hwctl.crossbar import Crossbar
from hwctl.crossbar.levels import Levels, pulse_at
from hwctl.crossbar.results import Floats
from hwctl.programming.result import Counts, Mask, Result
from hwctl.protocol.codes import Polarity
from hwctl.protocol.packing import Region


class Loop:
    """The cells of a region that are brought to their targets.

    A cell that is not open any more is neither read nor pulsed.
    """

    def __init__(self, crossbar: Crossbar, region: Region, shapes: Levels) -> None:
        """Take a region, and the pulse shapes of SET and RESET that levels count."""
        self._crossbar = crossbar
        self._region = region
        self._shapes = shapes
        self.open: Mask = np.ones(region.shape, np.bool_)
        self.reading: Floats = np.full(region.shape, np.nan)
        """Last reading of each cell in S; NaN where the converter saturated."""
        self.unreachable: Mask | None = None
        """Cells that are left alone by what a calibration says of them; None: there was none."""
        self.reached: Mask = np.zeros(region.shape, np.bool_)
        self._pulses = np.zeros((2, *region.shape), np.int64)
        self._reads = np.zeros(region.shape, np.int64)
        self._rounds = 0

    def read(self, chosen: Mask | None = None, averages: int = 1) -> None:
        """Read cells that are chosen (rows, cols), by default all open ones: so many conversions each."""
        chosen = self.open if chosen is None else chosen
        rows, cols = np.nonzero(chosen)
        self.reading[chosen] = self._crossbar.read_cells(
            rows + self._region.row0, cols + self._region.col0, averages=averages
        )
        self._reads[chosen] += averages

    def close(self, reached: Mask) -> None:
        """Leave cells (rows, cols) alone from now on: their targets are reached."""
        self.reached |= reached
        self.open &= ~reached

    def pulse(self, counts: Counts, levels: Counts, reset: int | None = None, again: Mask | None = None) -> None:
        """Send signed counts (rows, cols), each cell at its own level of the shapes of its polarity.

        reset: level of one RESET that goes to the cells `again` (rows, cols) before; None: to none.
        """
        self._rounds += 1
        if again is not None and again.any():
            self._send(-again.astype(np.int64), np.full(again.shape, reset))
        self._send(counts, levels)

    def _send(self, counts: Counts, levels: Counts) -> None:
        for polarity, sign in ((Polarity.SET, 1), (Polarity.RESET, -1)):
            self._pulses[polarity] += np.maximum(sign * counts, 0)
        pulse_at(self._crossbar, self._shapes, counts, levels, self._region)

    @property
    def pulses(self) -> Counts:
        """Pulses of each cell so far (rows, cols)."""
        return self._pulses[0] + self._pulses[1]

    def result(self) -> Result:
        """Return what was done so far."""
        ups, downs = self._pulses
        return Result(self.reached, self.reading, ups, downs, self._reads, self._rounds, unreachable=self.unreachable)


def directions(wish: NDArray[np.float64]) -> Counts:
    """Return +1 where the conductance must rise, else -1; a reading that saturated (NaN) is too high."""
    return np.where(wish > 0, 1, -1)
