"""A converter of fewer bits than the board's own 12: of its codes only every 2^(12-N)th occurs.

A code is rounded half up to the nearest of these, 0 among them (mid-tread). As with 12 bits, what would round to a code
beyond the highest is over range, and what was over range stays so. Each conversion is rounded, then the board averages.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwctl.protocol.codes import ADC_BITS, NO_CURRENT, NO_READING

Int64 = NDArray[np.int64]
Readings = NDArray[np.uint16]
Currents = NDArray[np.int16]
MOST, MOST_SIGNED = (1 << ADC_BITS) - 1, (1 << ADC_BITS - 1) - 1  # codes of the 12 bits


@dataclass(frozen=True)
class Converter:
    """Rounds what the 12-bit converter gave to N bits."""

    bits: int
    """1 to 12"""

    def current_codes(self, codes: Currents) -> Currents:
        """Return signed codes of any shape, -2048 to 2047 or NO_CURRENT, as this converter gives them."""
        rounded = self._rounded(codes.astype(np.int64))
        over = (codes == NO_CURRENT) | (rounded > MOST_SIGNED)
        return np.where(over, NO_CURRENT, rounded).astype(np.int16)

    def reading(self, convert: Callable[[int], Readings], averages_log2: int, tia_range: int, index: int) -> Readings:
        """Return the mean of 2^averages_log2 conversions, NO_READING where one is over range.

        convert: gives one conversion with the 12 bits at a noise index, codes shifted left by `tia_range`.
        """
        times = 1 << averages_log2
        total: Any = 0
        over: Any = False
        for n in range(times):
            one = convert((index + n) & 0xFFFFFFFF)
            rounded = self._rounded(one.astype(np.int64) >> tia_range)
            total, over = total + rounded, over | (one == NO_READING) | (rounded > MOST)
        mean = ((total << tia_range) + (times >> 1)) >> averages_log2
        return np.where(over, NO_READING, mean).astype(np.uint16)

    @property
    def _shift(self) -> int:
        return ADC_BITS - self.bits

    def _rounded(self, codes: Int64) -> Int64:
        return (codes + (1 << self._shift >> 1)) >> self._shift << self._shift
