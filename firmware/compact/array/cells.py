"""Routines for one cell: the hash, the pulses, and what is seen of it."""

from typing import TYPE_CHECKING

from firmware.compact.array.ports import Port, port
from firmware.compact.array.words import ENTRY_SHIFT
from firmware.processor.assembler import Flag, Op
from hwctl.devices import law
from hwctl.protocol.cells import WORDS_PER_CELL
from hwctl.protocol.codes import CellFlag

if TYPE_CHECKING:
    from firmware.compact.array.program import ArrayProgram

STATE, COUNT_LOW, COUNT_HIGH, LOW, SPAN, GAINS, _, OFFSET, FLAGS, FORM_LEVEL = range(WORDS_PER_CELL)
KIND_SHIFT = 24
TURNS = ((13, 15, 26, 6), (17, 29, 16, 24))
XI_MIDDLE = 510


def routines(a: "ArrayProgram") -> None:
    """Write them."""
    _hash(a)
    _noise(a)
    _take(a)
    _put(a)
    _train(a)
    _see(a)
    _clamp(a)


def unit(a: "ArrayProgram", kind: int) -> None:
    """Load the first counter word of a draw for the cell."""
    a.p.load(a.number)
    a.p.do(Op.ADD, kind << KIND_SHIFT)


def _hash(a: "ArrayProgram") -> None:
    """Hash the accumulator and x1 into x0 and x1; the accumulator is x0 then."""
    p, x0, x1, key = a.p, a.x0, a.x1, a.key

    def rounds(turns: tuple[int, ...]) -> None:
        """Go on with x1 in the accumulator; leave it there."""
        for turn in turns:
            p.store(x1)
            p.do(Op.ADD, x0)
            p.store(x0)
            p.load(x1)
            p.do(Op.ROTATE, turn)
            p.do(Op.XOR, x0)

    with p.routine("hash"):
        p.do(Op.ADD, key[0])
        p.store(x0)
        p.load(x1)
        p.do(Op.ADD, key[1])
        rounds(TURNS[0])
        p.do(Op.ADD, key[2], 1)
        p.store(x1)
        p.load(x0)
        p.do(Op.ADD, key[1])
        p.store(x0)
        p.load(x1)
        rounds(TURNS[1])
        p.do(Op.ADD, key[0], 2)
        p.store(x1)
        p.load(x0)
        p.do(Op.ADD, key[2])
        p.store(x0)


def _noise(a: "ArrayProgram") -> None:
    """Hash, and make noise of the first word: xi, in the accumulator as well."""
    p, bytes_, halves = a.p, 0x00FF00FF, a.xi
    with p.routine("noise"):
        p.call("hash")
        p.do(Op.AND, bytes_)
        p.store(halves)
        p.load(a.x0)
        p.do(Op.SHIFT_RIGHT, 8)
        p.do(Op.AND, bytes_)
        p.do(Op.ADD, halves)
        p.store(halves)
        p.do(Op.SHIFT_RIGHT, 16)
        p.do(Op.ADD, halves)
        p.do(Op.AND, 0x7FF)
        p.do(Op.SUBTRACT, XI_MIDDLE)
        p.store(a.xi)


def _take(a: "ArrayProgram") -> None:
    p = a.p
    with p.routine("take"):
        a.address_cell()
        for word in range(WORDS_PER_CELL):
            p.move(port(Port.DATA), a.cell[word])
        p.load(a.cell[COUNT_HIGH])
        p.do(Op.SHIFT_LEFT, 16)
        p.do(Op.OR, a.cell[COUNT_LOW])
        p.store(a.count)


def _put(a: "ArrayProgram") -> None:
    """Write what a pulse changes."""
    p = a.p
    with p.routine("put"):
        a.address_cell()
        p.move(a.cell[STATE], port(Port.DATA))
        p.move(a.count, port(Port.DATA))
        p.do(Op.SHIFT_RIGHT, 16)
        p.store(port(Port.DATA))


def _clamp(a: "ArrayProgram") -> None:
    """Bring the accumulator into 0 to 65535."""
    p, most = a.p, 0xFFFF
    with p.routine("clamp"):
        with p.when(Flag.NEGATIVE):
            p.load(0)
        p.do(Op.COMPARE, most)
        with p.when(Flag.LESS, 0):
            p.load(most)


def _train(a: "ArrayProgram") -> None:
    """Pulse the cell `amount` times, perhaps not at all, with `polarity`, at drive level `level`."""
    p = a.p
    with p.routine("train"):
        p.load(a.polarity)
        p.index()
        p.load(a.amount)
        with p.when(Flag.ZERO):
            p.ret()
        p.store(a.n)
        p.do(Op.ADD, a.pulses.indexed)
        p.store(a.pulses.indexed)
        p.call("take")
        p.load(a.cell[FLAGS])
        moves = p.fresh()
        p.jump_if(Flag.ZERO, moves)
        p.load(a.count)
        p.do(Op.ADD, a.amount)
        with p.when(Flag.CARRY):
            p.load(-1)
        p.store(a.count)
        p.jump("put")
        p.label(moves)
        _find_curve(a)
        with p.repeat(a.n):
            _pulse(a)
        p.jump("put")


def _find_curve(a: "ArrayProgram") -> None:
    """Find what is the same for all pulses of a train: "A pulse", step 3. The index register is the polarity."""
    p, table = a.p, a.a
    p.load(a.cell[OFFSET])
    a.sign_extend(16)
    p.do(Op.ADD, a.level)
    with p.when(Flag.NEGATIVE):
        p.load(0)
    p.do(Op.COMPARE, a.tops.indexed)
    with p.when(Flag.LESS, 0):
        p.load(a.tops.indexed)
    p.do(Op.ADD, a.firsts.indexed)
    p.store(table)
    p.move(a.cell[GAINS].indexed, a.gain)
    p.load(0)
    p.do(Op.SUBTRACT, a.polarity)
    p.store(a.down)
    p.load(table)
    p.index()
    p.do(Op.SHIFT_LEFT, ENTRY_SHIFT)
    p.store(a.first)
    p.move(a.shifts.indexed, a.shift)
    p.load(-1)
    p.do(Op.SHIFT_LEFT, a.shift, 1)
    p.do(Op.XOR, -1)
    p.store(a.fraction)


def _pulse(a: "ArrayProgram") -> None:
    """Do steps 1 and 4 to 7 of "A pulse".

    Halves of both addends are summed up, with what both have below: then 32 bits are enough.
    """
    p, mean, spread = a.p, a.a, a.b
    p.load(a.count)
    p.do(Op.ADD, 1)
    with p.when(Flag.ZERO, 0):
        p.store(a.count)
    p.move(a.count, a.x1)
    unit(a, law.PULSE)
    p.call("noise")
    p.load(a.cell[STATE])
    p.do(Op.SHIFT_RIGHT, law.CURVE_SHIFT)
    p.do(Op.ADD, a.first)
    p.index()
    a.curve()
    p.store(mean)
    p.do(Op.SHIFT_RIGHT, 16)
    p.do(Op.MULTIPLY_SIGNED, a.xi)
    p.do(Op.SHIFT_LEFT, law.SIGMA_SHIFT)
    p.store(spread)
    p.load(a.x1)
    p.do(Op.AND, a.fraction)
    p.do(Op.ADD, spread)
    p.store(spread)
    p.load(a.gain)
    p.do(Op.MULTIPLY_SIGNED, mean)
    p.store(mean)
    p.do(Op.AND, spread, 1)
    p.store(a.lo)
    for addend in (mean, spread):
        p.load(addend)
        p.do(Op.SHIFT_RIGHT_SIGNED, 1)
        p.do(Op.ADD, a.lo)
        p.store(a.lo)
    p.do(Op.SHIFT_RIGHT_SIGNED, a.shift)
    p.do(Op.XOR, a.down)
    p.do(Op.SUBTRACT, a.down)
    p.do(Op.ADD, a.cell[STATE])
    p.call("clamp")
    p.store(a.cell[STATE])


def _see(a: "ArrayProgram") -> None:
    """Load the code of the cell: "What is seen of a cell"."""
    p, flags, scale, whole, s = a.p, a.cell[FLAGS], a.p.fresh(), a.a, a.b
    with p.routine("see"):
        p.call("take")
        p.load(flags)
        p.do(Op.AND, CellFlag.UNFORMED.value)
        with p.when(Flag.ZERO, 0):
            p.load(0)
            p.ret()
        p.load(0xFFFF)
        for flag in (CellFlag.STUCK_ON, CellFlag.STUCK_OFF):
            p.store(s)
            p.load(flags)
            p.do(Op.AND, flag.value)
            p.jump_unless(Flag.ZERO, scale)
            p.load(0)
        if a.constants.write_code:
            p.move(a.count, a.x1)
            unit(a, law.WRITE)
            p.call("noise")
            p.load(a.constants.write_code)
            p.do(Op.MULTIPLY_SIGNED, a.xi)
            p.do(Op.SHIFT_RIGHT_SIGNED, law.WRITE_SHIFT)
        p.do(Op.ADD, a.cell[STATE])
        p.store(s)
        p.label(scale)
        p.load(s)
        p.do(Op.SHIFT_RIGHT_SIGNED, 16)
        p.store(whole)
        p.load(s)
        p.do(Op.MULTIPLY, a.cell[SPAN])
        p.do(Op.SHIFT_RIGHT, 16)
        p.store(s)
        p.load(a.cell[SPAN])
        p.do(Op.MULTIPLY_SIGNED, whole)
        p.do(Op.ADD, s, a.cell[LOW])
        p.jump("clamp")
