"""The model-based loop: on target in few pulses and readings on every device, sparing with cells that do not move."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verify_lab import US, agrees_with_the_board, bench

from hwctl.devices import presets
from hwctl.errors import LimitError
from hwctl.programming.modelbased import ModelBased, model_based
from hwctl.programming.ramp import alternating

# Share of the range, averages, and the share of working cells that reach it: own bounds lie within the nominal range
# where they are drawn.
DEVICES = {
    "linear": (0.0025, 1, 1.0),
    "ecram": (0.0025, 16, 1.0),
    "neurram": (0.026, 1, 0.99),
    "hfox-1t1r": (0.02, 4, 0.99),
    "tiox-passive": (0.02, 4, 0.99),
    "reram-es-nowrite": (0.02, 4, 0.9),
    "reram-es": (0.1, 4, 0.95),
    "pcm": (0.02, 4, 0.85),
}


@pytest.mark.parametrize("device", presets.PRESETS)
def test_it_brings_every_device_to_its_targets(device):
    share, averages, yields = DEVICES[device]
    lab = bench(device, stuck=0.03)
    tolerance = share * (lab.model.g_max - lab.model.g_min)
    done = model_based(lab.crossbar, lab.targets, tolerance, model=lab.model, averages=averages)
    assert done.reached[lab.works].mean() >= yields
    assert (np.abs(done.reading - lab.targets)[done.reached] <= tolerance).all()
    most = 9 if device == "pcm" else 4  # one of its pulses scatters by three times the tolerance
    assert np.median(done.reads[lab.works]) <= most * averages
    agrees_with_the_board(lab, done)


def test_it_takes_a_third_of_the_pulses_and_readings_of_a_ramp():
    lab, other = bench(rows=32, cols=32, stuck=0.02), bench(rows=32, cols=32, stuck=0.02)
    ours = model_based(lab.crossbar, lab.targets, US, model=lab.model)
    ramp = alternating(other.crossbar, other.targets, US)
    assert 3 * ours.pulses.sum() < ramp.pulses.sum()
    assert 3 * ours.reads.sum() < ramp.reads.sum()
    held = lab.crossbar.read(averages=256)
    assert (np.abs(held - lab.targets) <= US)[lab.works].mean() > 0.995


@pytest.mark.parametrize("device", ["neurram", "tiox-passive", "hfox-1t1r", "pcm"])
def test_stuck_cells_are_given_up_after_a_few_pulses_and_listed(device):
    lab = bench(device, stuck=0.2)
    done = model_based(lab.crossbar, lab.targets, 2 * US, model=lab.model)
    stuck_away = ~lab.works & ~done.reached
    assert stuck_away.sum() > 20
    assert done.reads[stuck_away].max() <= 8
    assert np.median(done.pulses[stuck_away]) <= 20
    assert set(map(tuple, np.argwhere(stuck_away).tolist())) <= set(done.missed())


def test_a_cell_on_target_already_is_read_once_and_not_pulsed():
    lab = bench("linear")
    done = model_based(lab.crossbar, np.full(lab.targets.shape, 50 * US), 0.2 * US, model=lab.model)
    assert done.reached.all()
    assert (done.pulses == 0).all()
    assert (done.reads == 1).all()
    assert done.rounds == 0


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10), st.integers(1, 6), st.integers(0, 8), st.integers(1, 4))
def test_nothing_outside_the_region_is_pulsed_or_read(row, height, col, width):
    lab = bench(seed=8)
    rows, cols = slice(row, row + height), slice(col, col + width)
    done = model_based(lab.crossbar, lab.targets[rows, cols], US, rows, cols, model=lab.model)
    counted = lab.crossbar.pulse_counts()
    np.testing.assert_array_equal(counted[rows, cols], done.pulses)
    counted[rows, cols] = 0
    assert not counted.any()
    assert lab.crossbar.status().reads == done.reads.sum()


def test_cheaper_pulses_buy_fewer_readings():
    results = {}
    for cost in (0.02, 1.0):
        lab = bench(rows=32, cols=32)
        results[cost] = model_based(lab.crossbar, lab.targets, US, model=lab.model, pulse_cost=cost)
    assert results[0.02].reads.sum() < results[1.0].reads.sum()
    assert results[0.02].pulses.sum() > results[1.0].pulses.sum()


def test_a_guarded_band_keeps_the_cells_themselves_within_the_tolerance():
    missed = {}
    for guard in (0.0, 2.5):
        lab = bench(rows=32, cols=32)
        done = model_based(lab.crossbar, lab.targets, US, model=lab.model, guard=guard)
        assert done.reached.all()
        missed[guard] = (np.abs(lab.crossbar.read(averages=256) - lab.targets) > US).sum()
    assert missed[0.0] > 10 > missed[2.5]


def test_it_does_the_same_where_the_board_counts_nothing():
    first, second = bench(), bench(lacks="counters")
    results = [model_based(lab.crossbar, lab.targets, US, model=lab.model) for lab in (first, second)]
    np.testing.assert_array_equal(results[0].reading, results[1].reading)
    np.testing.assert_array_equal(results[0].pulses, results[1].pulses)


def test_cells_that_are_not_chosen_are_left_alone():
    lab = bench()
    chosen = np.random.default_rng(3).random(lab.targets.shape) < 0.3
    targets = np.where(chosen, lab.targets, np.nan)
    done = ModelBased(lab.model, US).program(lab.crossbar, targets, chosen=chosen)
    assert done.reached[chosen].all()
    assert (done.reads[~chosen] == 0).all()
    assert (done.pulses[~chosen] == 0).all()
    assert np.isnan(done.reading[~chosen]).all()
    agrees_with_the_board(lab, done)


def test_no_cell_takes_more_pulses_than_its_limit():
    lab = bench()
    limit = np.random.default_rng(3).integers(0, 6, lab.targets.shape)
    done = ModelBased(lab.model, US).program(lab.crossbar, lab.targets, pulse_limit=limit)
    assert (done.pulses <= limit).all()
    assert 0.3 < done.reached.mean() < 1.0
    agrees_with_the_board(lab, done)


@pytest.mark.parametrize("device", ["hfox-1t1r", "pcm"])
def test_what_is_too_high_on_a_one_way_device_is_not_read_at_the_bottom(device):
    lab = bench(device)
    span = lab.model.g_max - lab.model.g_min
    model_based(lab.crossbar, np.full(lab.targets.shape, lab.model.g_min + 0.8 * span), 0.1 * span, model=lab.model)
    high = lab.crossbar.read(averages=16) > lab.model.g_min + 0.6 * span
    before = lab.crossbar.pulse_counts()
    done = model_based(lab.crossbar, np.full(high.shape, 0.25 * span), 0.02 * span, model=lab.model, rounds=1)
    assert high.sum() > 50
    assert (done.reset_pulses[high] == 1).all()
    assert (done.set_pulses[high] >= 1).all()
    assert (done.reads[high] == 2).all()
    np.testing.assert_array_equal(lab.crossbar.pulse_counts() - before, done.pulses)


def test_a_reset_that_goes_before_counts_for_the_limit_of_pulses():
    lab = bench("hfox-1t1r")
    low = np.full(lab.targets.shape, 20 * US)
    done = ModelBased(lab.model, 5 * US, averages=4).program(lab.crossbar, low, pulse_limit=1)
    assert (done.pulses <= 1).all()
    done = ModelBased(lab.model, 5 * US, averages=4).program(lab.crossbar, low, pulse_limit=2)
    assert done.pulses.max() == 2


# -- bad input -----------------------------------------------------------------------------------------------------


def refused(lab, match, targets=None, tolerance=US, **options):
    with pytest.raises(LimitError, match=match) as error:
        model_based(lab.crossbar, lab.targets if targets is None else targets, tolerance, model=lab.model, **options)
    assert "\n" not in str(error.value)
    assert lab.crossbar.pulse_counts().sum() == 0


def test_targets_outside_the_range_are_named_and_nothing_is_pulsed():
    lab = bench()
    targets = lab.targets.copy()
    targets[2, 3], targets[4, 5], targets[7, 1] = 0.5 * US, 41 * US, np.nan
    refused(lab, r"1 targets are outside what the board reads, first nan uS .* cells \(7, 1\); nothing was", targets)
    targets[7, 1] = 5 * US
    refused(
        lab, r"2 targets .* first 0.5 uS where it is 1 to 40 uS; correct cells \(2, 3\), \(4, 5\); nothing", targets
    )


def test_many_targets_outside_are_counted():
    lab = bench(rows=4, cols=4)
    refused(lab, r"16 targets .* \(1, 0\) and 11 more; nothing was pulsed", np.full((4, 4), 45 * US))


def test_another_shape_is_refused():
    refused(bench(), r"targets of shape \(2, 2\) for a region of \(16, 12\)", np.full((2, 2), 5 * US))


@pytest.mark.parametrize(
    "options", [{"tolerance": 0.1 * US}, {"tolerance": -US}, {"rounds": 0}, {"pulse_cost": 0.0}, {"tolerance": np.nan}]
)
def test_a_tolerance_within_the_noise_and_empty_loops_are_refused(options):
    refused(bench(), "give a wider tolerance or more averages, and numbers above 0", **options)
