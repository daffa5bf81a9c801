"""Walker and longest train, each on its own; constants of a chip."""

from dataclasses import replace

import pytest
from array_driver import simulate
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.array.constants import constants_of
from firmware.array.spending import LongestTrain
from firmware.array.walker import Walker
from firmware.parameters import Parameters
from hwctl.devices import presets
from hwctl.devices.chip import fabricate


def walk(parameters, region, **flags):
    """(row, column, spot, mask, address) of every step."""
    walker, out = Walker(parameters), []

    async def bench(ctx):
        for name, value in zip(("row0", "row1", "col0", "col1"), region, strict=True):
            ctx.set(getattr(walker, name), value)
        for name, value in flags.items():
            ctx.set(getattr(walker, name), value)
        ctx.set(walker.load, 1)
        await ctx.tick()
        ctx.set(walker.load, 0)
        ctx.set(walker.step, 1)
        while True:
            out.append(tuple(ctx.get(getattr(walker, name)) for name in ("row", "col", "spot", "mask", "address")))
            if ctx.get(walker.last):
                return
            await ctx.tick()

    simulate(walker, bench)
    return out


REGIONS = st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 11), st.integers(0, 11)).map(
    lambda v: (min(v[:2]), max(v[:2]) + 1, min(v[2:]), max(v[2:]) + 1)
)


@settings(max_examples=15, deadline=None)
@given(REGIONS, st.sampled_from([1, 2, 4]))
def test_walk_by_cell(region, lanes):
    row0, row1, col0, col1 = region
    wanted, groups = [], 12 // lanes
    width = (col1 - 1) // lanes - col0 // lanes + 1
    for i in range(row0, row1):
        for j in range(col0, col1):
            spot = (i - row0) * width + j // lanes - col0 // lanes
            wanted.append((i, j, spot, 1 << j % lanes, i * groups + j // lanes))
    assert walk(Parameters(rows=5, cols=12, lanes=lanes), region, keep=1) == wanted


@settings(max_examples=15, deadline=None)
@given(REGIONS, st.sampled_from([1, 2, 4]), st.booleans(), st.booleans())
def test_walk_by_group(region, lanes, down, keep):
    row0, row1, col0, col1 = region
    keep = keep and not down
    groups, first, last = 12 // lanes, col0 // lanes, (col1 - 1) // lanes
    across = [(i, g) for i in range(row0, row1) for g in range(first, last + 1)]
    order = [(i, g) for g in range(first, last + 1) for i in range(row0, row1)] if down else across
    wanted = []
    for n, (i, g) in enumerate(order):
        mask = sum(1 << lane for lane in range(lanes) if col0 <= g * lanes + lane < col1)
        spot = n if keep else i - row0 if down else g - first
        wanted.append((i, max(g * lanes, col0), spot, mask, i * groups + g))
    assert walk(Parameters(rows=5, cols=12, lanes=lanes), region, by_group=1, down=down, keep=keep) == wanted


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 127), st.integers(0, (1 << 32) - 1)), min_size=1, max_size=6))
def test_longest_train(trains):
    unit = LongestTrain()

    async def bench(ctx):
        for count, width in trains:
            ctx.set(unit.count, count)
            ctx.set(unit.width, width)
            ctx.set(unit.start, 1)
            await ctx.tick()
            ctx.set(unit.start, 0)
            while ctx.get(unit.busy):
                await ctx.tick()
        assert ctx.get(unit.longest) == max(count * width for count, width in trains)

    simulate(unit, bench)


def test_constants_that_have_no_room():
    chip = fabricate(presets.get("linear"), 2, 2, 0)
    with pytest.raises(ValueError, match="write_code"):
        constants_of(replace(chip, write_code=1 << 16))
