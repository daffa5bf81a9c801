"""The step of a pulse: docs/cell-law.md, "A pulse", steps 5 to 7."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from firmware.array.curves import SHIFT_BITS
from hwctl.devices.law import MAX_SHIFT, SIGMA_SHIFT, STATE_MAX

ACC_BITS = 34
STEP_BITS = 17


class Step(wiring.Component):
    """`moved` is the new state, to the inputs of the clock before; `state` and `polarity` come in that later clock."""

    def __init__(self) -> None:
        """Make the ports."""
        super().__init__(
            {
                "mean": In(signed(32)),  # mean * gain
                "sigma": In(signed(27)),  # sigma * xi
                "dither": In(MAX_SHIFT),
                "shift": In(SHIFT_BITS),
                "state": In(16),
                "polarity": In(1),
                "moved": Out(16),
            }
        )

    def elaborate(self, _: object) -> Module:
        """Add, shift, move, clamp."""
        m = Module()
        acc, shift = Signal(signed(ACC_BITS), reset_less=True), Signal(SHIFT_BITS, reset_less=True)
        below = Signal(MAX_SHIFT, reset_less=True)  # bits of acc that are less than a step
        fraction = Signal(MAX_SHIFT)
        m.d.comb += fraction.eq(Cat(n < self.shift for n in range(MAX_SHIFT)))
        m.d.sync += [
            acc.eq((self.mean + (self.sigma << SIGMA_SHIFT)) + (self.dither & fraction)),
            shift.eq(self.shift),
            below.eq(fraction),
        ]
        # A step of more than 16 bits goes to the end of the range: no adder and few shifts for these bits.
        step, far = Signal(signed(STEP_BITS)), Signal()
        above = [acc[16 + n] ^ acc[-1] for n in range(ACC_BITS - 17)]
        inside = [below[n] if n < MAX_SHIFT else 0 for n in range(ACC_BITS - 17)]
        m.d.comb += [far.eq(Cat(a & ~b for a, b in zip(above, inside, strict=True)).any()), step.eq(acc >> shift)]
        flip, state = self.polarity.replicate(STEP_BITS), Signal(signed(STEP_BITS + 1))
        m.d.comb += state.eq(
            (step ^ flip)[:STEP_BITS].as_signed() + Cat(self.state, 0).as_signed() + Cat(self.polarity, 0).as_signed()
        )
        low = Mux(far, acc[-1] ^ self.polarity, state[-1])
        high = Mux(far, ~acc[-1] ^ self.polarity, state[16] & ~state[-1])
        m.d.comb += self.moved.eq(Mux(low, 0, Mux(high, STATE_MAX, state[:16])))
        return m
