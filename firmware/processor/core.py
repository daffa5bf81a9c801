"""The processor's hardware: one adder, multipliers that shift as well, one memory."""

from itertools import pairwise

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from firmware.front.memory import NO_CLASH, read_port
from firmware.processor.assembler import (
    CALLS,
    CODE_BITS,
    CONDITION_BITS,
    MODE_BITS,
    OP_BITS,
    OPERAND_BITS,
    WORD_BITS,
    Flag,
    Mode,
    Op,
    Program,
)


class Processor(wiring.Component):
    """Runs `program` from its first instruction on, from power-up, for ever.

    `number` is that of the register outside that an instruction names. In its second clock `read` or `write` is high:
    `value_in` is taken, or `value_out` is to be taken. `flags` are looked at in the first clock of a jump.
    """

    def __init__(self, program: Program, flags: int = 1) -> None:
        """Take so many flags from outside."""
        if Flag.FIRST + flags > 1 << CONDITION_BITS:
            raise ValueError(f"{flags} flags; there is room for {(1 << CONDITION_BITS) - Flag.FIRST}")
        code = program.assemble()
        self.code = Memory(shape=CODE_BITS, depth=len(code), init=code)
        self.words = Memory(
            shape=WORD_BITS, depth=1 << bits_for(len(program.words)), init=program.words, attrs=NO_CLASH
        )
        super().__init__(
            {
                "flags": In(flags),
                "number": Out(OPERAND_BITS),
                "read": Out(1),
                "write": Out(1),
                "value_in": In(WORD_BITS),
                "value_out": Out(WORD_BITS),
            }
        )
        self.use = Signal(init=1)  # second clock of an instruction; after reset only the first one is fetched in it
        self.counter = Signal(bits_for(max(len(code) - 1, 1)))  # in the second clock, of the next instruction
        self.instruction = Signal(CODE_BITS)
        self.index = Signal(bits_for(self.words.depth - 1))
        self.carry, self.equal, self.less, self.less_signed = Signal(), Signal(), Signal(), Signal()

    def elaborate(self, _: object) -> Module:
        """Fetch, read, use."""
        m = Module()
        awake, doing = Signal(), Signal()
        operand, mode = self.instruction[:OPERAND_BITS], self.instruction[OPERAND_BITS : OPERAND_BITS + MODE_BITS]
        op = self.instruction[OPERAND_BITS + MODE_BITS : CODE_BITS - 1]
        m.d.sync += [self.use.eq(~self.use), awake.eq(1)]
        m.d.comb += doing.eq(awake & self.use & ~self.instruction[-1])
        self._does = {known: Signal(name=f"does_{known.name.lower()}") for known in Op}
        for known, does in self._does.items():
            m.d.comb += does.eq(doing & (op == known))
        outside = mode == Mode.IO
        m.d.comb += [
            self.number.eq(operand),
            self.write.eq(self._does[Op.STORE] & outside),
            self.read.eq(doing & outside & (op < Op.STORE)),
        ]
        word = self._memory(m, operand, mode)
        self._fetch(m, operand)
        self._calculate(m, word)
        return m

    def _fetch(self, m: Module, operand: Value) -> None:
        """Go on to the next instruction; a jump knows its flag in its first clock."""
        m.submodules.code = self.code
        port = self.code.read_port()
        m.d.comb += [port.addr.eq(self.counter), port.en.eq(self.use), self.instruction.eq(port.data)]
        asked, following, calls = Signal(), Signal.like(self.counter), Signal()
        own = {
            Flag.ALWAYS: Const(1, 1), Flag.ZERO: self.value_out == 0, Flag.NEGATIVE: self.value_out[-1],
            Flag.CARRY: self.carry, Flag.EQUAL: self.equal, Flag.LESS: self.less, Flag.LESS_SIGNED: self.less_signed,
        }  # fmt: skip
        known = [own.get(n, Const(0, 1)) for n in range(Flag.FIRST)] + list(self.flags)  # type: ignore[call-overload]
        condition, jumps = self.instruction[OPERAND_BITS : OPERAND_BITS + CONDITION_BITS], self.instruction[-1]
        sense = self.instruction[OPERAND_BITS + CONDITION_BITS]
        op = self.instruction[OPERAND_BITS + MODE_BITS : OPERAND_BITS + MODE_BITS + OP_BITS]
        stack = [Signal.like(self.counter, name=f"call{n}") for n in range(CALLS)]
        m.d.comb += [
            asked.eq(Array(known)[condition] == sense),
            following.eq(self.counter + 1),
            calls.eq(~jumps & (op == Op.CALL)),
        ]
        with m.If(~self.use):
            m.d.sync += self.counter.eq(following)
            with m.If((jumps & asked) | calls):
                m.d.sync += self.counter.eq(operand)
            with m.If(calls):
                m.d.sync += [held.eq(before) for held, before in zip(stack, [following, *stack], strict=False)]
            with m.If(~jumps & (op == Op.RETURN)):
                m.d.sync += self.counter.eq(stack[0])
                m.d.sync += [held.eq(behind) for held, behind in pairwise(stack)]

    def _memory(self, m: Module, operand: Value, mode: Value) -> Value:
        """Return what the operand means."""
        m.submodules.words = self.words
        write, address = self.words.write_port(), Signal(len(self.index))
        m.d.comb += [
            address.eq(operand + Mux(mode == Mode.INDEXED, self.index, 0)),
            write.addr.eq(address),
            write.data.eq(self.value_out),
            write.en.eq(self._does[Op.STORE] & (mode != Mode.IO)),
        ]
        word, read = Signal(WORD_BITS), read_port(m, self.words, address)
        with m.Switch(mode):
            with m.Case(Mode.IO):
                m.d.comb += word.eq(self.value_in)
            with m.Case(Mode.IMMEDIATE):
                m.d.comb += word.eq(operand.as_signed())
            with m.Default():
                m.d.comb += word.eq(read)
        return word

    def _calculate(self, m: Module, word: Value) -> None:
        does, value = self._does, self.value_out
        subtract, carried = Signal(), Signal()
        total = Signal(WORD_BITS + 1)
        m.d.comb += [
            subtract.eq(does[Op.SUBTRACT] | does[Op.SUBTRACT_CARRY] | does[Op.COMPARE]),
            carried.eq(Mux(does[Op.ADD_CARRY] | does[Op.SUBTRACT_CARRY], self.carry, subtract)),
            total.eq(value + (word ^ subtract.replicate(WORD_BITS)) + carried),
        ]
        adds = does[Op.ADD] | does[Op.ADD_CARRY] | does[Op.SUBTRACT] | does[Op.SUBTRACT_CARRY]
        shifts = does[Op.ROTATE] | does[Op.SHIFT_LEFT] | does[Op.SHIFT_RIGHT] | does[Op.SHIFT_RIGHT_SIGNED]
        multiplies = does[Op.MULTIPLY] | does[Op.MULTIPLY_SIGNED]
        changes = adds | shifts | multiplies | does[Op.LOAD] | does[Op.AND] | does[Op.OR] | does[Op.XOR]
        # Two bits choose, as they take half the logic of a signal for each result.
        choice = Cat(adds | shifts, multiplies | shifts)
        results = (self._logic(m, word), total[:WORD_BITS], self._product(m, word), self._shifted(m, word))
        with m.If(changes):
            m.d.sync += value.eq(_choose(choice, *results))
        with m.If(adds):
            m.d.sync += self.carry.eq(total[-1])
        with m.If(does[Op.COMPARE]):
            m.d.sync += [
                self.equal.eq(total[:WORD_BITS] == 0),
                self.less.eq(~total[-1]),
                self.less_signed.eq(~total[-1] ^ value[-1] ^ word[-1]),
            ]
        with m.If(does[Op.INDEX]):
            m.d.sync += self.index.eq(value)

    def _logic(self, m: Module, word: Value) -> Value:
        """Load, and, or, xor: by two bits as well."""
        does, value, result = self._does, self.value_out, Signal(WORD_BITS)
        choice = Cat(does[Op.AND] | does[Op.XOR], does[Op.OR] | does[Op.XOR])
        m.d.comb += result.eq(_choose(choice, word, value & word, value | word, value ^ word))
        return result

    def _product(self, m: Module, word: Value) -> Value:
        """Multiply 16 bits unsigned, as the FPGA does; for a negative x, acc * 2**16 is taken off again."""
        raw, negative = Signal(WORD_BITS), Signal()
        m.d.comb += [
            raw.eq(self.value_out[:16] * word[:16]),
            negative.eq(self._does[Op.MULTIPLY_SIGNED] & word[15]),
        ]
        return Cat(raw[:16], (raw[16:] - Mux(negative, self.value_out[:16], 0))[:16])

    def _shifted(self, m: Module, word: Value) -> Value:
        """Rotate to the left; a shift to the right rotates by the rest of the word, and replaces what came round.

        Halves are multiplied with a power of two: small FPGAs have more multipliers than logic.
        """
        right = self._does[Op.SHIFT_RIGHT] | self._does[Op.SHIFT_RIGHT_SIGNED]
        amount, value, power = Signal(5), self.value_out, Signal(16)
        low, high, turned = Signal(WORD_BITS), Signal(WORD_BITS), Signal(WORD_BITS)
        halves = Mux(amount[4], value.rotate_left(16), value)
        m.d.comb += [
            amount.eq(Mux(right, -word[:5], word[:5])),
            power.eq(Cat(amount[:4] == n for n in range(16))),
            low.eq(halves[:16] * power),
            high.eq(halves[16:] * power),
            turned.eq(low | high.rotate_left(16)),
        ]
        # Bits from the amount on: those that stay of a shift to the left, and are lost of one to the right.
        above, keep = _from(amount), Signal(WORD_BITS)
        with m.If(self._does[Op.ROTATE] | (right & (amount == 0))):
            m.d.comb += keep.eq(-1)
        with m.Elif(right):
            m.d.comb += keep.eq(~above)
        with m.Else():
            m.d.comb += keep.eq(above)
        fill = self._does[Op.SHIFT_RIGHT_SIGNED] & value[-1]
        return (turned & keep) | (~keep & fill.replicate(WORD_BITS))


def _from(amount: Value) -> Value:
    """Return a word with the bits from number `amount` on."""
    low, high, octet = _at_most(amount[:3]), _at_most(amount[3:]), amount[3:]
    return Cat((high[n >> 3] & (octet != n >> 3)) | ((octet == n >> 3) & low[n & 7]) for n in range(WORD_BITS))


def _at_most(number: Value) -> list[Value]:
    """Return for n = 0, 1, ... whether the number is at most n: tables, where a comparison would be made of carries."""
    size = 1 << len(number)
    return [Const((2 << n) - 1, size).bit_select(number, 1) for n in range(size)]


def _choose(choice: Value, a: Value, b: Value, c: Value, d: Value) -> Value:
    return Mux(choice[1], Mux(choice[0], d, c), Mux(choice[0], b, a))
