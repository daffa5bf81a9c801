"""Puts an emulated chip into a board that emulates one: curves, cells, key of the noise."""

import numpy as np

from hwctl.crossbar.port import Port
from hwctl.devices.chip import Chip
from hwctl.protocol import commands, replies
from hwctl.protocol.cells import as_words
from hwctl.protocol.codes import Polarity
from hwctl.protocol.packing import Region


def load_chip(port: Port, chip: Chip, key: int) -> None:
    """Load a chip of the board's own geometry and drive levels. key: 64 bits. Raises BoardError where it is refused."""
    for polarity, curves in zip((Polarity.SET, Polarity.RESET), chip.curves, strict=True):
        for level, curve in enumerate(curves):
            port.ask(commands.LoadCurve(polarity, level, curve.shift, curve.mean, curve.sigma), replies.Done)
    words = as_words(np.ascontiguousarray(chip.cells)).reshape(chip.rows, chip.cols, -1)
    size = words.shape[-1]
    for part in port.parts(Region(0, chip.rows, 0, chip.cols), bytes_per_cell=2 * size):
        cells = words[part.row0 : part.row1, part.col0 : part.col1]
        port.ask(commands.LoadCells(part, np.ascontiguousarray(cells).reshape(-1, size)), replies.Done)
    port.ask(commands.Seed(key), replies.Done)
