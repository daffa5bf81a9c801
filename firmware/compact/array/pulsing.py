"""Requests that pulse cells: COUNTS and DRIVES (what is to come), PULSE, PULSE_CELL, FORM_CELL."""

from typing import TYPE_CHECKING

from firmware.array.lane import FORMED
from firmware.compact.array.cells import FLAGS, FORM_LEVEL, STATE
from firmware.compact.array.ports import Ask, Port, field, port
from firmware.port import Operation
from firmware.processor.assembler import Flag, Op
from hwctl.protocol.codes import CellFlag

if TYPE_CHECKING:
    from firmware.compact.array.program import ArrayProgram

LEVEL_SHIFT = 8  # of an operand: the count is below the drive level


def requests(a: "ArrayProgram") -> None:
    """Write what is done for them."""
    _counts(a)
    _drives(a)
    _pulse(a)
    _cell(a)
    _form(a)


def routines(a: "ArrayProgram") -> None:
    """Write the routines that they share."""
    _times(a)
    _add(a)
    _spend_train(a)
    _aim(a)
    _take_amount(a)
    _take_drive(a)
    _end_row(a)


def _counts(a: "ArrayProgram") -> None:
    p = a.p
    p.label(f"do {Operation.COUNTS.name}")
    p.move(a.spot, port(Port.ADDRESS))
    with p.loop():
        a.element()
        p.do(Op.AND, 0xFF)
        p.store(port(Port.DATA))
        p.call("next")
        p.jump_if(Flag.ZERO, "hide")


def _drives(a: "ArrayProgram") -> None:
    """Store drive levels, and add up each row's longest train of the polarity."""
    p, width = a.p, a.b
    p.label(f"do {Operation.DRIVES.name}")
    with p.loop() as (again, _):
        p.call("aim")
        p.wait(Ask.ELEMENT)
        p.move(port(Port.ELEMENT_HIGH), a.level)
        p.move(port(Port.ELEMENT), width)
        other = p.fresh()
        p.load(a.amount)
        p.jump_if(Flag.ZERO, other)
        p.load(0)
        with p.when(Ask.POLARITY):
            p.load(1)
        p.do(Op.XOR, a.polarity)
        p.jump_unless(Flag.ZERO, other)
        _keep_level(a)
        p.load(width)
        p.call("times")
        p.load(a.lo)
        p.do(Op.SUBTRACT, a.longest)
        p.load(a.hi)
        p.do(Op.SUBTRACT_CARRY, a.longest[1])
        with p.when(Flag.CARRY):
            p.move(a.lo, a.longest)
            p.move(a.hi, a.longest[1])
        p.label(other)
        p.call("next")
        p.jump_if(Flag.NEGATIVE, again)
        p.move(a.longest, a.lo)
        p.move(a.longest[1], a.hi)
        p.call("spend")
        p.load(0)
        p.store(a.longest, a.longest[1])
        p.load(a.rows_left)
        p.jump_if(Flag.ZERO, "hide")


def _keep_level(a: "ArrayProgram") -> None:
    """Put the drive level above the cell's count."""
    p = a.p
    p.move(a.spot, port(Port.ADDRESS))
    p.load(port(Port.DATA))
    p.do(Op.AND, 0xFF)
    p.store(a.n)
    p.move(a.spot, port(Port.ADDRESS))
    p.load(a.level)
    p.do(Op.SHIFT_LEFT, LEVEL_SHIFT)
    p.do(Op.OR, a.n)
    p.store(port(Port.DATA))


def _pulse(a: "ArrayProgram") -> None:
    p = a.p
    p.label(f"do {Operation.PULSE.name}")
    with p.loop() as (again, _):
        p.call("aim")
        p.call("train")
        p.call("next")
        p.jump_if(Flag.NEGATIVE, again)
        p.call("end row")
        p.jump_if(Flag.ZERO, "finish")


def _aim(a: "ArrayProgram") -> None:
    """Take pulses, polarity and drive level from the operand of the cell."""
    p = a.p
    with p.routine("aim"):
        p.move(a.spot, port(Port.ADDRESS))
        p.load(port(Port.DATA))
        p.store(a.amount)
        p.do(Op.SHIFT_RIGHT, LEVEL_SHIFT)
        p.store(a.level)
        p.load(a.amount)
        p.jump("take amount")


def _take_amount(a: "ArrayProgram") -> None:
    """Take pulses and polarity from the byte in the accumulator; leave the pulses there."""
    p = a.p
    with p.routine("take amount"):
        a.sign_extend(8)
        p.store(a.amount)
        p.do(Op.SHIFT_RIGHT, 31)
        p.store(a.polarity)
        p.load(a.amount)
        with p.when(Flag.NEGATIVE):
            p.do(Op.XOR, -1)
            p.do(Op.ADD, 1)
        p.store(a.amount)


def _take_drive(a: "ArrayProgram") -> None:
    """Take the request's drive level of the polarity; load its width."""
    p = a.p
    with p.routine("take drive"):
        p.load(a.polarity)
        with p.when(Flag.ZERO):
            p.move(field("set_level"), a.level)
            p.load(field("set_width"))
            p.ret()
        p.move(field("reset_level"), a.level)
        p.load(field("reset_width"))


def _end_row(a: "ArrayProgram") -> None:
    """Count a row as done. ZERO: it was the last one, or is to be."""
    p = a.p
    with p.routine("end row"):
        p.load(a.rows_done)
        p.do(Op.ADD, 1)
        p.store(a.rows_done, port(Port.ROWS_DONE))
        p.load(0)
        with p.when(Ask.STOP, 0):
            p.load(a.rows_left)


def _cell(a: "ArrayProgram") -> None:
    p = a.p
    p.label(f"do {Operation.PULSE_CELL.name}")
    p.load(field("count"))
    p.call("take amount")
    p.call("take drive")
    p.call("spend train")
    p.call("train")
    p.jump("finish")


def _form(a: "ArrayProgram") -> None:
    """Count the pulse; form an unformed cell, if the level is enough for it."""
    p, flags = a.p, a.cell[FLAGS]
    p.label(f"do {Operation.FORM_CELL.name}")
    p.move(1, a.pulses, a.amount)
    p.load(field("set_width"))
    p.call("spend train")
    p.call("take")
    p.load(a.count)
    p.do(Op.ADD, 1)
    with p.when(Flag.ZERO, 0):
        p.store(a.count)
    p.load(flags)
    p.do(Op.AND, CellFlag.UNFORMED.value)
    p.jump_if(Flag.ZERO, "put formed")
    p.load(field("set_level"))
    p.do(Op.COMPARE, a.cell[FORM_LEVEL])
    p.jump_if(Flag.LESS, "put formed")
    p.move(FORMED, a.cell[STATE])
    a.address_cell(FLAGS)
    p.load(flags)
    p.do(Op.XOR, CellFlag.UNFORMED.value)
    p.store(port(Port.DATA))
    p.label("put formed")
    p.call("put")
    p.jump("finish")


def _times(a: "ArrayProgram") -> None:
    """Multiply the 32 bits in the accumulator with `amount`: `hi`, `lo`."""
    p = a.p
    with p.routine("times"):
        p.store(a.hi)
        p.do(Op.MULTIPLY, a.amount)
        p.store(a.lo)
        p.load(a.hi)
        p.do(Op.SHIFT_RIGHT, 16)
        p.do(Op.MULTIPLY, a.amount)
        p.store(a.hi)
        p.do(Op.SHIFT_LEFT, 16)
        p.do(Op.ADD, a.lo)
        p.store(a.lo)
        p.load(a.hi)
        p.do(Op.SHIFT_RIGHT, 16)
        p.do(Op.ADD_CARRY, 0)
        p.store(a.hi)


def _add(a: "ArrayProgram") -> None:
    """Add `hi`, `lo` to the time, or to a sum."""
    for name, (low, high) in {"spend": (a.time, a.time[1]), "sum": (a.longest, a.longest[1])}.items():
        with a.p.routine(name):
            a.p.load(low)
            a.p.do(Op.ADD, a.lo)
            a.p.store(low)
            a.p.load(high)
            a.p.do(Op.ADD_CARRY, a.hi)
            a.p.store(high)


def _spend_train(a: "ArrayProgram") -> None:
    """Add the width in the accumulator to the time, `amount` times."""
    p = a.p
    with p.routine("spend train"):
        p.call("times")
        p.jump("spend")
