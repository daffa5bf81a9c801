"""Reads a command's bytes one after the other from the receive ring."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Reader(wiring.Component):
    """Show-ahead: `byte` is the one at hand while `valid`; `take` goes on to the next. One byte a clock.

    `seek` goes to `address`. `position` is the address of the byte at hand.
    """

    def __init__(self, address_bits: int) -> None:
        """Read a ring of 2**address_bits bytes."""
        super().__init__(
            {
                "seek": In(1),
                "address": In(address_bits),
                "take": In(1),
                "byte": Out(8),
                "valid": Out(1),
                "position": Out(address_bits),
                "read_address": Out(address_bits),
                "read_data": In(8),
                "read_valid": In(1),
            }
        )

    def elaborate(self, _: object) -> Module:
        """Ask for the byte at hand again until it is taken."""
        m = Module()
        position = Signal.like(self.position)
        following = Signal.like(position)
        m.d.comb += following.eq(Mux(self.seek, self.address, Mux(self.take & self.valid, position + 1, position)))
        m.d.comb += [
            self.read_address.eq(following),
            self.byte.eq(self.read_data),
            self.valid.eq(self.read_valid),
            self.position.eq(position),
        ]
        m.d.sync += position.eq(following)
        return m
