"""What an emulated array remembers beside its cells: when each was last pulsed, and disturb below one state code."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwctl.devices.disturb import Disturb
from hwctl.devices.retention import Retention
from hwctl.emulator.array import EmulatedArray
from hwctl.errors import LimitError
from hwctl.protocol.packing import Region

Int64 = NDArray[np.int64]
Floats = NDArray[np.float64]
STATES = 1 << 16  # states of a cell over its own range


class Timekeeper:
    """Ages the conductances of an array by its virtual time. Cells count as programmed at time 0 when it powers up."""

    def __init__(self, rows: int, cols: int, retention: Retention | None, seconds: float) -> None:
        """Take the array's size, the effects of time (None: none) and the length of a time code in s."""
        self.programmed = np.zeros((rows, cols), np.uint64)
        self._retention = retention
        self._seconds = seconds
        self._cells = np.arange(rows * cols)

    def codes(self, array: EmulatedArray, clock: int) -> Int64:
        """Return the conductance codes (rows, cols) that are left at virtual time `clock` in time codes."""
        visible = array.visible.astype(np.int64)
        if self._retention is None:
            return visible
        counts = array.counts(Region(0, array.rows, 0, array.cols)).reshape(-1)
        since = self.programmed.reshape(-1)
        ages = (np.maximum(since, np.uint64(clock)) - since).astype(np.float64) * self._seconds
        left = self._retention.visible(visible.reshape(-1), self._cells, counts, ages, clock * self._seconds)
        return np.rint(left).astype(np.int64).reshape(visible.shape)

    def mark(self, region: Region, pulsed: NDArray[np.bool_], clock: int) -> None:
        """Note that the cells `pulsed` (rows, cols) of a region were pulsed at `clock`."""
        self.programmed[region.row0 : region.row1, region.col0 : region.col1][pulsed] = clock


@dataclass
class Stress:
    """Moves the states of an array by disturb. Flagged cells do not move."""

    disturb: Disturb
    carry: Floats
    """(rows, cols), 0 to below 1: what a state is above its code."""

    def half_select(self, array: EmulatedArray, region: Region, ups: Int64, downs: Int64) -> None:
        """Disturb the whole array by the SET and then the RESET pulses (rows, cols) of a region."""
        whole = Region(0, array.rows, 0, array.cols)
        for pulses, sign in ((ups, 1), (downs, -1)):
            counts = np.zeros(whole.shape, np.int64)
            counts[region.row0 : region.row1, region.col0 : region.col1] = pulses
            if counts.any():
                self._move(array, whole, sign * self.disturb.half_select_events(counts), np.int64(0))

    def reads(self, array: EmulatedArray, region: Region, times: int) -> None:
        """Disturb the cells of a region by so many reads of each."""
        self._move(array, region, np.zeros(region.shape, np.int64), np.int64(times))

    def _move(self, array: EmulatedArray, region: Region, events: Int64, reads: np.int64) -> None:
        cells = array.cells(region)
        carry = self.carry[region.row0 : region.row1, region.col0 : region.col1]
        state = cells["state"] + carry
        state = np.clip(state + self.disturb.shift(state / STATES, events, reads) * STATES, 0, STATES - 1)
        code = np.floor(state)
        free = cells["flags"] == 0
        cells["state"] = np.where(free, code, cells["state"])
        carry[...] = np.where(free, state - code, carry)
        array.refresh(region)


#: What is remembered of a cell, as DUMP carries it.
MEMORY = np.dtype([("programmed", "<u8"), ("carry", "<f8")])


def pack(programmed: NDArray[np.uint64], carry: Floats) -> NDArray[np.uint8]:
    """Return program times and carries as bytes, cell by cell."""
    memory = np.empty(programmed.shape, MEMORY)
    memory["programmed"], memory["carry"] = programmed, carry
    return memory.reshape(-1).view(np.uint8)


def unpack(data: NDArray[np.uint8], shape: tuple[int, int]) -> tuple[NDArray[np.uint64], Floats]:
    """Return the program times and carries of `pack`. Raises LimitError where they are not of such a region."""
    expected = MEMORY.itemsize * shape[0] * shape[1]
    if data.size != expected:
        raise LimitError(f"{data.size} bytes of layer state; {shape[0]} x {shape[1]} cells have {expected}")
    memory = np.ascontiguousarray(data, np.uint8).view(MEMORY).reshape(shape)
    carry = memory["carry"].astype(np.float64)
    if not ((carry >= 0.0) & (carry < 1.0)).all():
        raise LimitError("layer state holds a carry outside 0 to 1; restore what a dump returned")
    return memory["programmed"].astype(np.uint64), carry
