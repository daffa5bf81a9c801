"""The step curves of one lane: docs/cell-law.md, "A cell" (last paragraph) and "A pulse"."""

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.lib.memory import Memory
from amaranth.utils import bits_for

from firmware.array.constants import ChipConstants
from firmware.array.ram import Ram
from hwctl.devices.law import MAX_SHIFT
from hwctl.protocol.codes import CURVE_ENTRIES

SHIFT_BITS = bits_for(MAX_SHIFT)
ENTRY_BITS = bits_for(CURVE_ENTRIES - 1)


class CurveWrite:
    """What all lanes' curves are told to take."""

    def __init__(self, constants: ChipConstants) -> None:
        """Make the signals for that many tables."""
        self.table = Signal(range(max(sum(constants.levels), 2)))
        self.entry = Signal(ENTRY_BITS)
        self.data = Signal(16)
        self.mean, self.sigma, self.shift = Signal(), Signal(), Signal()  # which of them to write


class Curves(Elaboratable):
    """`mean` and `sigma` of (`table`, `entry`), one clock later; `shift` of `shift_table`, at once."""

    def __init__(self, constants: ChipConstants, write: CurveWrite) -> None:
        """Hold the curves of a chip at first."""
        tables = constants.tables
        depth = max(len(tables), 2)
        means = [int(v) & 0xFFFF for curve in tables for v in curve.mean]
        sigmas = [int(v) for curve in tables for v in curve.sigma]
        self._means = Ram(16, depth * CURVE_ENTRIES, means)
        self._sigmas = Ram(16, depth * CURVE_ENTRIES, sigmas)
        self._shifts = Memory(shape=SHIFT_BITS, depth=depth, init=[curve.shift for curve in tables])
        self._write = write
        self.table, self.shift_table = Signal.like(write.table), Signal.like(write.table)
        self.entry = Signal(ENTRY_BITS)
        self.mean, self.sigma, self.shift = Signal(signed(16)), Signal(16), Signal(SHIFT_BITS)

    def elaborate(self, _: object) -> Module:
        """Connect the ports."""
        m, write = Module(), self._write
        m.submodules.means, m.submodules.sigmas, m.submodules.shifts = self._means, self._sigmas, self._shifts
        for memory, out, enable in ((self._means, self.mean, write.mean), (self._sigmas, self.sigma, write.sigma)):
            m.d.comb += [
                memory.address.eq(Cat(self.entry, self.table)), out.eq(memory.data),
                memory.write_address.eq(Cat(write.entry, write.table)), memory.write_data.eq(write.data),
                memory.write_en.eq(enable),
            ]  # fmt: skip
        read, put = self._shifts.read_port(domain="comb"), self._shifts.write_port()
        m.d.comb += [
            read.addr.eq(self.shift_table), self.shift.eq(read.data),
            put.addr.eq(write.table), put.data.eq(write.data), put.en.eq(write.shift),
        ]  # fmt: skip
        return m


def table_of(constants: ChipConstants, polarity: Value, level: Value) -> Value:
    """Return the number of a drive level's table: the levels of RESET are behind those of SET."""
    return level + Mux(polarity, constants.levels[0], 0)
