"""The words of the engine's memory: what the program keeps, and tables made from the protocol and the chip."""

from collections.abc import Sequence

from firmware.engine.forms import ArrayForm, Dim, form_of, scalars_of
from firmware.engine.replies import FixedReplies
from firmware.engine.totals import Total
from firmware.processor.assembler import Operand, Program
from hwctl.devices.identity import BoardCodes
from hwctl.protocol import codes
from hwctl.protocol.cells import WORDS_PER_CELL
from hwctl.protocol.codes import PULSE_SHAPES, Op, Refusal
from hwctl.protocol.commands import Command

REGION = 4  # numbers of a region: fields of a command begin behind them
BIT_COUNT = 8
SHAPES_PER_WORD = 4
UNSET = 0xFF  # number of a drive level that is none
ARRAYS = 3
#: Where the words stand that a dimension is compared with; several kinds have the same.
DIMS = {
    Dim.ROWS: 1, Dim.COLS: 2, Dim.CELLS: 3, Dim.BATCH: 4, Dim.LIST: 4, Dim.FREE: 4, Dim.SHAPES: 5, Dim.WORDS: 6,
    Dim.CURVE: 7,
}  # fmt: skip
NUMBERED = (Dim.BATCH, Dim.LIST, Dim.FREE)  # the first of them says how many there are


class FormBits:
    """A command's form: whether it is known and has a region, its first array, the sizes of its fields."""

    KNOWN, REGION, ARRAY, SIZES = 0, 1, 2, 8
    SIZE_BITS = 2  # 1: a byte, 2: two, 3: four; 0: no more fields


class ArrayBits:
    """An array's form."""

    FIRST, OTHER, LOG2, NEW, SECOND, DIM0, DIM1, MORE = 0, 3, 6, 8, 9, 10, 13, 16
    TYPE_BITS, DIM_BITS = 3, 3


class Words:
    """All of them. Numbers of fields are those of `field`."""

    def __init__(self, program: Program, kinds: Sequence[type[Command]], codes_: BoardCodes) -> None:
        """Put them into the memory of a program."""
        self._program, word = program, program.word
        # In the order of DIMS; that which `per` of PULSE counts comes first.
        self.dims = word(1, 0, 0, 0, 0, 0, WORDS_PER_CELL, codes.CURVE_ENTRIES)
        self.rows, self.cols, self.cells, self.batch, self.shapes_given = (self.dims[n] for n in range(1, 6))
        most = max(sum(_words_of(sizes) for sizes in _sizes(kind)) for kind in kinds)
        self.fields = word(*[0] * (REGION + most))
        self.arrays = word(*[0] * ARRAYS)  # address of the first element of each
        self.totals = word(*[0] * 2 * len(Total))
        self.pulsed = word(0, 0)
        self.end, self.reserve, self.reply_start, self.length = (word() for _ in range(4))
        self.op, self.form, self.sizes, self.number, self.count = (word() for _ in range(5))
        self.bits, self.shift, self.value, self.size = (word() for _ in range(4))
        self.refusal, self.whole = word(), word()
        self.range, self.most, self.tia_range = word(), word(), word(4)
        self.safe, self.progress, self.bad = word(1), word(), word()
        self.turn, self.polarity, self.level, self.width = (word() for _ in range(4))
        self.row, self.col, self.row_step, self.col_step, self.at = (word() for _ in range(5))
        self.left, self.item, self.index, self.detail = (word() for _ in range(4))
        self._forms(kinds)
        self._levels(codes_)
        self.shapes = word(*[UNSET * 0x01010101] * (PULSE_SHAPES // SHAPES_PER_WORD))

    def field(self, kind: type[Command], name: str, part: int = 0) -> Operand:
        """Return a number of the command at hand; part: which of those of a ramp, or half of 64 bits."""
        at = REGION
        for found, sizes in scalars_of(kind).items():
            if found == name:
                return self.fields[at + part]
            at += 0 if found == "region" else _words_of(sizes)
        raise KeyError(name)

    def region(self) -> list[Operand]:
        """Return first row, the one beyond the last, and the same of columns."""
        return [self.fields[n] for n in range(REGION)]

    # -- tables --------------------------------------------------------------------------------------------------------

    def _forms(self, kinds: Sequence[type[Command]]) -> None:
        """Make a word for each command, and one for each array of a command."""
        forms, arrays = [0] * (1 + max(map(place_of, Op))), []
        for kind in kinds:
            form, at = form_of(kind), REGION * form_of(kind).has_region
            sizes = [size for several in _sizes(kind) for size in several][at:]
            arranged = sum(
                _size_code(size) << FormBits.SIZE_BITS * n for n, size in enumerate(_halves(sizes))
            )  # a region is read in a pass of its own
            first = 1 + len(arrays) if form.arrays else 0
            arrays += [_array_word(form.arrays, n) for n in range(len(form.arrays))]
            forms[place_of(kind.op)] = (
                1 << FormBits.KNOWN | form.has_region << FormBits.REGION | first << FormBits.ARRAY
                | arranged << FormBits.SIZES
            )  # fmt: skip
            if form.has_region:
                assert _sizes(kind)[0] == [2] * REGION, "a region comes first"
        assert len(arrays) < 1 << FormBits.SIZES - FormBits.ARRAY, "arrays are numbered"
        self.forms = self._program.word(*forms)
        self.array_forms = self._program.word(0, *arrays)[0]

    def _levels(self, codes_: BoardCodes) -> None:
        """List SET, RESET and FORM levels one behind the other; a pulse shape is the number of one."""
        listed = [level for levels in codes_.levels for level in levels]
        assert len(listed) <= UNSET, "a shape has a byte"
        first = [sum(map(len, codes_.levels[:n])) for n in range(len(codes_.levels) + 1)]
        word = self._program.word
        self.first_level = word(*first)
        self.widths = word(*(width for _, width, _ in listed))
        self.amplitudes = word(*(amplitude | gate << 16 for amplitude, _, gate in listed))  # and gates

    def fixed(self, fixed: FixedReplies) -> Operand:
        """Return a table of where each refusal stands, that of IDENTITY first, and how long it is above 16 bits."""
        table = {0: fixed.identity} | {int(refusal): place for refusal, place in fixed.refusals.items()}
        return self._program.word(
            *(start | length << 16 for start, length in (table.get(n, (0, 0)) for n in range(max(Refusal) + 1)))
        )


def place_of(op: int) -> int:
    """Return the place of a command's form in the table: those of emulated boards come close behind the others."""
    return op if op <= Op.SAFE else op - Op.LOAD_CURVE + Op.SAFE + 1


def _sizes(kind: type[Command]) -> list[list[int]]:
    return list(scalars_of(kind).values())


def _halves(sizes: list[int]) -> list[int]:
    """Split 64 bits into two words."""
    return [half for size in sizes for half in ([4, 4] if size == BIT_COUNT else [size])]


def _words_of(sizes: list[int]) -> int:
    return len(_halves(sizes))


def _size_code(size: int) -> int:
    return {1: 1, 2: 2, 4: 3}[size]


def _array_word(arrays: Sequence[ArrayForm], n: int) -> int:
    array = arrays[n]
    earlier = [dim for before in arrays[:n] for dim in before.dims]
    dims = [DIMS[dim] for dim in array.dims]
    new = array.dims[0] in NUMBERED and array.dims[0] not in earlier
    return (
        array.types[0] << ArrayBits.FIRST | array.types[-1] << ArrayBits.OTHER | array.log2_bytes << ArrayBits.LOG2
        | new << ArrayBits.NEW | (len(dims) > 1) << ArrayBits.SECOND | dims[0] << ArrayBits.DIM0
        | dims[-1] << ArrayBits.DIM1 | (n + 1 < len(arrays)) << ArrayBits.MORE
    )  # fmt: skip


assert len(DIMS) == len(Dim), "each kind of dimension has a word"
