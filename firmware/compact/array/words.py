"""Requests that move words of cells, and step curves: WRITE_WORDS, READ_WORDS, WRITE_CURVE."""

from typing import TYPE_CHECKING

from firmware.compact.array.ports import Ask, Port, field, port
from firmware.port import Operation
from firmware.processor.assembler import Flag, Op
from hwctl.protocol.codes import CURVE_ENTRIES

if TYPE_CHECKING:
    from firmware.compact.array.program import ArrayProgram

ENTRY_SHIFT = (CURVE_ENTRIES - 1).bit_length()


def requests(a: "ArrayProgram") -> None:
    """Write what is done for them."""
    _words(a)
    _curve(a)


def _words(a: "ArrayProgram") -> None:
    p, reads, moved = a.p, a.p.fresh(), a.p.fresh()
    p.label(f"do {Operation.WRITE_WORDS.name}")
    p.label(f"do {Operation.READ_WORDS.name}")
    with p.loop():
        a.address_cell()
        p.do(Op.ADD, field("word0"))
        p.store(port(Port.ADDRESS))
        p.move(field("words"), a.n)
        with p.repeat(a.n):
            p.load(field("operation"))
            p.do(Op.COMPARE, Operation.READ_WORDS.value)
            p.jump_if(Flag.EQUAL, reads)
            a.element()
            p.store(port(Port.DATA))
            p.jump(moved)
            p.label(reads)
            p.load(port(Port.DATA))
            a.send()
            p.label(moved)
        p.call("next")
        p.jump_if(Flag.ZERO, "finish")


def _curve(a: "ArrayProgram") -> None:
    """Keep the mean of an entry below its sigma, and one less than the shift."""
    p, first, means = a.p, a.a, a.p.fresh()
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
    p.move(0, a.n)
    with p.loop():
        p.load(a.n)
        p.do(Op.AND, CURVE_ENTRIES - 1)
        p.do(Op.ADD, first)
        p.index()
        a.element()
        p.do(Op.AND, 0xFFFF)
        p.store(a.b)
        p.load(a.n)
        p.do(Op.COMPARE, CURVE_ENTRIES)
        p.load(a.b)
        p.jump_if(Flag.LESS, means)
        p.do(Op.SHIFT_LEFT, 16)
        p.store(a.b)
        a.curve()
        p.do(Op.OR, a.b)
        p.label(means)
        a.store_curve()
        p.increase(a.n)
        p.do(Op.COMPARE, 2 * CURVE_ENTRIES)
        p.jump_if(Flag.EQUAL, "finish")
