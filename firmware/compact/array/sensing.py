"""Requests that sense: READ, and VMM in both directions."""

from typing import TYPE_CHECKING

from firmware.compact.array.cells import KIND_SHIFT, unit
from firmware.compact.array.ports import Ask, Port, field, port
from firmware.port import Operation
from firmware.processor.assembler import Flag, Op
from hwctl.devices import law
from hwctl.protocol.codes import ADC_BITS, NO_CURRENT, NO_READING

if TYPE_CHECKING:
    from firmware.compact.array.program import ArrayProgram


def requests(a: "ArrayProgram") -> None:
    """Write what is done for them."""
    _read(a)
    _vmm(a)


# -- READ: docs/cell-law.md, "READ" ------------------------------------------------------------------------------------


def _read(a: "ArrayProgram") -> None:
    p, total, half, current = a.p, a.level, a.longest, a.longest[1]
    p.label(f"do {Operation.READ.name}")
    p.load(1)
    p.do(Op.SHIFT_LEFT, field("tia_range"))
    p.do(Op.SHIFT_RIGHT, 1)
    p.store(half)
    with p.loop() as (again, _):
        p.call("see")
        p.do(Op.MULTIPLY, field("voltage"))
        p.do(Op.SHIFT_RIGHT, 8)
        p.do(Op.ADD, half)
        p.store(current)
        p.load(1)
        p.do(Op.SHIFT_LEFT, field("averages_log2"))
        p.store(a.n)
        p.do(Op.ADD, a.conversions)
        p.store(a.conversions)
        p.move(field("index"), a.amount)
        p.move(0, total)
        _conversions(a)
        p.label("send reading")
        a.send()
        p.call("next")
        p.jump_if(Flag.NEGATIVE, again)
        _spend_row(a)
        p.load(a.rows_left)
        p.jump_if(Flag.ZERO, "finish")


def _conversions(a: "ArrayProgram") -> None:
    """Load the reading: the mean of `n` conversions, the first with noise index `amount`."""
    p, total, current = a.p, a.level, a.longest[1]
    with p.repeat(a.n):
        if a.constants.read_code:
            p.move(a.amount, a.x1)
            unit(a, law.READ)
            _read_noise(a)
            p.do(Op.SHIFT_RIGHT_SIGNED, 8)
        else:
            p.load(0)
        p.do(Op.ADD, current)
        with p.when(Flag.NEGATIVE):
            p.load(0)
        p.do(Op.SHIFT_RIGHT, field("tia_range"))
        p.do(Op.COMPARE, 1 << ADC_BITS)
        fits = p.fresh()
        p.jump_if(Flag.LESS, fits)
        p.load(NO_READING)
        p.jump("send reading")
        p.label(fits)
        p.do(Op.ADD, total)
        p.store(total)
        p.increase(a.amount)
    p.load(total)
    p.do(Op.SHIFT_LEFT, field("tia_range"))
    p.store(total)
    p.load(1)
    p.do(Op.SHIFT_LEFT, field("averages_log2"))
    p.do(Op.SHIFT_RIGHT, 1)
    p.do(Op.ADD, total)
    p.do(Op.SHIFT_RIGHT, field("averages_log2"))


def _read_noise(a: "ArrayProgram") -> None:
    """Load read * xi of the draw with what is in the accumulator and in x1."""
    p = a.p
    p.call("noise")
    p.load(a.constants.read_code)
    p.do(Op.MULTIPLY_SIGNED, a.xi)


def _spend_row(a: "ArrayProgram") -> None:
    """Add the time of a row: its cells are converted at the same time, 2**a times."""
    p = a.p
    p.load(-1)
    p.do(Op.SHIFT_LEFT, field("averages_log2"))
    p.do(Op.XOR, -1)
    p.store(a.hi)
    p.load(field("settle"))
    p.do(Op.ROTATE, field("averages_log2"))
    p.store(a.lo)
    p.do(Op.AND, a.hi)
    p.store(a.hi)
    p.do(Op.XOR, a.lo)
    p.store(a.lo)
    p.call("spend")


# -- VMM: docs/cell-law.md, "VMM and transposed VMM" -------------------------------------------------------------------


def _vmm(a: "ArrayProgram") -> None:
    """Take the vector; then sum up a sensed line after the other."""
    p, total = a.p, a.longest
    p.label(f"do {Operation.VMM.name}")
    p.move(field("settle"), a.time)
    _directions(a)
    p.move(a.spot, port(Port.ADDRESS))
    p.move(a.width, a.n)
    with p.repeat(a.n):
        a.element()
        p.store(port(Port.DATA))
    with p.loop():
        p.load(0)
        p.store(total, total[1])
        p.move(a.layout.operands, a.spot)
        with p.loop() as (_, end):
            _product(a)
            p.call("next")
            p.jump_unless(Flag.NEGATIVE, end)
        _times_voltage(a)
        _add_noise(a)
        _round(a)
        a.send()
        for counted in (a.conversions, a.amount):
            p.increase(counted)
        p.load(a.rows_left)
        p.jump_if(Flag.ZERO, "finish")


def _directions(a: "ArrayProgram") -> None:
    """Make the driven lines of a sensed one the cells of a row. `amount`: the unit of its draw."""
    p, cols, columns = a.p, a.parameters.cols, a.p.fresh()
    p.load(field("row0"))
    p.do(Op.ADD, law.ROW << KIND_SHIFT)
    p.jump_if(Ask.TRANSPOSED, columns)
    p.move(cols, a.step)
    p.move(a.width, a.n)
    p.move(a.rows_left, a.width, a.left)
    p.do(Op.MULTIPLY, cols)
    p.store(a.skip)
    p.load(1)
    p.do(Op.SUBTRACT, a.skip)
    p.store(a.skip)
    p.move(a.n, a.rows_left)
    p.load(field("col0"))
    p.do(Op.ADD, law.COLUMN << KIND_SHIFT)
    p.label(columns)
    p.store(a.amount)


def _product(a: "ArrayProgram") -> None:
    """Add input times visible code to the sum."""
    p, code, given = a.p, a.level, a.lo
    p.call("see")
    p.store(code)
    p.move(a.spot, port(Port.ADDRESS))
    p.move(port(Port.DATA), given)
    p.load(code)
    p.do(Op.MULTIPLY_SIGNED, given)
    p.store(a.lo)
    p.do(Op.SHIFT_RIGHT_SIGNED, 31)
    p.store(a.hi)
    p.call("sum")


def _times_voltage(a: "ArrayProgram") -> None:
    """Multiply the sum, in pieces of 16 bits, of which the highest is signed; then shift by 8."""
    p, total, voltage, middle = a.p, a.longest, field("voltage"), a.b
    p.load(voltage)
    p.do(Op.MULTIPLY, total)
    p.store(a.lo)
    p.load(total)
    p.do(Op.SHIFT_RIGHT, 16)
    p.do(Op.MULTIPLY, voltage)
    p.store(middle)
    p.do(Op.SHIFT_LEFT, 16)
    p.do(Op.ADD, a.lo)
    p.store(a.lo)
    p.load(middle)
    p.do(Op.SHIFT_RIGHT, 16)
    p.do(Op.ADD_CARRY, 0)
    p.store(a.hi)
    p.load(voltage)
    p.do(Op.MULTIPLY_SIGNED, total[1])
    p.do(Op.ADD, a.hi)
    p.store(a.hi)
    p.do(Op.SHIFT_RIGHT_SIGNED, 8)
    p.store(total[1])
    p.load(a.lo)
    p.do(Op.SHIFT_RIGHT, 8)
    p.store(a.lo)
    p.load(a.hi)
    p.do(Op.SHIFT_LEFT, 24)
    p.do(Op.OR, a.lo)
    p.store(total)


def _add_noise(a: "ArrayProgram") -> None:
    if not a.constants.read_code:
        return
    p, noise, narrow, added = a.p, a.b, a.p.fresh(), a.p.fresh()
    p.move(field("index"), a.x1)
    p.load(a.amount)
    _read_noise(a)
    p.jump_unless(Ask.WIDE, narrow)
    p.store(noise)
    p.do(Op.SHIFT_LEFT, 7)
    p.store(a.lo)
    p.load(noise)
    p.do(Op.SHIFT_RIGHT_SIGNED, 25)
    p.jump(added)
    p.label(narrow)
    p.do(Op.SHIFT_RIGHT_SIGNED, 1)
    p.store(a.lo)
    p.do(Op.SHIFT_RIGHT_SIGNED, 31)
    p.label(added)
    p.store(a.hi)
    p.call("sum")


def _round(a: "ArrayProgram") -> None:
    """Load the result: steps of 2**range, 12 bits and signed, or NO_CURRENT."""
    p, total, steps, none, out = a.p, a.longest, a.n, a.p.fresh(), a.p.fresh()
    p.load(7)
    with p.when(Ask.WIDE):
        p.load(15)
    p.do(Op.ADD, field("tia_range"))
    p.store(steps)
    p.load(1)
    p.do(Op.SHIFT_LEFT, steps)
    p.do(Op.SHIFT_RIGHT, 1)
    p.store(a.lo)
    p.move(0, a.hi)
    p.call("sum")
    p.load(total)
    p.do(Op.SHIFT_RIGHT, steps)
    p.store(a.lo)
    p.load(32)
    p.do(Op.SUBTRACT, steps)
    p.store(a.hi)
    p.load(total[1])
    p.do(Op.SHIFT_LEFT, a.hi)
    p.do(Op.OR, a.lo)
    p.store(a.lo)
    # What is above must be nothing but the sign.
    p.load(total[1])
    p.do(Op.SHIFT_RIGHT_SIGNED, steps)
    p.store(a.hi)
    p.load(a.lo)
    p.do(Op.SHIFT_RIGHT_SIGNED, 31)
    p.do(Op.COMPARE, a.hi)
    p.jump_unless(Flag.EQUAL, none)
    p.load(a.lo)
    p.do(Op.ADD, 1 << ADC_BITS - 1)
    p.do(Op.COMPARE, 1 << ADC_BITS)
    p.jump_unless(Flag.LESS, none)
    p.load(a.lo)
    p.jump(out)
    p.label(none)
    p.load(NO_CURRENT)
    p.label(out)
