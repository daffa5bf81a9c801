"""An AXI4-Lite slave: one access at a time, as pulses on a small bus of its own.

AMBA AXI and ACE Protocol Specification, ARM IHI 0022E, B1: no bursts, whole words, a response for each access.
"""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from hwctl.protocol.registers import RANGE, WORD_BYTES

ADDRESS_BITS = (RANGE - 1).bit_length()
WORD_BITS = 8 * WORD_BYTES


class Response(enum.Enum, shape=unsigned(2)):
    """How an access ended."""

    OKAY = 0
    SLAVE_ERROR = 2


class AxiLite(wiring.Signature):
    """The bus as its master sees it; members are named as in the specification, without their prefix."""

    def __init__(self) -> None:
        """Make the signature."""
        super().__init__(
            {
                "awaddr": Out(ADDRESS_BITS), "awprot": Out(3), "awvalid": Out(1), "awready": In(1),
                "wdata": Out(WORD_BITS), "wstrb": Out(WORD_BYTES), "wvalid": Out(1), "wready": In(1),
                "bresp": In(Response), "bvalid": In(1), "bready": Out(1),
                "araddr": Out(ADDRESS_BITS), "arprot": Out(3), "arvalid": Out(1), "arready": In(1),
                "rdata": In(WORD_BITS), "rresp": In(Response), "rvalid": In(1), "rready": Out(1),
            }
        )  # fmt: skip


class AxiSlave(wiring.Component):
    """Gives each access out once.

    `write` is high for one clock, with `write_address`, `write_data` and `write_strobe`; `write_known` has to say in
    that clock whether there is something to write to. `read_address` stands from one clock on; two clocks later
    `read_data` and `read_known` are looked at. Addresses are of words.
    """

    bus: In(AxiLite())
    write: Out(1)
    write_address: Out(ADDRESS_BITS - 2)
    write_data: Out(WORD_BITS)
    write_strobe: Out(WORD_BYTES)
    write_known: In(1)
    read_address: Out(ADDRESS_BITS - 2)
    read_data: In(WORD_BITS)
    read_known: In(1)

    def elaborate(self, _: object) -> Module:
        """Answer writes and reads, each kind by itself."""
        m = Module()
        self._writes(m)
        self._reads(m)
        return m

    def _writes(self, m: Module) -> None:
        """Take address and data together, once the response before them is gone."""
        bus, taken = self.bus, Signal()
        m.d.comb += [
            taken.eq(bus.awvalid & bus.wvalid & ~bus.bvalid),
            bus.awready.eq(taken),
            bus.wready.eq(taken),
            self.write.eq(taken),
            self.write_address.eq(bus.awaddr[2:]),
            self.write_data.eq(bus.wdata),
            self.write_strobe.eq(bus.wstrb),
        ]
        with m.If(taken):
            m.d.sync += bus.bvalid.eq(1)
            m.d.sync += bus.bresp.eq(Response.OKAY)
            with m.If(~self.write_known):
                m.d.sync += bus.bresp.eq(Response.SLAVE_ERROR)
        with m.Elif(bus.bready):
            m.d.sync += bus.bvalid.eq(0)

    def _reads(self, m: Module) -> None:
        bus = self.bus
        with m.FSM():
            with m.State("ADDRESS"):
                m.d.comb += bus.arready.eq(1)
                m.d.sync += self.read_address.eq(bus.araddr[2:])
                with m.If(bus.arvalid):
                    m.next = "LOOK"
            with m.State("LOOK"):
                m.next = "TAKE"
            with m.State("TAKE"):
                m.d.sync += [bus.rdata.eq(self.read_data), bus.rvalid.eq(1), bus.rresp.eq(Response.OKAY)]
                with m.If(~self.read_known):
                    m.d.sync += [bus.rdata.eq(0), bus.rresp.eq(Response.SLAVE_ERROR)]
                m.next = "GIVE"
            with m.State("GIVE"), m.If(bus.rready):
                m.d.sync += bus.rvalid.eq(0)
                m.next = "ADDRESS"
