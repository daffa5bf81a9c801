"""The whole state of an emulated board, taken and put back in parts that fit its budgets."""

import numpy as np

from hwctl.crossbar.arguments import within
from hwctl.crossbar.port import Port
from hwctl.errors import LimitError
from hwctl.protocol import commands, replies
from hwctl.protocol.cells import WORDS_PER_CELL
from hwctl.protocol.packing import Region

BYTES_PER_CELL = 36  # ten words, and what layers of an emulated board remember of a cell


def dump(port: Port) -> replies.Dumped:
    """Return words (cells, words), clock and layers' bytes of the whole array in row-major order."""
    whole = port.region(slice(None), slice(None))
    parts = port.parts(whole, BYTES_PER_CELL)
    dumped = port.ask_all([commands.Dump(part) for part in parts], replies.Dumped)
    words = np.empty((*whole.shape, WORDS_PER_CELL), np.uint16)
    extra = np.empty((*whole.shape, dumped[0].extra.size // _cells(parts[0])), np.uint8)
    for part, found in zip(parts, dumped, strict=True):
        place = within(part, whole)
        words[place] = found.words.reshape(*part.shape, -1)
        extra[place] = found.extra.reshape(*part.shape, -1)
    return replies.Dumped(words.reshape(-1, WORDS_PER_CELL), dumped[-1].clock, extra.reshape(-1))


def restore(port: Port, dumped: replies.Dumped) -> None:
    """Put the array back to a dump. Raises LimitError where it is another array's."""
    whole = port.region(slice(None), slice(None))
    if len(dumped.words) != _cells(whole) or dumped.extra.size % _cells(whole):
        raise LimitError(
            f"state of {len(dumped.words)} cells and {dumped.extra.size} bytes of layer state for an array of "
            f"{whole.rows} x {whole.cols}; restore what this array dumped"
        )
    words, extra = (values.reshape(*whole.shape, -1) for values in (dumped.words, dumped.extra))
    port.ask_all([_part(part, words, dumped.clock, extra) for part in port.parts(whole, BYTES_PER_CELL)], replies.Done)


def _part(part: Region, words: np.ndarray, clock: int, extra: np.ndarray) -> commands.Restore:
    place = np.s_[part.row0 : part.row1, part.col0 : part.col1]
    return commands.Restore(part, words[place].reshape(-1, WORDS_PER_CELL), clock, extra[place].reshape(-1))


def _cells(region: Region) -> int:
    return region.rows * region.cols
