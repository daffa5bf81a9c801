"""Proof that the session hands out the numbers 1, 2, 3... of a session, each once, whatever comes.

`Proof` is a session of narrow words around which frames and an engine do what they like within their contracts, and a
monitor that counts. `python -m firmware.proofs.session FOLDER` writes it for sby; k-induction with Yices proves:

- what is accepted is the command of the held session whose number is one more than that of the last accepted;
- the n-th command that is handed out in a session is the one that was accepted with number n;
- none is handed out while one is in execution, or while a SAFE waits;
- an entry of the window is never overwritten while it is in use, nor the queue of repeats while it is full.

Facts about the program's places (label to label) make the induction short: each follows from few instructions.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, Cat, Const, Elaboratable, Module, Mux, ResetSignal, Signal, Value

from firmware.front.answers import program
from firmware.front.assembler import Op, Program
from firmware.front.session import Costs, Session
from firmware.front.state import ENTRY, Entry, Flag, Port, Word
from hwctl.protocol.frame import Kind

DEPTH = 9  # clock cycles of the induction: the fewest that prove it
SCRIPT = f"""[options]
mode prove
depth {DEPTH}
[engines]
smtbmc yices
[script]
read_rtlil session.il
prep -top top
memory_map -rom-only
[files]
session.il
"""


@dataclass(frozen=True)
class Narrow:
    """Parameters of a session that is small enough for the solver."""

    receive_budget: int = 8
    reply_budget: int = 8
    largest_frame: int = 8
    window: int = 4


COSTS = Costs(bits=4, overhead=1, smallest_reserve=1)
ORPHAN = (1 << COSTS.bits) - 1  # one beyond the last sequence number


class Proof(Elaboratable):
    """A session, its surroundings, and the monitor."""

    def __init__(self, code: Program | None = None) -> None:
        """Prove the rules, or another program."""
        self.code = code or program()
        self.session = Session(Narrow(), COSTS, self.code)  # type: ignore[arg-type]
        self.inputs: list[Signal] = []
        bits = COSTS.bits
        self.number = self._free("number", bits)  # any one sequence number
        self.accepted, self.handed = Signal(bits), Signal(bits)  # in this session
        self.held = Signal(bits)  # the session
        self.mark = Signal.like(self.session.start)  # where command `number` was put
        self.at = Signal.like(self.session.machine.counter)  # instruction that is carried out
        self.module = self._build()

    def _free(self, name: str, bits: int = 1) -> Signal:
        signal = Signal(bits, name=f"free_{name}")
        self.inputs.append(signal)
        return signal

    def elaborate(self, _: object) -> Module:
        """Put everything together."""
        return self.module

    def _build(self) -> Module:
        m = Module()
        m.submodules.session = self.session
        self._watch()
        m.d.comb += Assume(~ResetSignal())
        self._place(m)
        self._frames(m)
        self._engine(m)
        self._monitor(m)
        self._promises(m)
        self._state_facts(m)
        self._replacing_facts(m)
        self._place_facts(m)
        return m

    def _watch(self) -> None:
        """Look at words of the memory."""
        machine = self.session.machine
        watched = (Word.F_SESSION, Word.F_SEQUENCE, Word.SESSION, Word.RECEIVED, Word.EXECUTED, Word.ACKNOWLEDGED)
        self.word = {word: machine.words.read_port(domain="comb") for word in watched}
        self.start = machine.words.read_port(domain="comb")
        self.instruction = machine.code.read_port(domain="comb")

    def w(self, word: Word) -> Value:
        """Return what a word holds."""
        return self.word[word].data

    def _place(self, m: Module) -> None:
        """Tell which instruction is carried out, in either of its clocks."""
        machine = self.session.machine
        before = Signal.like(machine.counter)
        with m.If(~machine.use):
            m.d.sync += before.eq(machine.counter)
        m.d.comb += self.at.eq(Mux(machine.use, before, machine.counter))
        m.d.comb += [port.addr.eq(word) for word, port in self.word.items()]
        m.d.comb += self.instruction.addr.eq(self.at)
        awake = Signal()
        m.d.sync += awake.eq(1)
        m.d.comb += Assert(~awake | (machine.instruction == self.instruction.data))
        entry = Cat(self.number[: len(machine.index)], Const(Entry.START - ENTRY, 3))
        top = Const(1 << (machine.address_bits - 1 - len(entry)), machine.address_bits - len(entry))
        m.d.comb += self.start.addr.eq(Cat(entry, top))

    def between(self, first: str, end: str, skip: int = 0) -> Value:
        """Return whether the program is between two labels; skip: instructions behind the first one to leave out."""
        labels = self.code.labels
        return (self.at >= labels[first] + skip) & (self.at < labels[end])

    def _frames(self, m: Module) -> None:
        """Let frames come that stand still until they are done with: `Front` checks that the line is slow enough."""
        session = self.session
        waiting = session.flags[Flag.FRAME]
        begun = Signal()
        kept = Signal.like(self.number)
        m.d.sync += [begun.eq(1), kept.eq(self.number)]
        m.d.comb += Assume(~begun | (self.number == kept))
        for name in ("frame", "word_valid", "word_index", "word", "heard", "busy", "read_index"):
            signal = getattr(session, name)
            m.d.comb += signal.eq(self._free(name, len(signal)))
        for name in ("kind", "question", "frame_length"):
            signal = getattr(session, name)
            with m.If(session.frame):
                m.d.sync += signal.eq(self._free(name, len(signal)))
        m.d.comb += Assume(~(waiting & session.frame))
        m.d.comb += Assume(~((waiting | session.frame) & session.word_valid))
        m.d.comb += Assume(session.word_index <= Word.F_SECOND)

    def _engine(self, m: Module) -> None:
        """Let an engine do what the command port allows."""
        session = self.session
        for name in ("taken", "finish", "reply_length", "progress", "at_rest", "stopped"):
            signal = getattr(session, name)
            m.d.comb += signal.eq(self._free(name, len(signal)))
        self.busy = busy = Signal()
        ends = session.finish | (session.at_rest & session.stopped)
        with m.If(ends):
            m.d.sync += busy.eq(0)
        with m.If(session.valid & session.taken):
            m.d.sync += busy.eq(1)
        m.d.comb += [
            Assume(~session.finish | busy),
            Assume(~session.at_rest | (session.safe & ~session.finish)),
            Assume(~session.at_rest | (busy == session.stopped)),
        ]

    def _monitor(self, m: Module) -> None:
        """Count what is accepted and handed out in a session."""
        session, machine = self.session, self.session.machine
        self.accepts = machine.store & (machine.operand == Port.TAIL)
        self.takes = session.valid & session.taken
        with m.If(self.accepts):
            m.d.sync += self.accepted.eq(self.accepted + 1)
            with m.If(self.accepted + 1 == self.number):
                m.d.sync += self.mark.eq(session.tail)
        with m.If(self.takes):
            m.d.sync += self.handed.eq(self.handed + 1)
        with m.If(machine.clear & (machine.operand == Flag.HELD)):
            m.d.sync += [self.accepted.eq(0), self.handed.eq(0), self.held.eq(self.w(Word.F_SESSION))]

    def _promises(self, m: Module) -> None:
        """Assert what the proof is for."""
        session, machine = self.session, self.session.machine
        flags = session.flags
        with m.If(self.accepts):
            m.d.comb += [
                Assert(self.w(Word.F_SEQUENCE) == (self.accepted + 1)[: COSTS.bits]),
                Assert(self.w(Word.F_SESSION) == self.held),
                Assert(self.held != 0),
                Assert(flags[Flag.FRAME] & (session.kind == Kind.COMMAND) & ~session.question),
            ]
        with m.If(self.takes):
            m.d.comb += [Assert(self.handed < self.accepted), Assert(~self.busy), Assert(~session.safe)]
            with m.If(self.handed + 1 == self.number):
                m.d.comb += Assert(session.start == self.mark)
        writes = machine.use & (machine.instruction[machine.operand.shape().width :] == Op.STORE)
        in_entry = machine.operand >= ENTRY
        after = Signal(range(2 * Narrow.window))
        m.d.comb += after.eq((self.w(Word.RECEIVED) - self.w(Word.ACKNOWLEDGED))[: COSTS.bits])
        with m.If(writes & in_entry & self.between("command", "repeat")):
            m.d.comb += [Assert(after < Narrow.window), Assert(machine.index == (self.accepted + 1)[:2])]
        with m.If(writes & (machine.operand == Word.REPEATS)):
            m.d.comb += Assert((machine.tail + 1)[:3] != machine.head)

    def _state_facts(self, m: Module) -> None:
        """Assert what holds at every place, but where a session is replaced or a command ends."""
        flags = self.session.flags
        running, orphaned = flags[Flag.RUNNING], flags[Flag.ORPHANED]
        received, executed, acknowledged = (self.w(n) for n in (Word.RECEIVED, Word.EXECUTED, Word.ACKNOWLEDGED))
        replacing, ended = self.between("replace", "opened"), self.between("ended", "next command")
        accepting, ending = self.between("accept", "accepted"), self.between("executed", "next command")
        resting = self.between("at rest", "tell HELLO_INFO")
        begun = executed + (running & ~orphaned & ~ending)
        m.d.comb += [
            Assert(self.at < len(self.code.code)),
            Assert(received != ORPHAN),
            Assert(replacing | (received + accepting == self.accepted)),
            Assert(replacing | (begun == self.handed)),
            Assert(replacing | (self.handed <= self.accepted)),
            Assert(replacing | (acknowledged <= executed)),
            Assert(replacing | (executed <= received)),
            Assert(replacing | (received - acknowledged <= Narrow.window)),
            Assert(replacing | (self.w(Word.SESSION) == self.held)),
            Assert(replacing | (flags[Flag.HELD] == (self.held != 0))),
            Assert(~flags[Flag.OFFERED] | (~running & ~flags[Flag.SAFE])),
            Assert(~flags[Flag.FINISH] | running),
            Assert(~flags[Flag.STOPPED] | running),
            Assert(~orphaned | running),
            Assert(resting | ~flags[Flag.STOPPED] | ~flags[Flag.FINISH]),
            Assert(resting | ~flags[Flag.AT_REST] | flags[Flag.SAFE]),
            Assert(~(flags[Flag.AT_REST] | resting) | (~self.busy & ~flags[Flag.OFFERED])),
            Assert(self.busy == (running & ~flags[Flag.FINISH] & ~flags[Flag.STOPPED] & ~ended)),
        ]
        waits = (self.number > executed) & (self.number <= self.accepted)
        m.d.comb += Assert(replacing | ~waits | (self.start.data == self.mark))
        with m.If(flags[Flag.OFFERED] & ~replacing):
            m.d.comb += Assert(executed < received)
            with m.If(self.number == executed + 1):
                m.d.comb += Assert(self.session.start == self.mark)

    def _replacing_facts(self, m: Module) -> None:
        """Assert how far a session is replaced: one word after the other is cleared."""
        flags, value = self.session.flags, self.session.machine.value
        none = (self.accepted == 0) & (self.handed == 0)
        stored = self.code.labels["forget"] + 1  # where the accumulator is zero and stored
        clears = (Word.RECEIVED, Word.EXECUTED, Word.ACKNOWLEDGED)
        m.d.comb += [
            Assert(~(self.at < self.code.labels["idle"]) | (none & (self.held == 0) & ~flags[Flag.RUNNING])),
            Assert(~(self.at < self.code.labels["idle"]) | ~flags[Flag.OFFERED]),
            Assert(~((self.at > 0) & (self.at < self.code.labels["boot"])) | (value == 0)),
            Assert(~self.between("replace", "opened") | (self.w(Word.F_SESSION) != 0)),
            Assert(~self.between("replace", "opened", 1) | ~flags[Flag.OFFERED]),
            Assert(~self.between("replace", "opened", 2) | (none & (self.held == self.w(Word.F_SESSION)))),
            Assert(~self.between("forget", "opened") | ~flags[Flag.RUNNING] | flags[Flag.ORPHANED]),
            Assert(~((self.at > stored) & (self.at <= stored + 8)) | (value == 0)),
        ]
        for n, word in enumerate(clears):
            m.d.comb += Assert(~((self.at > stored + 1 + n) & self.between("forget", "opened")) | (self.w(word) == 0))

    def _place_facts(self, m: Module) -> None:
        """Assert what holds at a place of the program."""
        session, index = self.session, self.session.machine.index
        flags, bits = session.flags, len(self.session.machine.index)
        received, executed, asked = self.w(Word.RECEIVED), self.w(Word.EXECUTED), self.w(Word.F_SEQUENCE)
        ours = (self.w(Word.F_SESSION) == self.w(Word.SESSION)) & flags[Flag.HELD]
        idle = ~flags[Flag.OFFERED] & ~flags[Flag.RUNNING] & ~flags[Flag.SAFE]
        following, value = (executed + 1)[:bits], session.machine.value
        facts = [
            ("frame", "done", flags[Flag.FRAME]),
            ("open", "finish", flags[Flag.FRAME]),
            ("held", "other", ours),
            ("acknowledge", "acknowledged", value <= executed),
            ("command", "repeat", ours & (session.kind == Kind.COMMAND)),
            ("named", "opened", self.w(Word.SESSION) == self.held),
            ("executed", "ended", self.w(Word.ACKNOWLEDGED) < executed),
            ("finish", "next command", ~flags[Flag.STOPPED]),
            ("in turn", "accept", asked == received + 1),
            ("whole", "repeat", ~session.question),
            ("window open", "accept", received - self.w(Word.ACKNOWLEDGED) < Narrow.window),
            ("entry", "repeat", index == asked[:bits]),
            ("accept", "repeat", asked == self.accepted),
            ("finish", "ended", flags[Flag.FINISH]),
            ("executed", "ended", ~flags[Flag.ORPHANED]),
            ("reply", "ended", index == executed[:bits]),
            ("waiting", "offered", idle & (executed < received)),
            ("turn", "offered", index == following),
            ("found", "offered", (self.number != executed + 1) | (session.start == self.mark)),
        ]
        for first, end, fact in facts:
            m.d.comb += Assert(~self.between(first, end) | fact)
        labels = self.code.labels
        m.d.comb += [
            Assert(~self.between("frame", "other", 1) | flags[Flag.HELD]),
            Assert(~self.between("named", "opened", 1) | flags[Flag.HELD]),
            Assert(~self.between("next command", "offered", 1) | ~flags[Flag.OFFERED]),
            Assert(~self.between("next command", "offered", 2) | ~flags[Flag.RUNNING]),
            Assert(~self.between("next command", "offered", 3) | ~flags[Flag.SAFE]),
            Assert((self.at != labels["waiting"]) | (value == executed)),
            Assert(~self.between("whole", "repeat", 2) | (asked != ORPHAN)),
            Assert(~self.between("at rest", "rest: stored") | (flags[Flag.AT_REST] & flags[Flag.SAFE])),
            Assert(~((self.at > labels["at rest"]) & (self.at <= labels["rest: stored"] + 4)) | ~flags[Flag.FINISH]),
            Assert(~self.between("rest: stored", "tell HELLO_INFO", 1) | ~flags[Flag.SAFE]),
            Assert(~self.between("rest: stored", "tell HELLO_INFO", 2) | ~flags[Flag.AT_REST]),
            Assert(~((self.at >= labels["in turn"]) & (self.at <= labels["whole"] + 2)) | (value == received + 1)),
        ]


def write(folder: Path, code: Program | None = None) -> Path:
    """Write the proof for sby and return its script."""
    proof = Proof(code)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "session.il").write_text(rtlil.convert(proof, ports=proof.inputs, name="top"))
    script = folder / "session.sby"
    script.write_text(SCRIPT)
    return script


if __name__ == "__main__":
    write(Path(sys.argv[1]))
