"""Drives an emulated array in Amaranth's simulator, request by request."""

import re
from pathlib import Path

import numpy as np
from amaranth.sim import Simulator

from firmware.array.array import STEADY, EmulatedArray
from firmware.port import Operation
from hwctl.protocol.cells import WORDS_PER_CELL

PAGE = Path(__file__).parents[3] / "docs" / "cell-law.md"
PATIENCE = 200_000  # clocks of one request


class Driver:
    """`requests` are (operation, fields, elements); `run` returns results, what was spent and clocks of each."""

    def __init__(self, parameters, constants, key=0, array=EmulatedArray, steady=STEADY):
        """steady: fields of a request that stand still while it runs; the others become zero."""
        self.array, self.key, self.steady = array(parameters, constants), key, steady

    def run(self, requests, stop_after=None):
        out = []
        simulator = Simulator(self.array)
        simulator.add_clock(1e-6)

        async def bench(ctx):
            port = self.array.port
            ctx.set(port.key, self.key)
            await until_ready(ctx, port)
            for operation, fields, elements in requests:
                out.append(await one_request(ctx, port, operation, fields, list(elements), stop_after, self.steady))

        simulator.add_testbench(bench)
        simulator.run()
        return out


async def until_ready(ctx, port):
    """From power-up on; only memory without first contents takes a while."""
    for _ in range(PATIENCE):
        if not ctx.get(port.busy):
            return
        await ctx.tick()
    raise AssertionError("the array stays busy")


async def one_request(ctx, port, operation, fields, elements, stop_after, steady):
    assert not ctx.get(port.busy)
    request = {"operation": operation, **fields}
    if "key" in request:
        ctx.set(port.key, request.pop("key"))
    ctx.set(port.request, request)
    ctx.set(port.start, 1)
    ctx.set(port.results.ready, 1)
    await ctx.tick()
    ctx.set(port.start, 0)
    ctx.set(port.request, {name: value for name, value in request.items() if name in steady})
    busy, wanted, elements_valid, element = port.busy, port.elements.ready, port.elements.valid, port.elements.payload
    found, result, stop = port.results.valid, port.results.payload, port.stop
    results, clocks, at = [], 1, 0
    offered, stopping = None, False  # each `set` lets the whole array settle: only what changes is set
    ctx.set(stop, stopping)
    while ctx.get(busy):
        clocks += 1
        assert clocks < PATIENCE, f"{operation} does not end"
        if at != offered:
            offered = at
            ctx.set(elements_valid, at < len(elements))
            if at < len(elements):
                ctx.set(element, int(elements[at]) & (1 << 48) - 1)
        if not stopping and stop_after is not None and clocks > stop_after:
            stopping = True
            ctx.set(stop, stopping)
        taken = at < len(elements) and ctx.get(wanted)
        if ctx.get(found):
            results.append(ctx.get(result))
        await ctx.tick()
        at += bool(taken)
    ctx.set(port.elements.valid, 0)
    assert at == len(elements), f"{operation} took {at} of {len(elements)} elements"
    spent = {name: ctx.get(getattr(port.spent, name)) for name in ("set_pulses", "reset_pulses", "conversions", "time")}
    return {"results": results, "spent": spent, "clocks": clocks, "rows_done": ctx.get(port.rows_done)}


def region_fields(region):
    return dict(zip(("row0", "row1", "col0", "col1"), region, strict=True))


def dump(region):
    """The request for all words of a region."""
    return Operation.READ_WORDS, {**region_fields(region), "word0": 0, "words": WORDS_PER_CELL}, []


def pulse_requests(region, counts, widths, levels):
    """widths, levels: pair of (rows, cols) arrays, of SET and of RESET."""
    fields = region_fields(region)
    drives = [
        (
            Operation.DRIVES,
            {**fields, "polarity": p},
            (widths[p].astype(np.int64) | levels[p].astype(np.int64) << 32).reshape(-1),
        )
        for p in (0, 1)
    ]
    return [(Operation.COUNTS, fields, counts.reshape(-1).tolist()), *drives, (Operation.PULSE, fields, [])]


def vectors(name):
    """Rows of the table below the heading "Vectors: NAME" of docs/cell-law.md, as integers by column name."""
    (section,) = re.findall(
        rf"^### Vectors: {name}$(.*?)(?=^#|\Z)", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    lines = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in section.splitlines()
        if line[:1] == "|"
    ]
    return [dict(zip(lines[0], (int(cell, 0) for cell in row), strict=True)) for row in lines[2:]]


def simulate(component, bench):
    """Run an async testbench on a component with a clock."""
    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
