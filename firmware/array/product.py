"""One 16 x 16 multiplier with its registers."""

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Product(wiring.Component):
    """`product` is a * b, exactly: of the clock before last where inputs have registers, else of the last clock.

    The smallest FPGA multiplies 16 bits unsigned; for a negative b, a * 2^16 is taken off again.
    """

    def __init__(self, b: Shape, registered: bool = True) -> None:
        """Multiply `a`, u16, with `b` of that shape, at most 16 bits."""
        self._registered = registered
        super().__init__({"a": In(16), "b": In(b), "product": Out(signed(32) if b.signed else unsigned(32))})

    def elaborate(self, _: object) -> Module:
        """Multiply, and correct for the sign."""
        m = Module()
        a, b = self.a, self.b
        if self._registered:
            a, b = Signal.like(self.a, reset_less=True), Signal.like(self.b, reset_less=True)
            m.d.sync += [a.eq(self.a), b.eq(self.b)]
        bits = Signal(16)
        raw = Signal(32, reset_less=True)
        m.d.comb += bits.eq(b)
        m.d.sync += raw.eq(a * bits)
        if not self.b.shape().signed:
            m.d.comb += self.product.eq(raw)
            return m
        excess = Signal(16, reset_less=True)
        m.d.sync += excess.eq(Mux(b < 0, a, 0))
        m.d.comb += self.product.eq(Cat(raw[:16], (raw[16:] - excess)[:16]))
        return m
