"""The board as an IP core of a Zynq: ports named as Vivado finds an AXI4-Lite slave by."""

from amaranth.hdl import ClockDomain, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from firmware.mailbox.axi import AxiLite
from firmware.mailbox.board import BusBoard

TOP = "hwctl_crossbar"
PREFIX = "s_axi_"


class BusTop(wiring.Component):
    """`aclk`, `aresetn`, `s_axi_*`, `irq`."""

    def __init__(self, board: BusBoard) -> None:
        """Take the board whose bus it is."""
        self._board = board
        self._members = {name: member.flow.flip() for name, member in AxiLite().members.items()}
        shapes = {name: member.shape for name, member in AxiLite().members.items()}
        super().__init__(
            {"aclk": In(1), "aresetn": In(1), "irq": Out(1)}
            | {f"{PREFIX}{name}": flow(shapes[name]) for name, flow in self._members.items()}
        )

    def elaborate(self, _: object) -> Module:
        """Connect clock, reset and bus."""
        m = Module()
        m.domains.sync = domain = ClockDomain()
        m.submodules.board = board = self._board
        reset = Signal(init=1)  # through a register: the reset of a Zynq comes with another clock
        m.domains.raw = raw = ClockDomain(reset_less=True)
        m.d.raw += reset.eq(~self.aresetn)
        m.d.comb += [
            domain.clk.eq(self.aclk),
            raw.clk.eq(self.aclk),
            domain.rst.eq(reset),
            self.irq.eq(board.interrupt),
        ]
        for name, flow in self._members.items():
            outer, inner = getattr(self, f"{PREFIX}{name}"), getattr(board.bus, name)
            m.d.comb += inner.eq(outer) if flow == In else outer.eq(inner)
        return m
