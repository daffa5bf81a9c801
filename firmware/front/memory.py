"""The rings: one write port, one read port, of memory that may have a single port."""

from amaranth.hdl import Cat, ClockSignal, Const, Elaboratable, Instance, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

SPRAM_BYTES = 32768  # of one SB_SPRAM256KA
NO_CLASH = {"no_rw_check": 1}
"""Attributes of a memory of which no word matters that is read in the clock in which it is written."""


def read_port(m: Module, memory: Memory, address: Value) -> Signal:
    """Return what is read from a NO_CLASH memory, one clock later.

    Amaranth's own port of this kind promises the old word when it is written at that moment; for this yosys adds a
    register and a comparator for every bit. It leaves them away where it merges memory and register itself.
    """
    port = memory.read_port(domain="comb")
    data = Signal(memory.shape, reset_less=True)
    m.d.comb += port.addr.eq(address)
    m.d.sync += data.eq(port.data)
    return data


class _Ports(wiring.Component):
    """`read_data` holds the byte of `read_address` one clock later, where `read_valid` is high. A write succeeds."""

    def __init__(self, size: int) -> None:
        """Hold `size` bytes."""
        self.size = size
        address = bits_for(size - 1)
        super().__init__(
            {
                "write_address": In(address),
                "write_data": In(8),
                "write_en": In(1),
                "read_address": In(address),
                "read_data": Out(8),
                "read_valid": Out(1),
            }
        )


class DualRing(_Ports):
    """In block RAM: reads always succeed."""

    def elaborate(self, _: object) -> Module:
        """Connect the ports of a memory."""
        m = Module()
        m.submodules.memory = memory = Memory(shape=8, depth=self.size, init=[], attrs=NO_CLASH)
        write = memory.write_port()
        m.d.comb += [
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            write.en.eq(self.write_en),
            self.read_data.eq(read_port(m, memory, self.read_address)),
            self.read_valid.eq(1),
        ]
        return m


class SpramCell(wiring.Component):
    """SB_SPRAM256KA: 16384 words of 16 bits behind a single port, read one clock later."""

    address: In(14)
    data_in: In(16)
    mask: In(4)
    write_en: In(1)
    data_out: Out(16)

    def elaborate(self, _: object) -> Module:
        """Place the cell of the iCE40 UP5K."""
        m = Module()
        m.submodules.cell = Instance(
            "SB_SPRAM256KA",
            i_ADDRESS=self.address,
            i_DATAIN=self.data_in,
            i_MASKWREN=self.mask,
            i_WREN=self.write_en,
            i_CHIPSELECT=Const(1, 1),
            i_CLOCK=ClockSignal(),
            i_STANDBY=Const(0, 1),
            i_SLEEP=Const(0, 1),
            i_POWEROFF=Const(1, 1),  # active low
            o_DATAOUT=self.data_out,
        )
        return m


class SpramModel(SpramCell):
    """The cell for simulation. What is undefined is wrong: first contents, and the output after a write."""

    def elaborate(self, _: object) -> Module:
        """Read in the clocks in which nothing is written."""
        m = Module()
        words = SPRAM_BYTES // 2
        m.submodules.memory = memory = Memory(shape=16, depth=words, init=[0xDEAD] * words)
        write, read = memory.write_port(granularity=4), memory.read_port()
        wrote = Signal()
        m.d.sync += wrote.eq(self.write_en)
        m.d.comb += [
            write.addr.eq(self.address),
            write.data.eq(self.data_in),
            write.en.eq(self.mask & self.write_en.replicate(4)),
            read.addr.eq(self.address),
            self.data_out.eq(read.data ^ wrote.replicate(16)),
        ]
        return m


class SingleRing(_Ports):
    """In SB_SPRAM256KA: a write wins, and `read_valid` is low one clock later."""

    def __init__(self, size: int, cell: type[SpramCell] = SpramCell) -> None:
        """Hold `size` bytes, at most those of one cell."""
        self._cell = cell
        super().__init__(size)

    def elaborate(self, _: object) -> Module:
        """Give the port to the write, else to the read."""
        m = Module()
        m.submodules.cell = cell = self._cell()
        odd = Signal()
        address = Signal.like(self.read_address)
        m.d.comb += [
            address.eq(self.read_address),
            cell.address.eq(address[1:]),
            cell.data_in.eq(Cat(self.write_data, self.write_data)),
            cell.mask.eq(Cat((~address[0]).replicate(2), address[0].replicate(2))),
            cell.write_en.eq(self.write_en),
            self.read_data.eq(cell.data_out.word_select(odd, 8)),
        ]
        with m.If(self.write_en):
            m.d.comb += address.eq(self.write_address)
        m.d.sync += [odd.eq(self.read_address[0]), self.read_valid.eq(~self.write_en)]
        return m


def ring(size: int, spram: bool, simulated: bool = False) -> Elaboratable:
    """Return a ring of `size` bytes. spram: in single-port RAM; simulated: in its model."""
    if not spram:
        return DualRing(size)
    if size > SPRAM_BYTES:
        raise ValueError(f"ring of {size} bytes; a single-port RAM has {SPRAM_BYTES}: give smaller budgets")
    return SingleRing(size, SpramModel if simulated else SpramCell)
