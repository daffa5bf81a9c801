"""The board as it is simulated: with clock pins and no reset, as its registers begin with their initial values.

Engine and array have a clock of their own, which stands still while they have nothing to do: most cycles are bits of
the UART, and what has no edge costs a simulator nothing.
"""

from amaranth.hdl import ClockDomain, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from firmware.board import Board

CORE = "core"


class SimulationTop(wiring.Component):
    """The pins of a board, and its clocks: `core_clk` rises with `clk`, unless `awake` is low."""

    clk: In(1)
    core_clk: In(1)
    rx: In(1, init=1)
    tx: Out(1, init=1)
    executing: Out(1)
    driving: Out(1)
    awake: Out(1)

    def __init__(self, board: Board) -> None:
        """Take a board with engine and array in the clock domain CORE."""
        super().__init__()
        self._board = board

    def elaborate(self, _: object) -> Module:
        """Connect the pins: a reset would make every next value a function of an input, and the simulation slow."""
        m = Module()
        m.domains.sync = domain = ClockDomain(reset_less=True)
        m.domains.core = core = ClockDomain(reset_less=True)
        m.submodules.board = board = self._board
        m.d.comb += [
            domain.clk.eq(self.clk),
            core.clk.eq(self.core_clk),
            board.rx.eq(self.rx),
            self.tx.eq(board.tx),
            self.executing.eq(board.executing),
            self.driving.eq(board.driving),
            self.awake.eq(board.awake),
        ]
        return m
