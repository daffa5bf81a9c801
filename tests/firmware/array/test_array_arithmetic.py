"""Multiplier, step of a pulse and sight of a cell, each on its own."""

from amaranth.hdl import signed, unsigned
from array_driver import simulate, vectors
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.array.product import Product
from firmware.array.sight import Sight
from firmware.array.step import Step
from hwctl.devices import law

U16 = st.integers(0, 0xFFFF)
I16 = st.integers(-0x8000, 0x7FFF)
XI = st.integers(-510, 510)


def settle(component, inputs, out, clocks):
    """`out` after so many clocks with these inputs."""
    result = []

    async def bench(ctx):
        for name, value in inputs.items():
            ctx.set(getattr(component, name), value)
        for _ in range(clocks):
            await ctx.tick()
        result.append(ctx.get(getattr(component, out)))

    simulate(component, bench)
    return result[0]


@settings(max_examples=30, deadline=None)
@given(U16, I16, st.booleans())
def test_product(a, b, registered):
    clocks = 2 if registered else 1
    assert settle(Product(signed(16), registered), {"a": a, "b": b}, "product", clocks) == a * b
    assert settle(Product(unsigned(16), registered), {"a": a, "b": b & 0xFFFF}, "product", clocks) == a * (b & 0xFFFF)


def test_product_of_the_ends():
    for a in (0, 1, 0xFFFF):
        for b in (-0x8000, -1, 0, 0x7FFF):
            assert settle(Product(signed(16)), {"a": a, "b": b}, "product", 2) == a * b


@settings(max_examples=60, deadline=None)
@given(I16, U16, U16, XI, st.integers(0, (1 << 32) - 1), st.integers(1, 24), U16, st.booleans())
def test_step(mean, gain, sigma, xi, w1, shift, state, polarity):
    acc = mean * gain + (sigma * xi << law.SIGMA_SHIFT)
    step = (acc + (w1 & (1 << shift) - 1)) >> shift
    wanted = min(max(state - step if polarity else state + step, 0), 0xFFFF)
    inputs = {
        "mean": mean * gain, "sigma": sigma * xi, "dither": w1 & 0xFFFFFF, "shift": shift, "state": state,
        "polarity": polarity,
    }  # fmt: skip
    assert settle(Step(), inputs, "moved", 1) == wanted


def seen(noise, write, state, flags, low, span):
    inputs = {"noise": noise, "state": state, "flags": flags, "span": span, "low": low}
    codes = {settle(sight, inputs, "code", sight.latency) for sight in (Sight(write, True), Sight(write, False))}
    assert len(codes) == 1
    return codes.pop()


def test_vectors_of_sight():
    for row in vectors("visible"):
        draw = law.draw(row["seed"], law.WRITE, row["k"], row["count"])[0]
        noise = row["write"] * int(law.xi(draw)[0] if draw.ndim else law.xi(draw))
        assert seen(noise, *(row[name] for name in ("write", "state", "flags", "low", "span"))) == row["code"]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([0, 90, 20000, 0x8080, 0xFFFF]), XI, U16, st.integers(0, 7), U16, U16)
def test_sight(write, xi, state, flags, low, span):
    span = min(span, 0xFFFF - low)
    s = 0xFFFF if flags & 1 else 0 if flags & 2 else state + (write * xi >> 8)
    wanted = 0 if flags & 4 else min(max(low + (s * span >> 16), 0), 0xFFFF)
    assert seen(write * xi, write, state, flags, low, span) == wanted
