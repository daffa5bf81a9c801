"""A board with a physical array as it is simulated: with a clock pin and no reset."""

from amaranth.hdl import ClockDomain, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from firmware.analog.board import AnalogBoard


class AnalogSimulationTop(wiring.Component):
    """The pins of a board, and its clock. Nothing stands still here: the guard counts."""

    def __init__(self, board: AnalogBoard) -> None:
        """Take the board."""
        self._board = board
        super().__init__({"clk": In(1), **board.signature.members})

    def elaborate(self, _: object) -> Module:
        """Connect the pins."""
        m = Module()
        m.domains.sync = domain = ClockDomain(reset_less=True)
        m.submodules.board = board = self._board
        m.d.comb += domain.clk.eq(self.clk)
        for name, member in board.signature.members.items():
            inner, outer = getattr(board, name), getattr(self, name)
            m.d.comb += outer.eq(inner) if member.flow == Out else inner.eq(outer)
        return m
