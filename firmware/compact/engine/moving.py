"""Commands that read the array: READ, VMM, VMM_T."""

from typing import TYPE_CHECKING

from firmware.compact.engine.registers import Detail, Outside, Target
from firmware.port import Operation
from firmware.processor.assembler import Flag, Op, Operand
from hwctl.protocol import codes, commands
from hwctl.protocol.codec import HEADER
from hwctl.protocol.codes import Answer, Refusal
from hwctl.protocol.packing import DTYPE_CODES

if TYPE_CHECKING:
    from firmware.compact.engine.program import EngineProgram

_U16, _I16 = DTYPE_CODES["<u2"], DTYPE_CODES["<i2"]
_TYPE_BITS = 8  # of the elements of the first type


def add(e: "EngineProgram") -> None:
    """Add what these commands do."""
    _range(e)
    _read(e)
    _vmm(e)


def _choose_range(e: "EngineProgram", wanted: Operand, most: int) -> None:
    """Choose the TIA range, the command's or the configured one; in between look whether the region is inside."""
    e.p.move(most, e.w.most)
    e.p.load(wanted)
    e.p.call("range")


def _range(e: "EngineProgram") -> None:
    p, w = e.p, e.w
    with p.routine("range"):
        configured = p.fresh()
        p.store(w.range)
        p.do(Op.COMPARE, codes.RANGE_AS_CONFIGURED)
        p.jump_if(Flag.EQUAL, configured)
        p.load(w.most)
        p.do(Op.COMPARE, w.range)
        p.jump_if(Flag.LESS, Refusal.MALFORMED.name)
        p.jump("inside")
        p.label(configured)
        p.call("inside")
        p.move(w.tia_range, w.range)
        p.load(w.most)
        p.do(Op.COMPARE, w.range)
        p.jump_if(Flag.LESS, Refusal.OVER_LIMIT.name)


def _read(e: "EngineProgram") -> None:
    """One request a row: between rows, SAFE can stop it."""
    p, w, kind = e.p, e.w, commands.Read
    row0, row1, _, _ = w.region()
    averages = w.field(kind, "averages_log2")
    e.command(kind)
    e.limit(averages, codes.MAX_AVERAGES_LOG2)
    _choose_range(e, w.field(kind, "tia_range"), codes.MAX_READ_RANGE)
    p.load(w.cells)
    p.do(Op.SHIFT_LEFT, 1)
    p.do(Op.ADD, HEADER.size + 9)
    p.call("fits")
    p.move(0, w.safe)
    e.head(Answer.READINGS)
    p.load(_U16)
    p.call("region head")
    e.set(Target.INDEX, w.field(kind, "index"))
    p.load(w.range)
    p.do(Op.SHIFT_LEFT, int(Detail.RANGE))
    p.do(Op.OR, averages)
    e.put(Target.DETAIL)
    with p.loop() as (again, _):
        p.jump_if(Outside.SAFE, Refusal.ABORTED.name)
        p.load(row0)
        e.put(Target.ROW0)
        p.do(Op.ADD, 1)
        p.store(row0)
        e.put(Target.ROW1)
        e.request(Operation.READ)
        p.load(w.cols)
        p.call("results")
        p.call("spend")
        p.load(w.cols)
        p.call("progress")
        p.load(row0)
        p.do(Op.COMPARE, row1)
        p.jump_unless(Flag.EQUAL, again)
        p.jump_if(Outside.SAFE, Refusal.ABORTED.name)
        p.jump("finish")


def _vmm(e: "EngineProgram") -> None:
    """One request a vector."""
    p, w, kind = e.p, e.w, commands.Vmm
    driven, sensed = w.rows, w.cols
    if e.parameters.transposed:
        driven, sensed = w.row, w.col
        _transposed(e, driven, sensed)
    else:
        e.command(kind)
        p.move(0, w.detail)
    e.positive(w.batch)
    _choose_range(e, w.field(kind, "tia_range"), codes.MAX_TIA_RANGE)
    p.load(w.batch)
    p.do(Op.MULTIPLY, sensed)
    p.do(Op.SHIFT_LEFT, 1)
    p.do(Op.ADD, HEADER.size + 10)
    p.call("fits")
    p.move(0, w.safe)
    e.head(Answer.CURRENTS)
    e.write(w.range, 1)
    e.write(_I16, 1)
    e.write(w.batch, 4)
    e.write(sensed, 4)
    e.set(Target.SEEK, w.arrays)
    p.load(w.range)
    p.do(Op.SHIFT_LEFT, int(Detail.RANGE))
    p.do(Op.OR, w.detail)
    for _ in range(1 << Detail.WIDE):
        p.do(Op.ADD, w.item)  # whether elements are of the second type
    e.put(Target.DETAIL)
    p.load(_TYPE_BITS)
    p.do(Op.SHIFT_LEFT, w.item)
    p.store(w.at)  # bits of an element
    with p.loop() as (again, _):
        p.jump_if(Outside.SAFE, Refusal.ABORTED.name)
        index = w.field(kind, "index")
        e.set(Target.INDEX, index)
        p.increase(index)
        e.request(Operation.VMM)
        p.move(w.at, w.bits)
        p.load(driven)
        p.call("feed")
        p.load(sensed)
        p.call("results")
        p.call("spend")
        p.load(1)
        p.call("progress")
        p.count_down(w.batch)
        p.jump_unless(Flag.ZERO, again)
        p.jump_if(Outside.SAFE, Refusal.ABORTED.name)
        p.jump("finish")


def _transposed(e: "EngineProgram", driven: Operand, sensed: Operand) -> None:
    """Begin VMM and VMM_T."""
    p, w = e.p, e.w
    lines = p.fresh()
    for kind, flag, several in ((commands.VmmT, 1 << Detail.TRANSPOSED, (w.cols, w.rows)),
                                (commands.Vmm, 0, (w.rows, w.cols))):  # fmt: skip
        e.command(kind)
        p.move(flag, w.detail)
        p.move(several[0], driven)
        p.move(several[1], sensed)
        if flag:
            p.jump(lines)
    p.label(lines)
