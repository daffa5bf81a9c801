"""The memory of a small array: words of 16 bits behind one port, cells first."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from firmware.array.constants import ChipConstants
from firmware.front.memory import NO_CLASH, SPRAM_BYTES, SpramCell, SpramModel, read_port
from firmware.parameters import Parameters
from hwctl.protocol.cells import WORDS_PER_CELL

MOST_CELLS = 1 << 16  # the processor multiplies 16 bits


class Layout:
    """Where what is. Raises ValueError on what has no room."""

    def __init__(self, parameters: Parameters, constants: ChipConstants) -> None:
        """Count words: those of the cells, then operands of the request."""
        if parameters.spram and constants.words:
            raise ValueError("single-port RAM has no first contents: cells must be loaded by the host")
        self.cells = parameters.rows * parameters.cols
        if self.cells > MOST_CELLS:
            raise ValueError(f"{self.cells} cells; a compact array has at most {MOST_CELLS}")
        self.operands = self.cells * WORDS_PER_CELL  # one a cell, or a driven line
        # OUTER: x and d, then 32 bits of a stream for each of those lines
        self.columns = self.operands + parameters.rows
        self.row_bits = self.columns + parameters.cols
        self.column_bits = self.row_bits + 2 * parameters.rows
        end = self.column_bits + 2 * parameters.cols if parameters.outer else self.columns + parameters.cols
        self.words = max(self.operands + self.cells, end)
        if parameters.spram and 2 * self.words > SPRAM_BYTES:
            raise ValueError(f"an array of {self.cells} cells takes {self.words} words; a single-port RAM has 16384")


class CellMemory(wiring.Component):
    """`data_out` is the word at `address` one clock later, if nothing was written meanwhile."""

    def __init__(self, parameters: Parameters, constants: ChipConstants, simulated: bool) -> None:
        """Hold the cells of a chip at first; single-port RAM holds anything. simulated: with a model of that."""
        self._layout, self._constants = Layout(parameters, constants), constants
        self._spram = (SpramModel if simulated else SpramCell) if parameters.spram else None
        super().__init__(
            {
                "address": In(bits_for(self._layout.words - 1)),
                "data_in": In(16),
                "write_en": In(1),
                "data_out": Out(16),
            }
        )

    def elaborate(self, _: object) -> Module:
        """Connect the one port."""
        m = Module()
        if self._spram:
            m.submodules.cell = cell = self._spram()
            m.d.comb += [
                cell.address.eq(self.address), cell.data_in.eq(self.data_in), cell.mask.eq(-1),
                cell.write_en.eq(self.write_en), self.data_out.eq(cell.data_out),
            ]  # fmt: skip
            return m
        first = [int(word) for cell in self._constants.words for word in cell]
        m.submodules.memory = memory = Memory(shape=16, depth=self._layout.words, init=first, attrs=NO_CLASH)
        write = memory.write_port()
        m.d.comb += [
            write.addr.eq(self.address), write.data.eq(self.data_in), write.en.eq(self.write_en),
            self.data_out.eq(read_port(m, memory, self.address)),
        ]  # fmt: skip
        return m
