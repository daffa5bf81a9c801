"""Where layers go: each layer's matrix cut into tiles, and the tiles placed on the rows and columns of arrays."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from hwctl.errors import LimitError


class Tile(NamedTuple):
    """A block of a layer's device matrix and its place on an array."""

    array: int
    """Number of the array."""
    row: int
    """First row on the array."""
    col: int
    """First column on the array."""
    first_input: int
    """First row of the layer's device matrix."""
    rows: int
    first_line: int
    """First column of the layer's device matrix."""
    cols: int


def whole_size(shapes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return rows and columns of one array that takes device matrices (rows, columns) one below the other."""
    return sum(rows for rows, _ in shapes), max(cols for _, cols in shapes)


def place(shapes: Sequence[tuple[int, int]], arrays: Sequence[tuple[int, int]]) -> list[list[Tile]]:
    """Cut device matrices into tiles and place them on arrays of (rows, columns).

    A matrix that fits an array stays whole; others are cut into blocks of the smallest array's size, with an even
    number of columns, as a differential pair stays together. Tiles are laid out on shelves: left to right, then
    below. Raises LimitError that names how many arrays would do.
    """
    sizes = [(rows, cols & ~1) for rows, cols in arrays]
    if min(cols for _, cols in sizes) < 2:
        raise LimitError("an array with one column holds no differential pair; use one with 2 columns or more")
    shelves = _Shelves(sizes)
    placed: list[list[Tile]] = []
    for shape in shapes:
        tiles = []
        for first_input, first_line, rows, cols in _blocks(shape, sizes):
            spot = shelves.take(rows, cols)
            if spot is None:
                raise LimitError(_too_small(shapes, arrays, sizes))
            tiles.append(Tile(*spot, first_input, rows, first_line, cols))
        placed.append(tiles)
    return placed


def _blocks(shape: tuple[int, int], sizes: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, int, int]]:
    """Yield first row, first column, rows and columns of a matrix' blocks: itself where an array takes it whole."""
    rows, cols = shape
    whole = any(rows <= height and cols <= width for height, width in sizes)
    height = rows if whole else min(height for height, _ in sizes)
    width = cols if whole else min(width for _, width in sizes)
    for first_input in range(0, rows, height):
        for first_line in range(0, cols, width):
            yield first_input, first_line, min(height, rows - first_input), min(width, cols - first_line)


def _too_small(
    shapes: Sequence[tuple[int, int]], arrays: Sequence[tuple[int, int]], sizes: Sequence[tuple[int, int]]
) -> str:
    """Say how many arrays would do: the given ones, and more like the last."""
    enough = _Shelves([*sizes, *[sizes[-1]] * 4096])
    needed = 0
    for shape in shapes:
        for _, _, rows, cols in _blocks(shape, sizes):
            spot = enough.take(rows, cols)
            needed = 4096 if spot is None else max(needed, spot[0] + 1)
    given = ", ".join(f"{rows} x {cols}" for rows, cols in arrays)
    return (
        f"the network's layers {', '.join(f'{r} x {c}' for r, c in shapes)} (with bias rows and paired columns) do not "
        f"fit {len(arrays)} array(s) of {given}; give --target {needed} times, or a larger array"
    )


class _Shelves:
    """Free space of arrays: on each, a shelf that is being filled from the left, and what is below it."""

    def __init__(self, arrays: Sequence[tuple[int, int]]) -> None:
        self._sizes = arrays
        self._next = [(0, 0, 0) for _ in arrays]  # row of the shelf, its height so far, first free column

    def take(self, rows: int, cols: int) -> tuple[int, int, int] | None:
        """Return array, row and column of a free block, or None."""
        for number, (height, width) in enumerate(self._sizes):
            row, shelf, col = self._next[number]
            if col + cols > width:
                row, shelf, col = row + shelf, 0, 0
            if cols <= width and row + rows <= height:
                self._next[number] = (row, max(shelf, rows), col + cols)
                return number, row, col
        return None
