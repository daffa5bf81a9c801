"""Threefry-2x32 with 8 rounds as a pipeline: docs/cell-law.md, "The hash"."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwctl.devices.law import ROUNDS

PARITY = 0x1BD11BDA
ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
INJECT = ROUNDS // 2  # rounds between two additions of key words


class HashPipeline(wiring.Component):
    """One hash a clock; `w0`, `w1` are those of `x0`, `x1` so many clocks before as there are `stages`.

    The key stands still while hashes are under way.
    """

    def __init__(self, rounds_per_stage: int) -> None:
        """Put a register behind every so many rounds: 1, 2, 4 or 8."""
        self.rounds_per_stage = rounds_per_stage
        self.stages = ROUNDS // rounds_per_stage
        super().__init__({"key": In(64), "x0": In(32), "x1": In(32), "w0": Out(32), "w1": Out(32)})

    def elaborate(self, _: object) -> Module:
        """Unroll the rounds."""
        m = Module()
        key0, key1, key2 = self.key[:32], self.key[32:], Signal(32)
        m.d.comb += key2.eq(self.key[:32] ^ self.key[32:] ^ PARITY)
        x0, x1 = _sums(m, (self.x0, key0), (self.x1, key1))
        for n, rotation in enumerate(ROTATIONS, 1):
            x0, x1 = _round(m, x0, x1, rotation)
            if n == INJECT:
                (x0,) = _sums(m, (x0, key1))
                x1 = (x1 - ~key2)[:32]  # key2 + 1, and no adder for the 1
            if n == ROUNDS:
                x0, x1 = _sums(m, (x0, key2), (x1, key0 + 2))
            if n % self.rounds_per_stage == 0:
                x0, x1 = (_register(m, x) for x in (x0, x1))
        m.d.comb += [self.w0.eq(x0), self.w1.eq(x1)]
        return m


def _sums(m: Module, *terms: tuple[Value, Value]) -> list[Signal]:
    sums = [Signal(32) for _ in terms]
    m.d.comb += [total.eq(a + b) for total, (a, b) in zip(sums, terms, strict=True)]
    return sums


def _round(m: Module, x0: Value, x1: Value, rotation: int) -> tuple[Signal, Signal]:
    (total,) = _sums(m, (x0, x1))
    mixed = Signal(32)
    m.d.comb += mixed.eq(x1.rotate_left(rotation) ^ total)
    return total, mixed


def _register(m: Module, x: Value) -> Signal:
    held = Signal(32, reset_less=True)
    m.d.sync += held.eq(x)
    return held


def xi(word: Value) -> Value:
    """Return the noise of a word, signed: the sum of its bytes less 510."""
    a, b, c, d = (word[n : n + 8] for n in range(0, 32, 8))
    return ((a + b) + (c + d) - 510)[:11].as_signed()
