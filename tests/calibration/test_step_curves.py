"""Curves, gains and offsets come out of trains that were drawn from known ones."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hwctl.calibration.fit import Observations, fit
from hwctl.calibration.smooth import fitted, held
from hwctl.protocol.codes import CURVE_ENTRIES

CELLS, TRAINS = 400, 120
CENTRES = (np.arange(CURVE_ENTRIES) + 0.5) / CURVE_ENTRIES


def drawn(rng, means, c2c, gains, offsets):
    """Return trains of one pulse from the law: gain * mean[level + offset](place), and c2c of it."""
    cell = np.repeat(np.arange(CELLS), TRAINS)
    level, place = rng.integers(0, len(means), cell.size), rng.random(cell.size)
    at = np.clip(level + offsets[cell], 0, len(means) - 1)
    mean = means[at, (place * CURVE_ENTRIES).astype(int)]
    step = gains[cell] * mean + c2c * mean * rng.standard_normal(cell.size)
    return Observations(cell, level, np.ones(cell.size), place, step, np.full(cell.size, 1e-10))


def test_curves_gains_and_offsets_are_found():
    rng = np.random.default_rng(1)
    strengths = 0.01 * 1.4 ** np.arange(9)
    means = np.array([strengths[:, None] * (1 - CENTRES), strengths[:, None] * CENTRES])
    gains, offsets = rng.normal(1.0, 0.15, (2, CELLS)), np.rint(rng.normal(0.0, 1.0, CELLS)).astype(int)
    seen = tuple(drawn(rng, means[p], 0.3, gains[p], offsets) for p in (0, 1))
    curves, cells, spread = fit(seen, (9, 9), np.ones(CELLS, bool), rng)
    assert np.mean(cells.offset == offsets) > 0.85
    same = cells.offset == offsets
    for p in (0, 1):
        assert np.corrcoef(cells.gain[p][same], gains[p][same])[0, 1] > 0.9
        assert abs(spread[p] - 0.15) < 0.05
        middle = curves[p].mean[2:7, 8:56]
        np.testing.assert_allclose(middle, means[p][2:7, 8:56], rtol=0.12)
        np.testing.assert_allclose(curves[p].sigma[4, 8:56], 0.3 * means[p][4, 8:56], rtol=0.25)


def test_cells_that_are_alike_get_no_gains_of_their_own():
    rng = np.random.default_rng(2)
    means = np.array([0.02 * (1 - CENTRES)])
    same = np.ones(CELLS), np.zeros(CELLS, int)
    _, cells, spread = fit(tuple(drawn(rng, means, 0.5, *same) for _ in (0, 1)), (1, 1), np.ones(CELLS, bool), rng)
    assert max(spread) < 0.02
    assert np.abs(cells.gain - 1).max() < 0.1
    assert not cells.offset.any()


def test_errors_cover_the_truth():
    covered = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        means = np.array([0.02 * (1 - CENTRES)])
        same = np.ones(CELLS), np.zeros(CELLS, int)
        curves, _, _ = fit(tuple(drawn(rng, means, 0.5, *same) for _ in (0, 1)), (1, 1), np.ones(CELLS, bool), rng)
        covered.append(np.abs(curves[0].pooled - means) < 1.96 * curves[0].pooled_error)
    assert 0.88 <= np.mean(covered) <= 0.99


@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_a_straight_line_is_fitted_as_it_is_wherever_it_was_seen(height, slope, seed):
    rng = np.random.default_rng(seed)
    weights = rng.integers(1, 50, (1, CURVE_ENTRIES)).astype(float)
    line = height + slope * CENTRES
    np.testing.assert_allclose(fitted(weights, weights * line)[0], line, atol=1e-9)


def test_beyond_what_was_seen_the_nearest_value_stands():
    known = np.zeros((2, CURVE_ENTRIES), bool)
    known[0, 10:20] = True
    values = np.arange(CURVE_ENTRIES, dtype=float) * np.ones((2, 1))
    found = held(values, known)
    assert set(found[0, :10]) == {10.0}
    assert set(found[0, 20:]) == {19.0}
    assert not found[1].any()
