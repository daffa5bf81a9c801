"""The cells of one lane: ten memories of 16 bits, one a word of docs/cell-law.md, "A cell".

Each word has an address of its own, as the pipeline needs the words of a cell at different times. Cell k of the array
is at address k // lanes of lane k % lanes.
"""

from amaranth.hdl import Elaboratable, Module

from firmware.array.constants import ChipConstants
from firmware.array.ram import Ram
from firmware.parameters import Parameters
from hwctl.protocol.cells import CELL, WORDS_PER_CELL

#: Number of the first word of each field.
WORD = {name: CELL.fields[name][1] // 2 for name in CELL.names}


class Cells(Elaboratable):
    """`words[w]`: the memory of word w."""

    def __init__(self, parameters: Parameters, constants: ChipConstants, lane: int) -> None:
        """Make the memories of a lane."""
        depth = parameters.rows * parameters.groups
        self.words = [
            Ram(16, max(depth, 2), constants.column(word, lane, parameters.lanes)) for word in range(WORDS_PER_CELL)
        ]

    def elaborate(self, _: object) -> Module:
        """Hold the memories."""
        m = Module()
        for name, word in WORD.items():
            m.submodules[name] = self.words[word]
        m.submodules.count_high = self.words[WORD["count"] + 1]
        return m
