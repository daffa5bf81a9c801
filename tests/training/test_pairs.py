"""Differential pairs: every policy's shares add up to the wish, and a rebalance keeps the weight."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hwctl.devices import presets
from hwctl.devices.steps import StepModel
from hwctl.training.pairs import NEAR_BOUND, POLICIES, balanced, clipped, needs_rebalance

MODEL = StepModel.of(presets.get("linear"))
ONE_WAY = StepModel.of(presets.get("pcm"))
SPAN = MODEL.g_max - MODEL.g_min

cells = arrays(np.float64, 5, elements=st.floats(MODEL.g_min, MODEL.g_max))
wishes = arrays(np.float64, 5, elements=st.floats(-SPAN, SPAN))


@pytest.mark.parametrize("policy", POLICIES)
@settings(deadline=None)
@given(wish=wishes, plus=cells, minus=cells)
def test_the_shares_of_both_cells_add_up_to_the_wish(policy, wish, plus, minus):
    of_plus, of_minus = POLICIES[policy](wish, plus, minus, MODEL, MODEL)
    np.testing.assert_allclose(of_plus - of_minus, wish, rtol=1e-9, atol=1e-18)


@pytest.mark.parametrize("bound", [MODEL.g_min, MODEL.g_max])
@settings(deadline=None)
@given(wish=wishes)
def test_the_shares_add_up_even_without_any_room(bound, wish):
    at_bound = np.full(5, bound)
    for policy in POLICIES.values():
        of_plus, of_minus = policy(wish, at_bound, at_bound, MODEL, MODEL)
        np.testing.assert_allclose(of_plus - of_minus, wish, rtol=1e-9, atol=1e-18)


@settings(deadline=None)
@given(wish=wishes, plus=cells, minus=cells)
def test_bidirectional_never_moves_a_cell_away_from_the_wish(wish, plus, minus):
    of_plus, of_minus = POLICIES["bidirectional"](wish, plus, minus, MODEL, MODEL)
    assert (of_plus * np.sign(wish) >= 0).all()
    assert (of_minus * np.sign(wish) <= 0).all()


def test_bidirectional_shares_by_headroom():
    plus, minus = np.array([30e-6, 80e-6, 90e-6]), np.array([70e-6, 20e-6, 50e-6])
    of_plus, of_minus = POLICIES["bidirectional"](np.full(3, 4e-6), plus, minus, MODEL, MODEL)
    # Room of plus: 60, 10, 0 uS; of minus: 60, 10, 40 uS.
    np.testing.assert_allclose(of_plus, [2e-6, 2e-6, 0], atol=1e-15)
    np.testing.assert_allclose(of_minus, [-2e-6, -2e-6, -4e-6], atol=1e-15)


@settings(deadline=None)
@given(wish=wishes, plus=cells, minus=cells)
def test_set_only_lowers_no_cell(wish, plus, minus):
    of_plus, of_minus = POLICIES["set-only"](wish, plus, minus, ONE_WAY, ONE_WAY)
    assert (of_plus >= 0).all()
    assert (of_minus >= 0).all()


@settings(deadline=None)
@given(wish=wishes, plus=cells, minus=cells)
def test_a_fixed_reference_is_fixed(wish, plus, minus):
    assert not POLICIES["fixed-reference"](wish, plus, minus, MODEL, MODEL)[1].any()


# -- rebalance -----------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(plus=cells, minus=cells)
def test_a_rebalance_keeps_the_weight_within_the_range_and_leaves_the_bounds(plus, minus):
    raised, lowered = balanced(plus, minus, MODEL, MODEL)
    np.testing.assert_allclose(raised - lowered, plus - minus, atol=1e-18)
    np.testing.assert_allclose((raised + lowered) / 2, (MODEL.g_min + MODEL.g_max) / 2)
    assert (np.maximum(raised, lowered) <= MODEL.g_max * (1 + 1e-9)).all()
    assert not needs_rebalance(raised, lowered, MODEL, MODEL).any()


one_way_cells = arrays(np.float64, 5, elements=st.floats(ONE_WAY.g_min, ONE_WAY.g_max))


@settings(deadline=None)
@given(plus=one_way_cells, minus=one_way_cells)
def test_a_one_way_pair_starts_again_from_the_bottom(plus, minus):
    raised, lowered = balanced(plus, minus, ONE_WAY, ONE_WAY)
    np.testing.assert_allclose(raised - lowered, plus - minus, atol=1e-18)
    np.testing.assert_array_equal(np.minimum(raised, lowered), ONE_WAY.g_min)
    assert not needs_rebalance(raised, lowered, ONE_WAY, ONE_WAY).any()


MARGIN = NEAR_BOUND * SPAN
HIGH, LOW, MIDDLE = MODEL.g_max - 0.5 * MARGIN, MODEL.g_min + 0.5 * MARGIN, 50e-6


@pytest.mark.parametrize(
    ("plus", "minus", "needed"),
    [(HIGH, HIGH, True), (LOW, LOW, True), (HIGH, LOW, False), (HIGH, MIDDLE, False), (MIDDLE, LOW, False)],
)
def test_pairs_are_rebalanced_where_both_cells_are_near_the_same_bound(plus, minus, needed):
    assert needs_rebalance(np.array([plus]), np.array([minus]), MODEL, MODEL) == [needed]
    assert needs_rebalance(np.array([minus]), np.array([plus]), MODEL, MODEL) == [needed]


def test_the_bottom_of_a_one_way_device_is_where_it_belongs():
    top, bottom = np.array([0.95 * ONE_WAY.g_max]), np.array([0.01 * ONE_WAY.g_max])
    assert needs_rebalance(top, top, ONE_WAY, ONE_WAY).all()
    assert not needs_rebalance(bottom, bottom, ONE_WAY, ONE_WAY).any()
    assert not needs_rebalance(top, bottom, ONE_WAY, ONE_WAY).any()


def test_clipped_weights_have_one_cell_at_either_bound():
    top, bottom = MODEL.g_max, MODEL.g_min
    plus = np.array([top, bottom, top, top, bottom, 0.9 * top])
    minus = np.array([bottom, top, top, MIDDLE, bottom, bottom])
    np.testing.assert_array_equal(clipped(plus, minus, MODEL, MODEL), [True, True, False, False, False, False])
