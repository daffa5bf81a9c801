"""A map is one place for each line, never worse than the straight one, and as good as the best of all small ones."""

from itertools import permutations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from verify_lab import US

from hwctl.devices import presets
from hwctl.devices.steps import StepModel
from hwctl.programming.linemap import LineMap, best_map
from hwctl.programming.weights import Bounds

MODEL = StepModel.of(presets.get("neurram"))
K = 30 * US


def damaged(rng, rows, pairs, share):
    stuck = rng.random((rows, 2 * pairs)) < share
    at = np.where(rng.random(stuck.shape) < 0.5, MODEL.g_min, MODEL.g_max)
    return Bounds.of(MODEL, stuck.shape).holding(stuck, at)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 5), st.integers(0, 3), st.integers(0, 2))
def test_every_line_has_a_place_of_its_own_and_the_error_never_grows(seed, rows, outputs, more_rows, more_pairs):
    rng = np.random.default_rng(seed)
    bounds = damaged(rng, rows + more_rows, outputs + more_pairs, 0.3)
    weights = rng.normal(0, 0.5, (rows, outputs))
    found = best_map(weights, K, bounds, rng)
    assert len(set(found.rows.tolist())) == rows
    assert len(set(found.pairs.tolist())) == outputs
    straight = LineMap.straight(rows, outputs)
    assert found.error(weights, K, bounds) <= straight.error(weights, K, bounds)
    # The error is that of the weights on the cells of the map.
    by_hand = sum(
        (weights[i, j] * K - np.clip(weights[i, j] * K, bounds.lowest[p, q], bounds.highest[p, q])) ** 2 / K**2
        for i, p in enumerate(found.rows)
        for j, q in enumerate(found.pairs)
    )
    np.testing.assert_allclose(found.error(weights, K, bounds), by_hand, rtol=1e-9, atol=1e-18)


def test_it_comes_to_the_best_of_all_maps_of_a_small_matrix():
    best, found = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        bounds, weights = damaged(rng, 4, 3, 0.35), rng.normal(0, 0.5, (4, 3))
        best.append(
            min(
                LineMap(np.array(rows), np.array(pairs)).error(weights, K, bounds)
                for rows in permutations(range(4))
                for pairs in permutations(range(3))
            )
        )
        found.append(best_map(weights, K, bounds, rng).error(weights, K, bounds))
    assert np.all(np.array(found) >= np.array(best) - 1e-15)
    assert sum(found) < 1.1 * sum(best)
    assert np.isclose(found, best, rtol=0.011).sum() >= 10


def test_lines_stay_where_they_are_while_that_is_as_good():
    bounds = damaged(np.random.default_rng(0), 6, 4, 0.0)
    found = best_map(np.ones((5, 3)), K, bounds, np.random.default_rng(0))
    np.testing.assert_array_equal(found.rows, np.arange(5))
    np.testing.assert_array_equal(found.columns, np.arange(6))
    hit = bounds.holding(np.arange(48).reshape(6, 8) == 16, np.full((6, 8), MODEL.g_min))  # row 2, G+ of the first pair
    found = best_map(np.ones((5, 3)), K, hit, np.random.default_rng(0))
    np.testing.assert_array_equal(found.rows, [0, 1, 5, 3, 4])
    np.testing.assert_array_equal(found.pairs, np.arange(3))
