"""The pipeline of the hash against the vectors of the cell law and the kernels."""

import pytest
from amaranth.hdl import Module, Signal
from array_driver import simulate, vectors
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.array.hash import HashPipeline, xi
from hwctl.emulator import kernels

WORD = st.integers(0, 0xFFFFFFFF)


def hashes(rounds_per_stage, key, counters):
    """Words of counters that enter one a clock."""
    unit, out = HashPipeline(rounds_per_stage), []

    async def bench(ctx):
        ctx.set(unit.key, key)
        for n in range(len(counters) + unit.stages):
            if n < len(counters):
                ctx.set(unit.x0, counters[n][0])
                ctx.set(unit.x1, counters[n][1])
            if n >= unit.stages:
                out.append((ctx.get(unit.w0), ctx.get(unit.w1)))
            await ctx.tick()

    simulate(unit, bench)
    return out


@pytest.mark.parametrize("rounds_per_stage", [1, 2, 4, 8])
def test_vectors(rounds_per_stage):
    for row in vectors("hash"):
        words = hashes(rounds_per_stage, row["key0"] | row["key1"] << 32, [(row["x0"], row["x1"])])
        assert words == [(row["w0"], row["w1"])]


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([1, 2, 4, 8]), WORD, WORD, st.lists(st.tuples(WORD, WORD), min_size=1, max_size=20))
def test_one_hash_a_clock(rounds_per_stage, key0, key1, counters):
    wanted = [tuple(map(int, kernels.hash_pair(key0, key1, *pair))) for pair in counters]
    assert hashes(rounds_per_stage, key0 | key1 << 32, counters) == wanted


def test_noise_of_a_word():
    m, word, noise = Module(), Signal(32), Signal(12)
    noise = Signal(range(-1024, 1024))
    m.d.comb += noise.eq(xi(word))

    async def bench(ctx):
        for row in vectors("hash"):
            ctx.set(word, row["w0"])
            assert ctx.get(noise) == row["xi_w0"]
        for value, wanted in ((0, -510), (0xFFFFFFFF, 510)):
            ctx.set(word, value)
            assert ctx.get(noise) == wanted
        await ctx.tick()

    m.d.sync += Signal().eq(0)
    simulate(m, bench)
