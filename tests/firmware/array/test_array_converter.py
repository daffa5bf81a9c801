"""The converter against the vectors of the cell law, and how long it takes."""

import pytest
from array_driver import simulate, vectors
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.array.converter import Converter
from firmware.parameters import Parameters
from hwctl.devices import law
from hwctl.emulator import kernels
from hwctl.protocol.codes import NO_CURRENT, NO_READING


def xi_of(seed, kind, unit, index):
    w0, _ = kernels.hash_pair(seed & 0xFFFFFFFF, seed >> 32, kind << 24 | unit, index & 0xFFFFFFFF)
    return int(kernels._xi(w0))


def convert(fields, rounds, rows=4096, lanes=1):
    """Results and clocks of conversions; `rounds` are pairs of sums and noises, one a lane."""
    unit, results, clocks = Converter(Parameters(rows=rows, cols=64, lanes=lanes)), [], []

    async def bench(ctx):
        for name, value in {"line0": 0, "line1": 1, **fields}.items():
            ctx.set(getattr(unit, name), value)
        ctx.set(unit.results.ready, 1)
        ctx.set(unit.start, 1)
        await ctx.tick()
        ctx.set(unit.start, 0)
        for n, (sums, noises) in enumerate(rounds):
            for lane in range(lanes):
                ctx.set(unit.sums[lane], sums[lane])
                ctx.set(unit.noises[lane], noises[lane])
            ctx.set(unit.final, n == len(rounds) - 1)
            ctx.set(unit.go, 1)
            taken = 0
            while ctx.get(unit.busy):
                if ctx.get(unit.results.valid):
                    results.append(ctx.get(unit.results.payload))
                await ctx.tick()
                ctx.set(unit.go, 0)
                taken += 1
            clocks.append(taken)

    simulate(unit, bench)
    return results, clocks


def test_vectors_of_read():
    for row in vectors("read"):
        fields = {"reading": 1, "voltage": row["voltage"], "tia_range": row["range"], "averages_log2": row["a"]}
        noises = [row["read"] * xi_of(row["seed"], law.READ, row["k"], row["index"] + n) for n in range(1 << row["a"])]
        assert convert(fields, [([row["code"]], [noise]) for noise in noises])[0] == [row["reading"]]


def test_vectors_of_vmm():
    for row in vectors("vmm"):
        kind = law.ROW if row["transposed"] else law.COLUMN
        noise = row["read"] * xi_of(row["seed"], kind, row["line"], row["index"])
        fields = {
            "transposed": row["transposed"], "wide": row["bits"] == 16, "voltage": row["voltage"],
            "tia_range": row["range"],
        }  # fmt: skip
        assert convert(fields, [([row["sum"]], [noise])])[0] == [row["current"] & 0xFFFF]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(-(1 << 43), (1 << 43) - 1), st.integers(-(1 << 25), 1 << 25), st.integers(0, 0xFFFF),
    st.integers(0, 15), st.booleans(),
)  # fmt: skip
def test_vmm(total, noise, voltage, tia_range, wide):
    scale = 15 if wide else 7
    y = (total * voltage >> 8) + (noise << scale >> 8)
    y = y + (1 << scale + tia_range >> 1) >> scale + tia_range
    wanted = y if -2048 <= y <= 2047 else NO_CURRENT
    fields = {"wide": wide, "voltage": voltage, "tia_range": tia_range}
    results, (clocks,) = convert(fields, [([total], [noise])])
    assert results == [wanted & 0xFFFF]
    assert clocks <= 30


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 0xFFFF), st.lists(st.integers(-(1 << 22), 1 << 22), min_size=4, max_size=4), st.integers(0, 600),
    st.integers(0, 4), st.integers(0, 2),
)  # fmt: skip
def test_read(code, noises, voltage, tia_range, averages_log2):
    noises = noises[: 1 << averages_log2]
    current = code * voltage >> 8
    steps = [(current + (noise >> 8)) + (1 << tia_range >> 1) >> tia_range for noise in noises]
    total = sum(max(y, 0) for y in steps) << tia_range
    wanted = NO_READING if max(steps) > 4095 else total + (1 << averages_log2 >> 1) >> averages_log2
    fields = {"reading": 1, "voltage": voltage, "tia_range": tia_range, "averages_log2": averages_log2}
    assert convert(fields, [([code], [noise]) for noise in noises])[0] == [wanted]


@pytest.mark.parametrize("transposed", [0, 1])
def test_lanes(transposed):
    """Two lines of a group, or one row that is the sum of the lanes."""
    fields = {"transposed": transposed, "voltage": 256, "tia_range": 0, "line1": 2}
    results, (clocks,) = convert(fields, [([128 * 100, 128 * 23], [128, 256])], rows=64, lanes=2)
    assert results == ([123 + 1] if transposed else [101, 24])
    assert clocks <= (32 if transposed else 60)
