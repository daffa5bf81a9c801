"""A small machine that runs a program over a memory of words, one instruction in two clocks.

Bytes are slow and rules are many: a byte takes at least 40 clocks on the line, so one adder and a memory of words do
what would take thousands of registers and comparators.

Both ports of the memory have turns. In the first clock of an instruction its word is addressed, and words of the next
frame may be written; in the second it is used, and words of the answer may be read.
"""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from firmware.front.assembler import OP_BITS, OPERAND_BITS, Class, Op, Program
from firmware.front.memory import NO_CLASH, read_port
from firmware.front.state import ANSWER, ANSWER_WORDS, ENTRY, FRAME_WORDS, PORT, REPEAT, REPEATS, Entry, Flag, Word

LOW_BITS = bits_for(PORT - 1)
FIELD_BITS = bits_for(max(Entry) - ENTRY)
PORT_BIT, ENTRY_BIT = bits_for(PORT) - 1, bits_for(ENTRY) - 1


class Machine(wiring.Component):
    """Runs `program`. Where an operand is a port, `port` has to hold its value, and `store` says that it is written."""

    def __init__(self, program: Program, bits: int, window: int) -> None:
        """Work on words of so many bits, with entries for `window` sequence numbers."""
        self.program, self.bits = program, bits
        self.index = Signal(range(window))  # which entry is meant: a sequence number modulo the window
        self.address_bits = 1 + max(LOW_BITS, FIELD_BITS + len(self.index))
        code = program.assemble()
        self.code = Memory(shape=2 + OP_BITS + OPERAND_BITS, depth=len(code), init=code)
        self.words = Memory(shape=bits, depth=1 << self.address_bits, init=[], attrs=NO_CLASH)
        super().__init__(
            {
                "flags": In(len(Flag)),  # those of COMPARE and of the queue are the machine's own
                "port": In(bits),
                "operand": Out(OPERAND_BITS),
                "value": Out(bits),  # the accumulator
                "store": Out(1),
                "set": Out(1),  # flag `operand`
                "clear": Out(1),
                "send": Out(1),  # the answer, of kind `operand`
                "answer_words": Out(range(ANSWER_WORDS)),
                "word_valid": In(1),
                "word_index": In(range(FRAME_WORDS)),
                "word": In(bits),
                "word_ready": Out(1),
                "read_index": In(range(ANSWER_WORDS)),
                "read_ready": Out(1),
                "read_word": Out(bits),  # in the clock behind `read_ready`
            }
        )
        self.use = Signal(init=1)  # second clock of an instruction; after reset only the first one is fetched in it
        self.counter = Signal(OPERAND_BITS)  # of the next instruction, in the second clock
        self.instruction = Signal(2 + OP_BITS + OPERAND_BITS)
        self.equal, self.less = Signal(), Signal()
        self.head, self.tail = Signal(range(REPEATS)), Signal(range(REPEATS))  # of the queue

    def elaborate(self, _: object) -> Module:
        """Fetch, read, use."""
        m = Module()
        m.submodules.words = self.words
        self._write, self._read_address = self.words.write_port(), Signal(self.address_bits)
        self._read = read_port(m, self.words, self._read_address)
        awake, doing = Signal(), Signal()
        middle = self.instruction[OPERAND_BITS : OPERAND_BITS + OP_BITS]
        m.d.sync += [self.use.eq(~self.use), awake.eq(1)]
        m.d.comb += [
            self.operand.eq(self.instruction),
            doing.eq(awake & self.use & (self.instruction[OPERAND_BITS + OP_BITS :] == Class.DO)),
        ]
        self._does = {op: Signal(name=f"does_{op.name.lower()}") for op in Op}
        for op, does in self._does.items():
            m.d.comb += does.eq(doing & (middle == op))
        m.d.comb += [
            self.set.eq(self._does[Op.SET]),
            self.clear.eq(self._does[Op.CLEAR]),
            self.send.eq(self._does[Op.SEND]),
        ]
        self._fetch(m, middle)
        self._memory(m, self._address(m))
        self._calculate(m)
        self._queue(m)
        return m

    def _fetch(self, m: Module, middle: Value) -> None:
        """Go on to the next instruction; a jump knows its flag in its first clock."""
        m.submodules.code = self.code
        port = self.code.read_port()
        m.d.comb += [port.addr.eq(self.counter), port.en.eq(self.use), self.instruction.eq(port.data)]
        own = {
            Flag.ALWAYS: Const(1, 1),
            Flag.EQUAL: self.equal,
            Flag.LESS: self.less,
            Flag.AT_MOST: self.equal | self.less,
            Flag.REPEATS: self.head != self.tail,
            Flag.REPEATS_FULL: self.head == (self.tail + 1)[: len(self.head)],
        }
        asked = Signal()
        m.d.comb += asked.eq(Array(own.get(flag, self.flags[flag]) for flag in Flag)[middle])
        kind = self.instruction[OPERAND_BITS + OP_BITS :]
        with m.If(~self.use):
            m.d.sync += self.counter.eq(self.counter + 1)
            with m.If(((kind == Class.JUMP_IF) & asked) | ((kind == Class.JUMP_UNLESS) & ~asked)):
                m.d.sync += self.counter.eq(self.operand)

    def _address(self, m: Module) -> Value:
        """Return the address of the word that the operand means."""
        address, low = Signal(self.address_bits), Signal(LOW_BITS)
        m.d.comb += [low.eq(self.operand), address.eq(low)]
        with m.If(self.operand[:LOW_BITS] == Word.REPEATS):
            m.d.comb += low.eq(REPEAT | Mux(self._does[Op.STORE], self.tail, self.head))
        with m.If(self.operand[ENTRY_BIT]):
            entry = Cat(self.index, self.operand[:FIELD_BITS])
            m.d.comb += address.eq(Cat(entry, Const(0, self.address_bits - 1 - len(entry)), Const(1, 1)))
        return address

    def _memory(self, m: Module, address: Value) -> None:
        """Give both ports of the memory their turns."""
        store, copy = self._does[Op.STORE], self._does[Op.COPY]
        is_port = self.operand[PORT_BIT] & ~self.operand[ENTRY_BIT]
        m.d.comb += [
            self._read_address.eq(Mux(self.use, ANSWER | self.read_index, address)),
            self.read_ready.eq(self.use),
            self.read_word.eq(self._read),
            self.word_ready.eq(~self.use),
            self.store.eq(store & is_port),
        ]
        with m.If(self.use):
            m.d.comb += [
                self._write.addr.eq(Mux(copy, ANSWER | self.answer_words, address)),
                self._write.data.eq(Mux(copy, self._word(is_port), self.value)),
                self._write.en.eq(copy | (store & ~is_port)),
            ]
        with m.Else():
            m.d.comb += [
                self._write.addr.eq(self.word_index),
                self._write.data.eq(self.word),
                self._write.en.eq(self.word_valid),
            ]
        with m.If(copy):
            m.d.sync += self.answer_words.eq(self.answer_words + 1)
        with m.If(self.send):
            m.d.sync += self.answer_words.eq(0)

    def _word(self, is_port: Value) -> Value:
        return Mux(is_port, self.port, self._read)

    def _calculate(self, m: Module) -> None:
        """Add, subtract, compare."""
        does = self._does
        word, subtract = Signal(self.bits), Signal()
        total = Signal(self.bits + 1)
        m.d.comb += [
            word.eq(self._word(self.operand[PORT_BIT] & ~self.operand[ENTRY_BIT])),
            subtract.eq(~does[Op.ADD]),
            total.eq(self.value + (word ^ subtract.replicate(self.bits)) + subtract),
        ]
        with m.If(does[Op.LOAD]):
            m.d.sync += self.value.eq(word)
        with m.If(does[Op.ADD] | does[Op.SUBTRACT]):
            m.d.sync += self.value.eq(total)
        with m.If(does[Op.COMPARE]):
            m.d.sync += [self.equal.eq(total[: self.bits] == 0), self.less.eq(~total[self.bits])]
        with m.If(does[Op.INDEX]):
            m.d.sync += self.index.eq(self.value)

    def _queue(self, m: Module) -> None:
        """Numbers of replies to be sent again: a store puts one in, a load takes one out."""
        meant = self.operand == Word.REPEATS
        with m.If(self._does[Op.STORE] & meant):
            m.d.sync += self.tail.eq(self.tail + 1)
        with m.If(self._does[Op.LOAD] & meant):
            m.d.sync += self.head.eq(self.head + 1)
        with m.If(self.clear & (self.operand == Flag.REPEATS)):
            m.d.sync += self.head.eq(self.tail)
