"""Where layers go: each layer's matrix cut into tiles, and the tiles placed on the rows and columns of arrays."""

from collections.abc import Sequence
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
    height = min(rows for rows, _ in arrays)
    width = min(cols for _, cols in arrays) & ~1
    if width < 2:
        raise LimitError("an array with one column holds no differential pair; use one with 2 columns or more")
    shelves = _Shelves(arrays)
    placed: list[list[Tile]] = []
    for rows, cols in shapes:
        tiles = []
        for first_input in range(0, rows, height):
            for first_line in range(0, cols, width):
                block = min(height, rows - first_input), min(width, cols - first_line)
                spot = shelves.take(*block)
                if spot is None:
                    raise LimitError(_too_small(shapes, arrays, height, width))
                tiles.append(Tile(*spot, first_input, block[0], first_line, block[1]))
        placed.append(tiles)
    return placed


def _too_small(shapes: Sequence[tuple[int, int]], arrays: Sequence[tuple[int, int]], height: int, width: int) -> str:
    unlimited = _Shelves([(height, width)] * 4096)
    used = -1
    for rows, cols in shapes:
        for i in range(0, rows, height):
            for j in range(0, cols, width):
                spot = unlimited.take(min(height, rows - i), min(width, cols - j))
                used = 4095 if spot is None else max(used, spot[0])
    sizes = ", ".join(f"{rows} x {cols}" for rows, cols in arrays)
    return (
        f"the network's layers {', '.join(f'{r} x {c}' for r, c in shapes)} (with bias rows and paired columns) do not "
        f"fit {len(arrays)} array(s) of {sizes}; give --target {used + 1} times, or a larger array"
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
