"""Drive a crossbar array in SI units: limits checked, regions split, saturated readings flagged."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from types import TracebackType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwctl.crossbar import fallback, loops, snapshot
from hwctl.crossbar.arguments import (
    averages_log2,
    cell_list,
    event_vectors,
    pulse_counts,
    ramp_of,
    shape_pair,
    within,
)
from hwctl.crossbar.hostcounts import HostCounts
from hwctl.crossbar.interlocks import Interlocks
from hwctl.crossbar.port import Port, parts_executed
from hwctl.crossbar.results import (
    ArrayLimits,
    ArrayStatus,
    Floats,
    FormResult,
    Lines,
    OnOverRange,
    PulseShape,
    VerifyResult,
)
from hwctl.crossbar.sensing import cell_readings, multiply, readings
from hwctl.crossbar.shapes import PulseShapes
from hwctl.crossbar.trips import trips_of
from hwctl.devices.outerproduct import event_counts
from hwctl.devices.planned import planned_pulses
from hwctl.errors import LimitError, LinkError, OverRange, Unsupported
from hwctl.links import Link, open_link
from hwctl.links.watched import Wrap
from hwctl.protocol import codes, commands, replies
from hwctl.protocol.codes import Feature, HalfSelect, OuterMode, Polarity, ShapePer
from hwctl.protocol.packing import Region

ALL = slice(None)
FULL_SCALE = 127 / 128  # largest input over the read voltage: what a signed byte holds
DUMPED_BYTES = 36  # of a cell: ten words, and what layers of an emulated board remember of it
MAX_EVENTS = codes.MAX_BATCH  # of one OUTER
OUTER_MODES = {
    OuterMode.COUNT: Feature.OUTER_COUNT,
    OuterMode.COINCIDENCE: Feature.OUTER_COINCIDENCE,
}


class Crossbar:
    """One array behind a link.

    Rows and columns are given as slices or single indices of the array. Every reading draws its noise from an index
    that this class counts (`noise_index`), so that a board repeats nothing.
    """

    def __init__(self, link: Link, *, stream_seed: int = 0) -> None:
        """Take an open link and ask the board what it is. stream_seed: 32 bits, of OUTER's bit streams."""
        self.noise_index = 0
        """Index of the next conversion; a resumed run puts it back."""
        self.event = 0
        """Number of the next event of OUTER; a resumed run puts it back."""
        self.stream_seed = stream_seed
        self.port = Port(link)
        self.identity, self.units = self.port.identity, self.port.units
        self.rows, self.cols = self.identity.rows, self.identity.cols
        self._shapes = PulseShapes(self.port)
        self._vmm, self._vmm_t = self.has(Feature.VMM), self.has(Feature.VMM_T)
        self._counted = None if self.has(Feature.COUNTERS) else HostCounts(self.rows, self.cols)
        self._interlocks = Interlocks(self.port, self._shapes)
        self.configure_read(min(self.read_voltage, self.limits.read_voltage))

    @classmethod
    def open(cls, url: str, *, stream_seed: int = 0, wraps: Sequence[Wrap] = ()) -> "Crossbar":
        """Open the board at a target URL; wraps: put around its link in this order. Raises TargetError."""
        link = open_link(url)
        try:
            for wrap in wraps:
                link = wrap(link)
            return cls(link, stream_seed=stream_seed)
        except BaseException:
            link.close()
            raise

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

    @property
    def link(self) -> Link:
        """The link to the board, with what this host keeps around it."""
        return self.port.link

    def has(self, feature: Feature) -> bool:
        """Return whether the board itself has a feature."""
        return self.port.has(feature)

    def region(self, rows: Lines, cols: Lines = ALL) -> Region:
        """Return rows and columns as a region. Raises LimitError where it is empty or leaves the array.

        A region that this method returned may stand for `rows` in every other method; it is not checked again.
        """
        return self.port.region(rows, cols)

    @property
    def read_voltage(self) -> float:
        """V of a full-scale input and of READ."""
        return self.units.read_voltage

    # -- configuration -------------------------------------------------------------------------------------------

    def shape(
        self, polarity: Polarity, amplitude: float, width: float, gate: float = 0.0, compliance: float = 0.0
    ) -> PulseShape:
        """Define a pulse shape, or return it where it is defined already.

        amplitude, gate: V; width: s; compliance: A, 0 for none. Raises LimitError beyond the board's limits and
        BoardError where the board does not know such a drive level.
        """
        return self._shapes.define(polarity, amplitude, width, gate, compliance)

    def drive_levels(self, polarity: Polarity) -> list[PulseShape]:
        """Define every drive level that a board knows and allows for a polarity, weak to strong. Returns the shapes."""
        return self._shapes.levels(polarity)

    def configure_read(
        self, voltage: float, *, settle: float = 1e-6, half_select: HalfSelect = HalfSelect.GROUNDED
    ) -> None:
        """Set the read voltage in V, the time of one conversion in s and the bias of unselected lines.

        GROUNDED stands for the board's own bias where it cannot have that. Raises LimitError beyond the board's
        limits, and BoardError with another bias that it cannot have.
        """
        code = self.units.code(
            "read voltage", voltage, self.identity.volts_per_code, self.port.limits.holds.max_read, "V", lowest=1
        )
        time = self.units.code("settle time", settle, self.identity.seconds_per_code, 0xFFFFFFFF, "s")
        self.port.ask(commands.ConfigureRead(code, self.units.read_range, time, half_select), replies.Done)
        self.units.read_voltage = code * self.identity.volts_per_code
        self.port.limits.configured_read(code)

    @property
    def limits(self) -> ArrayLimits:
        """Limits that hold, as far as this host knows: those of the board, or what they were narrowed to."""
        return self._interlocks.limits

    def narrow_limits(
        self,
        *,
        read_voltage: float | None = None,
        amplitude: float | None = None,
        width: float | None = None,
        form_amplitude: float | None = None,
        form_width: float | None = None,
        pulses: int | None = None,
        gate: float | None = None,
        form_gate: float | None = None,
        compliance: float | None = None,
        pulse_rate: float | None = None,
    ) -> ArrayLimits:
        """Narrow limits, and return those that hold then; V, s, A, pulses of a cell in all and in a second.

        What is beyond them is refused from then on, also with shapes and a read voltage from before. The board keeps
        them until it loses its power; where it cannot (it lacks LIMITS), this object does. Raises LimitError, with
        nothing narrowed, on a limit above the one that holds.
        """
        wanted = (
            read_voltage, amplitude, width, form_amplitude, form_width, pulses, gate, form_gate, compliance, pulse_rate,
        )  # fmt: skip
        return self._interlocks.narrow(wanted, self.pulse_counts)

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
        index = self._take(averages)
        found = self.units.conductances(readings(self.port, region, log2, index))
        if over_range == "raise" and np.isnan(found).any():
            raise OverRange(
                f"{np.isnan(found).sum()} of {found.size} cells saturate the converter; lower the read voltage"
            )
        return found

    def read_cells(self, rows: ArrayLike, cols: ArrayLike, *, averages: int = 1) -> Floats:
        """Read listed cells of the array and no other, each (cells,).

        averages: as in `read`. Returns float64 (cells,) in S, NaN where a converter saturated. Raises LimitError.
        """
        at_rows, at_cols = cell_list(rows, cols, (self.rows, self.cols))
        log2 = averages_log2(averages)
        if at_rows.size == 0:
            return np.empty(0)
        return self.units.conductances(cell_readings(self.port, at_rows, at_cols, log2, self._take(averages)))

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
        if not self._vmm:
            return fallback.vmm(self, voltages, region, transposed=False, over_range=over_range)
        index = self._take(len(np.asarray(voltages)))
        return multiply(self.port, commands.Vmm, region, voltages, index, g_max=g_max, bits=bits, over_range=over_range)

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
        if not self._vmm_t:
            return fallback.vmm(self, voltages, region, transposed=True, over_range=over_range)
        index = self._take(len(np.asarray(voltages)))
        return multiply(
            self.port, commands.VmmT, region, voltages, index, g_max=g_max, bits=bits, over_range=over_range
        )

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
        if not across.max() <= self.limits.read_voltage * (1 + 1e-9):
            raise LimitError(f"{across.max():.4g} V across a cell; at most {self.limits.read_voltage:.4g} V")
        if not self.has(Feature.MEASURE):
            return fallback.measure(self, drives[0], drives[1], region, over_range)
        if tia_range is None:
            peak = across.sum(axis=0).max() * codes.NO_READING * self.identity.siemens_per_code
            tia_range = self.units.range_for(self.units.current_code(peak))
        if not self.units.has_range(tia_range):
            raise LimitError(f"TIA range {tia_range}; {self.link.url} has {self.identity.tia_ranges.tolist()}")
        self.port.check_room(2 * (region.rows + region.cols))
        row_codes, col_codes = (np.rint(v / volts).astype(np.int16) for v in drives)
        gate_code = self.units.code("gate voltage", gate, volts, 0xFFFF, "V")
        command = commands.Measure(region, row_codes, col_codes, gate_code, tia_range, self._take(1))
        reply = self.port.ask(command, replies.Currents)
        return self.units.currents(reply, reply.saturated, over_range)[0]

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
        wanted = pulse_counts(counts, region.shape)
        sets, resets = (np.array([s.number], np.uint8) for s in shape_pair(set_shape, reset_shape))
        return self._pulse_parts(
            [
                commands.Pulse(part, wanted[within(part, region)], ShapePer.COMMAND, sets, resets)
                for part in self.port.parts(region, bytes_per_cell=1)
            ]
        )

    def _pulse_parts(self, parts: Sequence[commands.Pulse]) -> tuple[int, int]:
        if self._counted is None:
            return _sum_of(self.port.ask_all(parts, replies.Pulsed))
        done = []
        for number, command in enumerate(parts):
            with self._counting(command):
                done.append(self.port.ask(command, replies.Pulsed, parts_executed(number, len(parts))))
        return _sum_of(done)

    def _counting(self, command: commands.Command) -> AbstractContextManager[None]:
        """Return within what a command is sent, so that the host counts its pulses where the board does not."""
        return nullcontext() if self._counted is None else self._counted.counting(command)

    def pulse_cells(
        self, rows: ArrayLike, cols: ArrayLike, counts: ArrayLike, set_shape: PulseShape, reset_shape: PulseShape
    ) -> tuple[int, int]:
        """Apply signed counts to listed cells of the array, each (cells,). Returns SET and RESET pulses."""
        places = cell_list(rows, cols, (self.rows, self.cols))
        wanted = pulse_counts(counts, places[0].shape)
        sets, resets = shape_pair(set_shape, reset_shape)
        if wanted.size == 0:
            return 0, 0
        at_rows, at_cols = places
        largest = max(self.port.room // 5, 1)  # 5 bytes a cell
        parts = [
            commands.PulseSparse(at_rows[i:end], at_cols[i:end], wanted[i:end], sets.number, resets.number)
            for i, end in ((i, i + largest) for i in range(0, wanted.size, largest))
        ]
        for part in parts:  # what the reply counts is known beforehand: nobody waits for it
            with self._counting(part):
                self.port.post(part, replies.Pulsed)
        sizes = np.abs(wanted.astype(np.int64))
        ups = int(sizes[wanted > 0].sum())
        return ups, int(sizes.sum()) - ups

    def pulse_levels(
        self, counts: ArrayLike, set_shapes: ArrayLike, reset_shapes: ArrayLike, rows: Lines = ALL, cols: Lines = ALL
    ) -> tuple[int, int]:
        """Apply signed counts with a pulse shape of its own for every cell: shape indices (rows, cols)."""
        region = self.region(rows, cols)
        wanted = pulse_counts(counts, region.shape)
        shapes = [np.asarray(indices) for indices in (set_shapes, reset_shapes)]
        for indices in shapes:
            if indices.shape != region.shape or indices.dtype.kind not in "iu":
                raise LimitError(f"shape indices {indices.dtype} {indices.shape}; give integers {region.shape}")
            if indices.min() < 0 or indices.max() >= codes.PULSE_SHAPES:
                raise LimitError(f"shape indices {indices.min()} to {indices.max()}; 0 to {codes.PULSE_SHAPES - 1}")
        return self._pulse_parts(
            [
                commands.Pulse(
                    part, wanted[within(part, region)], ShapePer.CELL,
                    *(np.ascontiguousarray(indices[within(part, region)], np.uint8).reshape(-1) for indices in shapes),
                )
                for part in self.port.parts(region, bytes_per_cell=3)
            ]
        )  # fmt: skip

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
        height, width = region.shape
        x_codes, d_codes = event_vectors(x, d, height, width)
        sets, resets = shape_pair(set_shape, reset_shape)
        count, event_bytes = len(x_codes), height + width
        event, self.event = self.event, self.event + count & 0xFFFFFFFF
        command = commands.Outer(
            region, x_codes, d_codes, mode, slots, self.stream_seed, event, sets.number, resets.number
        )
        self.port.allow(command)
        on_board = self.has(OUTER_MODES[mode]) and self._counted is None
        if on_board and count <= MAX_EVENTS and count * event_bytes <= self.port.room:
            if mode == OuterMode.COUNT or not 1 <= slots <= codes.MAX_SLOTS:
                command.check()  # of all that it looks at, the vectors have been checked
            reply = self.port.ask(command, replies.Pulsed)
            return reply.set_pulses, reply.reset_pulses
        self.port.check_room(event_bytes)
        at_once = min(self.port.room // event_bytes, MAX_EVENTS)
        parts = [
            replace(command, x=x_codes[i : i + at_once], d=d_codes[i : i + at_once], event=event + i & 0xFFFFFFFF)
            for i in range(0, count, at_once)
        ]
        for part in parts:
            part.check()
        if on_board:
            return _sum_of(self.port.ask_all(parts, replies.Pulsed))
        return _total([fallback.outer(self, part, sets, resets) for part in parts])

    def outer_counts(
        self,
        x: ArrayLike,
        d: ArrayLike,
        rows: Lines = ALL,
        cols: Lines = ALL,
        *,
        mode: OuterMode = OuterMode.COINCIDENCE,
        slots: int = codes.MAX_SLOTS,
    ) -> Iterator[NDArray[np.int64]]:
        """Yield the signed pulses of each cell (rows, cols) by each event of the `outer` that is sent next.

        The host knows them without asking: bit streams are drawn from numbers that it sends. Ask before `outer`, with
        the same arguments. Raises LimitError.
        """
        region = self.region(rows, cols)
        x_codes, d_codes = event_vectors(x, d, *region.shape)
        command = commands.Outer(region, x_codes, d_codes, mode, slots, self.stream_seed, self.event, 0, 0)
        return (event_counts(command, number) for number in range(len(x_codes)))

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
        scale = self.units.siemens_per_reading
        wanted = np.rint(np.asarray(targets, np.float64) / scale)
        if wanted.shape != region.shape or not ((wanted >= 0) & (wanted < codes.NO_READING)).all():
            raise LimitError(
                f"targets of shape {wanted.shape} for a region of {region.shape}; give 0 to "
                f"{codes.NO_READING * scale * 1e6:.4g} uS for each cell"
            )
        command = commands.WriteVerify(
            region, wanted.astype(np.uint16), self.units.code("tolerance", tolerance, scale, 0xFFFF, "S"), attempts,
            averages_log2(averages), ramp_of(set_shapes), ramp_of(reset_shapes), self.noise_index,
        )  # fmt: skip
        command.check()
        self.port.allow(command)
        self._take((attempts + 1) * averages)
        if not self.has(Feature.WRITE_VERIFY) or self._counted is not None:
            return fallback.write_verify(self, command)
        return loops.write_verify(self.port, command)

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
        scale = self.units.siemens_per_reading
        code = self.units.code("stop conductance", stop, scale, codes.NO_READING - 1, "S")
        log2 = averages_log2(averages)
        command = commands.Form(region, ramp_of(shapes), attempts, code, log2, self.noise_index)
        command.check()
        self._take((attempts + 1) * averages)
        return loops.form(self.port, command, self._counted)

    # -- state ---------------------------------------------------------------------------------------------------

    def status(self) -> ArrayStatus:
        """Return the board's totals since power-up."""
        reply = self.port.ask(commands.Status(), replies.BoardStatus)
        tick = self.identity.seconds_per_code
        return ArrayStatus(
            reply.set_pulses, reply.reset_pulses, reply.reads, reply.busy * tick, reply.clock * tick, bool(reply.safe),
            trips_of(reply.faults),
        )  # fmt: skip

    def pulse_counts(self, rows: Lines = ALL, cols: Lines = ALL) -> NDArray[np.int64]:
        """Return the lifetime pulse counts (rows, cols); since opening, where the board keeps none."""
        region = self.region(rows, cols)
        if self._counted is not None:
            return self._counted.of(region)
        found = np.empty(region.shape, np.int64)
        for part in self.port.parts(region, bytes_per_cell=4):
            found[within(part, region)] = self.port.ask(commands.Counters(part), replies.Counts).counts
        return found

    def load_pulse_counts(self, counts: ArrayLike, rows: Lines = ALL, cols: Lines = ALL) -> None:
        """Set the lifetime pulse counts (rows, cols), which a board forgot with its power. Raises LimitError."""
        region = self.region(rows, cols)
        wanted = np.asarray(counts)
        whole = wanted.dtype.kind in "iu" and bool(((wanted >= 0) & (wanted < 1 << 32)).all())
        if wanted.shape != region.shape or not whole:
            raise LimitError(f"counts {wanted.dtype} {wanted.shape}; give whole numbers of 32 bits {region.shape}")
        if self._counted is not None:
            self._counted.load(region, wanted)
            return
        for part in self.port.parts(region, bytes_per_cell=4):
            of_part = np.ascontiguousarray(wanted[within(part, region)], np.uint32)
            self.port.ask(commands.LoadCounters(part, of_part), replies.Done)

    def pulses_in_doubt(self, lost: LinkError) -> NDArray[np.int64]:
        """Return the most pulses (rows, cols) that commands gave each cell which a lost line left in doubt.

        They are counted as executed and never sent again; read these cells once the board is open again.
        """
        found = np.zeros((self.rows, self.cols), np.int64)
        for command in lost.in_doubt:
            planned = planned_pulses(command, found.shape)
            found += 0 if planned is None else planned
        return found

    def safe(self) -> None:
        """Drive every line to rest. A physical board that has tripped drives lines again after it."""
        self.port.ask(commands.Safe(), replies.Done)

    def wait(self, seconds: float) -> None:
        """Let virtual time pass on an emulated board. Raises Unsupported on others, LimitError below 0."""
        ticks = self.units.code("waiting time", seconds, self.identity.seconds_per_code, (1 << 64) - 1, "s")
        self.port.ask(commands.Wait(ticks), replies.Done)

    def dump(self) -> replies.Dumped:
        """Return the whole state of an emulated board, for `restore`. Raises Unsupported on others."""
        return snapshot.dump(self.port)

    def restore(self, dumped: replies.Dumped) -> None:
        """Put an emulated board back to a dumped state. Raises Unsupported on others, LimitError on another array's."""
        snapshot.restore(self.port, dumped)

    # -- helpers -------------------------------------------------------------------------------------------------

    def _take(self, conversions: int) -> int:
        index, self.noise_index = self.noise_index, self.noise_index + conversions & 0xFFFFFFFF
        return index


def _sum_of(done: Sequence[replies.Pulsed]) -> tuple[int, int]:
    """Return SET and RESET pulses of several commands."""
    return _total([(reply.set_pulses, reply.reset_pulses) for reply in done])


def _total(pulses: Sequence[tuple[int, int]]) -> tuple[int, int]:
    return sum(sets for sets, _ in pulses), sum(resets for _, resets in pulses)
