"""The software board: takes commands, checks them against this array, executes them whole or refuses them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwctl import __version__
from hwctl.devices.chip import Chip
from hwctl.devices.identity import BoardCodes, identity_of
from hwctl.devices.law import Curve
from hwctl.devices.planned import planned_pulses
from hwctl.emulator.array import EmulatedArray
from hwctl.emulator.layers import Layers
from hwctl.emulator.limits import BEYOND, BoardLimits
from hwctl.errors import LimitError
from hwctl.protocol import codes, commands, replies
from hwctl.protocol.cells import CELL, WORDS_PER_CELL
from hwctl.protocol.codes import Feature, OuterMode, Polarity, Refusal
from hwctl.protocol.commands import Command
from hwctl.protocol.packing import Ramp, Region
from hwctl.protocol.replies import Refused, Reply

FEATURES = (
    Feature.VMM
    | Feature.VMM_T
    | Feature.MEASURE
    | Feature.OUTER_COUNT
    | Feature.OUTER_COINCIDENCE
    | Feature.WRITE_VERIFY
    | Feature.FORM
    | Feature.COUNTERS
    | Feature.RESTORE
    | Feature.VIRTUAL_TIME
    | Feature.EMULATED
    | Feature.LIMITS
)
NOTHING = Feature(0)
#: What each feature takes away from a board that lacks it.
_OPTIONAL: dict[type[Command], Feature] = {
    commands.Vmm: Feature.VMM,
    commands.VmmT: Feature.VMM_T,
    commands.Measure: Feature.MEASURE,
    commands.WriteVerify: Feature.WRITE_VERIFY,
    commands.Form: Feature.FORM,
    commands.Counters: Feature.COUNTERS,
    commands.LoadCounters: Feature.COUNTERS,
    commands.ConfigureLimits: Feature.LIMITS,
    commands.Restore: Feature.RESTORE,
    commands.Wait: Feature.VIRTUAL_TIME,
    commands.LoadCurve: Feature.EMULATED,
    commands.LoadCells: Feature.EMULATED,
    commands.Dump: Feature.EMULATED,
    commands.Seed: Feature.EMULATED,
}
LOOPS = (commands.WriteVerify, commands.Form)
PULSING = (commands.Pulse, commands.PulseSparse, commands.Outer, *LOOPS)
Counts = NDArray[Any]  # integers of any size
ROOM = 1 << 24  # bytes: nothing is encoded


class _Refuse(Exception):
    def __init__(self, refusal: Refusal, detail: str) -> None:
        super().__init__(detail)
        self.reply = Refused(refusal, detail)


class EmulatedBoard:
    """Executes commands in order on an emulated chip."""

    def __init__(self, chip: Chip, *, seed: int, lacks: Feature = NOTHING, layers: Layers | None = None) -> None:
        """Power up with a chip.

        seed: 64 bits, key of all noise. lacks: features that this board answers "unsupported", as a small one would.
        layers: wires, time and disturb beside the cell law, or None.
        """
        self.chip = chip
        """As it was at power-up."""
        self._array = EmulatedArray(chip, seed, layers.converter if layers else None)
        # The loop on the board reads the cells alone; a host's loop reads them through the layers.
        self._features = FEATURES & ~(lacks | Feature.WRITE_VERIFY if layers else lacks)
        self._outer_modes = tuple(
            bool(self._features & mode) for mode in (Feature.OUTER_COUNT, Feature.OUTER_COINCIDENCE)
        )
        self._layers = layers
        self._codes = BoardCodes.of(chip)
        self._limits = BoardLimits(self._codes.limits)
        self._shape_polarity = self._limits.polarity
        # The device's own read voltage counts as nominal: there one current code is one conductance code.
        self._voltage = self._nominal = self._codes.nominal_read
        self._relative_voltage = 1 << 8
        self._per_volt = (1 << 23) // self._nominal
        self._tia_range = 4
        self._settle = self._codes.settle
        self._set_pulses = self._reset_pulses = self._reads = self._busy = self._clock = 0
        self._safe = 1
        self._handlers: dict[type[Command], Callable[[Any], Reply]] = {
            kind: handler for kind, handler in self._all_handlers().items() if self._offers(kind)
        }

    def _all_handlers(self) -> dict[type[Command], Callable[[Any], Reply]]:
        return {
            commands.Identify: self._identify,
            commands.ConfigureShape: self._configure_shape,
            commands.ConfigureRead: self._configure_read,
            commands.Read: self._read,
            commands.Vmm: self._vmm,
            commands.VmmT: self._vmm,
            commands.Measure: self._measure,
            commands.Pulse: self._pulse,
            commands.PulseSparse: self._pulse_sparse,
            commands.Outer: self._outer,
            commands.WriteVerify: self._write_verify,
            commands.Form: self._form,
            commands.Status: self._status,
            commands.Counters: self._counters,
            commands.LoadCounters: self._load_counters,
            commands.Safe: self._make_safe,
            commands.ConfigureLimits: self._configure_limits,
            commands.LoadCurve: self._load_curve,
            commands.LoadCells: self._load_cells,
            commands.Dump: self._dump,
            commands.Restore: self._restore,
            commands.Seed: self._seed,
            commands.Wait: self._wait,
        }

    def _offers(self, kind: type[Command]) -> bool:
        needed = _OPTIONAL.get(kind)
        return needed is None or bool(needed & self._features)

    def execute(self, command: Command) -> Reply:
        """Execute one command and return its reply; what cannot be executed whole is Refused and changes nothing."""
        handler = self._handlers.get(type(command))
        if handler is None:
            return Refused(Refusal.UNSUPPORTED, f"this board has no {command.op.name}")
        try:
            command.check()
            if self._limits.budgeted:
                self._limits.check_pulses(command, self._counts())
            if self._limits.holds.min_interval and isinstance(command, PULSING):
                return self._paced(handler, command)
            return handler(command)
        except LimitError as error:
            return Refused(Refusal.OVER_LIMIT, str(error))
        except _Refuse as refusal:
            return refusal.reply

    def _paced(self, handler: Callable[[Any], Reply], command: Command) -> Reply:
        """Execute a command once the last of its pulses may come: with the least interval between those of a cell."""
        begun, before, loops = self._clock, self._counts().astype(np.int64), isinstance(command, LOOPS)
        planned = planned_pulses(command, before.shape)
        assert planned is not None
        wait = self._limits.until(begun, np.minimum(planned, 1) if loops else planned)
        self._clock = (begun + wait) % (1 << 64)
        try:
            reply = handler(command)
        except (LimitError, _Refuse):
            self._clock = begun
            raise
        pulses = self._counts().astype(np.int64) - before
        if loops:  # how many pulses they take is known behind them
            more = max(int(pulses.max()) - 1, 0) * self._limits.holds.min_interval
            self._clock = (self._clock + more) % (1 << 64)
        self._limits.pulsed(self._clock, pulses > 0)
        return reply

    def _counts(self) -> NDArray[np.uint32]:
        return self._array.counts(Region(0, self.chip.rows, 0, self.chip.cols))

    # -- what the board is ---------------------------------------------------------------------------------------

    def _identify(self, _: commands.Identify) -> Reply:
        return identity_of(
            self.chip, features=self._features, build=f"hwctl {__version__}", receive_budget=ROOM, reply_budget=ROOM,
            largest_frame=ROOM,
        )  # fmt: skip

    def _status(self, _: commands.Status) -> Reply:
        return replies.BoardStatus(
            0, self._set_pulses, self._reset_pulses, self._reads, self._busy, self._clock, self._safe
        )

    def _make_safe(self, _: commands.Safe) -> Reply:
        self._safe = 1
        return replies.Done()

    # -- configuration -------------------------------------------------------------------------------------------

    def _configure_shape(self, command: commands.ConfigureShape) -> Reply:
        wanted = (command.amplitude, command.width, command.gate)
        levels = self._codes.levels[command.polarity]
        if wanted not in levels:
            name = command.polarity.name
            raise _Refuse(
                Refusal.NOT_CHARACTERISED,
                f"no {name} level of amplitude {wanted[0]}, width {wanted[1]}, gate {wanted[2]} (codes); "
                f"{len(levels)} are characterised",
            )
        self._limits.configure(command)
        self._array.set_shape(command.index, levels.index(wanted), command.width)
        return replies.Done()

    def _configure_read(self, command: commands.ConfigureRead) -> Reply:
        self._limits.check_read(command.voltage)
        self._voltage = command.voltage
        self._relative_voltage = (command.voltage << 8) // self._nominal
        self._tia_range = command.tia_range
        self._settle = command.settle
        return replies.Done()

    def _configure_limits(self, command: commands.ConfigureLimits) -> Reply:
        holds = self._limits.narrow(command)
        if command.min_interval:
            self._limits.restart(self._clock)
        return holds

    def _inside(self, region: Region) -> None:
        if region.row1 > self._array.rows or region.col1 > self._array.cols:
            raise _Refuse(
                Refusal.OUT_OF_REGION,
                f"rows {region.row0}:{region.row1}, columns {region.col0}:{region.col1} leave the array of "
                f"{self._array.rows} x {self._array.cols}",
            )

    def _need_shapes(self, polarity: Polarity, indices: Sequence[int] | NDArray[np.uint8]) -> None:
        found = self._shape_polarity[indices]
        if (found == BEYOND).any():
            raise _Refuse(Refusal.OVER_LIMIT, "a pulse shape is beyond limits that were narrowed since")
        if (found != polarity).any():
            raise _Refuse(Refusal.NO_SHAPE, f"a pulse shape is not configured as {polarity.name}")

    def _ramp(self, polarity: Polarity, ramp: Ramp) -> tuple[int, int, int]:
        self._need_shapes(polarity, range(ramp.first, ramp.last + 1, max(ramp.step, 1)))
        self._need_shapes(polarity, [ramp.last])
        return ramp.first, ramp.last, ramp.step

    def _spend(self, set_pulses: int, reset_pulses: int, busy: int) -> None:
        self._set_pulses += set_pulses
        self._reset_pulses += reset_pulses
        self._busy += busy
        self._clock = (self._clock + busy) % (1 << 64)  # 64 bits wide on every board
        self._safe = 0

    def _settled(self, region: Region, ups: Counts, downs: Counts) -> None:
        """Tell the layers how many SET and RESET pulses each cell of a region got."""
        if self._layers:
            self._layers.after_pulses(self._array, region, ups, downs, self._clock)

    def _convert(self, conversions: int, lines: int) -> None:
        self._reads += conversions * lines
        self._spend(0, 0, conversions * self._settle)

    # -- reading -------------------------------------------------------------------------------------------------

    def _range(self, tia_range: int, highest: int) -> int:
        chosen = self._tia_range if tia_range == codes.RANGE_AS_CONFIGURED else tia_range
        if chosen > highest:
            raise _Refuse(Refusal.OVER_LIMIT, f"TIA range {chosen}; at most {highest} for READ")
        return chosen

    def _read(self, command: commands.Read) -> Reply:
        region = command.region
        self._inside(region)
        self._limits.check_read(self._voltage)
        tia_range = self._range(command.tia_range, codes.MAX_READ_RANGE)
        visible: NDArray[Any] = self._array.visible
        if self._layers:
            visible = self._layers.read_codes(self._array, self._clock, self._voltage * self.chip.scales.volts)
        read = self._array.read(
            visible, region, self._relative_voltage, command.averages_log2, tia_range, command.index
        )
        self._convert(region.rows << command.averages_log2, region.cols)
        if self._layers:
            self._layers.after_read(self._array, region, 1 << command.averages_log2)
        return replies.Readings(read)

    def _vmm(self, command: commands.Vmm) -> Reply:
        region, vectors = command.region, command.vectors
        self._inside(region)
        self._limits.check_read(self._voltage)
        by_row = isinstance(command, commands.VmmT)
        tia_range = self._range(command.tia_range, codes.MAX_TIA_RANGE)
        voltage, index = self._relative_voltage, command.index
        if self._layers:
            volts = self._voltage * self.chip.scales.volts
            sums = self._layers.sums(self._array, self._clock, region, vectors, by_row, volts)
            scale = 7 if vectors.itemsize == 1 else 15
            line0 = region.row0 if by_row else region.col0
            out, saturated = self._array.convert(sums, line0, by_row, voltage, scale, tia_range, index)
        else:
            out, saturated = self._array.vmm(region, vectors, by_row, voltage, tia_range, index)
        self._convert(len(vectors), out.shape[1])
        return replies.Currents(out, tia_range, counted=saturated)

    def _measure(self, command: commands.Measure) -> Reply:
        """Sense columns with every line at its own voltage: column j carries sum of G (V_row - V_col)."""
        region = command.region
        self._inside(region)
        limit = self._limits.holds.max_read
        across = command.row_codes[:, None].astype(np.int64) - command.col_codes.astype(np.int64)
        if np.abs(across).max() > limit:
            raise _Refuse(Refusal.OVER_LIMIT, f"{np.abs(across).max()} voltage codes across a cell; at most {limit}")
        tia_range = self._range(command.tia_range, codes.MAX_TIA_RANGE)
        rows, cols = slice(region.row0, region.row1), slice(region.col0, region.col1)
        if self._layers:
            sums = self._layers.measure(self._array, self._clock, region, command.row_codes, command.col_codes)
        else:
            sums = (across * self._array.visible[rows, cols].astype(np.int64)).sum(axis=0)
        scaled = (sums * self._per_volt >> 8)[None, :]
        out, saturated = self._array.convert(scaled, region.col0, False, 256, 15, tia_range, command.index)
        self._convert(1, region.cols)
        return replies.Currents(out, tia_range, counted=saturated)

    # -- pulsing -------------------------------------------------------------------------------------------------

    def _pulse(self, command: commands.Pulse) -> Reply:
        region = command.region
        self._inside(region)
        self._need_shapes(Polarity.SET, command.set_shapes)
        self._need_shapes(Polarity.RESET, command.reset_shapes)
        strides = command.per.strides(region.cols)
        totals = self._array.pulse(region, command.counts, command.set_shapes, command.reset_shapes, strides)
        ups, downs, busy = totals.tolist()
        self._spend(ups, downs, busy)
        self._settled(region, np.maximum(command.counts, 0), np.maximum(-command.counts, 0))
        return replies.Pulsed(ups, downs)

    def _pulse_sparse(self, command: commands.PulseSparse) -> Reply:
        rows, cols = command.rows, command.cols
        self._inside(Region(0, int(rows.max()) + 1, 0, int(cols.max()) + 1))
        self._need_shapes(Polarity.SET, [command.set_shape])
        self._need_shapes(Polarity.RESET, [command.reset_shape])
        shapes = (command.set_shape, command.reset_shape)
        ups, downs, busy = self._array.pulse_cells(rows, cols, command.counts, shapes).tolist()
        self._spend(ups, downs, busy)
        if self._layers:
            counts = np.zeros((2, self._array.rows, self._array.cols), np.int64)
            np.add.at(counts, ((command.counts < 0).astype(np.int64), rows, cols), np.abs(command.counts))
            self._settled(Region(0, self._array.rows, 0, self._array.cols), counts[0], counts[1])
        return replies.Pulsed(ups, downs)

    def _outer(self, command: commands.Outer) -> Reply:
        region = command.region
        self._inside(region)
        counting = command.mode == OuterMode.COUNT
        if not self._outer_modes[command.mode]:
            raise _Refuse(Refusal.UNSUPPORTED, f"this board has no OUTER in mode {command.mode.name}")
        if self._shape_polarity[command.set_shape] != 0 or self._shape_polarity[command.reset_shape] != 1:
            self._need_shapes(Polarity.SET, [command.set_shape])
            self._need_shapes(Polarity.RESET, [command.reset_shape])
        shapes = (command.set_shape, command.reset_shape)
        slots = 0 if counting else command.slots
        if self._layers and len(command.x) > 1:
            return self._outer_by_event(command)
        before = self._array.counts(region) if self._layers else None
        totals = self._array.outer(region, command.x, command.d, slots, command.seed, command.event, shapes)
        ups, downs, _ = totals.tolist()
        widths = int(self._array.shapes[command.set_shape, 1] + self._array.shapes[command.reset_shape, 1])
        if counting:
            x, d = np.abs(command.x.astype(np.int64)), np.abs(command.d.astype(np.int64))
            trains = int((x.sum(axis=1) * d.max(axis=1)).sum())
        else:
            trains = len(command.x) * slots
        self._spend(ups, downs, trains * widths)
        if before is not None:
            pulses = self._array.counts(region).astype(np.int64) - before
            rising = np.multiply.outer(np.sign(command.x[0]), np.sign(command.d[0])) > 0
            self._settled(region, np.where(rising, pulses, 0), np.where(rising, 0, pulses))
        return replies.Pulsed(ups, downs)

    def _outer_by_event(self, command: commands.Outer) -> Reply:
        """Execute a batch one event at a time, so that each event's disturb is known by its sign."""
        ups = downs = 0
        for n in range(len(command.x)):
            event = (command.event + n) & 0xFFFFFFFF
            one = replace(command, x=command.x[n : n + 1], d=command.d[n : n + 1], event=event)
            reply = self._outer(one)
            assert isinstance(reply, replies.Pulsed)
            ups, downs = ups + reply.set_pulses, downs + reply.reset_pulses
        return replies.Pulsed(ups, downs)

    def _write_verify(self, command: commands.WriteVerify) -> Reply:
        region = command.region
        self._inside(region)
        self._limits.check_read(self._voltage)
        ramps = np.array(
            [self._ramp(Polarity.SET, command.set_ramp), self._ramp(Polarity.RESET, command.reset_ramp)], np.int64
        )
        done = self._array.write_verify(
            region, command.targets, command.tolerance, command.attempts, command.averages_log2, ramps,
            self._relative_voltage, command.index,
        )  # fmt: skip
        self._spend(int(done[..., 2].sum()), int(done[..., 3].sum()), int(done[..., 5].sum()))
        self._convert(int(done[..., 4].sum()) << command.averages_log2, 1)
        counts = done[..., 1:5].astype(np.uint16)
        return replies.Verified(
            done[..., 0].astype(np.uint8), counts[..., 0], counts[..., 1], counts[..., 2], counts[..., 3]
        )

    def _form(self, command: commands.Form) -> Reply:
        region = command.region
        self._inside(region)
        self._limits.check_read(self._voltage)
        ramp = np.array(self._ramp(Polarity.FORM, command.ramp), np.int64)
        done = self._array.form(
            region, command.attempts, command.stop, command.averages_log2, ramp, self._relative_voltage, command.index
        )
        self._spend(int(done[..., 2].sum()), 0, int(done[..., 3].sum()))
        self._convert((int(done[..., 2].sum()) + done[..., 2].size) << command.averages_log2, 1)
        self._settled(region, done[..., 2], np.zeros(region.shape, np.int64))
        return replies.Formed(
            done[..., 0].astype(np.uint8), done[..., 1].astype(np.uint16), done[..., 2].astype(np.uint16)
        )

    # -- counters, tables, state ---------------------------------------------------------------------------------

    def _counters(self, command: commands.Counters) -> Reply:
        self._inside(command.region)
        return replies.Counts(self._array.counts(command.region))

    def _load_counters(self, command: commands.LoadCounters) -> Reply:
        self._inside(command.region)
        self._array.cells(command.region)["count"] = command.counts
        self._array.refresh(command.region)
        return replies.Done()

    def _load_curve(self, command: commands.LoadCurve) -> Reply:
        known = len(self._codes.levels[command.polarity])
        if command.level >= known:
            raise _Refuse(Refusal.NOT_CHARACTERISED, f"drive level {command.level}; this chip has {known}")
        self._array.load_curve(command.polarity, command.level, Curve(command.mean, command.sigma, command.shift))
        return replies.Done()

    def _load_cells(self, command: commands.LoadCells) -> Reply:
        self._inside(command.region)
        self._put_cells(command.region, _as_cells(command.words))
        return replies.Done()

    def _put_cells(self, region: Region, cells: NDArray[np.void]) -> None:
        self._array.cells(region)[...] = cells.reshape(region.shape)
        self._array.refresh(region)

    def _dump(self, command: commands.Dump) -> Reply:
        self._inside(command.region)
        cells = self._array.cells(command.region).copy()  # a reply does not change with the cells
        words = cells.reshape(-1).view(np.uint16).reshape(-1, WORDS_PER_CELL)
        extra = self._layers.dump(command.region) if self._layers else np.zeros(0, np.uint8)
        return replies.Dumped(words, self._clock, extra)

    def _restore(self, command: commands.Restore) -> Reply:
        self._inside(command.region)
        cells = _as_cells(command.words)
        if self._layers:
            self._layers.restore(command.region, command.extra)
        elif command.extra.size:
            raise _Refuse(Refusal.OVER_LIMIT, f"{command.extra.size} bytes of layer state; this board has no layers")
        self._put_cells(command.region, cells)
        self._clock = command.clock
        self._limits.restart(self._clock)
        return replies.Done()

    def _seed(self, command: commands.Seed) -> Reply:
        self._array.seed(command.seed)
        return replies.Done()

    def _wait(self, command: commands.Wait) -> Reply:
        if self._clock + command.time >> 64:
            raise _Refuse(Refusal.OVER_LIMIT, f"waiting {command.time} time codes takes the clock beyond 64 bits")
        self._clock += command.time
        return replies.Done()


def _as_cells(words: NDArray[np.uint16]) -> NDArray[np.void]:
    """Return cells of LOAD_CELLS or RESTORE, refused where one reaches beyond the code range."""
    cells = np.ascontiguousarray(words).view(CELL).reshape(-1)
    if (cells["low"].astype(np.int64) + cells["span"] > codes.NO_READING).any():
        raise _Refuse(Refusal.OVER_LIMIT, f"a cell's low + span exceeds {codes.NO_READING}")
    return cells
