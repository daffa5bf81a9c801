"""One cell of an emulated board, as LOAD_CELLS and DUMP carry it."""

import numpy as np
from numpy.typing import NDArray

#: Fields of a cell. `offset` is added to the drive level; gains have 12 fractional bits.
CELL = np.dtype(
    [
        ("state", "<u2"),
        ("count", "<u4"),
        ("low", "<u2"),
        ("span", "<u2"),
        ("gain_set", "<u2"),
        ("gain_reset", "<u2"),
        ("offset", "<i2"),
        ("flags", "<u2"),
        ("form_level", "<u2"),
    ]
)
WORDS_PER_CELL = CELL.itemsize // 2
GAIN_ONE = 1 << 12


def as_words(cells: NDArray[np.void]) -> NDArray[np.uint16]:
    """Return cells of any shape as (cells, words), sharing their memory."""
    return cells.reshape(-1).view(np.uint16).reshape(-1, WORDS_PER_CELL)


def from_words(words: NDArray[np.uint16]) -> NDArray[np.void]:
    """Return (cells, words) as cells (cells,). The memory is shared where it is contiguous."""
    return np.ascontiguousarray(words).view(CELL).reshape(-1)
