"""The instructions of the session's machine, and the assembler of its program.

A word of the machine is as wide as a field of a header. An instruction takes two clocks: the word is read, then used.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache

OPERAND_BITS = 9
OP_BITS = 5
CLOCKS = 2  # of one instruction


class Class(IntEnum):
    """What an instruction does with its middle bits."""

    DO = 0  # they are an Op, its operand the number of a word, flag or kind
    JUMP_IF = 1  # they are the flag that is asked, the operand is the target
    JUMP_UNLESS = 2


class Op(IntEnum):
    """What is done. There is one accumulator."""

    LOAD = 0
    ADD = 1
    SUBTRACT = 2
    COMPARE = 3  # accumulator with word: flags EQUAL, LESS, AT_MOST
    STORE = 4
    COPY = 5  # word to the end of the answer
    INDEX = 6  # take the accumulator as the sequence number whose Entry words are meant from here on
    SET = 7  # flag
    CLEAR = 8
    SEND = 9  # the answer, as the kind of the operand


@dataclass
class Program:
    """Instructions with labels."""

    code: list[tuple[Class, int, int | str]] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)

    def label(self, name: str) -> None:
        """Name the next instruction."""
        if name in self.labels:
            raise ValueError(f"label {name} is there twice")
        self.labels[name] = len(self.code)

    def do(self, op: Op, *operands: int) -> None:
        """Do the same with several operands, in order."""
        self.code += [(Class.DO, op, operand) for operand in operands]

    def move(self, *pairs: tuple[int, int]) -> None:
        """Load and store, for each pair (from, to)."""
        for source, target in pairs:
            self.do(Op.LOAD, source)
            self.do(Op.STORE, target)

    def jump_if(self, flag: int, target: str) -> None:
        """Go on elsewhere where a flag is set."""
        self.code.append((Class.JUMP_IF, flag, target))

    def jump_unless(self, flag: int, target: str) -> None:
        """Go on elsewhere where a flag is not set."""
        self.code.append((Class.JUMP_UNLESS, flag, target))

    def assemble(self) -> list[int]:
        """Return the instruction words."""
        if len(self.code) > 1 << OPERAND_BITS:
            raise ValueError(f"{len(self.code)} instructions; there is room for {1 << OPERAND_BITS}")
        return [
            self._operand(operand) | (middle << OPERAND_BITS) | (kind << (OPERAND_BITS + OP_BITS))
            for kind, middle, operand in self.code
        ]

    def _operand(self, operand: int | str) -> int:
        return self.labels[operand] if isinstance(operand, str) else int(operand)

    def longest(self, start: str, ends: Iterable[str], always: int) -> int:
        """Return the most instructions from one label to the first of others. Raises ValueError where it can loop."""
        stops = {self.labels[name] for name in ends}
        on_the_way: set[int] = set()

        @cache
        def steps(at: int) -> int:
            if at in on_the_way:
                raise ValueError(f"instruction {at} is in a loop")
            on_the_way.add(at)
            found = 1 + max((0 if n in stops else steps(n) for n in self._next(at, always)), default=0)
            on_the_way.remove(at)
            return found

        return steps(self.labels[start])

    def _next(self, at: int, always: int) -> list[int]:
        """Return the instructions that may follow one."""
        kind, middle, operand = self.code[at]
        if kind is Class.DO:
            return [at + 1]
        if kind is Class.JUMP_IF and middle == always:
            return [self._operand(operand)]
        return [at + 1, self._operand(operand)]
