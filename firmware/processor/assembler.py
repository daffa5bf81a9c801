"""Instructions of the processor, and the assembler of its programs.

An instruction takes two clocks: its operand is read, then used. There is one accumulator of 32 bits, an index register,
and a memory of 32-bit words, which holds variables and constants. What is outside has numbers, too (`Mode.IO`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum

OPERAND_BITS = 12
MODE_BITS = 2
OP_BITS = 5
CONDITION_BITS = OP_BITS + MODE_BITS - 1
CODE_BITS = 1 + OP_BITS + MODE_BITS + OPERAND_BITS
CLOCKS = 2  # of one instruction
WORD_BITS = 32
CALLS = 4  # that may be open at once


class Mode(IntEnum):
    """What an operand is."""

    WORD = 0  # number of a word of the memory
    INDEXED = 1  # the same, with the index register added to it
    IMMEDIATE = 2  # itself, sign-extended
    IO = 3  # number of a register outside


class Op(IntEnum):
    """What is done. `acc` is the accumulator, `x` what the operand means; all is modulo 2**32."""

    LOAD = 0
    ADD = 1  # CARRY: of bit 31
    ADD_CARRY = 2  # with CARRY added
    SUBTRACT = 3  # CARRY: no borrow
    SUBTRACT_CARRY = 4  # with the borrow of the one before
    COMPARE = 5  # SUBTRACT that leaves acc alone: flags EQUAL, LESS, LESS_SIGNED
    AND = 6
    OR = 7
    XOR = 8
    MULTIPLY = 9  # low 16 bits of acc and x, unsigned
    MULTIPLY_SIGNED = 10  # the same, where those of x are two's complement
    ROTATE = 11  # acc to the left, by x modulo 32
    SHIFT_LEFT = 12  # by x, which is 0 to 31, as for the next two
    SHIFT_RIGHT = 13
    SHIFT_RIGHT_SIGNED = 14
    STORE = 15  # acc to the word, or outside
    INDEX = 16  # take acc as the index register
    CALL = 17  # the routine at the operand
    RETURN = 18


class Flag(IntEnum):
    """What a jump may ask; flags from outside have the numbers from FIRST on."""

    ALWAYS = 0
    ZERO = 1  # acc, as it stands
    NEGATIVE = 2
    CARRY = 3
    EQUAL = 4
    LESS = 5
    LESS_SIGNED = 6
    FIRST = 8


@dataclass(frozen=True)
class Operand:
    """Something that an instruction can take."""

    mode: Mode
    number: int

    def __getitem__(self, offset: int) -> "Operand":
        """Return a word behind this one."""
        return Operand(self.mode, self.number + offset)

    @property
    def indexed(self) -> "Operand":
        """The same word, with the index register added to its number."""
        return Operand(Mode.INDEXED, self.number)


def io(number: int) -> Operand:
    """Return a register outside."""
    return Operand(Mode.IO, number)


@dataclass
class Program:
    """Instructions with labels, and the memory's first contents. An int as operand is a constant."""

    code: list[tuple[int, int, int | str]] = field(default_factory=list)  # jump bit and upper field, mode, operand
    labels: dict[str, int] = field(default_factory=dict)
    words: list[int] = field(default_factory=list)
    _constants: dict[int, Operand] = field(default_factory=dict)
    _fresh: int = 0

    # -- memory --------------------------------------------------------------------------------------------------------

    def word(self, *values: int) -> Operand:
        """Return a new word with that first value, or the first of several in a row."""
        self.words += [value % (1 << WORD_BITS) for value in values or (0,)]
        return Operand(Mode.WORD, len(self.words) - len(values or (0,)))

    def constant(self, value: int) -> Operand:
        """Return an operand that is the number: immediate where it has room there, else a word."""
        value %= 1 << WORD_BITS
        signed = value - (value >> WORD_BITS - 1 << WORD_BITS)
        if -(1 << OPERAND_BITS - 1) <= signed < 1 << OPERAND_BITS - 1:
            return Operand(Mode.IMMEDIATE, signed)
        if value not in self._constants:
            self._constants[value] = self.word(value)
        return self._constants[value]

    # -- instructions --------------------------------------------------------------------------------------------------

    def do(self, op: Op, *operands: Operand | int) -> None:
        """Do the same with several operands, in order."""
        for given in operands:
            operand = given if isinstance(given, Operand) else self.constant(given)
            if op is Op.STORE and operand.mode is Mode.IMMEDIATE:
                raise ValueError("a number was given where a result is stored")
            self.code.append((op, operand.mode, operand.number))

    def load(self, operand: Operand | int) -> None:
        """Take it into the accumulator."""
        self.do(Op.LOAD, operand)

    def store(self, *operands: Operand) -> None:
        """Put the accumulator there."""
        self.do(Op.STORE, *operands)

    def move(self, source: Operand | int, *targets: Operand) -> None:
        """Load and store."""
        self.load(source)
        self.store(*targets)

    def increase(self, word: Operand, by: Operand | int = 1) -> None:
        """Add to a word."""
        self.load(word)
        self.do(Op.ADD, by)
        self.store(word)

    def count_down(self, word: Operand) -> None:
        """Take one off a word; ZERO says that none is left."""
        self.load(word)
        self.do(Op.SUBTRACT, 1)
        self.store(word)

    def index(self) -> None:
        """Take the accumulator as the index register."""
        self.do(Op.INDEX, 0)

    def label(self, name: str) -> None:
        """Name the next instruction."""
        if name in self.labels:
            raise ValueError(f"label {name} is there twice")
        self.labels[name] = len(self.code)

    def fresh(self) -> str:
        """Return the name of a label that nothing else has."""
        self._fresh += 1
        return f"#{self._fresh}"

    def jump(self, target: str) -> None:
        """Go on elsewhere."""
        self.jump_if(Flag.ALWAYS, target)

    def jump_if(self, flag: int, target: str) -> None:
        """Go on elsewhere where a flag is set."""
        self._jump(flag, 1, target)

    def jump_unless(self, flag: int, target: str) -> None:
        """Go on elsewhere where a flag is not set."""
        self._jump(flag, 0, target)

    def _jump(self, flag: int, sense: int, target: str) -> None:
        self.code.append((1 << OP_BITS | sense << OP_BITS - 1 | flag >> MODE_BITS, flag % (1 << MODE_BITS), target))

    def call(self, target: str) -> None:
        """Go into a routine; `CALLS` may be open at once."""
        self.code.append((Op.CALL, Mode.IMMEDIATE, target))

    def ret(self) -> None:
        """Return from it."""
        self.do(Op.RETURN, 0)

    def wait(self, flag: int, value: int = 1) -> None:
        """Stand still until a flag is set, or not set."""
        here = self.fresh()
        self.label(here)
        (self.jump_unless if value else self.jump_if)(flag, here)

    @contextmanager
    def routine(self, name: str) -> Iterator[None]:
        """Make a routine of what is written meanwhile."""
        self.label(name)
        yield
        self.ret()

    @contextmanager
    def when(self, flag: int, value: int = 1) -> Iterator[None]:
        """Execute what is written meanwhile where a flag is set, or not set."""
        end = self.fresh()
        (self.jump_unless if value else self.jump_if)(flag, end)
        yield
        self.label(end)

    @contextmanager
    def loop(self) -> Iterator[tuple[str, str]]:
        """Repeat what is written meanwhile; yields the labels to go on with the next pass, and behind the loop."""
        start, end = self.fresh(), self.fresh()
        self.label(start)
        yield start, end
        self.jump(start)
        self.label(end)

    @contextmanager
    def repeat(self, word: Operand) -> Iterator[None]:
        """Do what is written meanwhile as often as the word says, at least once, and make that 0."""
        start = self.fresh()
        self.label(start)
        yield
        self.count_down(word)
        self.jump_unless(Flag.ZERO, start)

    def assemble(self) -> list[int]:
        """Return the instruction words. Raises ValueError where there are too many."""
        if len(self.code) > 1 << OPERAND_BITS:
            raise ValueError(f"{len(self.code)} instructions; there is room for {1 << OPERAND_BITS}")
        mask = (1 << OPERAND_BITS) - 1
        return [
            ((upper << MODE_BITS | mode) << OPERAND_BITS)
            | ((self.labels[operand] if isinstance(operand, str) else operand) & mask)
            for upper, mode, operand in self.code
        ]
