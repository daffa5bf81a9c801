"""Division by a constant, a bit a clock: CONFIGURE_READ needs it once."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for


class Divider(wiring.Component):
    """`quotient` = a // divisor, rounded down, once `busy` has fallen; a is taken while `start` is high."""

    def __init__(self, bits: int, divisor: int) -> None:
        """Divide unsigned numbers of so many bits; it takes as many clocks."""
        self.divisor = divisor
        super().__init__({"start": In(1), "a": In(bits), "busy": Out(1), "quotient": Out(bits)})

    def elaborate(self, _: object) -> Module:
        """Shift the highest bits of a into the rest, and subtract where it fits."""
        m = Module()
        bits = len(self.a)
        rest = Signal(bits_for(self.divisor) + 1)
        left = Signal(range(bits + 1))
        following = Signal.like(rest)
        m.d.comb += [self.busy.eq(left != 0), following.eq(Cat(self.quotient[-1], rest))]
        with m.If(self.start):
            m.d.sync += [self.quotient.eq(self.a), rest.eq(0), left.eq(bits)]
        with m.Elif(self.busy):
            fits = following >= self.divisor
            m.d.sync += [self.quotient.eq(Cat(fits, self.quotient)), left.eq(left - 1), rest.eq(following)]
            with m.If(fits):
                m.d.sync += rest.eq(following - self.divisor)
        return m
