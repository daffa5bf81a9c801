"""Between SI units and the integer codes of one board, by the scales that it reports."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwctl.crossbar.results import Floats, OnOverRange
from hwctl.errors import LimitError, OverRange
from hwctl.protocol import codes
from hwctl.protocol.replies import Currents, Identity


class Units:
    """Scales of one board. `read_voltage` (V) is that of a full-scale input and of READ."""

    def __init__(self, identity: Identity, url: str) -> None:
        """Take what the board said of itself; url: for messages."""
        self.identity = identity
        self.read_voltage = 0.2
        self._url = url
        self._ranges: list[int] = identity.tia_ranges.tolist()

    def code(self, name: str, value: float, scale: float, limit: int, unit: str, *, lowest: int = 0) -> int:
        """Return a quantity as a code from `lowest` to `limit`; scale: of one code. Raises LimitError, also on NaN."""
        code = value / scale
        if not lowest - 0.5 < code < limit + 0.5 or round(code) < lowest:
            raise LimitError(
                f"{name} {value:.6g} {unit}; {self._url} takes {lowest * scale:.6g} to {limit * scale:.6g} {unit}"
            )
        return round(code)

    def current_code(self, amperes: float) -> float:
        """Return a current as a fractional code of the most sensitive TIA range."""
        return amperes / self.identity.amperes_per_code

    @property
    def siemens_per_reading(self) -> float:
        """Return what one code of a reading is in S at the present read voltage."""
        return self.identity.amperes_per_code / self.read_voltage

    def conductances(self, readings: NDArray[Any]) -> Floats:
        """Return readings in S, NaN where the converter saturated."""
        return np.where(readings == codes.NO_READING, np.nan, readings * self.siemens_per_reading)

    def inputs(self, voltages: ArrayLike, bits: int) -> tuple[NDArray[Any], float]:
        """Return input codes of voltages (batch, lines), and the largest sum of their sizes over a vector.

        Raises LimitError beyond full scale, or on NaN.
        """
        if bits not in (8, 16):
            raise LimitError(f"inputs of {bits} bits; give 8 or 16")
        top = (1 << bits - 1) - 1
        volts = np.asarray(voltages, np.float64)
        if volts.ndim != 2:
            raise LimitError(f"input voltages of shape {volts.shape}; give (batch, lines)")
        inputs = np.empty(volts.shape, np.int8 if bits == 8 else np.int16)
        largest = self._input_codes(volts, (top + 1) / self.read_voltage, top, inputs)
        if largest < 0.0:
            raise LimitError(
                f"an input voltage is NaN or beyond {self.read_voltage * top / (top + 1):.6g} V; scale the inputs"
            )
        return inputs, largest

    @cached_property
    def _input_codes(self) -> Callable[..., float]:
        from hwctl.crossbar.kernels import input_codes  # noqa: PLC0415  numba: slow to import

        return input_codes

    def range_for(self, peak: float) -> int:
        """Return the most sensitive TIA range that holds a peak in current codes."""
        for tia_range in self._ranges:
            if peak < 2047 << tia_range:
                return tia_range
        return self._ranges[-1]

    @property
    def read_range(self) -> int:
        """TIA range of READ: the least sensitive that it may use, which spans all conductances of the device."""
        return max(one for one in self._ranges if one <= codes.MAX_READ_RANGE)

    def has_range(self, tia_range: int) -> bool:
        """Return whether the board has a TIA range."""
        return tia_range in self._ranges

    def less_sensitive(self, tia_range: int) -> int | None:
        """Return the next TIA range up, or None where there is none."""
        return next((r for r in self._ranges if r > tia_range), None)

    def currents(self, reply: Currents, saturated: int, over_range: OnOverRange) -> Floats:
        """Return sensed currents in A; saturated: how many are. Raises OverRange, or gives NaN there."""
        scale = self.identity.amperes_per_code * (1 << reply.tia_range)
        if not saturated:
            return np.asarray(reply.currents * scale, np.float64)
        if over_range == "raise":
            raise OverRange(f"{saturated} of {reply.currents.size} lines saturate; lower the input voltages")
        return np.where(reply.over_range, np.nan, reply.currents * scale)
