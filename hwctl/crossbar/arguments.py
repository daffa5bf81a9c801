"""What a caller gives, checked and brought into the form that commands carry."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwctl.crossbar.results import Lines, PulseShape
from hwctl.errors import LimitError
from hwctl.protocol import codes
from hwctl.protocol.codes import Polarity
from hwctl.protocol.packing import Ramp, Region


def region_of(rows: Lines, cols: Lines, shape: tuple[int, int]) -> Region:
    """Return rows and columns of an array of `shape` as a region. Raises LimitError where it is empty or leaves it."""
    return Region(*_span("rows", rows, shape[0]), *_span("columns", cols, shape[1]))


def _span(name: str, lines: Lines, count: int) -> tuple[int, int]:
    if isinstance(lines, int):
        lines = slice(lines, lines + 1)
    if isinstance(lines, Region):
        raise LimitError(f"{name}: a region stands for rows and columns; give it alone")
    if lines.step not in (None, 1):
        raise LimitError(f"{name} with step {lines.step}; give contiguous lines")
    first = 0 if lines.start is None else lines.start
    last = count if lines.stop is None else lines.stop
    if not 0 <= first < last <= count:
        raise LimitError(f"{name} {first}:{last} of an array with {count}; give 0 <= first < last <= {count}")
    return first, last


def split(region: Region, cells: int) -> list[Region]:
    """Split a region into parts of at most so many cells (1 or more), in row-major order."""
    if region.rows * region.cols <= cells:
        return [region]
    width = min(region.cols, cells)
    height = max(cells // width, 1)
    return [
        Region(i, min(i + height, region.row1), j, min(j + width, region.col1))
        for i in range(region.row0, region.row1, height)
        for j in range(region.col0, region.col1, width)
    ]


def within(part: Region, region: Region) -> tuple[slice, slice]:
    """Return where a part lies in an array (rows, cols) of its region."""
    return (
        slice(part.row0 - region.row0, part.row1 - region.row0),
        slice(part.col0 - region.col0, part.col1 - region.col0),
    )


def pulse_counts(counts: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.int8]:
    """Return signed pulse counts as bytes. Raises LimitError on another shape, on fractions and beyond 127."""
    wanted = np.asarray(counts)
    if wanted.shape != shape or wanted.dtype.kind not in "iu":
        raise LimitError(f"pulse counts {wanted.dtype} {wanted.shape}; give integers {shape}")
    most = max(int(wanted.max(initial=0)), -int(wanted.min(initial=0)))
    if most > codes.MAX_PULSES:
        raise LimitError(f"{most} pulses of a cell in one command; at most {codes.MAX_PULSES}")
    return np.ascontiguousarray(wanted, np.int8)


def shape_pair(set_shape: PulseShape, reset_shape: PulseShape) -> tuple[PulseShape, PulseShape]:
    """Return a SET and a RESET shape. Raises LimitError where they are anything else."""
    if set_shape.polarity != Polarity.SET or reset_shape.polarity != Polarity.RESET:
        raise LimitError("give a SET shape and a RESET shape, in this order")
    return set_shape, reset_shape


def averages_log2(averages: int) -> int:
    """Return log2 of a number of averages. Raises LimitError where it is no power of two up to 4096."""
    log2 = averages.bit_length() - 1
    if averages < 1 or averages != 1 << log2 or log2 > codes.MAX_AVERAGES_LOG2:
        raise LimitError(f"{averages} averages; give a power of two from 1 to {1 << codes.MAX_AVERAGES_LOG2}")
    return log2


def ramp_of(shapes: list[PulseShape]) -> Ramp:
    """Return shapes as a ramp. Raises LimitError where their indices are not evenly spaced and rising."""
    indices = [shape.number for shape in shapes]
    steps = set(np.diff(indices).tolist())
    if not indices or len(steps) > 1 or any(step <= 0 for step in steps):
        raise LimitError(f"ramp of shapes {indices}; define them from weak to strong, one after the other")
    return Ramp(indices[0], indices[-1], steps.pop() if steps else 0)
