"""A memory with one write port and one read port, in block RAM without logic around it."""

from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.lib.memory import Memory


class Ram(Elaboratable):
    """`data` is what was at `address` in the clock before.

    Nobody may look at a word that was written in the clock in which it was read: then the FPGA's RAMs need no help to
    give the old value. That is what `no_rw_check` tells yosys, which heeds it for registers behind a memory. Block RAM
    has no first value to give either; `setattr -unset init a:ram_output` before synthesis says that none is needed,
    and saves a gate for each bit.
    """

    def __init__(self, width: int, depth: int, init: list[int] | None = None, granularity: int | None = None) -> None:
        """Make a memory of `depth` words; `write_en` has a bit for each `granularity` bits of a word."""
        self._memory = Memory(shape=width, depth=depth, init=init or [], attrs={"no_rw_check": 1})
        self._read, self._write = (
            self._memory.read_port(domain="comb"),
            self._memory.write_port(granularity=granularity),
        )
        self.address, self.data = self._read.addr, Signal(width, reset_less=True, attrs={"ram_output": 1})
        self.write_address, self.write_data, self.write_en = self._write.addr, self._write.data, self._write.en

    def elaborate(self, _: object) -> Module:
        """Put the register behind the memory."""
        m = Module()
        m.submodules.memory = self._memory
        m.d.sync += self.data.eq(self._read.data)
        return m
