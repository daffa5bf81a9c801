"""Open-loop programming brings cells to their targets in few pulses; where one is impossible it pulses nothing."""

import numpy as np
import pytest

from hwctl.crossbar import Crossbar
from hwctl.devices import presets
from hwctl.devices.steps import StepModel
from hwctl.errors import LimitError
from hwctl.programming.openloop import program
from hwctl.protocol.cells import from_words
from hwctl.protocol.codes import Polarity

ALL = slice(None)
US = 1e-6


def opened(device, rows=8, cols=6, **options):
    more = "".join(f"&{name}={value}" for name, value in options.items())
    crossbar = Crossbar.open(f"emulator:?device={device}&rows={rows}&cols={cols}&seed=5{more}")
    return crossbar, StepModel.of(presets.get(device))


def flags(crossbar):
    return from_words(crossbar.dump().words)["flags"].reshape(crossbar.rows, crossbar.cols)


# -- reaching targets ----------------------------------------------------------------------------------------------


def test_a_linear_device_is_on_target_after_one_round():
    crossbar, model = opened("linear")
    targets = np.random.default_rng(1).uniform(11, 89, (8, 6)) * US
    found = program(crossbar, targets, model, ALL, ALL)
    np.testing.assert_allclose(found.before, 50 * US, atol=0.02 * US)
    # Half a pulse, the converter's step, and the dither of up to 400 pulses.
    np.testing.assert_allclose(found.after, targets, atol=0.11 * US)
    np.testing.assert_allclose(crossbar.read(), targets, atol=0.11 * US)
    np.testing.assert_allclose(found.pulses, np.abs(targets - 50 * US) / (0.1 * US), atol=0.7)


def test_trains_of_more_than_127_pulses_are_sent_in_pieces():
    crossbar, model = opened("linear")
    found = program(crossbar, np.full((8, 6), 89.9 * US), model, ALL, ALL)
    assert found.pulses.min() > 390
    np.testing.assert_allclose(found.after, 89.9 * US, atol=0.11 * US)


@pytest.mark.parametrize("options", [{}, {"lacks": "counters"}])
@pytest.mark.parametrize("device", presets.PRESETS)
def test_pulses_are_those_that_the_board_counts_and_stay_in_the_region(device, options):
    crossbar, model = opened(device, **options)
    rng = np.random.default_rng(1)
    targets = model.g_min + rng.uniform(0.1, 0.9, (3, 4)) * (model.g_max - model.g_min)
    outside = crossbar.dump().words.reshape(8, 6, -1)
    found = program(crossbar, targets, model, slice(2, 5), slice(1, 5), rounds=3)
    counted = crossbar.pulse_counts()
    np.testing.assert_array_equal(counted[2:5, 1:5], found.pulses)
    assert found.pulses.sum() > 0
    counted[2:5, 1:5] = 0
    assert not counted.any()
    inside = np.zeros((8, 6), bool)
    inside[2:5, 1:5] = True
    np.testing.assert_array_equal(crossbar.dump().words.reshape(8, 6, -1)[~inside], outside[~inside])


@pytest.mark.parametrize("device", ["ecram", "reram-es-nowrite", "neurram", "tiox-passive"])
def test_more_rounds_come_nearer(device):
    errors = []
    for rounds in (0, 1, 6):
        crossbar, model = opened(device, 32, 32)
        span = model.g_max - model.g_min
        targets = model.g_min + np.random.default_rng(3).uniform(0.3, 0.7, (32, 32)) * span
        found = program(crossbar, targets, model, ALL, ALL, rounds=rounds)
        assert (found.pulses.sum() > 0) == (rounds > 0)
        errors.append(np.median(np.abs(found.after - targets)) / span)
    assert errors[1] < 0.6 * errors[0]
    assert errors[2] < 0.6 * errors[1]


def test_no_more_pulses_than_the_longest_train_go_to_a_cell_in_one_round():
    crossbar, model = opened("ecram")
    found = program(crossbar, np.full((8, 6), 72 * US), model, ALL, ALL)
    np.testing.assert_array_equal(found.pulses, 400)
    assert (found.after < 71 * US).any()


# -- one-way devices -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["hfox-1t1r", "pcm"])
def test_a_one_way_device_goes_down_by_a_reset_and_up_from_there(device):
    crossbar, model = opened(device, 16, 16)
    works = flags(crossbar) == 0
    top = model.g_min + 0.8 * (model.g_max - model.g_min)
    program(crossbar, np.full((16, 16), top), model, ALL, ALL, rounds=2)
    high = crossbar.read()
    before = crossbar.status()
    target = model.g_min + 0.3 * (model.g_max - model.g_min)
    found = program(crossbar, np.full((16, 16), target), model, ALL, ALL)
    resets = crossbar.status().reset_pulses - before.reset_pulses
    assert resets == (found.before > target + 0.02 * (model.g_max - model.g_min)).sum()
    assert (found.after[works] < high[works]).mean() > 0.97
    assert np.median(np.abs(found.after - target)[works]) < 0.1 * (model.g_max - model.g_min)
    if device == "hfox-1t1r":
        assert np.median(found.pulses) == 2  # the paper's depression


def test_a_one_way_cell_that_is_only_too_low_is_not_reset():
    crossbar, model = opened("pcm", 16, 16)
    for target in (8 * US, 16 * US, 24 * US):
        before = crossbar.status().reset_pulses
        found = program(crossbar, np.full((16, 16), target), model, ALL, ALL)
        low = found.before < target + 0.02 * model.g_max
        assert crossbar.status().reset_pulses - before == (~low).sum()
        assert low.mean() > 0.5


# -- what is not pulsed --------------------------------------------------------------------------------------------

BAD = {
    "NaN": np.nan,
    "infinite": np.inf,
    "below the range": 29.9 * US,
    "above the range": 70.1 * US,
    "negative": -50 * US,
}


@pytest.mark.parametrize("name", BAD)
def test_one_impossible_target_is_named_and_nothing_is_pulsed_or_read(name):
    crossbar, model = opened("reram-es")
    targets = np.full((3, 4), 60 * US)
    targets[1, 2] = BAD[name]
    before = crossbar.dump().words.tobytes(), crossbar.status()
    with pytest.raises(LimitError, match=r"of row 3, column 3 is outside 30 to 70 uS; nothing was pulsed"):
        program(crossbar, targets, model, slice(2, 5), slice(1, 5))
    assert (crossbar.dump().words.tobytes(), crossbar.status()) == before


@pytest.mark.parametrize("shape", [(4, 3), (3,), (), (3, 4, 1)])
def test_targets_of_another_shape_are_refused_and_nothing_is_pulsed(shape):
    crossbar, model = opened("reram-es")
    before = crossbar.dump().words.tobytes(), crossbar.status()
    with pytest.raises(LimitError, match=r"for a region of \(3, 4\); give one for each cell"):
        program(crossbar, np.full(shape, 60 * US), model, slice(2, 5), slice(1, 5))
    with pytest.raises(LimitError, match="rows 2:9"):
        program(crossbar, np.full((3, 4), 60 * US), model, slice(2, 9), slice(1, 5))
    assert (crossbar.dump().words.tobytes(), crossbar.status()) == before


def test_the_bounds_themselves_are_targets():
    crossbar, model = opened("linear")
    for bound in (model.g_min, model.g_max):
        found = program(crossbar, np.full((8, 6), bound), model, ALL, ALL, rounds=3)
        np.testing.assert_allclose(found.after, bound, atol=0.11 * US)


def test_a_cell_whose_reading_saturates_is_left_alone_and_reported_as_nan():
    crossbar, model = opened("linear")
    shapes = [crossbar.drive_levels(polarity)[0] for polarity in (Polarity.SET, Polarity.RESET)]
    counts = np.zeros((8, 6), int)
    counts[:4] = -127  # to 37.3 uS; the others stay at 50
    crossbar.pulse(counts, *shapes)
    crossbar.configure_read(0.5)  # full scale is then 40 uS
    found = program(crossbar, np.full((8, 6), 30 * US), model, ALL, ALL)
    assert np.isnan(found.before[4:]).all()
    assert np.isnan(found.after[4:]).all()
    assert not found.pulses[4:].any()
    np.testing.assert_allclose(found.after[:4], 30 * US, atol=0.15 * US)
