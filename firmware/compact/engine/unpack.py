"""Takes a command apart: header, options, numbers, arrays. What does not fit its form is malformed.

A number is read before it is known whether the command is long enough: bytes left are counted as signed, and looked
at behind every part. The ring has twice the bytes of a command, so what is missing shows as negative.
"""

from typing import TYPE_CHECKING

from amaranth.utils import bits_for

from firmware.compact.engine.registers import Source, Target
from firmware.compact.engine.words import ARRAYS, ArrayBits, FormBits, place_of
from firmware.front.port import receive_bytes
from firmware.processor.assembler import WORD_BITS, Flag, Op, io
from hwctl.protocol import codes
from hwctl.protocol.codec import HEADER
from hwctl.protocol.codes import Option, Refusal

if TYPE_CHECKING:
    from firmware.compact.engine.program import EngineProgram

MALFORMED = Refusal.MALFORMED.name
REGION_SIZES = 0b10101010  # of four numbers of 16 bits, as `FormBits.SIZES`
_KNOWN_OPTION = Option.TAG
_CRITICAL = codes.OPTION_CRITICAL << 8  # in the head of an option


def add(e: "EngineProgram") -> None:
    """Add the code that every command runs through, and its routines behind a jump."""
    _head(e)
    _options(e)
    _form(e)
    _region(e)
    _all_arrays(e)
    e.p.jump("dispatch")
    _routines(e)
    _arrays(e)
    e.p.label("dispatch")


def _head(e: "EngineProgram") -> None:
    p, w = e.p, e.w
    p.load(w.length)
    p.do(Op.COMPARE, HEADER.size)
    p.jump_if(Flag.LESS, MALFORMED)
    e.read(32)
    p.store(w.form)  # code, options, their bytes
    p.do(Op.AND, 0xFF)
    p.store(w.op)
    e.read(32)
    p.store(w.size)  # of the body
    p.do(Op.SHIFT_RIGHT, 16)
    p.jump_unless(Flag.ZERO, MALFORMED)
    p.load(w.form)
    p.do(Op.SHIFT_RIGHT, 16)
    p.do(Op.ADD, HEADER.size)
    p.store(w.value)  # bytes in front of the body
    p.do(Op.ADD, w.size)
    p.do(Op.COMPARE, w.length)
    p.jump_unless(Flag.EQUAL, MALFORMED)
    _known(e)
    p.increase(w.end, w.value)


def _known(e: "EngineProgram") -> None:
    """Go on with the place of the command's form in `number`; refuse codes that no command has."""
    p, w = e.p, e.w
    p.load(w.op)
    p.jump_if(Flag.ZERO, MALFORMED)
    p.store(w.number)
    p.do(Op.SUBTRACT, int(codes.Op.SAFE) + 1)
    with p.when(Flag.CARRY):
        p.load(w.op)
        p.do(Op.SUBTRACT, int(codes.Op.LOAD_CURVE))
        p.jump_unless(Flag.CARRY, MALFORMED)
        e.less(int(max(codes.Op)) - int(codes.Op.LOAD_CURVE) + 1, Refusal.MALFORMED)
        p.do(Op.ADD, place_of(codes.Op.LOAD_CURVE))
        p.store(w.number)


def _options(e: "EngineProgram") -> None:
    p, w = e.p, e.w
    p.load(w.form)
    p.do(Op.SHIFT_RIGHT, 8)
    p.do(Op.AND, 0xFF)
    p.store(w.count)
    with p.loop() as (again, end):
        p.load(w.count)
        p.jump_if(Flag.ZERO, end)
        e.read(32)
        p.store(w.sizes)
        p.do(Op.SHIFT_RIGHT, 16)
        p.call("skip")
        p.increase(w.count, -1)
        p.load(w.sizes)
        p.do(Op.AND, _CRITICAL)
        p.jump_if(Flag.ZERO, again)
        p.load(w.sizes)
        p.do(Op.AND, 0xFF)
        p.do(Op.COMPARE, int(_KNOWN_OPTION))
        p.jump_unless(Flag.EQUAL, Refusal.UNSUPPORTED.name)
    p.call("left")
    p.jump_unless(Flag.ZERO, MALFORMED)


def _form(e: "EngineProgram") -> None:
    """Read the numbers, those of a region first."""
    p, w = e.p, e.w
    p.increase(w.end, w.size)
    p.load(w.number)
    p.index()
    p.load(w.forms.indexed)
    p.jump_if(Flag.ZERO, Refusal.UNSUPPORTED.name)
    p.store(w.form)
    p.do(Op.AND, 1 << FormBits.REGION)
    with p.when(Flag.ZERO, 0):
        p.move(0, w.number)
        p.load(REGION_SIZES)
        p.call("fields")
    p.move(len(w.region()), w.number)
    p.load(w.form)
    p.do(Op.SHIFT_RIGHT, FormBits.SIZES)
    p.call("fields")
    p.call("left")
    p.jump_if(Flag.NEGATIVE, MALFORMED)


def _region(e: "EngineProgram") -> None:
    p, w = e.p, e.w
    row0, row1, col0, col1 = w.region()
    p.load(w.form)
    p.do(Op.AND, 1 << FormBits.REGION)
    with p.when(Flag.ZERO, 0):
        for first, beyond, lines in ((row0, row1, w.rows), (col0, col1, w.cols)):
            e.limit(beyond, codes.MAX_LINES)
            p.do(Op.SUBTRACT, first)
            p.store(lines)
            p.jump_if(Flag.ZERO, MALFORMED)
            p.jump_if(Flag.NEGATIVE, MALFORMED)
        p.load(w.rows)
        p.do(Op.MULTIPLY, w.cols)
        p.store(w.cells)
        e.less(codes.MAX_CELLS + 1, Refusal.MALFORMED)


def _all_arrays(e: "EngineProgram") -> None:
    """Say how many shapes a PULSE has (with another command it is any number); then look at the arrays."""
    p, w = e.p, e.w
    p.load(w.fields[len(w.region())])  # `per` of PULSE
    p.do(Op.AND, 3)
    p.index()
    p.move(w.dims.indexed, w.shapes_given)
    p.load(w.form)
    p.do(Op.SHIFT_RIGHT, FormBits.ARRAY)
    p.do(Op.AND, (1 << FormBits.SIZES - FormBits.ARRAY) - 1)
    p.store(w.at)
    p.move(0, w.number)
    p.call("arrays")


def _routines(e: "EngineProgram") -> None:
    p, w = e.p, e.w
    unused = WORD_BITS - bits_for(receive_bytes(e.parameters) - 1)
    with p.routine("left"):  # bytes until the end of this part
        p.load(w.end)
        p.do(Op.SUBTRACT, io(Source.POSITION))
        p.do(Op.SHIFT_LEFT, unused)
        p.do(Op.SHIFT_RIGHT_SIGNED, unused)
    with p.routine("skip"):  # so many bytes, if they are there
        p.store(w.left)
        p.call("left")
        p.do(Op.COMPARE, w.left)
        p.jump_if(Flag.LESS_SIGNED, MALFORMED)
        p.load(w.left)
        p.do(Op.ADD, io(Source.POSITION))
        e.put(Target.SEEK)
    with p.routine("fields"):  # of these sizes, from field `number` on
        p.store(w.sizes)
        with p.loop() as (_, end):
            p.load(w.sizes)
            p.do(Op.AND, (1 << FormBits.SIZE_BITS) - 1)
            p.jump_if(Flag.ZERO, end)
            p.store(w.shift)
            p.load(4)
            p.do(Op.SHIFT_LEFT, w.shift)
            p.call("number")
            p.load(w.number)
            p.index()
            p.do(Op.ADD, 1)
            p.store(w.number)
            p.move(w.value, w.fields.indexed)
            p.load(w.sizes)
            p.do(Op.SHIFT_RIGHT, FormBits.SIZE_BITS)
            p.store(w.sizes)


def _arrays(e: "EngineProgram") -> None:
    """All arrays: their form `at`, its address is kept as that of array `number`. Nothing may be left behind them."""
    p, w = e.p, e.w
    with p.routine("arrays"):
        p.load(w.at)
        with p.when(Flag.ZERO, 0), p.loop() as (_, end):
            _array(e)
            p.load(w.form)
            p.do(Op.SHIFT_RIGHT, ArrayBits.MORE)
            p.jump_if(Flag.ZERO, end)
            p.increase(w.at)
            p.increase(w.number)
        p.call("left")
        p.jump_unless(Flag.ZERO, MALFORMED)
    with p.routine("dimension"):  # whose kind is in the lowest bits
        p.do(Op.AND, (1 << ArrayBits.DIM_BITS) - 1)
        p.index()
        e.read(32)
        p.do(Op.COMPARE, w.dims.indexed)
        p.jump_unless(Flag.EQUAL, MALFORMED)
        p.do(Op.SHIFT_RIGHT, 16)
        p.jump_unless(Flag.ZERO, MALFORMED)  # more than any command has bytes
        p.load(w.value)


def _array(e: "EngineProgram") -> None:
    p, w = e.p, e.w
    p.load(w.at)
    p.index()
    p.move(w.array_forms.indexed, w.form)
    _element_type(e)
    known, sized = p.fresh(), p.fresh()
    p.do(Op.AND, 1 << ArrayBits.NEW)
    p.jump_if(Flag.ZERO, known)
    e.read(32)
    e.less(codes.MAX_BATCH + 1, Refusal.MALFORMED)  # of a list, more have no room in a command
    p.store(w.batch)
    p.jump(sized)
    p.label(known)
    p.load(w.form)
    p.do(Op.SHIFT_RIGHT, ArrayBits.DIM0)
    p.call("dimension")
    p.label(sized)
    p.store(w.size)
    p.load(w.form)
    p.do(Op.AND, 1 << ArrayBits.SECOND)
    with p.when(Flag.ZERO, 0):
        p.load(w.form)
        p.do(Op.SHIFT_RIGHT, ArrayBits.DIM1)
        p.call("dimension")
        p.do(Op.MULTIPLY, w.size)
        p.store(w.size)
    p.load(w.number)
    p.index()
    p.move(io(Source.POSITION), w.arrays.indexed)
    p.load(w.form)
    p.do(Op.SHIFT_RIGHT, ArrayBits.LOG2)
    p.do(Op.AND, 3)
    p.do(Op.ADD, w.item)
    p.store(w.shift)
    p.load(w.size)
    p.do(Op.SHIFT_LEFT, w.shift)
    p.call("skip")


def _element_type(e: "EngineProgram") -> None:
    """Set `item` where the elements have the second of the types that they may have. The form is loaded behind it."""
    p, w = e.p, e.w
    mask = (1 << ArrayBits.TYPE_BITS) - 1
    other = p.fresh()
    e.byte()
    p.store(w.count)
    p.move(0, w.item)
    for end, shift in ((other, ArrayBits.FIRST), (MALFORMED, ArrayBits.OTHER)):
        p.load(w.form)
        if shift:
            p.do(Op.SHIFT_RIGHT, shift)
        p.do(Op.AND, mask)
        p.do(Op.COMPARE, w.count)
        if end == other:
            p.jump_if(Flag.EQUAL, other)
        else:
            p.jump_unless(Flag.EQUAL, end)
            p.increase(w.item)
    p.label(other)
    p.load(w.form)


assert len(Option) == 1, "one option is compared with"
assert ARRAYS == 3, "arrays are numbered"
