"""Requests that move words of cells, and step curves: WRITE_WORDS, READ_WORDS, WRITE_CURVE."""

from typing import TYPE_CHECKING

from firmware.compact.array_ports import Ask, Port, field, port
from firmware.port import Operation
from firmware.processor.assembler import Flag, Op
from hwctl.protocol.codes import CURVE_ENTRIES

if TYPE_CHECKING:
    from firmware.compact.array_program import ArrayProgram

ENTRY_SHIFT = (CURVE_ENTRIES - 1).bit_length()


def requests(a: "ArrayProgram") -> None:
    """Write what is done for them."""
    _words(a, Operation.WRITE_WORDS)
    _words(a, Operation.READ_WORDS)
    _curve(a)


def _words(a: "ArrayProgram", operation: Operation) -> None:
    p = a.p
    p.label(f"do {operation.name}")
    with p.loop() as (_, end):
        a.address_cell()
        p.do(Op.ADD, field("word0"))
        p.store(port(Port.ADDRESS))
        p.move(field("words"), a.n)
        with p.loop() as (_, done):
            if operation is Operation.WRITE_WORDS:
                a.element()
                p.store(port(Port.DATA))
            else:
                p.load(port(Port.DATA))
                a.send()
            a.count_down(a.n)
            p.jump_if(Flag.ZERO, done)
        p.call("next")
        p.jump_if(Flag.ZERO, end)
    p.jump("finish")


def _curve(a: "ArrayProgram") -> None:
    """Keep the mean of an entry below its sigma, and one less than the shift."""
    p, first = a.p, a.a
    p.label(f"do {Operation.WRITE_CURVE.name}")
    p.load(0)
    with p.when(Ask.POLARITY):
        p.load(a.constants.levels[0])
    p.do(Op.ADD, field("set_level"))
    p.store(first)
    p.index()
    p.load(field("shift"))
    p.do(Op.SUBTRACT, 1)
    p.store(a.shifts.indexed)
    p.load(first)
    p.do(Op.SHIFT_LEFT, ENTRY_SHIFT)
    p.store(first)
    for sigma in (False, True):
        p.move(0, a.n)
        with p.loop() as (_, end):
            a.element()
            p.do(Op.AND, 0xFFFF)
            if sigma:
                p.do(Op.SHIFT_LEFT, 16)
            p.store(a.b)
            p.load(a.n)
            p.do(Op.ADD, first)
            p.index()
            if sigma:
                a.curve()
                p.do(Op.OR, a.b)
            else:
                p.load(a.b)
            a.store_curve()
            p.load(a.n)
            p.do(Op.ADD, 1)
            p.store(a.n)
            p.do(Op.COMPARE, CURVE_ENTRIES)
            p.jump_if(Flag.EQUAL, end)
    p.jump("finish")
