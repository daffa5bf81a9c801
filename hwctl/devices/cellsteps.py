"""What one pulse does to each of some cells that a calibration knows: pooled curves, as each cell sees them."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hwctl.devices.device import Floats
from hwctl.devices.steps import StepModel, moved_by

NARROWEST = 1e-12  # S: range of a cell


@dataclass(frozen=True)
class CellSteps:
    """Cells of one shape, (cells,) or (rows, cols); arrays of both polarities have an axis of 2 before it.

    Methods as of `StepModel`, for which this stands where each cell is known.
    """

    model: StepModel
    """Pooled curves, of the chip's record."""
    g_min: Floats
    """S: to which a cell can be moved; where it is, of one that does not move."""
    g_max: Floats
    """S"""
    low: Floats
    """S: where the curves' lower end is for the cell."""
    stretch: Floats
    """The curves' range over the cell's."""
    gain: Floats
    """Factor of SET and RESET steps, as fractions of a range."""
    gain_error: Floats
    """Standard error of it."""
    offset: NDArray[np.int64]
    """Drive levels by which the cell sees pulses stronger (+) or weaker (-)."""

    @property
    def one_way(self) -> bool:
        """Return whether a RESET goes to the bottom at once."""
        return self.model.one_way

    def at(self, where: Any) -> "CellSteps":
        """Return some of the cells, by any index of their shape."""
        gain, error = (np.stack([each[0][where], each[1][where]]) for each in (self.gain, self.gain_error))
        return CellSteps(
            self.model, self.g_min[where], self.g_max[where], self.low[where], self.stretch[where], gain, error,
            self.offset[where],
        )  # fmt: skip

    def index(self, g: Floats) -> NDArray[np.int64]:
        """Return the nearest grid point of conductances in S, each within its cell's own range."""
        return self.model.index(self.model.g_min + (g - self.low) * self.stretch)

    def within(self, g: Floats, wish: Floats) -> Floats:
        """Return wished changes in S of cells at g in S as far as their bounds let them go."""
        return np.clip(wish, np.minimum(self.g_min - g, 0.0), np.maximum(self.g_max - g, 0.0))

    def curves(self, polarity: int, at: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Return (levels, cells) steps in S, and how far trains lead where steps end within the range."""
        seen = self._seen(polarity, np.arange(len(self.model.levels[polarity]))[:, None])
        steps = self.gain[polarity] * self.model.means[polarity][seen, at]
        return steps / self.stretch, self.model.reach[polarity][seen, at] / self.stretch

    def trains(
        self, polarity: int, levels: NDArray[np.int64], at: NDArray[np.int64], number: NDArray[np.int64] | Floats
    ) -> tuple[Floats, Floats]:
        """Return expected change in S by trains of one polarity, and its standard deviation; arguments broadcast.

        The gain is as uncertain as it was measured, and acts on the whole train. c2c has no gain (docs/cell-law.md).
        """
        seen, gain = self._seen(polarity, levels), self.gain[polarity]
        steps = self.model.means[polarity][seen, at]
        moved = moved_by(gain * steps, self.model.reach[polarity][seen, at], number)
        unsure = self.gain_error[polarity] * steps * number
        sigma = np.sqrt(number * self.model.sigmas[polarity][seen, at] ** 2 + unsure**2)
        return moved / self.stretch, sigma / self.stretch

    def _seen(self, polarity: int, levels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the drive levels that cells see in place of those that are sent."""
        return np.clip(levels + self.offset, 0, len(self.model.levels[polarity]) - 1)


Steps: TypeAlias = StepModel | CellSteps
