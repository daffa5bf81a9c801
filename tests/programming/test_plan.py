"""The planned pulses come nearest to the wish, are as few as they can be, and move cells by what the plan expects."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwctl.crossbar import Crossbar
from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.devices.steps import GRID, StepModel
from hwctl.emulator.board import EmulatedBoard
from hwctl.links.inprocess import InProcessLink
from hwctl.programming.plan import MAX_TRAIN, plan
from hwctl.protocol.cells import GAIN_ONE, from_words
from hwctl.protocol.codes import MAX_PULSES

MODELS = {name: StepModel.of(presets.get(name)) for name in presets.PRESETS}
every_preset = pytest.mark.parametrize("name", MODELS)
US = 1e-6


def nominal_board(device, lines, g):
    """Return a driver of cells without d2d that stand at conductances g (lines, lines) in S."""
    chip = fabricate(device, lines, lines, 4)
    cells, span = chip.cells.copy(), device.g_max - device.g_min
    cells["gain_set"] = cells["gain_reset"] = GAIN_ONE
    cells["offset"] = cells["flags"] = 0
    cells["low"] = round(device.g_min / chip.scales.siemens)
    cells["span"] = round(span / chip.scales.siemens)
    cells["state"] = np.clip((g - device.g_min) / span * 0x10000, 0, 0xFFFF)
    return Crossbar(InProcessLink(EmulatedBoard(replace(chip, cells=cells), seed=8), "test"))


def states(crossbar, device):
    cells = from_words(crossbar.dump().words)
    return device.g_min + cells["state"] / 0x10000 * (device.g_max - device.g_min)


@pytest.mark.parametrize(
    ("name", "sign"),
    [
        *((name, sign) for name in ("linear", "reram-es", "ecram", "neurram", "tiox-passive") for sign in (1, -1)),
        ("pcm", 1),
        ("hfox-1t1r", 1),
    ],
)
def test_cells_move_by_the_expected_change_on_average(name, sign):
    device, model = presets.get(name), MODELS[name]
    rng = np.random.default_rng(5)
    span = device.g_max - device.g_min
    g = device.g_min + rng.uniform(0.25, 0.75, (64, 64)) * span
    wish = sign * rng.uniform(0.01, 0.05, 64 * 64) * span
    crossbar = nominal_board(device, 64, g)
    before = states(crossbar, device)
    counts, levels, change = plan(model, g.ravel(), wish)
    assert np.abs(counts).max() <= MAX_PULSES
    numbers = [np.array([s.number for s in crossbar.drive_levels(polarity)]) for polarity in (0, 1)]
    crossbar.pulse_levels(
        counts.reshape(64, 64),
        *(ns[np.clip(levels, 0, len(ns) - 1)].reshape(64, 64) for ns in numbers),
    )
    moved = states(crossbar, device) - before
    # Steps change under way: that is what the tolerance is for, and noise of 4096 cells.
    noise = (moved - change).std() / 64
    assert moved.mean() == pytest.approx(change.mean(), rel=0.06, abs=4 * noise)
    assert change.mean() == pytest.approx(wish.mean(), rel=0.05)


conductances = st.floats(0.0, 300e-6)
wishes = st.floats(-300e-6, 300e-6)


@every_preset
@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(conductances, wishes), min_size=1, max_size=8))
def test_a_plan_goes_the_way_of_the_wish_and_never_beyond_the_longest_train(name, cells):
    model = MODELS[name]
    g, wish = np.array(cells).T
    counts, levels, change = plan(model, g, wish)
    assert (np.abs(counts) <= MAX_TRAIN).all()
    assert (counts * wish >= 0).all()
    for cell in range(len(g)):
        polarity = 0 if wish[cell] > 0 else 1
        assert 0 <= levels[cell] < len(model.levels[polarity])
        train = model.moved(polarity, levels[cell], model.index(g[cell]), abs(counts[cell]))
        assert change[cell] == pytest.approx(train)
    assert (np.abs(wish - change) <= np.abs(wish) * (1 + 1e-12)).all()  # never farther off than by doing nothing


@every_preset
@settings(max_examples=25, deadline=None)
@given(conductances, wishes)
def test_no_other_level_and_number_would_be_better(name, g, wish):
    model = MODELS[name]
    (count,), _, (change,) = plan(model, np.array([g]), np.array([wish]))
    polarity, numbers = 0 if wish > 0 else 1, np.arange(MAX_TRAIN + 1)
    levels = np.arange(len(model.levels[polarity]))[:, None]
    price = 1e-3 * abs(wish) / MAX_TRAIN  # of one pulse more
    costs = np.abs(wish - model.moved(polarity, levels, model.index(np.array(g)), numbers)) + price * numbers
    assert abs(wish - change) + price * abs(count) <= costs.min() + price * 1.001 + 1e-18


def model_of(*steps):
    """Return a model whose levels move a cell by so many S up or down, wherever it stands."""
    linear = MODELS["linear"]
    means = np.repeat(np.array(steps)[:, None], GRID, axis=1)
    levels = tuple((linear.levels[polarity][0],) * len(steps) for polarity in (0, 1))
    return replace(linear, levels=levels, means=(means, -means), sigmas=(means * 0, means * 0))


@pytest.mark.parametrize("sign", [1, -1])
def test_of_levels_that_come_equally_near_the_one_of_fewest_pulses_is_taken(sign):
    model = model_of(1 * US, 4 * US, 0.5 * US)
    g = np.full(6, 50 * US)
    wish = sign * np.array([4.0, 8.0, 3.0, 0.5, 0.2, 40.0]) * US
    counts, levels, change = plan(model, g, wish)
    np.testing.assert_array_equal(counts, sign * np.array([1, 2, 3, 1, 0, 10]))
    np.testing.assert_array_equal(levels[[0, 1, 2, 3, 5]], [1, 1, 0, 2, 1])
    np.testing.assert_allclose(change, sign * np.array([4, 8, 3, 0.5, 0, 40]) * US)


def test_with_one_level_the_number_is_the_nearest():
    wish = np.array([0.0, 0.049, 0.051, 1.0, -0.049, -0.051, -12.34, 39.9, 41.0, 1e6, -1e6]) * US
    counts, levels, change = plan(MODELS["linear"], np.full(wish.size, 50 * US), wish)
    np.testing.assert_array_equal(counts, [0, 0, 1, 10, 0, -1, -123, 399, MAX_TRAIN, MAX_TRAIN, -MAX_TRAIN])
    np.testing.assert_array_equal(levels, 0)
    np.testing.assert_allclose(change, counts * 0.1 * US)


@every_preset
def test_no_wish_and_no_number_get_no_pulses(name):
    model = MODELS[name]
    g = np.full(2, (model.g_min + model.g_max) / 2)
    counts, _, change = plan(model, g, np.array([0.0, np.nan]))
    assert not counts.any()
    assert not change.any()


@pytest.mark.parametrize("name", ["hfox-1t1r", "neurram", "tiox-passive"])
def test_where_no_pulse_moves_a_cell_none_is_sent(name):
    model = MODELS[name]
    counts, _, change = plan(model, np.array([model.g_max]), np.array([5 * US]))
    assert (counts[0], change[0]) == (0, 0.0)


def test_a_gate_limited_device_gets_one_pulse_at_the_gate_that_saturates_there():
    device, model = presets.get("hfox-1t1r"), MODELS["hfox-1t1r"]
    wanted = np.array([30.0, 100.0, 240.0]) * US
    counts, levels, _ = plan(model, np.full(3, 5 * US), wanted - 5 * US)
    np.testing.assert_array_equal(counts, 1)
    reached = [device.saturation(model.levels[0][level].gate) for level in levels]
    np.testing.assert_allclose(reached, wanted, atol=4 * US)
