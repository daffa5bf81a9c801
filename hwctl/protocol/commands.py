"""Commands of a board: what each one asks for, and the limits within which it is well formed.

Amounts are integer codes; the board's Identity says what one code is in volts, siemens, amperes and seconds.
Regions are row-major. A command object is never changed once it was made.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwctl.errors import LimitError
from hwctl.protocol import codes
from hwctl.protocol.cells import WORDS_PER_CELL
from hwctl.protocol.codes import HalfSelect, Op, OuterMode, Polarity, ShapePer
from hwctl.protocol.packing import U8, U16, U32, U64, Packed, Ramp, Region

Int8Matrix = Annotated[NDArray[np.int8], Packed(("<i1",), 2)]
InputMatrix = Annotated[NDArray[Any], Packed(("<i1", "<i2"), 2)]
ShapeArray = Annotated[NDArray[np.uint8], Packed(("<u1",), 1)]
CodeMatrix = Annotated[NDArray[np.uint16], Packed(("<u2",), 2)]


class RawOption(NamedTuple):
    """A typed option: code, flags (OPTION_CRITICAL) and value."""

    code: int
    flags: int
    value: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """One request to a board; `options` extend it without changing its layout."""

    op: ClassVar[Op]
    options: tuple[RawOption, ...] = field(default=(), kw_only=True)

    def check(self) -> None:
        """Raise LimitError where a field is outside what any board allows."""


@dataclass(frozen=True, slots=True, eq=False)
class Identify(Command):
    """Ask for geometry, features, scales and limits. Answer: Identity."""

    op = Op.IDENTIFY


@dataclass(frozen=True, slots=True, eq=False)
class ConfigureShape(Command):
    """Define pulse shape `index`. Answer: Done, or refused where the board has no such drive level."""

    op = Op.CONFIGURE_SHAPE
    index: U8
    polarity: Polarity
    amplitude: U16
    """Voltage code."""
    width: U32
    """Time code."""
    gate: U16
    """Voltage code; 0 where there is no gate line."""
    compliance: U16
    """Current limit code; 0 for none."""

    def check(self) -> None:
        """Raise LimitError on an index beyond 255 or an empty pulse."""
        _within("shape index", self.index, 0, codes.PULSE_SHAPES - 1)
        _within("pulse width code", self.width, 1, 0xFFFFFFFF)
        _within("pulse amplitude code", self.amplitude, 1, 0xFFFF)
        _within("gate code", self.gate, 0, 0xFFFF)
        _within("compliance code", self.compliance, 0, 0xFFFF)


@dataclass(frozen=True, slots=True, eq=False)
class ConfigureRead(Command):
    """Set read voltage, TIA range, settle time and the bias of unselected lines. Answer: Done."""

    op = Op.CONFIGURE_READ
    voltage: U16
    """Voltage code of a full-scale input and of READ."""
    tia_range: U8
    settle: U32
    """Time code of one conversion, settling included."""
    half_select: HalfSelect

    def check(self) -> None:
        """Raise LimitError on a voltage of 0 or an unknown TIA range."""
        _within("read voltage code", self.voltage, 1, 0xFFFF)
        _within("TIA range", self.tia_range, 0, codes.MAX_TIA_RANGE)
        _within("settle time code", self.settle, 0, 0xFFFFFFFF)


@dataclass(frozen=True, slots=True, eq=False)
class Read(Command):
    """Read conductances of a region, 2**averages_log2 conversions a cell. Answer: Readings."""

    op = Op.READ
    region: Region
    averages_log2: U8
    tia_range: U8
    index: U32
    """Noise index of the first conversion; the n-th uses index + n modulo 2**32."""

    def check(self) -> None:
        """Raise LimitError on an impossible region, range or number of conversions."""
        check_region(self.region)
        _within("log2 of averages", self.averages_log2, 0, codes.MAX_AVERAGES_LOG2)
        if self.tia_range != codes.RANGE_AS_CONFIGURED:
            _within("TIA range of READ", self.tia_range, 0, codes.MAX_READ_RANGE)
        _within("noise index", self.index, 0, 0xFFFFFFFF)


@dataclass(frozen=True, slots=True, eq=False)
class Vmm(Command):
    """Drive rows with each vector, sense columns. Answer: Currents (batch, columns)."""

    op = Op.VMM
    region: Region
    vectors: InputMatrix
    """(batch, rows), int8 or int16; full scale 128 or 32768 is the read voltage."""
    tia_range: U8
    index: U32
    """Noise index of the first vector; the n-th uses index + n modulo 2**32."""

    def check(self) -> None:
        """Raise LimitError where the vectors do not fit the driven lines."""
        self._check_lines(self.region.rows)

    def _check_lines(self, lines: int) -> None:
        check_region(self.region)
        shape = self.vectors.shape
        if len(shape) != 2 or shape[1] != lines:
            raise LimitError(f"vectors of shape {shape} for {lines} driven lines; give (batch, {lines})")
        _within("batch", shape[0], 1, codes.MAX_BATCH)
        if self.tia_range != codes.RANGE_AS_CONFIGURED:
            _within("TIA range", self.tia_range, 0, codes.MAX_TIA_RANGE)
        _within("noise index", self.index, 0, 0xFFFFFFFF)


@dataclass(frozen=True, slots=True, eq=False)
class VmmT(Vmm):
    """Drive columns with each vector, sense rows. Answer: Currents (batch, rows)."""

    op = Op.VMM_T

    def check(self) -> None:
        """Raise LimitError where the vectors do not fit the driven lines."""
        self._check_lines(self.region.cols)


@dataclass(frozen=True, slots=True, eq=False)
class Measure(Command):
    """Put explicit voltages on the lines of a region and sense its columns. Answer: Currents (1, columns)."""

    op = Op.MEASURE
    region: Region
    row_codes: Annotated[NDArray[np.int16], Packed(("<i2",), 1)]
    """(rows,) signed voltage codes; rows outside the region are grounded."""
    col_codes: Annotated[NDArray[np.int16], Packed(("<i2",), 1)]
    """(columns,) signed voltage codes."""
    gate: U16
    tia_range: U8
    index: U32

    def check(self) -> None:
        """Raise LimitError where the voltages do not fit the lines."""
        check_region(self.region)
        if self.row_codes.shape != (self.region.rows,) or self.col_codes.shape != (self.region.cols,):
            raise LimitError(
                f"{self.row_codes.size} row and {self.col_codes.size} column voltages for a region of "
                f"{self.region.rows} x {self.region.cols}; give one for each line"
            )
        if self.tia_range != codes.RANGE_AS_CONFIGURED:
            _within("TIA range", self.tia_range, 0, codes.MAX_TIA_RANGE)
        _within("gate code", self.gate, 0, 0xFFFF)
        _within("noise index", self.index, 0, 0xFFFFFFFF)


@dataclass(frozen=True, slots=True, eq=False)
class Pulse(Command):
    """Apply signed pulse counts to a region: +n SET, -n RESET. Answer: Pulsed."""

    op = Op.PULSE
    region: Region
    counts: Int8Matrix
    """(rows, columns), -127 to 127."""
    per: ShapePer
    """What has a pulse shape of its own: the command, or each row, column or cell (row-major)."""
    set_shapes: ShapeArray
    reset_shapes: ShapeArray

    def check(self) -> None:
        """Raise LimitError where counts or shapes do not fit the region."""
        check_region(self.region)
        if self.counts.shape != self.region.shape:
            raise LimitError(f"counts of shape {self.counts.shape} for a region of {self.region.shape}")
        _check_counts(self.counts)
        expected = self.per.count(*self.region.shape)
        if self.set_shapes.shape != (expected,) or self.reset_shapes.shape != (expected,):
            raise LimitError(
                f"{self.set_shapes.size} SET and {self.reset_shapes.size} RESET shapes, one per {self.per.name}; "
                f"give {expected} each"
            )


@dataclass(frozen=True, slots=True, eq=False)
class PulseSparse(Command):
    """Apply signed pulse counts to listed cells, in the order of the list. Answer: Pulsed."""

    op = Op.PULSE_SPARSE
    rows: Annotated[NDArray[np.uint16], Packed(("<u2",), 1)]
    cols: Annotated[NDArray[np.uint16], Packed(("<u2",), 1)]
    counts: Annotated[NDArray[np.int8], Packed(("<i1",), 1)]
    set_shape: U8
    reset_shape: U8

    def check(self) -> None:
        """Raise LimitError where the lists differ in length."""
        if not (self.counts.ndim == 1 and self.rows.shape == self.cols.shape == self.counts.shape):
            raise LimitError(
                f"{self.rows.size} rows, {self.cols.size} columns, {self.counts.size} counts; give equally many"
            )
        _within("number of cells", self.counts.size, 1, codes.MAX_CELLS)
        _check_counts(self.counts)


@dataclass(frozen=True, slots=True, eq=False)
class Outer(Command):
    """Apply outer products of event vectors, event by event. Answer: Pulsed.

    Mode COUNT: cell (i, j) gets x[i] * d[j] signed pulses. Mode COINCIDENCE: each line sends a stream of `slots`
    bits with probability |x| / 128, drawn from hash(seed, line, event); a cell is pulsed where both bits are set.
    """

    op = Op.OUTER
    region: Region
    x: Int8Matrix
    """(events, rows)"""
    d: Int8Matrix
    """(events, columns)"""
    mode: OuterMode
    slots: U8
    seed: U32
    event: U32
    """Number of the first event; the n-th is event + n modulo 2**32."""
    set_shape: U8
    reset_shape: U8

    def check(self) -> None:
        """Raise LimitError where vectors do not fit the region or a count would exceed 127."""
        check_region(self.region)
        events = len(self.x)
        if self.x.shape != (events, self.region.rows) or self.d.shape != (events, self.region.cols):
            raise LimitError(f"x {self.x.shape} and d {self.d.shape} do not fit a region of {self.region.shape}")
        _within("events", events, 1, codes.MAX_BATCH)
        _within("slots", self.slots, 1, codes.MAX_SLOTS)
        _within("seed", self.seed, 0, 0xFFFFFFFF)
        _within("event", self.event, 0, 0xFFFFFFFF)
        if self.mode == OuterMode.COUNT:
            largest = np.abs(self.x.astype(np.int64)).max(axis=1) * np.abs(self.d.astype(np.int64)).max(axis=1)
            _within("pulses of one cell and event", int(largest.max()), 0, codes.MAX_PULSES)


@dataclass(frozen=True, slots=True, eq=False)
class WriteVerify(Command):
    """Pulse each cell until its reading is within `tolerance` of its target. Answer: Verified."""

    op = Op.WRITE_VERIFY
    region: Region
    targets: CodeMatrix
    """(rows, columns) conductance codes."""
    tolerance: U16
    attempts: U16
    """At most so many pulses a cell."""
    averages_log2: U8
    set_ramp: Ramp
    reset_ramp: Ramp
    index: U32
    """Noise index of the first reading of every cell; the n-th uses index + n * 2**averages_log2."""

    def check(self) -> None:
        """Raise LimitError on targets that do not fit the region or an attempt limit beyond 4095."""
        check_region(self.region)
        if self.targets.shape != self.region.shape:
            raise LimitError(f"targets of shape {self.targets.shape} for a region of {self.region.shape}")
        _within("attempt limit", self.attempts, 0, codes.MAX_ATTEMPTS)
        _within("log2 of averages", self.averages_log2, 0, codes.MAX_AVERAGES_LOG2)
        _within("noise index", self.index, 0, 0xFFFFFFFF)
        check_ramp(self.set_ramp)
        check_ramp(self.reset_ramp)


@dataclass(frozen=True, slots=True, eq=False)
class Form(Command):
    """Form the unformed cells of a region with a ramp of FORM shapes. Answer: Formed."""

    op = Op.FORM
    region: Region
    ramp: Ramp
    attempts: U16
    """At most so many forming pulses a cell."""
    stop: U16
    """A cell whose reading reaches this conductance code is formed."""
    averages_log2: U8
    index: U32

    def check(self) -> None:
        """Raise LimitError on an impossible region, ramp or attempt limit."""
        check_region(self.region)
        check_ramp(self.ramp)
        _within("attempt limit", self.attempts, 0, codes.MAX_ATTEMPTS)
        _within("log2 of averages", self.averages_log2, 0, codes.MAX_AVERAGES_LOG2)
        _within("noise index", self.index, 0, 0xFFFFFFFF)


@dataclass(frozen=True, slots=True, eq=False)
class Status(Command):
    """Ask for faults, totals and times. Answer: BoardStatus."""

    op = Op.STATUS


@dataclass(frozen=True, slots=True, eq=False)
class RegionCommand(Command):
    """A command whose only field is a region."""

    region: Region

    def check(self) -> None:
        """Raise LimitError on an impossible region."""
        check_region(self.region)


@dataclass(frozen=True, slots=True, eq=False)
class Counters(RegionCommand):
    """Ask for the lifetime pulse counts of a region's cells. Answer: Counts."""

    op = Op.COUNTERS


@dataclass(frozen=True, slots=True, eq=False)
class LoadCounters(Command):
    """Set the lifetime pulse counts of a region's cells, after a power cycle. Answer: Done."""

    op = Op.LOAD_COUNTERS
    region: Region
    counts: Annotated[NDArray[np.uint32], Packed(("<u4",), 2)]

    def check(self) -> None:
        """Raise LimitError where the counts do not fit the region."""
        check_region(self.region)
        if self.counts.shape != self.region.shape:
            raise LimitError(f"counts of shape {self.counts.shape} for a region of {self.region.shape}")


@dataclass(frozen=True, slots=True, eq=False)
class Safe(Command):
    """Drive every line to rest at once. Answer: Done."""

    op = Op.SAFE


@dataclass(frozen=True, slots=True, eq=False)
class ConfigureLimits(Command):
    """Narrow limits until the board loses its power: 0 leaves one as it is. Answer: Limits, those that hold then.

    Refused, with nothing narrowed, where one of them is wider than what holds already.
    """

    op = Op.CONFIGURE_LIMITS
    max_read: U16 = 0
    """Voltage code of the highest read voltage."""
    max_amplitude: U16 = 0
    """Voltage code of the strongest SET or RESET pulse."""
    max_width: U32 = 0
    """Time code of the longest SET or RESET pulse."""
    max_form_amplitude: U16 = 0
    max_form_width: U32 = 0
    max_pulses: U32 = 0
    """Pulses of a cell in all, counted as COUNTERS does."""
    max_gate: U16 = 0
    """Voltage code of the gate in a SET or RESET pulse; that of readings is the board's own."""
    max_form_gate: U16 = 0
    max_compliance: U16 = 0
    """Compliance code of the current of a cell that forms."""
    min_interval: U32 = 0
    """Time code from one pulse of a cell to its next: higher is narrower."""

    def check(self) -> None:
        """Raise LimitError on what no code can hold."""
        for name, bits in (
            ("max_read", 16), ("max_amplitude", 16), ("max_width", 32), ("max_form_amplitude", 16),
            ("max_form_width", 32), ("max_pulses", 32), ("max_gate", 16), ("max_form_gate", 16),
            ("max_compliance", 16), ("min_interval", 32),
        ):  # fmt: skip
            _within(name.replace("_", " "), getattr(self, name), 0, (1 << bits) - 1)


@dataclass(frozen=True, slots=True, eq=False)
class LoadCurve(Command):
    """Load the step curve of one drive level. Emulated boards only. Answer: Done."""

    op = Op.LOAD_CURVE
    polarity: Polarity
    level: U8
    shift: U8
    mean: Annotated[NDArray[np.int16], Packed(("<i2",), 1)]
    sigma: Annotated[NDArray[np.uint16], Packed(("<u2",), 1)]

    def check(self) -> None:
        """Raise LimitError where the curve has not 64 entries."""
        _within("level", self.level, 0, codes.MAX_LEVELS - 1)
        _within("shift", self.shift, 1, 24)
        _within("polarity with a step curve", int(self.polarity), 0, 1)
        if self.mean.shape != (codes.CURVE_ENTRIES,) or self.sigma.shape != (codes.CURVE_ENTRIES,):
            raise LimitError(
                f"step curve of {self.mean.size} and {self.sigma.size} entries; give {codes.CURVE_ENTRIES} each"
            )


@dataclass(frozen=True, slots=True, eq=False)
class LoadCells(Command):
    """Load parameters and state of a region's cells. Emulated boards only. Answer: Done."""

    op = Op.LOAD_CELLS
    region: Region
    words: CodeMatrix
    """(rows * columns, words a cell), the fields of `hwctl.protocol.cells.CELL` in order."""

    def check(self) -> None:
        """Raise LimitError where the words do not fit the region."""
        _check_cells(self.region, self.words)


@dataclass(frozen=True, slots=True, eq=False)
class Dump(RegionCommand):
    """Ask for parameters and state of a region's cells, and the board's clock. Answer: Dumped."""

    op = Op.DUMP


@dataclass(frozen=True, slots=True, eq=False)
class Restore(Command):
    """Put a region's cells and the board's clock back to what Dump returned. Emulated boards only. Answer: Done."""

    op = Op.RESTORE
    region: Region
    words: CodeMatrix
    """(rows * columns, words a cell), as in LoadCells."""
    clock: U64
    """Virtual time, in time codes."""
    extra: Annotated[NDArray[np.uint8], Packed(("<u1",), 1)]

    def check(self) -> None:
        """Raise LimitError where the words do not fit the region."""
        _check_cells(self.region, self.words)


@dataclass(frozen=True, slots=True, eq=False)
class Seed(Command):
    """Set the key of all noise draws. Emulated boards only. Answer: Done."""

    op = Op.SEED
    seed: U64


@dataclass(frozen=True, slots=True, eq=False)
class Wait(Command):
    """Let virtual time pass. Emulated boards only. Answer: Done."""

    op = Op.WAIT
    time: U64
    """Time codes."""


def check_region(region: Region) -> None:
    """Raise LimitError where a region is empty, reversed or larger than any array."""
    row0, row1, col0, col1 = region
    if not (0 <= row0 < row1 <= codes.MAX_LINES and 0 <= col0 < col1 <= codes.MAX_LINES):
        raise LimitError(f"region rows {row0}:{row1}, columns {col0}:{col1} is empty or beyond {codes.MAX_LINES} lines")
    if (row1 - row0) * (col1 - col0) > codes.MAX_CELLS:
        raise LimitError(f"region of {(row1 - row0) * (col1 - col0)} cells; split it, at most {codes.MAX_CELLS} fit")


def check_ramp(ramp: Ramp) -> None:
    """Raise LimitError where a ramp of shapes runs backwards or never ends."""
    if not 0 <= ramp.first <= ramp.last < codes.PULSE_SHAPES:
        raise LimitError(f"ramp of shapes {ramp.first} to {ramp.last}; give first <= last <= {codes.PULSE_SHAPES - 1}")
    _within("ramp step", ramp.step, 1 if ramp.last > ramp.first else 0, 255)


def _check_cells(region: Region, words: NDArray[np.uint16]) -> None:
    check_region(region)
    expected = (region.rows * region.cols, WORDS_PER_CELL)
    if words.shape != expected:
        raise LimitError(f"cell words of shape {words.shape}; the region needs {expected}")


def _check_counts(counts: NDArray[np.int8]) -> None:
    if counts.min() == -128:
        raise LimitError("count of -128 pulses; a cell takes at most 127 in one command")


def _within(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise LimitError(f"{name} {value} is outside {low} to {high}")
