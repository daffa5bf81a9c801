"""Bit streams of OUTER's mode coincidence: docs/cell-law.md, "OUTER"."""

from amaranth.hdl import Cat, Elaboratable, Module, Signal, Value

from firmware.array.ram import Ram
from firmware.parameters import Parameters
from hwctl.protocol.codes import MAX_SLOTS

CHUNK = 8  # slots of one draw


def stream_bits(w0: Value, w1: Value, value: Value) -> Value:
    """Return the bits of eight slots of a line with that value, i8: set where a byte, halved, is below |value|."""
    amount = abs(value.as_signed())
    word = Cat(w0, w1)
    return Cat(word[8 * t + 1 : 8 * t + 8] < amount for t in range(CHUNK))


class StreamBits(Elaboratable):
    """`bits`: the slots of the line at `spot`, one clock later. Eight slots are written at once."""

    def __init__(self, depth: int, spots: Signal) -> None:
        """Hold the streams of so many lines; `spots` is a signal like the addresses."""
        self._memory = Ram(MAX_SLOTS, depth, granularity=CHUNK)
        self.spot, self.write_spot = Signal.like(spots), Signal.like(spots)
        self.bits, self.write_bits = Signal(MAX_SLOTS), Signal(CHUNK)
        self.chunk, self.write = Signal(range(MAX_SLOTS // CHUNK)), Signal()

    def elaborate(self, _: object) -> Module:
        """Connect the ports."""
        m, memory = Module(), self._memory
        m.submodules.memory = memory
        m.d.comb += [
            memory.address.eq(self.spot), self.bits.eq(memory.data),
            memory.write_address.eq(self.write_spot),
            memory.write_data.eq(self.write_bits.replicate(MAX_SLOTS // CHUNK)),
            memory.write_en.eq(self.write << self.chunk),
        ]  # fmt: skip
        return m


class ColumnBits(StreamBits):
    """The streams of a lane's columns."""

    def __init__(self, parameters: Parameters) -> None:
        """Have one stream a column group."""
        super().__init__(max(parameters.groups, 2), Signal(range(max(parameters.groups, 2))))


class RowBits(StreamBits):
    """The streams of all rows."""

    def __init__(self, parameters: Parameters) -> None:
        """Have one stream a row."""
        super().__init__(max(parameters.rows, 2), Signal(range(max(parameters.rows, 2))))
