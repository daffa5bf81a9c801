"""What pulses and reads do to the cells that they were not meant for."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwctl.errors import DeviceError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Disturb:
    """Mean disturb of half-selected and of read cells, softened towards the bounds.

    A move takes its share of the way that is left to the bound: the soft bounds of Fusi and Abbott, Nat. Neurosci. 10
    (2007) 485. That disturb saturates in this way, and has no threshold, is assumed. Schemes: Chen, IEEE TED 60 (2013)
    1318.
    """

    half_select: float
    """Share of the way to the bound that one half-select moves a cell, 0 to below 1, at the voltage of the scheme."""
    read: float
    """The same for one read, above -1 to below 1: positive towards SET, negative towards RESET."""
    scheme: Literal["v/2", "v/3"] = "v/2"
    """Bias of the lines that are not selected."""

    def __post_init__(self) -> None:
        """Refuse shares and schemes that mean nothing."""
        if not 0.0 <= self.half_select < 1.0:
            raise DeviceError(f"half_select is {self.half_select!r}: give a share of the way from 0 to below 1")
        if not -1.0 < self.read < 1.0:
            raise DeviceError(f"read is {self.read!r}: give a share of the way between -1 and 1")
        if self.scheme not in ("v/2", "v/3"):
            raise DeviceError(f"scheme is {self.scheme!r}: choose 'v/2' or 'v/3'")

    def half_select_events(self, counts: ArrayLike) -> NDArray[np.int64]:
        """Return how many half-selects each cell gets, signed, shape (rows, cols).

        `counts` (rows, cols) holds the signed pulses of each cell, +n SET and -n RESET, given one cell after the other;
        a cell's own pulses are left out. "v/2" stresses the cells that share the row or the column of the pulsed one,
        with its polarity. "v/3" stresses these, and all the other cells with the opposite polarity: their row is at
        V/3 and their column at 2V/3. The sum is linear in `counts`; SET and RESET half-selects cancel in it, so pass
        them apart to see both. Raise DeviceError unless `counts` are integers on two axes.
        """
        own = np.asarray(counts)
        if own.ndim != 2 or own.dtype.kind not in "iu":
            raise DeviceError(f"counts of shape {own.shape} and dtype {own.dtype}: give integers (rows, cols)")
        own = own.astype(np.int64)
        in_row, in_col = own.sum(axis=1, keepdims=True), own.sum(axis=0, keepdims=True)
        sharing: NDArray[np.int64] = in_row + in_col - 2 * own
        if self.scheme == "v/3":
            sharing -= own.sum() - sharing - own  # the cells that share no line
        return sharing

    def shift(self, position: ArrayLike, events: ArrayLike, reads: ArrayLike = 0) -> Floats:
        """Return by how much the position in the range (0 RESET, 1 SET) changes, as a fraction of the range.

        `position` is 0 to 1, `events` signed half-selects and `reads` counts from 0 on; shapes broadcast. The half-
        selects come first, then the reads. position + shift stays within 0 to 1. Raise DeviceError on other values.
        """
        start = np.asarray(position, dtype=np.float64)
        if not ((start >= 0.0) & (start <= 1.0)).all():
            raise DeviceError("position holds NaN or values outside 0 to 1: give fractions of the cell's own range")
        half_selects, times = np.asarray(events), np.asarray(reads)
        if half_selects.dtype.kind not in "iu" or times.dtype.kind not in "iu" or (times < 0).any():
            raise DeviceError("events or reads are not whole, or reads below 0: give counts as integers")
        moved = _soft(start, self.half_select, half_selects.astype(np.int64))
        signed_reads = times.astype(np.int64) * (1 if self.read >= 0.0 else -1)
        end = start + moved
        end = end + _soft(end, abs(self.read), signed_reads)
        return np.asarray(np.clip(end, 0.0, 1.0) - start, dtype=np.float64)


def _soft(position: Floats, share: float, events: NDArray[np.int64]) -> Floats:
    """Return the move after |events| steps that each take `share` of what is left, towards 1 or, negative, 0."""
    # 1 - (1 - share)^n, in a form that keeps the digits of a share of 1e-9 and less.
    taken = -np.expm1(np.abs(events) * np.log1p(-share))
    return np.asarray(np.where(events >= 0, 1.0 - position, -position) * taken, dtype=np.float64)
