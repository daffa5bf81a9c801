"""What is seen of a cell: docs/cell-law.md, "What is seen of a cell"."""

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from firmware.array.product import Product
from hwctl.devices.law import STATE_MAX, WRITE_SHIFT
from hwctl.protocol.codes import CellFlag

CODE_MAX = 0xFFFF
XI_MOST = 510


class Sight(wiring.Component):
    """`code` of a cell.

    `noise` (write * xi), `state`, `flags` and `span` come in one clock, `low` in the next: see `brisk`.
    """

    def __init__(self, write_code: int, brisk: bool = True) -> None:
        """Take the parameter of write noise: it says how far a state may be seen beyond its range.

        brisk: `code` comes 3 clocks after `noise`; else 2, and `low` together with the rest.
        """
        self._brisk, self.latency = brisk, 2 + brisk
        self._reach = -(-write_code * XI_MOST >> WRITE_SHIFT) + 0xFFFF >> 16  # ranges on either side
        super().__init__(
            {
                "noise": In(signed(27)),
                "state": In(16),
                "flags": In(CellFlag.UNFORMED.bit_length()),
                "span": In(16),
                "low": In(16),
                "code": Out(16),
            }
        )

    def elaborate(self, _: object) -> Module:
        """Split s into whole ranges and a share of one: then 16 x 16 bits are enough for s * span >> 16."""
        m = Module()
        m.submodules.product = product = Product(unsigned(16), self._brisk)
        s, base = Signal(signed(19)), Signal(signed(20), reset_less=True)
        stuck_on, stuck_off, raw = self.flags
        seen = self.state + (self.noise >> WRITE_SHIFT)
        m.d.comb += s.eq(Mux(stuck_on, STATE_MAX, Mux(stuck_off, 0, seen)))
        m.d.comb += [product.a.eq(self.span), product.b.eq(s[:16])]
        whole, span, unformed = (self._register(m, value) for value in (s[16:].as_signed(), self.span, raw))
        dark = Signal(reset_less=True)
        m.d.sync += dark.eq(unformed)
        self._add_ranges(m, base, whole, span)
        code = Signal(signed(21))
        m.d.comb += code.eq(base + product.product[16:])
        m.d.sync += self.code.eq(Mux(dark | (code < 0), 0, Mux(code[16:].any(), CODE_MAX, code[:16])))
        return m

    def _register(self, m: Module, value: Value) -> Value:
        """Return the value beside the inputs of the multiplier."""
        if not self._brisk:
            return value
        held = Signal.like(value, reset_less=True)
        m.d.sync += held.eq(value)
        return held

    def _add_ranges(self, m: Module, base: Signal, whole: Value, span: Value) -> None:
        """Add whole ranges to `low`: at most as many as write noise can reach."""
        ranges = [Const(0), span, span << 1]
        with m.Switch(whole):
            for n in range(-self._reach, self._reach + 1):
                with m.Case(n):
                    more = ranges[abs(n)]
                    m.d.sync += base.eq(self.low - more if n < 0 else self.low + more)
