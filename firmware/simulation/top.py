"""The board as it is simulated: with a clock pin and no reset, as its registers begin with their initial values."""

from amaranth.hdl import ClockDomain, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from firmware.board import Board


class SimulationTop(wiring.Component):
    """The pins of a board, and its clock."""

    clk: In(1)
    rx: In(1, init=1)
    tx: Out(1, init=1)
    executing: Out(1)
    driving: Out(1)

    def __init__(self, board: Board) -> None:
        """Take a board."""
        super().__init__()
        self._board = board

    def elaborate(self, _: object) -> Module:
        """Connect the pins: a reset would make every next value a function of an input, and the simulation slow."""
        m = Module()
        m.domains.sync = domain = ClockDomain(reset_less=True)
        m.submodules.board = board = self._board
        m.d.comb += [
            domain.clk.eq(self.clk),
            board.rx.eq(self.rx),
            self.tx.eq(board.tx),
            self.executing.eq(board.executing),
            self.driving.eq(board.driving),
        ]
        return m
