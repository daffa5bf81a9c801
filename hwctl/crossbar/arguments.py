"""What a caller gives, checked and brought into the form that commands carry."""

from operator import index

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwctl.crossbar.results import Lines, PulseShape
from hwctl.errors import LimitError
from hwctl.protocol import codes
from hwctl.protocol.codes import Polarity
from hwctl.protocol.packing import Ramp, Region

SIGNED_BYTE = np.dtype(np.int8).char


def region_of(rows: Lines, cols: Lines, shape: tuple[int, int]) -> Region:
    """Return rows and columns of an array of `shape` as a region. Raises LimitError where it is empty or leaves it."""
    return Region(*_span("rows", rows, shape[0]), *_span("columns", cols, shape[1]))


def _span(name: str, lines: Lines, count: int) -> tuple[int, int]:
    if isinstance(lines, Region):
        raise LimitError(f"{name}: a region stands for rows and columns; give it alone")
    try:
        if not isinstance(lines, slice):
            lines = slice(index(lines), index(lines) + 1)
        step = 1 if lines.step is None else index(lines.step)
        first = 0 if lines.start is None else index(lines.start)
        last = count if lines.stop is None else index(lines.stop)
    except TypeError:
        raise LimitError(f"{name} {lines}; give whole numbers") from None
    if step != 1:
        raise LimitError(f"{name} with step {step}; give contiguous lines")
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


def cell_list(
    rows: ArrayLike, cols: ArrayLike, shape: tuple[int, int]
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Return rows and columns of listed cells, (cells,) each. Raises LimitError where one is outside an array."""
    places = np.asarray(rows), np.asarray(cols)
    if places[0].ndim != 1 or places[0].shape != places[1].shape:
        raise LimitError(f"rows {places[0].shape} and columns {places[1].shape} of listed cells; give (cells,) of both")
    for place, end in zip(places, shape, strict=True):
        if place.size and (place.dtype.kind not in "iu" or place.min() < 0 or place.max() >= end):
            raise LimitError(f"a listed cell is outside the array of {shape[0]} x {shape[1]}, or no whole number")
    return np.ascontiguousarray(places[0], np.uint16), np.ascontiguousarray(places[1], np.uint16)


def event_vectors(x: ArrayLike, d: ArrayLike, rows: int, cols: int) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Return event vectors (events, lines) as bytes. Raises LimitError where they do not fit a region."""
    vectors = np.asarray(x), np.asarray(d)
    count = vectors[0].shape[0] if vectors[0].ndim else 0
    if count == 0 or vectors[0].shape != (count, rows) or vectors[1].shape != (count, cols):
        raise LimitError(f"x {vectors[0].shape} and d {vectors[1].shape} for {rows} rows, {cols} columns")
    for vector in vectors:
        if vector.dtype.char != SIGNED_BYTE and (
            vector.dtype.kind not in "iu" or vector.min(initial=0) < -128 or vector.max(initial=0) > 127
        ):
            raise LimitError("an event vector holds fractions, or values beyond -128 to 127; scale it")
    return np.ascontiguousarray(vectors[0], np.int8), np.ascontiguousarray(vectors[1], np.int8)


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
    number = index(averages) if hasattr(averages, "__index__") else 0
    log2 = number.bit_length() - 1
    if number < 1 or number != 1 << log2 or log2 > codes.MAX_AVERAGES_LOG2:
        raise LimitError(f"{averages} averages; give a power of two from 1 to {1 << codes.MAX_AVERAGES_LOG2}")
    return log2


def ramp_of(shapes: list[PulseShape]) -> Ramp:
    """Return shapes as a ramp. Raises LimitError where their indices are not evenly spaced and rising."""
    indices = [shape.number for shape in shapes]
    steps = set(np.diff(indices).tolist())
    if not indices or len(steps) > 1 or any(step <= 0 for step in steps):
        raise LimitError(f"ramp of shapes {indices}; define them from weak to strong, one after the other")
    return Ramp(indices[0], indices[-1], steps.pop() if steps else 0)
