"""How long requests take, from the clock of `start` to that of the fall of `busy`."""

import numpy as np
import pytest
from array_driver import Driver, region_fields
from array_mirror import Mirror

from firmware.array.constants import constants_of
from firmware.parameters import Parameters
from firmware.port import Operation
from hwctl.devices import law, presets
from hwctl.devices.chip import fabricate
from hwctl.emulator import kernels
from hwctl.protocol.codes import OuterMode
from hwctl.protocol.packing import Region

pytestmark = pytest.mark.slow  # a full array in Amaranth's simulator

LINES, LANES = 64, 2
WHOLE = Region(0, LINES, 0, LINES)
MARGIN = 64  # clocks to begin, and for the way through the lanes
KEY = 0x0123456789ABCDEF


@pytest.fixture(scope="module")
def chip():
    return fabricate(presets.get("reram-es"), LINES, LINES, 1)


def limit(visits):
    return visits / LANES * 1.05 + MARGIN


def run(chip, requests):
    return Driver(Parameters(rows=LINES, cols=LINES, lanes=LANES), constants_of(chip), KEY).run(requests)


def pulse_clocks(chip, region, counts):
    """Without DRIVES: all pulses have level 0, and none takes time."""
    fields = region_fields(region)
    answers = run(chip, [(Operation.COUNTS, fields, counts.reshape(-1).tolist()), (Operation.PULSE, fields, [])])
    assert answers[1]["spent"]["set_pulses"] == counts[counts > 0].sum()
    return answers[1]["clocks"]


@pytest.mark.parametrize("most", [1, 4])
def test_pulse(chip, most):
    region = Region(8, 24, 0, LINES)
    counts = np.random.default_rng(most).integers(-most, most + 1, region.shape)
    visits = np.maximum(np.abs(counts).max(axis=1), 1).sum() * LINES
    assert pulse_clocks(chip, region, counts) <= limit(visits)


def test_pulse_of_a_narrow_region(chip):
    """A column group is not visited again before its last pulse has left the lane."""
    counts = np.full((3, 2), 60)
    assert pulse_clocks(chip, Region(0, 3, 4, 6), counts) <= 3 * 60 * 6 + MARGIN


@pytest.mark.parametrize("mode", list(OuterMode))
def test_outer(chip, mode):
    """Staging of both vectors included, and the drawing of streams."""
    rng, mirror = np.random.default_rng(5), Mirror(chip, KEY)
    counting = mode == OuterMode.COUNT
    x, d = (rng.integers(-2, 3, LINES) if counting else rng.integers(-100, 101, LINES) for _ in range(2))
    x, d = x.astype(np.int8), d.astype(np.int8)
    slots = 8
    mirror.outer(WHOLE, x, d, mode, slots, 9, 77, (0, 0))
    (answer,) = run(chip, mirror.requests)
    if counting:
        rounds = np.abs(x.astype(int)).sum() * np.abs(d.astype(int)).max()
    else:
        bits = np.zeros(LINES, np.int64)
        kernels._streams(x, 0, law.STREAM_ROW, slots, 9, 77, bits)
        rounds = sum(int(value).bit_count() for value in bits)
    assert answer["clocks"] <= limit(rounds * LINES)
    mirror.check([answer])


@pytest.mark.parametrize("transposed", [False, True])
def test_vmm(chip, transposed):
    """Taking the vector included."""
    mirror = Mirror(chip, KEY)
    vector = np.random.default_rng(3).integers(-0x8000, 0x8000, LINES).astype(np.int16)
    mirror.vmm(WHOLE, vector, transposed, 256, 15, 0)
    (answer,) = run(chip, mirror.requests)
    mirror.check([answer])
    assert answer["clocks"] <= limit(LINES * LINES)


def test_stop(chip):
    """A PULSE ends after the row that it is at; rows before it are done, rows behind it are not."""
    region = Region(0, 6, 0, LINES)
    counts = np.full(region.shape, 2)
    parameters = Parameters(rows=LINES, cols=LINES, lanes=LANES)
    driver = Driver(parameters, constants_of(chip), KEY)
    fields, column = region_fields(region), region_fields(Region(0, 6, 0, 1))
    requests = [
        (Operation.COUNTS, fields, counts.reshape(-1).tolist()), (Operation.PULSE, fields, []),
        (Operation.READ_WORDS, {**column, "word0": 1, "words": 1}, []),
    ]  # fmt: skip
    answers = driver.run(requests, stop_after=150)
    assert answers[1]["rows_done"] == 3
    assert answers[1]["spent"]["set_pulses"] == 3 * 2 * LINES
    assert answers[2]["results"] == [2, 2, 2, 0, 0, 0]
