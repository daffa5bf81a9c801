"""What the host believes about every cell: a mean and a variance, moved by pulses and narrowed by readings."""

import numpy as np
from numpy.typing import NDArray

from hwctl.devices.cellsteps import Steps
from hwctl.devices.steps import StepModel

Floats = NDArray[np.float64]


class Tracker:
    """Estimated conductances of a layer's device matrix."""

    def __init__(self, model: StepModel, shape: tuple[int, int], steps: Steps | None = None) -> None:
        """Start without knowledge: mid-range, with the range's spread. steps: of each cell; None: the model's."""
        self._model = model
        self._steps = model if steps is None else steps
        self._span = model.g_max - model.g_min
        self._ignorance = self._span**2 / 12
        self._floor = model.write_noise**2 + model.read_noise**2
        self.mean = np.full(shape, model.g_min + self._span / 2)
        """S"""
        self.variance = np.full(shape, self._ignorance)
        """S^2"""

    def predict(
        self, where: tuple[NDArray[np.int64], ...], counts: NDArray[np.int64], levels: NDArray[np.int64]
    ) -> None:
        """Move the means of cells by signed pulse counts at drive levels, each (cells,), and widen their variance.

        The step is taken at the present mean: right for trains that are short against the range.
        """
        own = self._steps.at(where)
        at = own.index(self.mean[where])
        number = np.abs(counts)
        moved, sigmas = np.zeros(at.shape), np.zeros(at.shape)
        for polarity, pulsed in enumerate((counts > 0, counts < 0)):
            if pulsed.any():
                moved[pulsed], sigmas[pulsed] = own.at(pulsed).trains(
                    polarity, levels[pulsed], at[pulsed], number[pulsed]
                )
        # A train of a device that saturates must not be predicted past where its steps end.
        self.mean[where] = np.clip(self.mean[where] + moved, own.g_min, own.g_max)
        # Of the state alone: write noise is drawn anew by each pulse, and `observe` knows it.
        self.variance[where] = np.minimum(self.variance[where] + sigmas**2, self._ignorance)

    def forget(self) -> None:
        """Take back what was known: pulses were sent that nobody counted cell by cell."""
        self.variance[...] = self._ignorance

    def renew(self, where: tuple[NDArray[np.int64], ...], readings: Floats, averages: int) -> None:
        """Take readings in S as all that is known of cells: they were pulsed in between by who read them."""
        self.variance[where] = self._ignorance
        self.observe(where, readings, averages)

    def observe(
        self, where: tuple[NDArray[np.int64], ...] | tuple[slice, slice], readings: Floats, averages: int
    ) -> None:
        """Take readings in S (NaN where the converter saturated) into account, weighted by what is known already."""
        noise = self._model.write_noise**2 + self._model.read_noise**2 / averages
        known = self.variance[where]
        gain = known / (known + noise + 1e-30)
        good = ~np.isnan(readings)
        self.mean[where] = np.where(good, self.mean[where] + gain * (readings - self.mean[where]), self.mean[where])
        self.variance[where] = np.where(good, known * (1.0 - gain), known)

    def unsure(self, share: float) -> bool:
        """Return whether standard deviations exceed `share` of the range, root mean square, and readings would help."""
        variance = float(self.variance.mean())
        return variance > max((share * self._span) ** 2, 2.0 * self._floor)

    def stale(self, wished: Floats, where: tuple[NDArray[np.int64], ...], share: float) -> NDArray[np.bool_]:
        """Return which cells' standard deviation exceeds `share` times the wished change, and a reading would help."""
        variance = self.variance[where]
        return (variance > (share * wished) ** 2) & (variance > 2.0 * self._floor)
