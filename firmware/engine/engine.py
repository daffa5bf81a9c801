"""The command engine: one command at a time, from the session's hands to its reply."""

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from firmware.engine import limits, loops, moving, pulsing, settings
from firmware.engine.divide import Divider
from firmware.engine.feeder import Feeder
from firmware.engine.forms import parts
from firmware.engine.multiply import Multiplier
from firmware.engine.reader import Reader
from firmware.engine.replies import FixedReplies
from firmware.engine.shapes import Shapes
from firmware.engine.totals import Totals
from firmware.engine.unpack import LINE_BITS, LIST_BITS, Unpacker
from firmware.front.port import CommandPort
from firmware.parameters import Parameters
from firmware.port import ArrayPort, Operation
from hwctl.devices.identity import BoardCodes
from hwctl.protocol import commands
from hwctl.protocol.codec import HEADER
from hwctl.protocol.codes import Answer, HalfSelect, Refusal
from hwctl.protocol.commands import Command

SECTIONS = 5  # arrays of a VERIFIED reply, which grow side by side
BODY_BITS = 26
ALWAYS: list[type[Command]] = [
    commands.Identify, commands.ConfigureShape, commands.ConfigureRead, commands.Read, commands.Vmm, commands.Pulse,
    commands.PulseSparse, commands.Status, commands.Counters, commands.LoadCounters, commands.Safe,
    commands.LoadCurve, commands.LoadCells, commands.Dump, commands.Restore, commands.Seed, commands.Wait,
]  # fmt: skip
EMULATED = {commands.LoadCurve, commands.LoadCells, commands.Dump, commands.Restore, commands.Seed, commands.Wait}
DRIVING = (commands.Read, commands.Vmm, commands.Pulse, commands.PulseSparse, commands.WriteVerify, commands.Form)
"""Commands of a physical array that drive lines: what trips stops them."""


def commands_of(parameters: Parameters) -> list[type[Command]]:
    """Return the commands that a build knows."""
    found = list(ALWAYS)
    if parameters.physical:
        lacking = EMULATED if parameters.vmm else EMULATED | {commands.Vmm}
        found = [kind for kind in found if kind not in lacking]
        found.append(commands.ConfigureLimits)
    if parameters.transposed:
        found.append(commands.VmmT)
    if parameters.outer:
        found.append(commands.Outer)
    if parameters.loops:
        found += [commands.WriteVerify, commands.Form]
    return found


class Engine(wiring.Component):
    """Executes commands on an array.

    The states of each command stand in modules of their own; they share what is declared here: the unpacker's outputs,
    the reader and feeder of the command's bytes, `say` and `put` for those of the reply, and the array port.
    """

    def __init__(self, parameters: Parameters, codes: BoardCodes, replies: FixedReplies, key: int) -> None:
        """key: 64 bits of noise until SEED."""
        self.parameters, self.codes, self.fixed_replies, self.initial_key = parameters, codes, replies, key
        super().__init__(
            {"session": In(CommandPort(parameters)), "array": Out(ArrayPort(parameters)), "executing": Out(1)}
        )

    def elaborate(self, _: object) -> Module:
        """Put the parts together, and all states into one machine."""
        self.m = m = Module()
        self._declare()
        self._parts(m)
        self._wires(m)
        with m.FSM() as machine:
            m.d.comb += self.executing.eq(~machine.ongoing("IDLE"))
            self._idle()
            self._unpack()
            self._answers()
            settings.states(self)
            if self.parameters.physical:
                limits.states(self)
            moving.states(self)
            pulsing.states(self)
            if self.parameters.loops:
                loops.states(self)
        self._choose_word()
        return m

    # -- what the states share -----------------------------------------------------------------------------------------

    def _declare(self) -> None:
        port = self.session
        self.address, self.length = Signal.like(port.start), Signal.like(port.length)
        self.reserve = Signal.like(port.reserve)
        self.reply_start = Signal.like(port.reply_start)
        self.progress = Signal(32)
        self.safe = Signal(init=1)
        self.refusal = Signal(4)
        self.key = Signal(64, init=self.initial_key)
        self.voltage = Signal(16, init=256)  # relative to nominal
        self.tia_range = Signal(4, init=self.codes.read_range)  # as configured
        # Bias of unselected lines; at first as the board has it.
        self.half_select = Signal(range(max(HalfSelect) + 1), init=self.codes.half_select[0])
        self.range = Signal(4)  # of the command at hand
        self.settle = Signal(32, init=self.codes.settle)
        self.pulsed = [Signal(32, name=f"pulsed_{name}") for name in ("set", "reset")]
        self.body = Signal(BODY_BITS)  # bytes of the reply's body
        self.pointers = [Signal.like(port.reply_start, name=f"pointer{n}") for n in range(SECTIONS)]
        self.word, self.word_bytes, self.source = Signal(32), Signal(3), Signal(6)
        self._sources: list[Value | int] = []
        self.step, self.byte_number = Signal(4), Signal(2)
        self.row, self.col = Signal(LINE_BITS), Signal(LINE_BITS)
        self.index = Signal(32)  # noise index, or number of an event
        self.count = Signal(LIST_BITS)
        self.item = Signal(16)
        self.drives = [Signal(37, name=f"drive_{name}") for name in ("set", "reset")]  # width and level
        self.x_at, self.d_at = Signal.like(port.start), Signal.like(port.start)  # of the event at hand
        self.bad = Signal()
        self.quiet = Signal()
        if self.parameters.physical:
            self.limits = limits.Holding(self.codes)

    def _parts(self, m: Module) -> None:
        port, parameters = self.session, self.parameters
        m.submodules.reader = self.reader = Reader(len(port.read_address))
        m.submodules.unpacker = self.unpacked = Unpacker(
            commands_of(parameters), len(port.read_address), len(port.length)
        )
        m.submodules.feeder = self.feeder = Feeder(LIST_BITS + 4)
        m.submodules.multiplier = self.multiplier = Multiplier(LINE_BITS, LINE_BITS)
        m.submodules.divider = self.divider = Divider(bits_for(self.codes.max_read << 8), self.codes.nominal_read)
        m.submodules.totals = self.totals = Totals()
        m.submodules.shapes = self.shapes = Shapes(self.codes.levels, limited=parameters.physical)
        memory = self.fixed_replies.memory
        m.submodules.replies = rom = Memory(shape=8, depth=len(memory), init=list(memory))
        self.fixed_reply = rom.read_port()
        self.fixed_at = Signal.like(self.fixed_reply.addr)

    def _wires(self, m: Module) -> None:
        port, reader, unpacked, feeder, array = self.session, self.reader, self.unpacked, self.feeder, self.array
        self.region = parts(unpacked.fixed[:64], 16)
        row0, row1, col0, col1 = self.region
        request = array.request
        m.d.comb += [
            port.read_address.eq(reader.read_address),
            reader.read_data.eq(port.read_data),
            reader.read_valid.eq(port.read_valid),
            unpacked.byte.eq(reader.byte), unpacked.valid.eq(reader.valid), unpacked.position.eq(reader.position),
            feeder.byte.eq(reader.byte), feeder.valid.eq(reader.valid),
            reader.take.eq(unpacked.take | feeder.take),
            reader.seek.eq(unpacked.seek), reader.address.eq(unpacked.seek_address),
            unpacked.address.eq(self.address), unpacked.length.eq(self.length),
            port.progress.eq(self.progress),
            self.fixed_reply.addr.eq(self.fixed_at),
            self.totals.spent.eq(array.spent),
            array.key.eq(self.key),
            request.row0.eq(row0), request.row1.eq(row1), request.col0.eq(col0), request.col1.eq(col1),
            request.tia_range.eq(self.range), request.voltage.eq(self.voltage), request.settle.eq(self.settle),
            request.index.eq(self.index),
            request.set_width.eq(self.drives[0][:32]), request.set_level.eq(self.drives[0][32:]),
            request.reset_width.eq(self.drives[1][:32]), request.reset_level.eq(self.drives[1][32:]),
        ]  # fmt: skip
        if self.parameters.physical:
            m.d.comb += request.half_select.eq(self.half_select)
        self._after_requests(m)

    def _after_requests(self, m: Module) -> None:
        """Add what a request took, once it is done; `quiet` while the next one may start."""
        before = Signal()
        m.d.sync += before.eq(self.array.busy)
        m.d.comb += [
            self.totals.spend.eq(before & ~self.array.busy),
            self.quiet.eq(~self.array.busy & ~before & ~self.totals.busy),
        ]
        with m.If(self.totals.spend):
            for total, spent in zip(
                self.pulsed, (self.array.spent.set_pulses, self.array.spent.reset_pulses), strict=True
            ):
                m.d.sync += total.eq(total + spent)

    # -- tools of the states -------------------------------------------------------------------------------------------

    def request(self, operation: Operation, **fields: Value | int) -> None:
        """Ask the array, in this clock; `quiet` must hold."""
        m = self.m
        m.d.comb += [self.array.request.operation.eq(operation), self.array.start.eq(1)]
        m.d.comb += [self.array.request[name].eq(value) for name, value in fields.items()]

    def seek(self, address: Value) -> None:
        """Go on reading at an address."""
        self.m.d.comb += [self.reader.seek.eq(1), self.reader.address.eq(address)]

    def feed(self, items: Value | int) -> None:
        """Let the feeder begin with so many items."""
        self.m.d.comb += [self.feeder.start.eq(1), self.feeder.items.eq(items)]

    def feed_array(self) -> None:
        """Pass the feeder's items on to the array."""
        elements, item = self.array.elements, self.feeder.item
        self.m.d.comb += [
            elements.payload.eq(item.payload),
            elements.valid.eq(item.valid),
            item.ready.eq(elements.ready),
        ]

    def put(self, byte: Value, section: int = 0) -> None:
        """Write a byte of the reply in this clock."""
        port, pointer = self.session, self.pointers[section]
        self.m.d.comb += [port.write_en.eq(1), port.write_data.eq(byte), port.write_address.eq(pointer)]
        self.m.d.sync += pointer.eq(pointer + 1)

    def say(self, state: str, words: Sequence[tuple[Value | int, int]], then: str, section: int = 0) -> None:
        """Make a state that writes numbers of 1 to 4 bytes to the reply, and goes on."""
        m = self.m
        with m.State(state):
            with m.Switch(self.step):
                for n, (value, size) in enumerate(words):
                    with m.Case(n):
                        m.d.comb += [self.source.eq(self._source_of(value)), self.word_bytes.eq(size)]
            self.put(self.word.word_select(self.byte_number, 8), section)
            m.d.sync += self.byte_number.eq(self.byte_number + 1)
            with m.If(self.byte_number == self.word_bytes - 1):
                m.d.sync += [self.byte_number.eq(0), self.step.eq(self.step + 1)]
                with m.If(self.step == len(words) - 1):
                    m.d.sync += self.step.eq(0)
                    m.next = then

    def _source_of(self, value: Value | int) -> int:
        """Return the place of a number in the one multiplexer of all that replies are made of."""
        for n, known in enumerate(self._sources):
            if known is value or (isinstance(value, int) and isinstance(known, int) and known == value):
                return n
        self._sources.append(value)
        return len(self._sources) - 1

    def _choose_word(self) -> None:
        m = self.m
        with m.Switch(self.source):
            for n, value in enumerate(self._sources):
                with m.Case(n):
                    m.d.comb += self.word.eq(value)

    def head(self, answer: Answer) -> list[tuple[Value | int, int]]:
        """Return the numbers of a reply's header; `body` holds the bytes of its body."""
        return [(int(answer), 4), (self.body, 4)]

    def take_results(self, section: int = 0) -> None:
        """Write the array's 16-bit results to the reply, low byte first."""
        m, results = self.m, self.array.results
        with m.If(results.valid):
            self.put(Mux(self.byte_number[0], results.payload[8:], results.payload[:8]), section)
            m.d.sync += self.byte_number.eq(~self.byte_number[0])
            m.d.comb += results.ready.eq(self.byte_number[0])

    def refuse_shape(self, beyond: Value | None = None) -> None:
        """Answer that a shape is not what the command needs; beyond: its limits (default: as for the one at hand)."""
        if self.parameters.physical:
            beyond = self.shapes.beyond if beyond is None else beyond
            self.refuse(Mux(beyond, Refusal.OVER_LIMIT, Refusal.NO_SHAPE))
        else:
            self.refuse(Refusal.NO_SHAPE)

    def refuse(self, refusal: Refusal | Value) -> None:
        """Answer that nothing was executed."""
        self.m.d.sync += self.refusal.eq(refusal)
        self.m.next = "REFUSE"

    # -- states of every command ---------------------------------------------------------------------------------------

    def _idle(self) -> None:
        m, port = self.m, self.session
        with m.State("IDLE"):
            m.d.sync += [
                self.address.eq(port.start), self.length.eq(port.length), self.reserve.eq(port.reserve),
                self.pointers[0].eq(port.reply_start), self.reply_start.eq(port.reply_start),
                self.progress.eq(0), self.bad.eq(0), self.row.eq(0),
                self.count.eq(0), *(total.eq(0) for total in self.pulsed),
            ]  # fmt: skip
            with m.If(port.safe):
                m.d.comb += port.at_rest.eq(1)
                m.d.sync += self.safe.eq(1)
                m.next = "AT REST"
            with m.Elif(port.valid):
                m.d.comb += port.taken.eq(1)
                m.next = "UNPACK"
                with m.If(port.aborted):
                    self.refuse(Refusal.ABORTED)
        with m.State("AT REST"), m.If(~port.safe):
            m.next = "IDLE"
        with m.State("STOP"), m.If(self.quiet):  # SAFE came while the command ran
            self.refuse(Refusal.ABORTED)

    def _unpack(self) -> None:
        m, unpacked = self.m, self.unpacked
        with m.State("UNPACK"):
            m.d.comb += unpacked.start.eq(1)
            m.next = "UNPACKING"
        with m.State("UNPACKING"), m.If(unpacked.done):
            m.next = "INSIDE"
            with m.If(unpacked.refusal != 0):
                self.refuse(unpacked.refusal)
            with m.Else(), m.Switch(unpacked.op):
                for kind, state in pulsing.scans(self.parameters).items():
                    with m.Case(int(kind.op)):
                        m.next = state
        first = {**settings.STATES, **limits.STATES, **moving.STATES, **pulsing.STATES, **loops.STATES}
        known = {kind: first[kind] for kind in self.unpacked_kinds()}
        regional = [int(op) for op, form in unpacked.forms.items() if form.has_region]
        _, row1, _, col1 = self.region
        with m.State("INSIDE"):
            with m.Switch(unpacked.op):
                for kind, state in known.items():
                    with m.Case(int(kind.op)):
                        m.next = state
            outside = (row1 > self.parameters.rows) | (col1 > self.parameters.cols)
            with m.If(unpacked.op.matches(*regional) & outside):
                self.refuse(Refusal.OUT_OF_REGION)
            if self.parameters.physical:
                with m.If(unpacked.op.matches(*(int(kind.op) for kind in DRIVING)) & self.array.trips.any()):
                    self.refuse(Refusal.INTERLOCK)
                limits.readings(self)
                if not self.codes.max_form_amplitude:  # nothing limits the current of a cell that forms
                    with m.If(unpacked.op == commands.Form.op):
                        self.refuse(Refusal.UNSUPPORTED)

    def unless_tripped(self) -> None:
        """Refuse to go on, in this clock, where the array has tripped while the command ran."""
        if self.parameters.physical:
            with self.m.If(self.array.trips.any()):
                self.refuse(Refusal.ABORTED)

    def no_range(self, number: Value) -> Value:
        """Return whether a physical board has no such TIA range; an emulated array has all that a command can name."""
        return ~number.matches(*self.codes.tia_ranges)

    def unpacked_kinds(self) -> list[type[Command]]:
        """Return the commands of this build."""
        return [form.kind for form in self.unpacked.forms.values()]

    def fits(self, body: Value, then: str, state: str) -> None:
        """Make a state that refuses a reply longer than the host has reserved, and else goes on with `body` set."""
        m = self.m
        with m.State(state):
            m.d.sync += self.body.eq(body)
            m.next = then
            with m.If(body + HEADER.size > self.reserve):
                self.refuse(Refusal.OVER_LIMIT)

    def _answers(self) -> None:
        """Make the states that end a command."""
        m, port = self.m, self.session
        self.say("DONE", self.head(Answer.DONE), "FINISH")
        with m.State("DONE EMPTY"):
            m.d.sync += self.body.eq(0)
            m.next = "DONE"
        with m.State("REFUSE"):
            with m.Switch(self.refusal):
                for refusal, (start, length) in self.fixed_replies.refusals.items():
                    with m.Case(int(refusal)):
                        m.d.sync += [self.fixed_at.eq(start), self.body.eq(length - HEADER.size)]
            # SAFE may have stopped a command in the middle of its reply.
            m.d.sync += [self.count.eq(0), self.pointers[0].eq(self.reply_start), self.byte_number.eq(0)]
            m.next = "FIXED REPLY"
        with m.State("FIXED REPLY"):
            m.next = "FIXED BYTE"
        with m.State("FIXED BYTE"):
            self.put(self.fixed_reply.data)
            m.d.sync += [self.fixed_at.eq(self.fixed_at + 1), self.count.eq(self.count + 1)]
            m.next = "FIXED REPLY"
            with m.If(self.count == self.body + HEADER.size - 1):
                m.next = "FINISH"
        with m.State("FINISH"):
            m.d.comb += port.reply_length.eq(self.body + HEADER.size)
            stopped = port.safe & (self.refusal == Refusal.ABORTED)
            with m.If(stopped):
                m.d.comb += [port.at_rest.eq(1), port.stopped.eq(1)]
                m.d.sync += [self.safe.eq(1), self.refusal.eq(0)]
                m.next = "AT REST"
            with m.Elif(self.quiet):
                m.d.comb += port.finish.eq(1)
                m.d.sync += self.refusal.eq(0)
                m.next = "IDLE"
