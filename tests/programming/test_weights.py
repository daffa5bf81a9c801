"""Pairs of cells: the difference is right wherever it can be, each cell within its own bounds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verify_lab import US, bench

from hwctl.crossbar.driver import ALL
from hwctl.devices import presets
from hwctl.devices.steps import StepModel
from hwctl.errors import LimitError
from hwctl.programming.linemap import LineMap
from hwctl.programming.matrix import program_weights
from hwctl.programming.modelbased import ModelBased
from hwctl.programming.weights import Bounds, beyond, largest_scale, pair_targets, refuse_beyond

MODEL = StepModel.of(presets.get("neurram"))
ONE_WAY = StepModel.of(presets.get("pcm"))


def chip(seed, rows, pairs, share):
    """Bounds of a few pairs, a share of the cells stuck, and weights for them."""
    rng, shape = np.random.default_rng(seed), (rows, 2 * pairs)
    low = MODEL.g_min + rng.uniform(0, 15 * US, shape)
    high = MODEL.g_max - rng.uniform(0, 15 * US, shape)
    bounds = Bounds(low, high, np.zeros(shape, np.bool_))
    return bounds.holding(rng.random(shape) < share, rng.uniform(0, 45 * US, shape)), rng.normal(0, 1, (rows, pairs))


@settings(deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 4), st.sampled_from([0.0, 0.2, 1.0]),
    st.floats(1e-7, 1e-4),
)  # fmt: skip
def test_no_cell_leaves_its_bounds_and_the_difference_is_the_nearest_that_there_is(seed, rows, pairs, share, k):
    bounds, weights = chip(seed, rows, pairs, share)
    targets = pair_targets(weights, k, bounds, MODEL)
    assert (targets >= bounds.low).all()
    assert (targets <= bounds.high).all()
    found = (targets[:, 0::2] - targets[:, 1::2]) / k
    np.testing.assert_allclose(found, bounds.nearest(weights, k), atol=1e-15 / k)
    # No pair of conductances within the bounds comes nearer.
    for place in np.random.default_rng(0).random((8, *bounds.low.shape)):
        other = bounds.low + place * (bounds.high - bounds.low)
        away = np.abs((other[:, 0::2] - other[:, 1::2]) / k - weights)
        assert (away >= np.abs(found - weights) - 1e-15 / k).all()


def test_pairs_lie_about_the_middle_as_in_training_or_from_the_bottom_where_a_reset_goes_there():
    weights = np.array([[0.5, -0.25]])
    middle = pair_targets(weights, 20 * US, Bounds.of(MODEL, (1, 4)), MODEL)
    np.testing.assert_allclose(middle, [[25.5 * US, 15.5 * US, 18 * US, 23 * US]])
    bottom = pair_targets(weights, 10 * US, Bounds.of(ONE_WAY, (1, 4)), ONE_WAY)
    low = ONE_WAY.g_min
    np.testing.assert_allclose(bottom, [[low + 5 * US, low, low, low + 2.5 * US]])


def test_the_partner_of_a_stuck_cell_makes_up_for_it():
    stuck = np.array([[True, False, False, True]])
    bounds = Bounds.of(MODEL, (1, 4)).holding(stuck, np.full((1, 4), 30 * US))
    targets = pair_targets(np.array([[0.5, 0.5]]), 20 * US, bounds, MODEL)
    np.testing.assert_allclose(targets, [[30 * US, 20 * US, 40 * US, 30 * US]])


def test_the_scale_is_the_largest_that_every_working_pair_allows():
    low, high = np.full((1, 6), 1 * US), np.full((1, 6), 40 * US)
    high[0, 2] = 21 * US  # G+ of the second pair is weak
    weights = np.array([[0.5, 0.5, -4.0]])
    bounds = Bounds(low, high, np.zeros((1, 6), np.bool_)).holding(np.eye(1, 6, 4, dtype=bool), np.full((1, 6), 3 * US))
    assert largest_scale(weights, bounds) == (pytest.approx(40 * US), (0, 1))  # 20 uS for 0.5; the third pair is stuck
    assert largest_scale(weights, bounds, margin=1 * US)[0] == pytest.approx(36 * US)
    assert not beyond(weights, 40 * US, bounds).any()
    np.testing.assert_array_equal(beyond(weights, 41 * US, bounds), [[False, True, False]])
    with pytest.raises(
        LimitError, match=r"1 weights .* first 0.5, .* 20.5 uS .* -39 to 20 uS: row and output \(0, 1\)"
    ):
        refuse_beyond(weights, 41 * US, bounds)
    with pytest.raises(LimitError, match="has no room: its pair reaches -39 to 20 uS"):
        largest_scale(weights, bounds, margin=11 * US)
    with pytest.raises(LimitError, match="no pair of two working cells"):
        largest_scale(weights, bounds.holding(np.ones((1, 6), np.bool_), low))


def test_a_matrix_on_a_chip_is_its_weights_and_stuck_cells_get_no_pulse():
    lab = bench(stuck=0.1)
    truth = lab.crossbar.read(averages=1024)
    bounds = Bounds.of(lab.model, (16, 12)).holding(~lab.works, truth)
    weights = np.random.default_rng(2).normal(0, 1, (12, 4))
    region = lab.crossbar.region(slice(2, 14), slice(1, 9))
    known = bounds.part(np.arange(2, 14), np.arange(1, 9))
    k, _ = largest_scale(weights, known, US)
    before = lab.crossbar.status()
    done = program_weights(lab.crossbar, weights, k, region, ModelBased(lab.model, US), known, LineMap.straight(12, 4))
    works = lab.works[2:14, 1:9]
    assert not works.all()
    np.testing.assert_array_equal(done.result.reached, works)
    assert not done.result.pulses[~works].any()
    status, counts = lab.crossbar.status(), lab.crossbar.pulse_counts()
    assert status.reads - before.reads == done.result.reads.sum()
    np.testing.assert_array_equal(counts[2:14, 1:9], done.result.pulses)
    assert counts.sum() == done.result.pulses.sum()  # nothing else was pulsed
    seen = lab.crossbar.read(region, averages=256)
    effective = (seen[:, 0::2] - seen[:, 1::2]) / k
    np.testing.assert_allclose(effective, done.expected, atol=2 * US / k)
    assert done.address(3, 5) == (5, 6)
    assert lab.crossbar.region(ALL).shape == (16, 12)
