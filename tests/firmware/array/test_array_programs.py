"""Random programs on small arrays: gateware and software board give the same, to the bit."""

from dataclasses import replace

import numpy as np
import pytest
from array_driver import Driver
from array_mirror import Mirror
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.array.array import EmulatedArray
from firmware.array.constants import constants_of
from firmware.compact.array.array import CompactArray
from firmware.parameters import Parameters
from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.protocol.codes import OuterMode
from hwctl.protocol.packing import Region

pytestmark = pytest.mark.slow  # a full array in Amaranth's simulator

ROWS, COLS = 5, 6
SMALL = {"largest_frame": 2048, "receive_budget": 2048, "reply_budget": 2048}
WORD = st.integers(0, 0xFFFFFFFF)
# Lanes, rounds of the hash in one stage, class
BUILDS = [
    (1, 4, EmulatedArray), (2, 1, EmulatedArray), (2, 2, EmulatedArray), (1, 8, EmulatedArray), (1, 8, CompactArray),
]  # fmt: skip


def small_chip(seed, device="hfox-1t1r", write=9000, read=300):
    return replace(fabricate(presets.get(device), ROWS, COLS, seed, unformed=0.1), write_code=write, read_code=read)


def a_region(rng):
    row0, col0 = rng.integers(ROWS), rng.integers(COLS)
    return Region(int(row0), int(rng.integers(row0, ROWS)) + 1, int(col0), int(rng.integers(col0, COLS)) + 1)


def a_level(rng, chip, polarity, shape=None):
    return rng.integers(0, len(chip.curves[polarity]), shape)


def a_pulse(mirror, rng):
    region = a_region(rng)
    counts = (rng.integers(-4, 5, region.shape) * rng.integers(0, 2, region.shape)).astype(np.int8)
    levels = [a_level(rng, mirror.chip, polarity, region.shape) for polarity in (0, 1)]
    mirror.pulse(region, counts, levels, [rng.integers(0, 1 << 32, region.shape) for _ in (0, 1)])


def a_cell(mirror, rng):
    levels = [int(a_level(rng, mirror.chip, polarity)) for polarity in (0, 1)]
    count = int(rng.choice([-5, -1, 1, 4]))
    mirror.cell(int(rng.integers(ROWS)), int(rng.integers(COLS)), count, levels)


def an_outer(mirror, rng):
    region, mode = a_region(rng), OuterMode(int(rng.integers(2)))
    most = 5 if mode == OuterMode.COUNT else 128
    x, d = (rng.integers(-most, most, n).astype(np.int8) * rng.integers(0, 2, n).astype(np.int8) for n in region.shape)
    levels = [int(a_level(rng, mirror.chip, polarity)) for polarity in (0, 1)]
    slots = int(rng.integers(1, 33))
    mirror.outer(region, x, d, mode, slots, int(rng.integers(1 << 32)), int(rng.integers(1 << 32)), levels)


def a_read(mirror, rng):
    averages_log2, tia_range = int(rng.integers(3)), int(rng.integers(5))
    mirror.read(a_region(rng), int(rng.integers(600)), averages_log2, tia_range, int(rng.integers(1 << 32)))


def a_vmm(mirror, rng):
    region, transposed = a_region(rng), bool(rng.integers(2))
    kind = np.int16 if rng.integers(2) else np.int8
    limits = np.iinfo(kind)
    driven = region.cols if transposed else region.rows
    vector = rng.integers(limits.min, limits.max + 1, driven).astype(kind)
    mirror.vmm(region, vector, transposed, int(rng.integers(600)), int(rng.integers(16)), int(rng.integers(1 << 32)))


ACTIONS = {"pulse": a_pulse, "cell": a_cell, "outer": an_outer, "read": a_read, "vmm": a_vmm}


def run(chip, seed, actions, lanes, rounds_per_stage, array, key):
    mirror, rng = Mirror(chip, key), np.random.default_rng(seed)
    for action in actions:
        ACTIONS[action](mirror, rng)
    mirror.words()
    parameters = Parameters(rows=ROWS, cols=COLS, lanes=lanes, rounds_per_stage=rounds_per_stage, **SMALL)
    mirror.check(Driver(parameters, constants_of(chip), key, array).run(mirror.requests))


@pytest.mark.parametrize(("lanes", "rounds_per_stage", "array"), BUILDS)
@pytest.mark.parametrize("action", ACTIONS)
def test_one_kind_of_request(action, lanes, rounds_per_stage, array):
    times = 2 if array is CompactArray else 5  # some hundred clocks a pulse: slow in this simulator
    run(small_chip(3), 17, [action] * times, lanes, rounds_per_stage, array, 0x0123456789ABCDEF)


@settings(max_examples=8, deadline=None)
@given(
    st.integers(0, 1000), st.lists(st.sampled_from(list(ACTIONS)), min_size=3, max_size=10), st.sampled_from(BUILDS),
    WORD, WORD, st.sampled_from(["hfox-1t1r", "reram-es", "pcm"]), st.sampled_from([0, 5000, 0xFFFF]),
)  # fmt: skip
def test_mixed_requests(seed, actions, build, key0, key1, device, write):
    run(small_chip(seed, device, write), seed, actions, *build, key0 | key1 << 32)
