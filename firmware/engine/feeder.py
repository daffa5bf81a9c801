"""Puts the bytes of a command's arrays together to items of one or two bytes."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class Feeder(wiring.Component):
    """`start` with a number of items; they follow on `item`, sign-extended to 16 bits, while `busy`."""

    def __init__(self, count_bits: int) -> None:
        """Count up to 2**count_bits - 1 items."""
        super().__init__(
            {
                "start": In(1),
                "items": In(count_bits),
                "wide": In(1),  # two bytes an item; stands still while busy
                "busy": Out(1),
                "item": Out(stream.Signature(16)),
                "byte": In(8),
                "valid": In(1),
                "take": Out(1),
            }
        )

    def elaborate(self, _: object) -> Module:
        """Pass bytes on; of two, keep the low one until the high one is there."""
        m = Module()
        left = Signal.like(self.items)
        low, has_low = Signal(8), Signal()
        whole = ~self.wide | has_low
        m.d.comb += [
            self.busy.eq(left != 0),
            self.item.valid.eq(self.busy & self.valid & whole),
            self.item.payload.eq(Mux(self.wide, Cat(low, self.byte), Cat(self.byte, self.byte[7].replicate(8)))),
        ]
        with m.If(self.start):
            m.d.sync += [left.eq(self.items), has_low.eq(0)]
        with m.Elif(self.busy & self.valid):
            with m.If(~whole):
                m.d.comb += self.take.eq(1)
                m.d.sync += [low.eq(self.byte), has_low.eq(1)]
            with m.Elif(self.item.ready):
                m.d.comb += self.take.eq(1)
                m.d.sync += [has_low.eq(0), left.eq(left - 1)]
        return m
