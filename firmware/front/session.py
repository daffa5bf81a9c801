"""The board's end of a session, without the line: flags, events and ports around the machine that runs the rules."""

from dataclasses import dataclass

from amaranth.hdl import Array, Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from firmware.front.answers import program
from firmware.front.assembler import CLOCKS, Program
from firmware.front.deframer import KIND_BITS
from firmware.front.machine import Machine
from firmware.front.port import CommandPort, receive_bytes
from firmware.front.state import ANSWER_WORDS, FRAME_WORDS, INPUTS, PORT, Flag, Port
from firmware.parameters import Parameters
from hwctl.protocol.frame import FRAME_OVERHEAD, ORPHAN, SMALLEST_RESERVE, Kind

WORD_BITS = 32
COMMAND_MEMBERS = (
    *("valid", "taken", "start", "length", "reserve", "aborted", "reply_start", "finish", "reply_length"),
    *("progress", "safe", "at_rest", "stopped"),
)
_EVENTS = (Flag.HEARD, Flag.FRAME, Flag.FINISH, Flag.AT_REST, Flag.STOPPED)
_KINDS = {
    Flag.IS_COMMAND: Kind.COMMAND,
    Flag.IS_HELLO: Kind.HELLO,
    Flag.IS_OPEN: Kind.OPEN,
    Flag.IS_PING: Kind.PING,
    Flag.IS_SAFE: Kind.SAFE,
}


@dataclass(frozen=True)
class Costs:
    """What budgets are counted in; smaller ones make a proof shorter."""

    bits: int = WORD_BITS
    overhead: int = FRAME_OVERHEAD
    smallest_reserve: int = SMALLEST_RESERVE


class Session(wiring.Component):
    """Hands each command to the engine once and in order, and answers.

    Frames come as `Deframer` tells them: `frame` for one clock, its words written before. Answers go out as `Framer`
    takes them: `send` for one clock, with the kind in `answer` and the number of words in `answer_words`; before it,
    `set_start` and `set_length` give place and length of a reply in `value`. What the engine sees is `CommandPort`.
    """

    def __init__(self, parameters: Parameters, costs: Costs | None = None, code: Program | None = None) -> None:
        """Make a session for budgets of this size. code: another program, to see that a proof finds its faults."""
        self.parameters = parameters
        self.costs = costs or Costs()
        self.machine = Machine(code or program(), self.costs.bits, parameters.window)
        bits = self.costs.bits
        port = CommandPort(parameters).members
        super().__init__(
            {name: port[name] for name in COMMAND_MEMBERS}
            | {
                "heard": In(1),  # a byte came
                "frame": In(1),
                "kind": In(KIND_BITS),
                "question": In(1),
                "frame_length": In(bits_for(parameters.largest_frame)),  # of the encoded command
                "word_valid": In(1),
                "word_index": In(range(FRAME_WORDS)),
                "word": In(bits),
                "word_ready": Out(1),
                "tail": Out(bits_for(receive_bytes(parameters) - 1)),  # of what was accepted in the receive ring
                "busy": In(1),  # an answer is being sent
                "send": Out(1),
                "answer": Out(8),
                "answer_words": Out(range(ANSWER_WORDS)),
                "boot_differs": Out(1),  # reason of REJECTED
                "set_start": Out(1),
                "set_length": Out(1),
                "value": Out(bits),
                "read_index": In(range(ANSWER_WORDS)),
                "read_ready": Out(1),
                "read_word": Out(bits),  # in the clock behind `read_ready`
            }
        )
        self.flags = {flag: Signal(name=f"flag_{flag.name.lower()}") for flag in Flag}
        self._reply_length = Signal.like(self.reply_length)

    @property
    def frame_clocks(self) -> int:
        """Most clock cycles from `frame` until the words of the frame are not needed any more."""
        code = self.machine.program
        turn = code.longest("idle", ["idle", "frame"], Flag.ALWAYS)
        return CLOCKS * (1 + turn + code.longest("idle", ["idle"], Flag.ALWAYS))

    def elaborate(self, _: object) -> Module:
        """Wire the machine up."""
        m = Module()
        m.submodules.machine = machine = self.machine
        for name in ("word_valid", "word_index", "word", "read_index"):
            m.d.comb += getattr(machine, name).eq(getattr(self, name))
        for name in ("word_ready", "read_ready", "read_word", "send", "answer_words", "value"):
            m.d.comb += getattr(self, name).eq(getattr(machine, name))
        m.d.comb += [
            machine.flags.eq(Cat(self.flags.values())),
            machine.port.eq(self._port(machine.operand)),
            self.answer.eq(machine.operand),
            self.boot_differs.eq(self.flags[Flag.BOOT_DIFFERS]),
        ]
        self._flags(m)
        self._events(m)
        self._stores(m)
        return m

    def _port(self, operand: Value) -> Value:
        """Return what is read from a port."""
        reads = {
            Port.ONE: 1,
            Port.ORPHAN: ORPHAN & ((1 << self.costs.bits) - 1),
            Port.OVERHEAD: self.costs.overhead,
            Port.SMALLEST_RESERVE: self.costs.smallest_reserve,
            Port.WINDOW: self.parameters.window,
            Port.RECEIVE_BUDGET: self.parameters.receive_budget,
            Port.REPLY_BUDGET: self.parameters.reply_budget,
            Port.LARGEST_FRAME: self.parameters.largest_frame,
            Port.PROGRESS: self.progress,
            Port.LENGTH: self.frame_length,
            Port.TAIL: self.tail,
            Port.REPLY_START: self.reply_start,
            Port.REPLY_LENGTH: self._reply_length,
        }
        return Array(Value.cast(reads.get(port, 0)) for port in Port if port < PORT + 16)[operand[:4]]

    def _flags(self, m: Module) -> None:
        """Set and clear what the program sets and clears."""
        machine, flags = self.machine, self.flags
        for flag in Flag:
            if flag not in INPUTS:
                with m.If((machine.set | machine.clear) & (machine.operand[:5] == flag)):
                    m.d.sync += flags[flag].eq(machine.set)
        m.d.comb += [flags[Flag.BUSY].eq(self.busy), flags[Flag.QUESTION].eq(self.question)]
        m.d.comb += [flags[flag].eq(self.kind == kind) for flag, kind in _KINDS.items()]

    def _events(self, m: Module) -> None:
        """Remember what happens until the program comes to it."""
        flags = self.flags
        events = (self.heard, self.frame, self.finish, self.at_rest, self.at_rest & self.stopped)
        for flag, event in zip(_EVENTS, events, strict=True):
            with m.If(event):
                m.d.sync += flags[flag].eq(1)
        with m.If(self.finish | (self.at_rest & self.stopped)):  # rest alone may come right behind an end
            m.d.sync += self._reply_length.eq(self.reply_length)
        m.d.comb += [
            self.valid.eq(flags[Flag.OFFERED]),
            self.aborted.eq(flags[Flag.ABORTED]),
            self.safe.eq(flags[Flag.SAFE] & ~flags[Flag.AT_REST]),
        ]
        with m.If(self.valid & self.taken):
            m.d.sync += [flags[Flag.OFFERED].eq(0), flags[Flag.RUNNING].eq(1)]

    def _stores(self, m: Module) -> None:
        """Hold what the program stores in ports."""
        machine = self.machine
        held = {
            Port.TAIL: self.tail,
            Port.REPLY_START: self.reply_start,
            Port.COMMAND_START: self.start,
            Port.COMMAND_LENGTH: self.length,
            Port.COMMAND_RESERVE: self.reserve,
        }
        strobes = {Port.ANSWER_START: self.set_start, Port.ANSWER_LENGTH: self.set_length}
        for port, register in held.items():
            with m.If(machine.store & (machine.operand == port)):
                m.d.sync += register.eq(machine.value)
        for port, strobe in strobes.items():
            m.d.comb += strobe.eq(machine.store & (machine.operand == port))
