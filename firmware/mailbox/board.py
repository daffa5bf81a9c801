"""A whole board on a bus: mailbox, command engine, array port, emulated array."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from firmware.board import core_of
from firmware.mailbox.axi import AxiLite
from firmware.mailbox.mailbox import Mailbox
from firmware.parameters import Parameters
from hwctl.devices.chip import Chip


class BusBoard(wiring.Component):
    """The gateware behind an AXI4-Lite bus. `interrupt` is high while a reply waits, where CONTROL says so."""

    bus: In(AxiLite())
    interrupt: Out(1)

    def __init__(self, parameters: Parameters, chip: Chip, key: int, *, build: str, initial: bool) -> None:
        """Hold an emulated chip; parameters as in `firmware.board.Board`."""
        super().__init__()
        self.mailbox = Mailbox(parameters)
        self.engine, self.array = core_of(parameters, chip, key, build=build, initial=initial)

    def elaborate(self, _: object) -> Module:
        """Connect the blocks."""
        m = Module()
        m.submodules.mailbox, m.submodules.engine, m.submodules.array = self.mailbox, self.engine, self.array
        connect(m, flipped(self.bus), self.mailbox.bus)
        connect(m, self.mailbox.command, self.engine.session)
        connect(m, self.engine.array, self.array.port)
        m.d.comb += [self.mailbox.driving.eq(self.array.port.busy), self.interrupt.eq(self.mailbox.interrupt)]
        return m
