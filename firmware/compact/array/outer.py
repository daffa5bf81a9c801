"""OUTER: docs/cell-law.md, "OUTER"."""

from typing import TYPE_CHECKING

from firmware.compact.array.cells import KIND_SHIFT
from firmware.compact.array.ports import Ask, Port, field, port
from firmware.port import Operation
from firmware.processor.assembler import Flag, Op
from hwctl.devices import law
from hwctl.protocol.codes import MAX_SLOTS

if TYPE_CHECKING:
    from firmware.compact.array.program import ArrayProgram

SLOTS_OF_DRAW = 8  # one of each byte of its two words


def requests(a: "ArrayProgram") -> None:
    """Store both vectors, draw the streams (coincidence); then pulse a row after the other."""
    p, counting = a.p, a.p.fresh()
    p.label(f"do {Operation.OUTER.name}")
    _vectors(a)
    p.jump_unless(Ask.COINCIDENCE, counting)
    _streams(a)
    p.label(counting)
    _rows(a)


def routines(a: "ArrayProgram") -> None:
    """Write its routines."""
    _line_streams(a)
    _four_slots(a)
    _spend_both(a)


def _vectors(a: "ArrayProgram") -> None:
    """Store x and d; `longest` is that |d|."""
    p, largest = a.p, a.longest
    for first, lines, of_columns in ((a.layout.operands, a.rows_left, False), (a.layout.columns, a.width, True)):
        p.move(first, port(Port.ADDRESS))
        p.move(lines, a.n)
        with p.repeat(a.n):
            a.element()
            p.store(port(Port.DATA))
            if of_columns:
                p.call("take amount")
                p.do(Op.COMPARE, largest)
                with p.when(Flag.LESS, 0):
                    p.store(largest)
    p.move(a.layout.columns, a.spot)


def _streams(a: "ArrayProgram") -> None:
    """Draw the streams of all rows and columns, with the command's own key; count the time of all slots."""
    p, layout = a.p, a.layout
    p.move(field("seed"), a.key)
    p.move(0, a.key[1])
    a.third_key()
    for kind, first, bits, line, lines in (
        (law.STREAM_ROW, layout.operands, layout.row_bits, "row0", a.rows_left),
        (law.STREAM_COLUMN, layout.columns, layout.column_bits, "col0", a.width),
    ):
        p.move(first, a.value_at)
        p.move(bits, a.bits_at)
        p.load(field(line))
        p.do(Op.ADD, kind << KIND_SHIFT)
        p.store(a.line)
        p.move(lines, a.n)
        p.call("line streams")
    # The noise of the pulses has the board's key again.
    p.call("take key")
    p.move(field("slots"), a.amount)
    p.call("spend both")


def _line_streams(a: "ArrayProgram") -> None:
    """Draw the streams of `n` lines: 32 slots each, of which those that are not asked for are zeros."""
    p, bits = a.p, a.a
    with p.routine("line streams"), p.repeat(a.n):
        p.move(a.value_at, port(Port.ADDRESS))
        p.load(port(Port.DATA))
        p.call("take amount")
        p.load(field("event"))
        p.do(Op.SHIFT_LEFT, 2)
        p.store(a.chunk)
        with p.loop() as (_, end):
            p.move(a.chunk, a.x1)
            p.load(a.line)
            p.call("hash")
            p.call("four slots")
            p.load(a.x1)
            p.call("four slots")
            p.increase(a.chunk)
            p.do(Op.AND, MAX_SLOTS // SLOTS_OF_DRAW - 1)
            p.jump_if(Flag.ZERO, end)
        p.load(MAX_SLOTS)
        p.do(Op.SUBTRACT, field("slots"))
        p.store(a.b)
        p.move(a.bits_at, port(Port.ADDRESS))
        p.load(bits)
        p.do(Op.SHIFT_LEFT, a.b)
        p.do(Op.SHIFT_RIGHT, a.b)
        p.store(port(Port.DATA))
        p.do(Op.SHIFT_RIGHT, 16)
        p.store(port(Port.DATA))
        for number, more in ((a.value_at, 1), (a.bits_at, 2), (a.line, 1)):
            p.increase(number, more)


def _four_slots(a: "ArrayProgram") -> None:
    """Put the bits of four slots, those of the bytes in the accumulator, above the bits."""
    p, bits, word, left = a.p, a.a, a.b, a.lo
    with p.routine("four slots"):
        p.store(word)
        p.move(SLOTS_OF_DRAW // 2, left)
        with p.repeat(left):
            p.load(bits)
            p.do(Op.SHIFT_RIGHT, 1)
            p.store(bits)
            p.load(word)
            p.do(Op.AND, 0xFF)
            p.do(Op.SHIFT_RIGHT, 1)
            p.do(Op.COMPARE, a.amount)
            with p.when(Flag.LESS):
                p.load(bits)
                p.do(Op.XOR, 1 << MAX_SLOTS - 1)
                p.store(bits)
            p.load(word)
            p.do(Op.SHIFT_RIGHT, 8)
            p.store(word)


def _spend_both(a: "ArrayProgram") -> None:
    """Add both widths to the time, `amount` times."""
    p = a.p
    with p.routine("spend both"):
        p.load(field("set_width"))
        p.call("spend train")
        p.load(field("reset_width"))
        p.jump("spend train")


def _rows(a: "ArrayProgram") -> None:
    """Pulse row by row. `row_size`, `row_sign`, `row_bits`: |x|, polarity and stream of the row."""
    p, column = a.p, a.p.fresh()
    p.move(a.layout.operands, a.value_at)
    p.move(a.layout.row_bits, a.bits_at)
    with p.loop():
        _take_row(a)
        p.label(column)
        p.move(a.spot, port(Port.ADDRESS))
        p.load(port(Port.DATA))
        p.call("take amount")
        p.load(a.polarity)
        p.do(Op.XOR, a.row_sign)
        p.store(a.polarity)
        _pulses(a)
        p.call("take drive")
        p.call("train")
        p.call("next")
        p.jump_if(Flag.NEGATIVE, column)
        p.move(a.layout.columns, a.spot)
        p.call("end row")
        p.jump_if(Flag.ZERO, "finish")


def _take_row(a: "ArrayProgram") -> None:
    """Look at the next row; where counts are asked for, take its time."""
    p, counting, taken = a.p, a.p.fresh(), a.p.fresh()
    p.move(a.value_at, port(Port.ADDRESS))
    p.do(Op.ADD, 1)
    p.store(a.value_at)
    p.load(port(Port.DATA))
    p.call("take amount")
    p.store(a.row_size)
    p.move(a.polarity, a.row_sign)
    p.jump_unless(Ask.COINCIDENCE, counting)
    p.move(a.bits_at, port(Port.ADDRESS))
    p.do(Op.ADD, 2)
    p.store(a.bits_at)
    _load_bits(a)
    p.store(a.row_bits)
    p.jump(taken)
    p.label(counting)
    p.load(a.row_size)
    p.do(Op.MULTIPLY, a.longest)
    p.store(a.amount)
    p.call("spend both")
    p.label(taken)


def _load_bits(a: "ArrayProgram") -> None:
    """Load the 32 bits at ADDRESS."""
    p = a.p
    p.move(port(Port.DATA), a.b)
    p.load(port(Port.DATA))
    p.do(Op.SHIFT_LEFT, 16)
    p.do(Op.OR, a.b)


def _pulses(a: "ArrayProgram") -> None:
    """Replace |d| in `amount` by the pulses of the cell."""
    p, bits, coinciding, done = a.p, a.a, a.p.fresh(), a.p.fresh()
    p.jump_if(Ask.COINCIDENCE, coinciding)
    p.load(a.amount)
    p.do(Op.MULTIPLY, a.row_size)
    p.store(a.amount)
    p.jump(done)
    p.label(coinciding)
    p.load(a.spot)
    p.do(Op.SUBTRACT, a.layout.columns)
    p.do(Op.SHIFT_LEFT, 1)
    p.do(Op.ADD, a.layout.column_bits)
    p.store(port(Port.ADDRESS))
    _load_bits(a)
    p.do(Op.AND, a.row_bits)
    p.store(bits)
    p.move(0, a.amount)
    with p.loop():
        p.load(bits)
        p.jump_if(Flag.ZERO, done)
        p.do(Op.SUBTRACT, 1)
        p.do(Op.AND, bits)
        p.store(bits)
        p.increase(a.amount)
    p.label(done)
