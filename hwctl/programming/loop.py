"""One closed loop on the host: reads open cells alone, pulses each with its own shape, and counts."""

import numpy as np
from numpy.typing import NDArray

from hwctl.crossbar import Crossbar, PulseShape
from hwctl.crossbar.results import Floats
from hwctl.programming.result import Counts, Mask, Result
from hwctl.protocol.codes import MAX_PULSES, Polarity
from hwctl.protocol.packing import Region


class Loop:
    """The cells of a region that are brought to their targets.

    A cell that is not open any more is neither read nor pulsed.
    """

    def __init__(self, crossbar: Crossbar, region: Region, shapes: tuple[list[PulseShape], list[PulseShape]]) -> None:
        """Take a region, and the pulse shapes of SET and RESET that levels count."""
        self._crossbar = crossbar
        self._region = region
        self._numbers = tuple(np.array([shape.number for shape in each]) for each in shapes)
        self.open: Mask = np.ones(region.shape, np.bool_)
        self.reading: Floats = np.full(region.shape, np.nan)
        """Last reading of each cell in S; NaN where the converter saturated."""
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

    def pulse(self, counts: Counts, levels: Counts) -> None:
        """Send signed counts (rows, cols), each cell at its own level of the shapes of its polarity."""
        self._rounds += 1
        shapes = [
            numbers[np.where(np.sign(counts) == sign, levels, 0)]
            for numbers, sign in zip(self._numbers, (1, -1), strict=True)
        ]
        for polarity, sign in ((Polarity.SET, 1), (Polarity.RESET, -1)):
            self._pulses[polarity] += np.maximum(sign * counts, 0)
        while counts.any():
            now = np.clip(counts, -MAX_PULSES, MAX_PULSES)  # the rest follows: nothing is left out
            self._crossbar.pulse_levels(now, shapes[0], shapes[1], self._region)
            counts = counts - now

    @property
    def pulses(self) -> Counts:
        """Pulses of each cell so far (rows, cols)."""
        return self._pulses[0] + self._pulses[1]

    def result(self) -> Result:
        """Return what was done so far."""
        return Result(self.reached, self.reading, self._pulses[0], self._pulses[1], self._reads, self._rounds)


def shapes_of(crossbar: Crossbar) -> tuple[list[PulseShape], list[PulseShape]]:
    """Return every drive level of the board as shapes of SET and of RESET, weak to strong."""
    return crossbar.drive_levels(Polarity.SET), crossbar.drive_levels(Polarity.RESET)


def directions(wish: NDArray[np.float64]) -> Counts:
    """Return +1 where the conductance must rise, else -1; a reading that saturated (NaN) is too high."""
    return np.where(wish > 0, 1, -1)
