"""The engine's program: what every command shares. What each one does stands in modules of its own."""

from firmware.compact.engine import moving, pulsing, settings, unpack
from firmware.compact.engine.registers import Outside, Source, Target
from firmware.compact.engine.words import Words
from firmware.engine.engine import commands_of
from firmware.engine.replies import FixedReplies
from firmware.parameters import Parameters
from firmware.port import Operation
from firmware.processor.assembler import Flag, Op, Operand, Program, io
from hwctl.devices.identity import BoardCodes
from hwctl.protocol.codec import HEADER
from hwctl.protocol.codes import Answer, Refusal
from hwctl.protocol.commands import Command

SAFE_VALUE = 1
NOMINAL = 256  # voltage until CONFIGURE_READ


class EngineProgram:
    """Writes the program. `p` is its assembler, `w` its words; routines are called by their labels."""

    def __init__(self, parameters: Parameters, codes: BoardCodes, replies: FixedReplies, key: int) -> None:
        """Take what an engine is made for."""
        self.parameters, self.codes, self.replies = parameters, codes, replies
        self.kinds = commands_of(parameters)
        self.p = Program()
        self.w = Words(self.p, self.kinds, codes)
        self.fixed = self.w.fixed(replies)
        self._begin(key)
        self._idle()
        unpack.add(self)
        self._dispatch()
        settings.add(self)
        moving.add(self)
        pulsing.add(self)
        self._ends()
        self._reading()
        self._writing()
        self._asking()

    # -- short for what comes up often ---------------------------------------------------------------------------------

    def get(self, source: Source) -> None:
        """Load a register."""
        self.p.load(io(source))

    def put(self, *targets: Target) -> None:
        """Store into registers."""
        self.p.store(*(io(target) for target in targets))

    def set(self, target: Target, value: Operand | int) -> None:
        """Load, and store into a register."""
        self.p.move(value, io(target))

    def byte(self) -> None:
        """Load the next byte of the command."""
        self.p.wait(Outside.BYTE)
        self.get(Source.BYTE)

    def read(self, bits: int) -> None:
        """Load a number of the command."""
        self.p.load(bits)
        self.p.call("number")

    def write(self, value: Operand | int, size: int) -> None:
        """Append a number of 1, 2 or 4 bytes to the reply."""
        self.p.load(value)
        if size == 1:
            self.put(Target.PUT)
        else:
            self.p.call(f"put {size}")

    def less(self, limit: Operand | int, otherwise: Refusal) -> None:
        """Refuse unless the accumulator is less."""
        self.p.do(Op.COMPARE, limit)
        self.p.jump_unless(Flag.LESS, otherwise.name)

    def limit(self, value: Operand, most: int, otherwise: Refusal = Refusal.MALFORMED) -> None:
        """Refuse a number that is higher."""
        self.p.load(value)
        self.less(most + 1, otherwise)

    def positive(self, value: Operand) -> None:
        """Refuse 0."""
        self.p.load(value)
        self.p.jump_if(Flag.ZERO, Refusal.MALFORMED.name)

    def request(self, operation: Operation) -> None:
        """Ask the array."""
        self.set(Target.REQUEST, operation.value)

    def head(self, answer: Answer) -> None:
        """Write a reply's header; `whole` holds its bytes."""
        self.p.load(int(answer))
        self.p.call("head")

    def command(self, kind: type[Command]) -> None:
        """Begin what this command does."""
        self.p.label(kind.op.name)

    # -- from one command to the next ----------------------------------------------------------------------------------

    def _begin(self, key: int) -> None:
        self.p.wait(Outside.BUSY, 0)  # the array may have to prepare itself
        self.set(Target.KEY, key & 0xFFFFFFFF)
        self.set(Target.KEY_HIGH, key >> 32)
        self.set(Target.VOLTAGE, NOMINAL)
        self.set(Target.SETTLE, self.codes.settle)

    def _idle(self) -> None:
        """Look at the fields before the command is taken: they change behind that."""
        p, w = self.p, self.w
        p.label("idle")
        self.put(Target.SLEEP)
        p.label("asleep")
        p.jump_if(Outside.SAFE, "rest")
        p.jump_unless(Outside.VALID, "asleep")
        for source, word in ((Source.LENGTH, w.length), (Source.RESERVE, w.reserve)):
            p.move(io(source), word)
        self.get(Source.REPLY_START)
        p.store(w.reply_start)
        self.put(Target.REPLY)
        self.get(Source.START)
        p.store(w.end)
        self.put(Target.SEEK, Target.TAKE)
        p.jump_unless(Outside.TAKEN, "idle")
        p.load(0)
        p.store(w.refusal, w.progress, w.bad, w.batch, *(w.pulsed[n] for n in range(2)), io(Target.PROGRESS))
        p.jump_if(Outside.ABORTED, Refusal.ABORTED.name)

    def _dispatch(self) -> None:
        self.p.load(self.w.op)
        for kind in self.kinds:
            self.p.do(Op.COMPARE, int(kind.op))
            self.p.jump_if(Flag.EQUAL, kind.op.name)

    def _ends(self) -> None:
        p, w = self.p, self.w
        for refusal in self.replies.refusals:
            p.label(refusal.name)
            p.load(int(refusal))
            p.jump("refuse")
        p.label("refuse")
        p.store(w.refusal)
        self.set(Target.REPLY, w.reply_start)  # SAFE may have stopped a command in the middle of its reply
        p.load(w.refusal)
        p.label("fixed")
        p.index()
        self.set(Target.SEEK, self.fixed.indexed)
        p.do(Op.SHIFT_RIGHT, 16)
        p.store(w.whole, w.count)
        p.label("fixed byte")
        self.get(Source.FIXED)
        self.put(Target.PUT)
        p.count_down(w.count)
        p.jump_unless(Flag.ZERO, "fixed byte")
        p.load(w.refusal)
        p.do(Op.COMPARE, int(Refusal.ABORTED))
        p.jump_unless(Flag.EQUAL, "finish")
        p.jump_unless(Outside.SAFE, "finish")
        self.set(Target.STOPPED, w.whole)
        p.jump("resting")
        p.label("rest")
        self.put(Target.REST)
        p.label("resting")
        p.move(SAFE_VALUE, w.safe)
        p.wait(Outside.SAFE, 0)
        p.jump("idle")
        p.label("done")
        p.move(HEADER.size, w.whole)
        self.head(Answer.DONE)
        p.label("finish")
        self.set(Target.FINISH, w.whole)
        p.jump("idle")

    # -- routines ------------------------------------------------------------------------------------------------------

    def _reading(self) -> None:
        p, w = self.p, self.w
        with p.routine("number"):  # of so many bits as the accumulator says
            p.store(w.bits)
            p.load(0)
            p.store(w.shift, w.value)
            with p.loop() as (_, end):
                self.byte()
                p.do(Op.SHIFT_LEFT, w.shift)
                p.do(Op.OR, w.value)
                p.store(w.value)
                p.increase(w.shift, 8)
                p.do(Op.COMPARE, w.bits)
                p.jump_if(Flag.EQUAL, end)
            p.load(w.value)
        with p.routine("feed"):  # so many items to the array; `bits` each, which are sign-extended
            p.store(w.left)
            with p.repeat(w.left):
                p.load(w.bits)
                p.call("number")
                p.load(32)
                p.do(Op.SUBTRACT, w.bits)
                p.store(w.shift)
                p.load(w.value)
                p.do(Op.SHIFT_LEFT, w.shift)
                p.do(Op.SHIFT_RIGHT_SIGNED, w.shift)
                p.wait(Outside.ELEMENT, 0)
                self.put(Target.ELEMENT)

    def _writing(self) -> None:
        p, w = self.p, self.w
        with p.routine("fits"):  # a reply of so many bytes
            p.store(w.whole)
            p.load(w.reserve)
            p.do(Op.COMPARE, w.whole)
            p.jump_if(Flag.LESS, Refusal.OVER_LIMIT.name)
        with p.routine("results"):  # so many to the reply
            p.store(w.left)
            with p.repeat(w.left):
                p.wait(Outside.RESULT)
                self.get(Source.RESULT)
                p.call("put 2")
        with p.routine("progress"):  # so much more
            p.do(Op.ADD, w.progress)
            p.store(w.progress, io(Target.PROGRESS))
        with p.routine("region head"):  # of an array whose elements have this type
            self.put(Target.PUT)
            self.write(w.rows, 4)
            self.write(w.cols, 4)
        p.label("head")
        p.call("put 4")
        p.load(w.whole)
        p.do(Op.SUBTRACT, HEADER.size)
        with p.routine("put 4"):
            self.put(Target.PUT)
            for _ in range(2):
                p.do(Op.SHIFT_RIGHT, 8)
                self.put(Target.PUT)
            p.do(Op.SHIFT_RIGHT, 8)
            self.put(Target.PUT)
        with p.routine("put 2"):
            self.put(Target.PUT)
            p.do(Op.SHIFT_RIGHT, 8)
            self.put(Target.PUT)

    def _asking(self) -> None:
        p, w, parameters = self.p, self.w, self.parameters
        with p.routine("inside"):  # the array, else refuse; the request gets the region
            region = w.region()
            self.limit(region[1], parameters.rows, Refusal.OUT_OF_REGION)
            self.limit(region[3], parameters.cols, Refusal.OUT_OF_REGION)
            for number, target in zip(region, (Target.ROW0, Target.ROW1, Target.COL0, Target.COL1), strict=True):
                self.set(target, number)
        with p.routine("spend"):  # wait for the array and add what it took
            p.wait(Outside.BUSY, 0)
            sources = (Source.SET_PULSES, Source.RESET_PULSES, Source.CONVERSIONS, *2 * [Source.TIME])
            for n, source in enumerate(sources):
                if n < 2:
                    p.increase(w.pulsed[n], io(source))
                p.increase(w.totals[2 * n], io(source))
                p.load(w.totals[2 * n + 1])
                p.do(Op.ADD_CARRY, io(Source.TIME_HIGH) if source is Source.TIME else 0)
                p.store(w.totals[2 * n + 1])
