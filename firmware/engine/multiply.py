"""A multiplier that takes a clock for each bit: for sizes, where time does not matter."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Multiplier(wiring.Component):
    """`product` = a * b, once `busy` has fallen; a and b are taken while `start` is high."""

    def __init__(self, a_bits: int, b_bits: int) -> None:
        """Multiply unsigned numbers of so many bits; it takes b_bits clocks."""
        super().__init__(
            {
                "start": In(1),
                "a": In(a_bits),
                "b": In(b_bits),
                "busy": Out(1),
                "product": Out(a_bits + b_bits),
            }
        )

    def elaborate(self, _: object) -> Module:
        """Shift and add, the highest bit of b first."""
        m = Module()
        a, b = Signal.like(self.a), Signal.like(self.b)
        left = Signal(range(len(b) + 1))
        m.d.comb += self.busy.eq(left != 0)
        with m.If(self.start):
            m.d.sync += [a.eq(self.a), b.eq(self.b), left.eq(len(b)), self.product.eq(0)]
        with m.Elif(self.busy):
            doubled = Cat(0, self.product)[: len(self.product)]
            m.d.sync += [self.product.eq(doubled + Mux(b[-1], a, 0)), b.eq(Cat(0, b)[: len(b)]), left.eq(left - 1)]
        return m
