"""What the array as a program has of its own: memory without first contents, stops between rows, size, clocks.

Its behaviour is tested by the programs and vectors of every array.
"""

from functools import partial

import numpy as np
import pytest
from array_driver import Driver, dump, pulse_requests, region_fields
from array_mirror import Mirror

from firmware.array.constants import ChipConstants, constants_of
from firmware.compact.array.array import CompactArray
from firmware.compact.array.program import array_program
from firmware.parameters import Parameters
from firmware.port import Operation, request_layout
from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.protocol.cells import WORDS_PER_CELL, as_words
from hwctl.protocol.codes import OuterMode
from hwctl.protocol.packing import Region

ROWS, COLS = 3, 4
SMALL = {"rows": ROWS, "cols": COLS, "largest_frame": 2048, "receive_budget": 2048, "reply_budget": 2048}
KEY = 0x0123456789ABCDEF
IN_SPRAM = Parameters(spram=True, **SMALL)
WHOLE = Region(0, ROWS, 0, COLS)
ALL_FIELDS = frozenset(request_layout(IN_SPRAM).members)


def small_chip(seed):
    return fabricate(presets.get("reram-es"), ROWS, COLS, seed, unformed=0.1)


def everything(mirror):
    """Add one request of each kind."""
    rng = np.random.default_rng(5)
    counts = rng.integers(-2, 3, WHOLE.shape).astype(np.int8)
    mirror.pulse(WHOLE, counts, [np.zeros(WHOLE.shape, int)] * 2, [rng.integers(0, 1 << 32, WHOLE.shape)] * 2)
    mirror.cell(1, 2, -3, (0, 0))
    for mode, times in ((OuterMode.COUNT, 1), (OuterMode.COINCIDENCE, 30)):
        x, d = np.array([3, 0, -4], np.int8) * times, np.array([1, -2], np.int8) * times
        mirror.outer(Region(0, 3, 1, 3), x, d, mode, 9, 8, 7, (0, 0))
    mirror.read(Region(1, 3, 1, 3), 300, 1, 4, 9)
    for transposed in (False, True):
        mirror.vmm(Region(1, 3, 0, 2), np.array([-70, 99], np.int8), transposed, 300, 8, 9)
    mirror.words()


@pytest.mark.slow
@pytest.mark.parametrize("steady", [False, True])
def test_memory_without_first_contents(steady):
    """Zeros at first, then what the host loads. steady: the array keeps nothing of a request."""
    chip = small_chip(3)
    mirror = Mirror(chip, KEY)
    everything(mirror)
    load = Operation.WRITE_WORDS, dump(WHOLE)[1], as_words(chip.cells).reshape(-1).tolist()
    array = partial(CompactArray, steady=steady, simulated=True)
    more = {"steady": ALL_FIELDS} if steady else {}
    driver = Driver(IN_SPRAM, constants_of(chip, initial=False), KEY, array, **more)
    answers = driver.run([dump(WHOLE), load, *mirror.requests])
    assert answers[0]["results"] == [0] * (ROWS * COLS * WORDS_PER_CELL)
    mirror.check(answers[2:])


@pytest.mark.slow
def test_stop():
    """A PULSE ends after the row that it is at; rows before it are done, rows behind it are not."""
    chip = small_chip(1)
    counts = np.full(WHOLE.shape, 2)
    requests = pulse_requests(WHOLE, counts, np.full((2, *WHOLE.shape), 10), np.zeros((2, *WHOLE.shape), int))
    column = {**region_fields(Region(0, ROWS, 0, 1)), "word0": 1, "words": 1}
    driver = Driver(Parameters(**SMALL), constants_of(chip), KEY, CompactArray)
    *_, pulse, read = driver.run([*requests, (Operation.READ_WORDS, column, [])], stop_after=3000)
    done = pulse["rows_done"]
    assert 0 < done < ROWS
    assert pulse["spent"] == {
        "set_pulses": 2 * COLS * done, "reset_pulses": 0, "conversions": 0, "time": ROWS * 2 * 10
    }  # fmt: skip
    assert read["results"] == [2] * done + [0] * (ROWS - done)


def test_what_has_no_room():
    curves = constants_of(small_chip(0)).curves
    for lines, spram in ((512, False), (64, True)):
        with pytest.raises(ValueError, match="cells"):
            array_program(Parameters(rows=lines, cols=lines, spram=spram), ChipConstants(0, 0, curves, []))
    with pytest.raises(ValueError, match="loaded by the host"):
        array_program(IN_SPRAM, constants_of(small_chip(0)))


def test_program_of_a_small_board_fits_into_its_memory():
    chip = fabricate(presets.get("reram-es"), 16, 32, 0)
    program = array_program(Parameters(rows=16, cols=32, spram=True), constants_of(chip, initial=False))
    assert len(program.assemble()) <= 1024
    assert len(program.words) < 256


@pytest.mark.slow
def test_clocks():
    """Of a pulse, a reading and a product: the most that a few cells take."""
    chip = small_chip(1)
    mirror = Mirror(chip, KEY)
    mirror.cell(0, 0, 1, (0, 0))
    mirror.cell(0, 0, 101, (0, 0))
    mirror.read(Region(0, 1, 0, 1), 256, 0, 4, 0)
    mirror.read(Region(0, 1, 0, 2), 256, 0, 4, 0)
    for rows in (1, 2):
        mirror.vmm(Region(0, rows, 0, 1), np.ones(rows, np.int8), False, 256, 4, 0)
    driver = Driver(Parameters(**SMALL), constants_of(chip), KEY, CompactArray)
    answers = driver.run(mirror.requests)
    mirror.check(answers)
    clocks = [answer["clocks"] for answer in answers]
    assert (clocks[1] - clocks[0]) / 100 <= 270
    assert clocks[3] - clocks[2] <= 600
    assert clocks[5] - clocks[4] <= 400
