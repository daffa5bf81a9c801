"""Commands that pulse the array open loop: PULSE, PULSE_SPARSE."""

from typing import TYPE_CHECKING

from firmware.compact.engine.registers import Detail, Outside, Source, Target
from firmware.port import Operation
from firmware.processor.assembler import Flag, Op, Operand
from hwctl.protocol import codes, commands
from hwctl.protocol.codec import HEADER
from hwctl.protocol.codes import Answer, Polarity, Refusal, ShapePer

if TYPE_CHECKING:
    from firmware.compact.engine.program import EngineProgram

_NEVER = codes.MAX_PULSES + 1  # -128 as a byte: no number of pulses


def add(e: "EngineProgram") -> None:
    """Add what these commands do."""
    _scan(e)
    _pulse(e)
    _drives(e)
    _sparse(e)


def _scan(e: "EngineProgram") -> None:
    """Refuse a list of counts of which one is -128."""
    p, w = e.p, e.w
    with p.routine("scan"):  # so many bytes, the reader stands at the first
        p.store(w.left)
        with p.repeat(w.left):
            e.byte()
            p.do(Op.COMPARE, _NEVER)
            p.jump_if(Flag.EQUAL, Refusal.MALFORMED.name)
    p.label("pulsed")
    p.move(HEADER.size + 8, w.whole)
    e.head(Answer.PULSED)
    for n in range(2):
        e.write(w.pulsed[n], 4)
    p.jump("finish")


# -- PULSE -------------------------------------------------------------------------------------------------------------


def _pulse(e: "EngineProgram") -> None:
    p, w = e.p, e.w
    e.command(commands.Pulse)
    e.limit(w.field(commands.Pulse, "per"), int(max(ShapePer)))
    e.set(Target.SEEK, w.arrays)
    p.load(w.cells)
    p.call("scan")
    p.call("inside")
    e.request(Operation.COUNTS)
    e.set(Target.SEEK, w.arrays)
    p.move(8, w.bits)
    p.load(w.cells)
    p.call("feed")
    p.call("spend")
    _steps(e)
    for polarity in (Polarity.SET, Polarity.RESET):
        p.move(int(polarity), w.polarity)
        p.load(w.arrays[1 + polarity])
        p.call("drives")
    p.load(w.bad)
    p.jump_unless(Flag.ZERO, Refusal.NO_SHAPE.name)
    p.store(w.safe)
    e.request(Operation.PULSE)
    with p.loop() as (again, _):
        p.call("rows")
        p.jump_if(Outside.BUSY, again)
        p.call("rows")  # the last one may have ended in between
        p.call("spend")
        p.load(w.row)
        p.do(Op.COMPARE, w.rows)
        p.jump_if(Flag.EQUAL, "pulsed")
        p.jump(Refusal.ABORTED.name)
    with p.routine("rows"):
        e.get(Source.ROWS_DONE)
        p.store(w.row)
        p.do(Op.MULTIPLY, w.cols)
        e.put(Target.PROGRESS)


def _steps(e: "EngineProgram") -> None:
    """Say how far the next shape is: from column to column, and from row to row in addition."""
    p, w = e.p, e.w
    per = w.field(commands.Pulse, "per")
    p.load(per)
    p.do(Op.SHIFT_RIGHT, 1)
    p.store(w.col_step)
    p.load(per)
    p.do(Op.AND, 1)
    p.do(Op.SUBTRACT, w.col_step)
    p.store(w.row_step)  # ROW 1, COL -1, others 0
    with p.when(Flag.NEGATIVE):
        p.load(0)
        p.do(Op.SUBTRACT, w.cols)
        p.store(w.row_step)


def _drives(e: "EngineProgram") -> None:
    """Tell the array the drive of each cell, and look whether each shape has the polarity that it is used with."""
    p, w = e.p, e.w
    with p.routine("drives"):
        p.store(w.at)
        p.load(w.polarity)
        p.do(Op.SHIFT_LEFT, int(Detail.POLARITY))
        e.put(Target.DETAIL)
        e.request(Operation.DRIVES)
        p.move(w.rows, w.row)
        row, cell = p.fresh(), p.fresh()
        p.label(row)
        p.move(w.cols, w.col)
        p.label(cell)
        e.set(Target.SEEK, w.at)
        e.byte()
        p.call("drive")
        p.wait(Outside.ELEMENT, 0)
        e.set(Target.SET_LEVEL, w.level)
        e.set(Target.ELEMENT, w.width)
        p.increase(w.at, w.col_step)
        p.count_down(w.col)
        p.jump_unless(Flag.ZERO, cell)
        p.increase(w.at, w.row_step)
        p.count_down(w.row)
        p.jump_unless(Flag.ZERO, row)
        p.call("spend")


# -- PULSE_SPARSE ------------------------------------------------------------------------------------------------------


def _sparse(e: "EngineProgram") -> None:
    """One request a cell, in the order of the list."""
    p, w, kind = e.p, e.w, commands.PulseSparse
    rows, cols, counts = (w.arrays[n] for n in range(3))
    e.command(kind)
    e.positive(w.batch)
    e.set(Target.SEEK, counts)
    p.load(w.batch)
    p.call("scan")
    for array, lines in ((rows, e.parameters.rows), (cols, e.parameters.cols)):
        p.move(lines, w.most)
        p.load(array)
        p.call("lines")
    _shapes(e, *(w.field(kind, name) for name in ("set_shape", "reset_shape")))
    p.move(0, w.safe)
    with p.loop() as (again, _):
        p.jump_if(Outside.SAFE, Refusal.ABORTED.name)
        for array, target, bits in ((rows, Target.ROW0, 16), (cols, Target.COL0, 16), (counts, Target.DETAIL, 8)):
            e.set(Target.SEEK, array)
            p.increase(array, bits // 8)
            e.read(bits)
            e.put(target)
        with p.when(Flag.ZERO, 0):
            e.request(Operation.PULSE_CELL)
            p.call("spend")
        p.load(1)
        p.call("progress")
        p.count_down(w.batch)
        p.jump_unless(Flag.ZERO, again)
        p.jump_if(Outside.SAFE, Refusal.ABORTED.name)
        p.jump("pulsed")
    with p.routine("lines"):  # refuse a list of which one is not below `most`
        e.put(Target.SEEK)
        p.move(w.batch, w.left)
        with p.repeat(w.left):
            e.read(16)
            e.less(w.most, Refusal.OUT_OF_REGION)


def _shapes(e: "EngineProgram", *numbers: Operand) -> None:
    """Look up the shapes of a whole command."""
    p, w = e.p, e.w
    registers = ((Target.SET_WIDTH, Target.SET_LEVEL), (Target.INDEX, Target.RESET_LEVEL))
    for polarity, (number, (width, level)) in enumerate(zip(numbers, registers, strict=True)):
        p.move(polarity, w.polarity)
        p.load(number)
        p.call("drive")
        e.set(width, w.width)
        e.set(level, w.level)
    p.load(w.bad)
    p.jump_unless(Flag.ZERO, Refusal.NO_SHAPE.name)
