"""Drive a crossbar array in SI units: limits checked, regions split, saturated readings flagged."""

from types import TracebackType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwctl.crossbar import fallback
from hwctl.crossbar.results import (
    ArrayStatus,
    Floats,
    FormResult,
    Lines,
    OnOverRange,
    PulseShape,
    VerifyResult,
)
from hwctl.errors import BoardError, LimitError, OverRange, ProtocolError, Unsupported
from hwctl.links import Link, open_link
from hwctl.protocol import codes, commands, replies
from hwctl.protocol.codes import Feature, HalfSelect, OuterMode, Polarity, Refusal, ShapePer
from hwctl.protocol.packing import Ramp, Region

ALL = slice(None)
FULL_SCALE = 127 / 128  # largest input over the read voltage: what a signed byte holds
READ_RANGE = codes.MAX_READ_RANGE  # the converter's 12 bits span every conductance code

_Reply = TypeVar("_Reply", bound=replies.Reply)


class Crossbar:
    """One array behind a link.

    Rows and columns are given as slices or single indices of the array. Every reading draws its noise from an index
    that this class counts (`noise_index`), so that a board repeats nothing.
    """

    def __init__(self, link: Link, *, stream_seed: int = 0) -> None:
        """Take an open link and ask the board what it is. stream_seed: 32 bits, of OUTER's bit streams."""
        self.link = link
        self.noise_index = 0
        """Index of the next conversion; a resumed run puts it back."""
        self.event = 0
        """Number of the next event of OUTER; a resumed run puts it back."""
        self.stream_seed = stream_seed
        self.identity = self._ask(commands.Identify(), replies.Identity)
        if self.identity.protocol_version != codes.PROTOCOL_VERSION:
            raise ProtocolError(
                f"{link.url} speaks protocol {self.identity.protocol_version}, this hwctl {codes.PROTOCOL_VERSION}; "
                "update the older one"
            )
        self.rows, self.cols = self.identity.rows, self.identity.cols
        self.read_voltage = 0.2
        """V of a full-scale input and of READ."""
        self._shapes: dict[tuple[Polarity, int, int, int, int], PulseShape] = {}
        self._features = int(self.identity.features)
        self._ranges: list[int] = self.identity.tia_ranges.tolist()
        # Where a board keeps no counters, the host does.
        self._counted = None if self.has(Feature.COUNTERS) else np.zeros((self.rows, self.cols), np.int64)
        self.configure_read(min(self.read_voltage, self.identity.max_read * self.identity.volts_per_code))

    @classmethod
    def open(cls, url: str, *, stream_seed: int = 0) -> "Crossbar":
        """Open the board at a target URL. Raises TargetError."""
        return cls(open_link(url), stream_seed=stream_seed)

    def __enter__(self) -> "Crossbar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Crossbar {self.rows} x {self.cols} {self.identity.device} at {self.link.url}>"

    def close(self) -> None:
        """Leave the board SAFE and release the link."""
        self.link.close()

    def has(self, feature: Feature) -> bool:
        """Return whether the board itself has a feature."""
        return bool(self._features & feature.value)

    # -- configuration -------------------------------------------------------------------------------------------

    def shape(
        self, polarity: Polarity, amplitude: float, width: float, gate: float = 0.0, compliance: float = 0.0
    ) -> PulseShape:
        """Define a pulse shape, or return it where it is defined already.

        amplitude, gate: V; width: s; compliance: A, 0 for none. Raises LimitError beyond the board's limits and
        BoardError where the board does not know such a drive level.
        """
        identity = self.identity
        limit = identity.max_form_amplitude if polarity == Polarity.FORM else identity.max_amplitude
        key = (
            polarity,
            self._code("pulse amplitude", amplitude, identity.volts_per_code, limit, "V"),
            self._code("pulse width", width, identity.seconds_per_code, identity.max_width, "s"),
            self._code("gate voltage", gate, identity.volts_per_code, 0xFFFF, "V"),
            self._code("compliance", compliance, identity.compliance_per_code, 0xFFFF, "A"),
        )
        if key not in self._shapes:
            index = len(self._shapes)
            if index >= codes.PULSE_SHAPES:
                raise LimitError(f"more than {codes.PULSE_SHAPES} pulse shapes; reuse those that are defined")
            self._ask(commands.ConfigureShape(index, *key), replies.Done)
            self._shapes[key] = PulseShape(index, polarity, amplitude, width, gate)
        return self._shapes[key]

    def drive_levels(self, polarity: Polarity) -> list[PulseShape]:
        """Define every drive level that the board knows for a polarity, weak to strong, and return the shapes."""
        identity = self.identity
        return [
            self.shape(
                polarity,
                float(amplitude) * identity.volts_per_code,
                float(width) * identity.seconds_per_code,
                float(gate) * identity.volts_per_code,
            )
            for kind, amplitude, width, gate in identity.drive_levels.tolist()
            if kind == polarity
        ]

    def configure_read(
        self, voltage: float, *, settle: float = 1e-6, half_select: HalfSelect = HalfSelect.GROUNDED
    ) -> None:
        """Set the read voltage in V, the time of one conversion in s and the bias of unselected lines.

        Raises LimitError beyond the board's limits.
        """
        code = self._code("read voltage", voltage, self.identity.volts_per_code, self.identity.max_read, "V")
        time = self._code("settle time", settle, self.identity.seconds_per_code, 0xFFFFFFFF, "s")
        self._ask(commands.ConfigureRead(code, READ_RANGE, time, half_select), replies.Done)
        self.read_voltage = code * self.identity.volts_per_code

    # -- reading -------------------------------------------------------------------------------------------------

    def read(
        self, rows: Lines = ALL, cols: Lines = ALL, *, averages: int = 1, over_range: OnOverRange = "raise"
    ) -> Floats:
        """Read conductances of a region.

        averages: conversions a cell, a power of two up to 4096. Returns float64 (rows, cols) in siemens. Raises
        LimitError where the region leaves the array, OverRange where a converter saturated (or gives NaN there with
        over_range="nan").
        """
        region = self.region(rows, cols)
        log2 = averages_log2(averages)
        found = np.empty(region.shape)
        for part in self._split(region, bytes_per_cell=2):
            read = commands.Read(part, log2, READ_RANGE, self._take(averages))
            reply = self._ask(read, replies.Readings)
            place = np.s_[part.row0 - region.row0 : part.row1 - region.row0,
                          part.col0 - region.col0 : part.col1 - region.col0]  # fmt: skip
            found[place] = self.conductances(reply.readings)
        if over_range == "raise" and np.isnan(found).any():
            raise OverRange(
                f"{np.isnan(found).sum()} of {found.size} cells saturate the converter; lower the read voltage"
            )
        return found

    def conductances(self, readings: NDArray[Any]) -> Floats:
        """Return conductance codes in S at the present read voltage, NaN where the converter saturated."""
        scale = self.identity.amperes_per_code / self.read_voltage
        return np.where(readings == codes.NO_READING, np.nan, readings * scale)

    def vmm(
        self,
        voltages: ArrayLike,
        rows: Lines = ALL,
        cols: Lines = ALL,
        *,
        g_max: float | None = None,
        bits: int = 8,
        over_range: OnOverRange = "raise",
    ) -> Floats:
        """Drive rows, sense columns.

        voltages: (batch, rows) in V, at most 127/128 of the read voltage either way. g_max: S, an upper bound of the
        cells' conductances with which the converter's range is chosen (default: the board's full scale). bits: 8 or
        16 of the input converter. Returns currents (batch, cols) in A. Raises LimitError and OverRange.
        """
        region = self.region(rows, cols)
        if not self.has(Feature.VMM):
            return fallback.vmm(self, voltages, region, transposed=False)
        return self._multiply(commands.Vmm, region, voltages, g_max, bits, over_range)

    def vmm_t(
        self,
        voltages: ArrayLike,
        rows: Lines = ALL,
        cols: Lines = ALL,
        *,
        g_max: float | None = None,
        bits: int = 8,
        over_range: OnOverRange = "raise",
    ) -> Floats:
        """Drive columns, sense rows: as `vmm`, with voltages (batch, cols) and currents (batch, rows)."""
        region = self.region(rows, cols)
        if not self.has(Feature.VMM_T):
            return fallback.vmm(self, voltages, region, transposed=True)
        return self._multiply(commands.VmmT, region, voltages, g_max, bits, over_range)

    def _multiply(
        self,
        kind: type[commands.Vmm],
        region: Region,
        voltages: ArrayLike,
        g_max: float | None,
        bits: int,
        over_range: OnOverRange,
    ) -> Floats:
        inputs = self.input_codes(voltages, bits)
        # Ufuncs are called by themselves here: at batch 1 the methods' overhead is a tenth of a training step.
        total = float(np.maximum.reduce(np.add.reduce(np.abs(inputs), axis=1, dtype=np.int64))) / (1 << bits - 1)
        # One ampere code is one siemens code at the read voltage.
        peak = total * (codes.NO_READING if g_max is None else g_max / self.identity.siemens_per_code)
        tia_range = self._range_for(peak)
        batch = len(inputs)
        while True:
            reply = self._ask(kind(region, inputs, tia_range, self._take(batch)), replies.Currents)
            saturated = reply.saturated
            if not saturated or tia_range == self._ranges[-1]:
                break
            tia_range = next(r for r in self._ranges if r > tia_range)  # g_max was no bound: once more, less sensitive
        return self._currents(reply, saturated, over_range)

    def input_codes(self, voltages: ArrayLike, bits: int) -> NDArray[Any]:
        """Return input codes of voltages (batch, lines). Raises LimitError beyond full scale, or on NaN."""
        if bits not in (8, 16):
            raise LimitError(f"inputs of {bits} bits; give 8 or 16")
        top = (1 << bits - 1) - 1
        scaled = np.rint(np.asarray(voltages, np.float64) * ((top + 1) / self.read_voltage))
        if not np.maximum.reduce(np.abs(scaled), axis=None, initial=0.0) <= top:  # also where it is NaN
            raise LimitError(
                f"an input voltage is NaN or beyond {self.read_voltage * top / (top + 1):.6g} V; scale the inputs"
            )
        return scaled.astype(np.int8 if bits == 8 else np.int16)

    def _range_for(self, peak: float) -> int:
        for tia_range in self._ranges:
            if peak < 2047 << tia_range:
                return tia_range
        return self._ranges[-1]

    def _currents(self, reply: replies.Currents, saturated: int, over_range: OnOverRange) -> Floats:
        scale = self.identity.amperes_per_code * (1 << reply.tia_range)
        if not saturated:
            return np.asarray(reply.currents * scale, np.float64)
        if over_range == "raise":
            raise OverRange(f"{saturated} of {reply.currents.size} lines saturate; lower the input voltages")
        return np.where(reply.over_range, np.nan, reply.currents * scale)

    def measure(
        self,
        row_volts: ArrayLike,
        col_volts: ArrayLike,
        rows: Lines = ALL,
        cols: Lines = ALL,
        *,
        gate: float = 0.0,
        tia_range: int | None = None,
        over_range: OnOverRange = "raise",
    ) -> Floats:
        """Put each line of a region at its own voltage and sense its columns.

        row_volts (rows,), col_volts (cols,): V. tia_range: default the least sensitive that a worst case may need.
        Returns currents (cols,) in A. Raises LimitError, OverRange.
        """
        region = self.region(rows, cols)
        volts = self.identity.volts_per_code
        drives = np.asarray(row_volts, np.float64), np.asarray(col_volts, np.float64)
        if drives[0].shape != (region.rows,) or drives[1].shape != (region.cols,):
            raise LimitError(f"voltages {drives[0].shape}, {drives[1].shape} for a region of {region.shape}")
        across = np.abs(drives[0][:, None] - drives[1])
        if not across.max() <= self.identity.max_read * volts * (1 + 1e-9):
            raise LimitError(f"{across.max():.4g} V across a cell; at most {self.identity.max_read * volts:.4g} V")
        if not self.has(Feature.MEASURE):
            return fallback.measure(self, drives[0], drives[1], region)
        if tia_range is None:
            tia_range = self._range_for(across.sum(axis=0).max() / self.read_voltage * codes.NO_READING)
        row_codes, col_codes = (np.rint(v / volts).astype(np.int16) for v in drives)
        gate_code = self._code("gate voltage", gate, volts, 0xFFFF, "V")
        command = commands.Measure(region, row_codes, col_codes, gate_code, tia_range, self._take(1))
        reply = self._ask(command, replies.Currents)
        return self._currents(reply, reply.saturated, over_range)[0]

    # -- pulsing -------------------------------------------------------------------------------------------------

    def pulse(
        self,
        counts: ArrayLike,
        set_shape: PulseShape,
        reset_shape: PulseShape,
        rows: Lines = ALL,
        cols: Lines = ALL,
    ) -> tuple[int, int]:
        """Apply signed pulse counts (rows, cols), -127 to 127: +n SET, -n RESET. Returns SET and RESET pulses."""
        region = self.region(rows, cols)
        wanted = self._counts(counts, region.shape)
        sets, resets = (np.array([s.number], np.uint8) for s in self._pair(set_shape, reset_shape))
        ups = downs = 0
        for part in self._split(region, bytes_per_cell=1):
            counted = wanted[part.row0 - region.row0 : part.row1 - region.row0,
                             part.col0 - region.col0 : part.col1 - region.col0]  # fmt: skip
            reply = self._ask(commands.Pulse(part, counted, ShapePer.COMMAND, sets, resets), replies.Pulsed)
            ups, downs = ups + reply.set_pulses, downs + reply.reset_pulses
        if self._counted is not None:
            self._counted[region.row0 : region.row1, region.col0 : region.col1] += np.abs(wanted.astype(np.int64))
        return ups, downs

    def pulse_cells(
        self, rows: ArrayLike, cols: ArrayLike, counts: ArrayLike, set_shape: PulseShape, reset_shape: PulseShape
    ) -> tuple[int, int]:
        """Apply signed counts to listed cells of the array, each (cells,). Returns SET and RESET pulses."""
        places = np.asarray(rows), np.asarray(cols)
        if any(
            place.min() < 0 or place.max() >= end for place, end in zip(places, (self.rows, self.cols), strict=True)
        ):
            raise LimitError(f"a listed cell is outside the array of {self.rows} x {self.cols}")
        wanted = self._counts(counts, places[0].shape)
        sets, resets = self._pair(set_shape, reset_shape)
        ups = downs = 0
        largest = max(self._budget() // 5, 1)
        for i in range(0, wanted.size, largest):
            part = slice(i, i + largest)
            at_rows, at_cols = (np.ascontiguousarray(place[part], np.uint16) for place in places)
            command = commands.PulseSparse(at_rows, at_cols, wanted[part], sets.number, resets.number)
            reply = self._ask(command, replies.Pulsed)
            ups, downs = ups + reply.set_pulses, downs + reply.reset_pulses
        if self._counted is not None:
            np.add.at(self._counted, places, np.abs(wanted.astype(np.int64)))
        return ups, downs

    def pulse_levels(
        self, counts: ArrayLike, set_shapes: ArrayLike, reset_shapes: ArrayLike, rows: Lines = ALL, cols: Lines = ALL
    ) -> tuple[int, int]:
        """Apply signed counts with a pulse shape of its own for every cell: shape indices (rows, cols)."""
        region = self.region(rows, cols)
        wanted = self._counts(counts, region.shape)
        shapes = [np.ascontiguousarray(s, np.uint8).reshape(-1) for s in (set_shapes, reset_shapes)]
        reply = self._ask(commands.Pulse(region, wanted, ShapePer.CELL, *shapes), replies.Pulsed)
        if self._counted is not None:
            self._counted[region.row0 : region.row1, region.col0 : region.col1] += np.abs(wanted.astype(np.int64))
        return reply.set_pulses, reply.reset_pulses

    def outer(
        self,
        x: ArrayLike,
        d: ArrayLike,
        set_shape: PulseShape,
        reset_shape: PulseShape,
        rows: Lines = ALL,
        cols: Lines = ALL,
        *,
        mode: OuterMode = OuterMode.COINCIDENCE,
        slots: int = codes.MAX_SLOTS,
    ) -> tuple[int, int]:
        """Apply outer products, event by event.

        x: (events, rows), d: (events, cols), int8. Mode COUNT: x * d signed pulses a cell. Mode COINCIDENCE: on
        average slots * |x/128| * |d/128| pulses of the product's sign. Returns SET and RESET pulses. Raises LimitError.
        """
        region = self.region(rows, cols)
        events = np.asarray(x, np.int8), np.asarray(d, np.int8)
        sets, resets = self._pair(set_shape, reset_shape)
        event, self.event = self.event, self.event + len(events[0]) & 0xFFFFFFFF
        command = commands.Outer(region, *events, mode, slots, self.stream_seed, event, sets.number, resets.number)
        needed = Feature.OUTER_COUNT if mode == OuterMode.COUNT else Feature.OUTER_COINCIDENCE
        if not self.has(needed) or self._counted is not None:
            return fallback.outer(self, command, sets, resets)
        reply = self._ask(command, replies.Pulsed)
        return reply.set_pulses, reply.reset_pulses

    def write_verify(
        self,
        targets: ArrayLike,
        tolerance: float,
        set_shapes: list[PulseShape],
        reset_shapes: list[PulseShape],
        rows: Lines = ALL,
        cols: Lines = ALL,
        *,
        attempts: int = 30,
        averages: int = 1,
    ) -> VerifyResult:
        """Pulse each cell until it reads its target.

        targets: (rows, cols) in S; tolerance: S either way; set_shapes, reset_shapes: the ramp of either polarity,
        weak to strong, which starts over where the polarity changes; attempts: pulses a cell. Raises LimitError where
        a target is beyond the board's full scale.
        """
        region = self.region(rows, cols)
        scale = self.identity.amperes_per_code / self.read_voltage
        wanted = np.rint(np.asarray(targets, np.float64) / scale)
        if wanted.shape != region.shape or not ((wanted >= 0) & (wanted < codes.NO_READING)).all():
            raise LimitError(
                f"targets of shape {wanted.shape} for a region of {region.shape}; give 0 to "
                f"{codes.NO_READING * scale * 1e6:.4g} uS for each cell"
            )
        command = commands.WriteVerify(
            region, wanted.astype(np.uint16), self._code("tolerance", tolerance, scale, 0xFFFF, "S"), attempts,
            averages_log2(averages), ramp_of(set_shapes), ramp_of(reset_shapes), self.noise_index,
        )  # fmt: skip
        self._take((attempts + 1) * averages)
        if self.has(Feature.WRITE_VERIFY) and self._counted is None:
            reply = self._ask(command, replies.Verified)
        else:
            reply = fallback.write_verify(self, command)
        return VerifyResult(
            reply.reached.astype(np.bool_), self.conductances(reply.readings), reply.set_pulses.astype(np.int64),
            reply.reset_pulses.astype(np.int64), reply.reads.astype(np.int64),
        )  # fmt: skip

    def form(
        self,
        shapes: list[PulseShape],
        stop: float,
        rows: Lines = ALL,
        cols: Lines = ALL,
        *,
        attempts: int = 20,
        averages: int = 1,
    ) -> FormResult:
        """Form the unformed cells of a region. stop: S at which a cell counts as formed. Raises Unsupported."""
        region = self.region(rows, cols)
        if not self.has(Feature.FORM):
            raise Unsupported(
                f"{self.link.url} has no FORM, and no other command replaces it; form with a board that has"
            )
        scale = self.identity.amperes_per_code / self.read_voltage
        code = self._code("stop conductance", stop, scale, codes.NO_READING - 1, "S")
        index = self._take((attempts + 1) * averages)
        command = commands.Form(region, ramp_of(shapes), attempts, code, averages_log2(averages), index)
        reply = self._ask(command, replies.Formed)
        return FormResult(
            reply.formed.astype(np.bool_), self.conductances(reply.readings), reply.pulses.astype(np.int64)
        )

    # -- state ---------------------------------------------------------------------------------------------------

    def status(self) -> ArrayStatus:
        """Return the board's totals since power-up."""
        reply = self._ask(commands.Status(), replies.BoardStatus)
        tick = self.identity.seconds_per_code
        return ArrayStatus(
            reply.set_pulses, reply.reset_pulses, reply.reads, reply.busy * tick, reply.clock * tick, bool(reply.safe)
        )

    def pulse_counts(self, rows: Lines = ALL, cols: Lines = ALL) -> NDArray[np.int64]:
        """Return the lifetime pulse counts (rows, cols); since opening, where the board keeps none."""
        region = self.region(rows, cols)
        if self._counted is not None:
            return self._counted[region.row0 : region.row1, region.col0 : region.col1].copy()
        return self._ask(commands.Counters(region), replies.Counts).counts.astype(np.int64)

    def safe(self) -> None:
        """Drive every line to rest."""
        self._ask(commands.Safe(), replies.Done)

    def wait(self, seconds: float) -> None:
        """Let virtual time pass on an emulated board. Raises Unsupported on others, LimitError below 0."""
        ticks = self._code("waiting time", seconds, self.identity.seconds_per_code, (1 << 64) - 1, "s")
        self._ask(commands.Wait(ticks), replies.Done)

    def dump(self) -> replies.Dumped:
        """Return the whole state of an emulated board, for `restore`. Raises Unsupported on others."""
        return self._ask(commands.Dump(self.region(ALL, ALL)), replies.Dumped)

    def restore(self, dumped: replies.Dumped) -> None:
        """Put an emulated board back to a dumped state. Raises Unsupported on others."""
        self._ask(commands.Restore(dumped.words, dumped.clock, dumped.extra), replies.Done)

    # -- helpers -------------------------------------------------------------------------------------------------

    def region(self, rows: Lines, cols: Lines) -> Region:
        """Return rows and columns as a region. Raises LimitError where it is empty or leaves the array.

        A region that this method returned may stand for `rows` in every other method; it is not checked again.
        """
        if isinstance(rows, Region):
            return rows
        return Region(*_span("rows", rows, self.rows), *_span("columns", cols, self.cols))

    def execute(self, command: commands.Command, expected: type[_Reply]) -> _Reply:
        """Execute a command whose reply must be of type `expected`. Raises BoardError where the board refuses."""
        return self._ask(command, expected)

    def _ask(self, command: commands.Command, expected: type[_Reply]) -> _Reply:
        reply = self.link.execute(command)
        if isinstance(reply, expected):
            return reply
        if isinstance(reply, replies.Refused):
            kind = Unsupported if reply.refusal == Refusal.UNSUPPORTED else BoardError
            raise kind(f"{self.link.url} refused {command.op.name}: {reply.detail}; nothing was executed")
        raise ProtocolError(f"{self.link.url} answered {command.op.name} with {type(reply).__name__}")

    def _take(self, conversions: int) -> int:
        index, self.noise_index = self.noise_index, self.noise_index + conversions & 0xFFFFFFFF
        return index

    def _code(self, name: str, value: float, scale: float, limit: int, unit: str) -> int:
        code = value / scale
        if not -0.5 < code < limit + 0.5:
            raise LimitError(f"{name} {value:.6g} {unit}; {self.link.url} takes 0 to {limit * scale:.6g} {unit}")
        return round(code)

    @staticmethod
    def _counts(counts: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.int8]:
        wanted = np.asarray(counts)
        if wanted.shape != shape or wanted.dtype.kind not in "iu":
            raise LimitError(f"pulse counts {wanted.dtype} {wanted.shape}; give integers {shape}")
        if wanted.dtype != np.int8 and np.abs(wanted).max(initial=0) > codes.MAX_PULSES:
            raise LimitError(f"{np.abs(wanted).max()} pulses of a cell in one command; at most {codes.MAX_PULSES}")
        return np.ascontiguousarray(wanted, np.int8)

    @staticmethod
    def _pair(set_shape: PulseShape, reset_shape: PulseShape) -> tuple[PulseShape, PulseShape]:
        if set_shape.polarity != Polarity.SET or reset_shape.polarity != Polarity.RESET:
            raise LimitError("give a SET shape and a RESET shape, in this order")
        return set_shape, reset_shape

    def _budget(self) -> int:
        """Return the bytes that the arrays of one command or reply may take."""
        identity = self.identity
        return min(identity.receive_budget, identity.reply_budget, identity.largest_frame) - 64

    def _split(self, region: Region, bytes_per_cell: int) -> list[Region]:
        """Split a region so that command and reply of each part fit the board's budgets."""
        cells = max(min(codes.MAX_CELLS, self._budget() // bytes_per_cell), 1)
        if region.rows * region.cols <= cells:
            return [region]
        width = min(region.cols, cells)
        height = max(cells // width, 1)
        return [
            Region(i, min(i + height, region.row1), j, min(j + width, region.col1))
            for i in range(region.row0, region.row1, height)
            for j in range(region.col0, region.col1, width)
        ]


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
