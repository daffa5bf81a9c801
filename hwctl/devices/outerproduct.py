"""Pulses of an OUTER, cell by cell: its bit streams are drawn from numbers that the host knows as well."""

import numpy as np
from numpy.typing import NDArray

from hwctl.devices import law
from hwctl.protocol import commands
from hwctl.protocol.codes import OuterMode


def event_counts(command: commands.Outer, number: int) -> NDArray[np.int64]:
    """Return the signed pulse counts (rows, cols) of one event of an OUTER."""
    x, d = command.x[number].astype(np.int64), command.d[number].astype(np.int64)
    if command.mode == OuterMode.COUNT:
        return np.multiply.outer(x, d)
    counts = np.zeros((x.size, d.size), np.int64)
    rows, cols = np.flatnonzero(x), np.flatnonzero(d)
    event = command.event + number & 0xFFFFFFFF
    row_bits = streams(x[rows], command.region.row0 + rows, law.STREAM_ROW, command, event)
    col_bits = streams(d[cols], command.region.col0 + cols, law.STREAM_COLUMN, command, event)
    # At most MAX_SLOTS, which is exact; integer products of numpy are many times slower.
    common = row_bits.astype(np.float32) @ col_bits.astype(np.float32).T
    counts[np.ix_(rows, cols)] = np.multiply.outer(np.sign(x[rows]), np.sign(d[cols])) * common
    return counts


def streams(
    values: NDArray[np.int64], lines: NDArray[np.int64], kind: int, command: commands.Outer, event: int
) -> NDArray[np.bool_]:
    """Return the bit streams (lines, slots) of one event: the cell law's section on OUTER. values, lines: (lines,)."""
    chunks = []
    for chunk in range((command.slots + 7) // 8):
        words = law.draw(command.seed, kind, lines, (event << 2 | chunk) & 0xFFFFFFFF)
        chunks += [word >> 8 * byte & 0xFF for word in words for byte in range(4)]
    draws = np.stack(chunks, axis=1)[:, : command.slots]
    return np.less(draws >> 1, np.abs(values)[:, None])
