"""Commands that ask and set: identity, shapes, tables, cell words, totals, noise key, time."""

from typing import TYPE_CHECKING

from firmware.compact.engine.registers import Detail, Source, Target
from firmware.compact.engine.words import SHAPES_PER_WORD
from firmware.engine.settings import BAD_FRAMES, COUNT_WORD, COUNT_WORDS, LOW_WORD
from firmware.engine.totals import Total
from firmware.port import Operation
from firmware.processor.assembler import Flag, Op, Operand
from hwctl.devices import law
from hwctl.protocol import codes, commands
from hwctl.protocol.cells import CELL, WORDS_PER_CELL
from hwctl.protocol.codec import HEADER
from hwctl.protocol.codes import Answer, HalfSelect, Polarity, Refusal
from hwctl.protocol.packing import DTYPE_CODES

if TYPE_CHECKING:
    from firmware.compact.engine.program import EngineProgram

_U8, _U16, _U32 = (DTYPE_CODES[name] for name in ("<u1", "<u2", "<u4"))
SUM_WORDS = 2  # of a total


def add(e: "EngineProgram") -> None:
    """Add what these commands do, and routines for shapes."""
    _short(e)
    _configure_shape(e)
    _configure_read(e)
    _status(e)
    _load_curve(e)
    _counters(e)
    _dump(e)
    _load_cells(e)
    _spot(e)


def _short(e: "EngineProgram") -> None:
    p, w = e.p, e.w
    e.command(commands.Identify)
    p.load(e.replies.identity[1])
    p.call("fits")
    p.load(0)
    p.jump("fixed")
    e.command(commands.Safe)
    p.move(1, w.safe)
    p.jump("done")
    e.command(commands.Seed)
    for part, target in enumerate((Target.KEY, Target.KEY_HIGH)):
        e.set(target, w.field(commands.Seed, "seed", part))
    p.jump("done")
    e.command(commands.Wait)
    low, high = (w.totals[SUM_WORDS * Total.CLOCK + n] for n in range(SUM_WORDS))
    p.load(low)
    p.do(Op.ADD, w.field(commands.Wait, "time"))
    p.store(w.value)
    p.load(high)
    p.do(Op.ADD_CARRY, w.field(commands.Wait, "time", 1))
    p.jump_if(Flag.CARRY, Refusal.OVER_LIMIT.name)
    p.store(high)
    p.move(w.value, low)
    p.jump("done")


def _configure_shape(e: "EngineProgram") -> None:
    """Search the drive levels of the polarity."""
    p, w, kind = e.p, e.w, commands.ConfigureShape
    polarity, amplitude, width = (w.field(kind, name) for name in ("polarity", "amplitude", "width"))
    e.command(kind)
    e.positive(width)
    e.positive(amplitude)
    e.limit(polarity, int(max(Polarity)))
    p.index()
    p.move(w.first_level.indexed, w.level)
    p.move(w.first_level[1].indexed, w.left)
    p.load(w.field(kind, "gate"))
    p.do(Op.SHIFT_LEFT, 16)
    p.do(Op.OR, amplitude)
    p.store(w.value)
    with p.loop() as (again, end):
        p.load(w.level)
        p.do(Op.COMPARE, w.left)
        p.jump_if(Flag.EQUAL, Refusal.NOT_CHARACTERISED.name)
        p.index()
        p.do(Op.ADD, 1)
        p.store(w.level)
        p.load(w.widths.indexed)
        p.do(Op.COMPARE, width)
        p.jump_unless(Flag.EQUAL, again)
        p.load(w.amplitudes.indexed)
        p.do(Op.COMPARE, w.value)
        p.jump_if(Flag.EQUAL, end)
    p.load(w.field(kind, "index"))
    p.call("spot")
    p.load(0xFF)
    p.do(Op.SHIFT_LEFT, w.turn)
    p.do(Op.OR, w.shapes.indexed)
    p.store(w.shapes.indexed)
    p.load(w.level)
    p.do(Op.SUBTRACT, 1 + 0xFF)  # the byte is all ones now
    p.do(Op.SHIFT_LEFT, w.turn)
    p.do(Op.ADD, w.shapes.indexed)
    p.store(w.shapes.indexed)
    p.jump("done")


def _configure_read(e: "EngineProgram") -> None:
    """Divide by subtracting: it takes as long as a few bytes on the line."""
    p, w, kind = e.p, e.w, commands.ConfigureRead
    voltage, tia_range = w.field(kind, "voltage"), w.field(kind, "tia_range")
    e.command(kind)
    e.positive(voltage)
    e.limit(tia_range, codes.MAX_TIA_RANGE)
    e.limit(w.field(kind, "half_select"), int(max(HalfSelect)))
    e.limit(voltage, e.codes.max_read, Refusal.OVER_LIMIT)
    p.do(Op.SHIFT_LEFT, 8)
    p.store(w.left)
    p.move(-1, w.value)
    with p.loop() as (_, end):
        p.increase(w.value)
        p.increase(w.left, -e.codes.nominal_read)
        p.jump_unless(Flag.CARRY, end)
    e.set(Target.VOLTAGE, w.value)
    p.move(tia_range, w.tia_range)
    e.set(Target.SETTLE, w.field(kind, "settle"))
    p.jump("done")


def _status(e: "EngineProgram") -> None:
    p, w = e.p, e.w
    e.command(commands.Status)
    p.move(HEADER.size + 4 + 8 * len(Total) + 1, w.whole)
    e.head(Answer.STATUS)
    e.get(Source.BAD_FRAMES)
    p.do(Op.SHIFT_LEFT, BAD_FRAMES)
    p.call("put 4")
    p.load(0)
    p.call("totals")
    e.write(w.safe, 1)
    p.jump("finish")
    with p.routine("totals"):  # from this word on
        p.store(w.left)
        with p.loop() as (_, end):
            p.load(w.left)
            p.index()
            e.write(w.totals.indexed, 4)
            p.increase(w.left)
            p.do(Op.COMPARE, SUM_WORDS * len(Total))
            p.jump_if(Flag.EQUAL, end)


# -- tables and cells --------------------------------------------------------------------------------------------------


def _load_curve(e: "EngineProgram") -> None:
    p, w, kind = e.p, e.w, commands.LoadCurve
    polarity, level, shift = (w.field(kind, name) for name in ("polarity", "level", "shift"))
    e.command(kind)
    e.positive(shift)
    e.limit(shift, law.MAX_SHIFT)
    e.limit(level, codes.MAX_LEVELS - 1)
    e.limit(polarity, int(Polarity.RESET))
    p.index()
    p.load(w.first_level[1].indexed)
    p.do(Op.SUBTRACT, w.first_level.indexed)
    p.store(w.value)
    p.load(level)
    e.less(w.value, Refusal.NOT_CHARACTERISED)
    e.put(Target.SET_LEVEL)
    p.load(polarity)
    p.do(Op.SHIFT_LEFT, int(Detail.POLARITY))
    p.do(Op.OR, shift)
    e.put(Target.DETAIL)
    e.request(Operation.WRITE_CURVE)
    for array in range(2):
        _feed(e, array, codes.CURVE_ENTRIES)
    p.call("spend")
    p.jump("done")


def _feed(e: "EngineProgram", array: int, items: Operand | int) -> None:
    """Pass 16-bit numbers of an array on; items: how many, or the accumulator's number."""
    p, w = e.p, e.w
    if not isinstance(items, int):
        p.store(items)
    e.set(Target.SEEK, w.arrays[array])
    p.move(16, w.bits)
    p.load(items)
    p.call("feed")


def _counters(e: "EngineProgram") -> None:
    p, w = e.p, e.w
    e.command(commands.Counters)
    p.call("inside")
    p.load(w.cells)
    p.do(Op.SHIFT_LEFT, 2)
    p.do(Op.ADD, HEADER.size + 9)
    p.call("fits")
    e.head(Answer.COUNTS)
    p.load(_U32)
    p.call("region head")
    _count_words(e)
    e.request(Operation.READ_WORDS)
    p.load(w.cells)
    p.do(Op.SHIFT_LEFT, COUNT_WORDS - 1)
    p.call("results")
    p.call("spend")
    p.jump("finish")
    e.command(commands.LoadCounters)
    p.call("inside")
    _count_words(e)
    e.request(Operation.WRITE_WORDS)
    p.load(w.cells)
    p.do(Op.SHIFT_LEFT, COUNT_WORDS - 1)
    _feed(e, 0, w.value)
    p.call("spend")
    p.jump("done")


def _count_words(e: "EngineProgram") -> None:
    e.set(Target.DETAIL, COUNT_WORD << Detail.WORD0 | COUNT_WORDS << Detail.WORDS)


def _dump(e: "EngineProgram") -> None:
    p, w = e.p, e.w
    e.command(commands.Dump)
    p.call("inside")
    p.load(w.cells)
    p.do(Op.MULTIPLY, CELL.itemsize)
    p.do(Op.ADD, HEADER.size + 8 + 9 + 5)
    p.call("fits")
    e.head(Answer.DUMPED)
    p.load(SUM_WORDS * Total.CLOCK)
    p.call("totals")
    e.write(_U16, 1)
    e.write(w.cells, 4)
    e.write(WORDS_PER_CELL, 4)
    e.set(Target.DETAIL, WORDS_PER_CELL << Detail.WORDS)
    e.request(Operation.READ_WORDS)
    p.load(w.cells)
    p.do(Op.MULTIPLY, WORDS_PER_CELL)
    p.call("results")
    p.call("spend")
    e.write(_U8, 1)
    e.write(0, 4)
    p.jump("finish")


def _load_cells(e: "EngineProgram") -> None:
    """Refuse cells whose range leaves the codes before any is written."""
    p, w = e.p, e.w
    for kind in (commands.LoadCells, commands.Restore):
        e.command(kind)
    p.call("inside")
    p.move(w.arrays, w.at)
    p.move(w.cells, w.left)
    with p.repeat(w.left):
        p.load(w.at)
        p.do(Op.ADD, 2 * LOW_WORD)
        e.put(Target.SEEK)
        e.read(16)
        p.store(w.item)
        e.read(16)
        p.do(Op.ADD, w.item)
        e.less(codes.NO_READING + 1, Refusal.OVER_LIMIT)
        p.increase(w.at, CELL.itemsize)
    p.load(w.batch)  # bytes of `extra`
    p.jump_unless(Flag.ZERO, Refusal.OVER_LIMIT.name)
    e.set(Target.DETAIL, WORDS_PER_CELL << Detail.WORDS)
    e.request(Operation.WRITE_WORDS)
    p.load(w.cells)
    p.do(Op.MULTIPLY, WORDS_PER_CELL)
    _feed(e, 0, w.value)
    p.call("spend")
    p.load(w.op)
    p.do(Op.COMPARE, int(commands.Restore.op))
    p.jump_unless(Flag.EQUAL, "done")
    for n in range(SUM_WORDS):
        p.move(w.field(commands.Restore, "clock", n), w.totals[SUM_WORDS * Total.CLOCK + n])
    p.jump("done")


# -- pulse shapes ------------------------------------------------------------------------------------------------------


def _spot(e: "EngineProgram") -> None:
    """Point the index at the word of a shape, and `turn` at its byte; look up drive level and width of a shape."""
    p, w = e.p, e.w
    with p.routine("spot"):
        p.store(w.value)
        p.do(Op.AND, SHAPES_PER_WORD - 1)
        p.do(Op.SHIFT_LEFT, 3)
        p.store(w.turn)
        p.load(w.value)
        p.do(Op.SHIFT_RIGHT, SHAPES_PER_WORD.bit_length() - 1)
        p.index()
    with p.routine("drive"):  # `level` and `width` of a shape; `bad` where it has not the `polarity`
        right, wrong = p.fresh(), p.fresh()
        p.call("spot")
        p.load(w.shapes.indexed)
        p.do(Op.SHIFT_RIGHT, w.turn)
        p.do(Op.AND, 0xFF)
        p.store(w.value)
        p.load(w.polarity)
        p.index()
        p.load(w.value)
        p.do(Op.COMPARE, w.first_level.indexed)
        p.jump_if(Flag.LESS, wrong)
        p.do(Op.COMPARE, w.first_level[1].indexed)
        p.jump_if(Flag.LESS, right)
        p.label(wrong)
        p.move(1, w.bad)
        p.label(right)
        p.load(w.value)
        p.do(Op.SUBTRACT, w.first_level.indexed)
        p.store(w.level)
        p.load(w.value)
        p.index()
        p.move(w.widths.indexed, w.width)
