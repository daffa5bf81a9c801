"""The form of every command that the engine unpacks: made from the layouts of `hwctl.protocol`, never written twice."""

import enum
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import C, Cat, Signal, Value

from hwctl.protocol import commands
from hwctl.protocol.cells import WORDS_PER_CELL
from hwctl.protocol.commands import Command
from hwctl.protocol.packing import DTYPE_CODES, layout_of


class Dim(enum.IntEnum):
    """What a dimension of an array has to be."""

    ROWS = 0  # rows of the region
    COLS = 1
    CELLS = 2  # cells of the region
    BATCH = 3  # 1 to MAX_BATCH; where it comes up again, the same
    LIST = 4  # 1 to MAX_CELLS; where it comes up again, the same
    SHAPES = 5  # as many as PULSE's `per` says
    WORDS = 6  # words of a cell
    CURVE = 7  # entries of a step curve
    FREE = 8  # any; stored as the batch


_DIMS: dict[type[Command], tuple[tuple[Dim, ...], ...]] = {
    commands.Vmm: ((Dim.BATCH, Dim.ROWS),),
    commands.VmmT: ((Dim.BATCH, Dim.COLS),),
    commands.Pulse: ((Dim.ROWS, Dim.COLS), (Dim.SHAPES,), (Dim.SHAPES,)),
    commands.PulseSparse: ((Dim.LIST,), (Dim.LIST,), (Dim.LIST,)),
    commands.Outer: ((Dim.BATCH, Dim.ROWS), (Dim.BATCH, Dim.COLS)),
    commands.WriteVerify: ((Dim.ROWS, Dim.COLS),),
    commands.LoadCounters: ((Dim.ROWS, Dim.COLS),),
    commands.LoadCurve: ((Dim.CURVE,), (Dim.CURVE,)),
    commands.LoadCells: ((Dim.CELLS, Dim.WORDS),),
    commands.Restore: ((Dim.CELLS, Dim.WORDS), (Dim.FREE,)),
}


@dataclass(frozen=True)
class ArrayForm:
    """An array of a command."""

    types: tuple[int, ...]
    """Codes of the element types that it may have."""
    log2_bytes: int
    """Of one element of the first type."""
    dims: tuple[Dim, ...]


@dataclass(frozen=True)
class Form:
    """The body of a command: so many fixed bytes, then arrays."""

    kind: type[Command]
    fixed: int
    arrays: tuple[ArrayForm, ...]
    has_region: bool


def form_of(kind: type[Command]) -> Form:
    """Return the form of a command."""
    layout = layout_of(kind)
    dims = _DIMS.get(kind, ())
    arrays = tuple(
        ArrayForm(
            tuple(DTYPE_CODES[name] for name in packed.dtypes),
            np.dtype(packed.dtypes[0]).itemsize.bit_length() - 1,
            which,
        )
        for (_, packed), which in zip(layout.arrays, dims, strict=True)
    )
    return Form(kind, layout.fixed.size, arrays, any(name == "region" for name, _, _ in layout.scalars))


def scalars_of(kind: type[Command]) -> dict[str, list[int]]:
    """Return the fields of a command's fixed bytes, in order: the bytes of each number that they are made of."""
    layout = layout_of(kind)
    letters = "".join(c * int(n or 1) for n, c in _items(layout.fixed.format.removeprefix("<")))
    widths = [{"B": 1, "H": 2, "I": 4, "Q": 8}[c] for c in letters]
    found = {}
    for name, _, count in layout.scalars:
        found[name], widths = widths[:count], widths[count:]
    return found


def field_of(fixed: Signal, kind: type[Command], name: str) -> Value:
    """Return a number of a command from its fixed bytes; a region or ramp is the concatenation of its numbers."""
    at = 0
    for found, widths in scalars_of(kind).items():
        size = sum(widths)
        if found == name:
            return fixed[8 * at : 8 * (at + size)]
        at += size
    raise KeyError(name)


assert WORDS_PER_CELL == 10, "words_of multiplies by 10"


def _items(form: str) -> list[tuple[str, str]]:
    """Split a struct format into (repeat, letter)."""
    items, digits = [], ""
    for c in form:
        if c.isdigit():
            digits += c
        else:
            items.append((digits, c))
            digits = ""
    return items


def words_of(cells: Value) -> Value:
    """Return how many words so many cells have: ten each, with two shifts."""
    return (cells << 3) + (cells << 1)


def parts(value: Value, width: int) -> list[Value]:
    """Split a concatenation into numbers of so many bits."""
    return [value[i : i + width] for i in range(0, len(value), width)]


def little_endian(value: Value, size: int) -> list[Value]:
    """Return the bytes of a number, zeros above its top."""
    return parts(Cat(value, C(0, 8 * size))[: 8 * size], 8)
