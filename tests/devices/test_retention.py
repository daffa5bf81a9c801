import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwctl.devices.retention import PowerLawDrift, Relaxation, Retention, Rtn
from hwctl.errors import DeviceError

DRIFT = PowerLawDrift(exponent_mean=0.05, exponent_sigma=0.01, t0_s=20.0)
RELAXATION = Relaxation(sigma=0.02, bias=-0.01, t0_s=0.5, decades=6.0)
RTN = Rtn(amplitude=0.1, fraction=0.3, tau_high_s=3.0, tau_low_s=1.0)
CELLS = np.arange(20_000)


def runs(states):
    """Lengths of the runs of True and of False that lie wholly inside a sequence."""
    edges = np.flatnonzero(np.diff(states)) + 1
    lengths, values = np.diff(edges), states[edges[:-1]]
    return lengths[values], lengths[~values]


def test_nothing_drifts_before_t0():
    np.testing.assert_array_equal(DRIFT.factor(1, CELLS, 20.0), 1.0)
    np.testing.assert_array_equal(DRIFT.factor(1, CELLS, 0.0), 1.0)


def test_drift_is_a_straight_line_on_logarithmic_axes():
    slopes = [np.log(DRIFT.factor(1, CELLS[:50], age)) / np.log(age / 20.0) for age in (100.0, 1e4, 1e8)]
    np.testing.assert_allclose(slopes[1], slopes[0], rtol=1e-10)
    np.testing.assert_allclose(slopes[2], slopes[0], rtol=1e-10)
    np.testing.assert_allclose(slopes[0], -DRIFT.exponents(1, CELLS[:50]), rtol=1e-10)


def test_drift_exponents_spread_over_the_cells_as_asked():
    exponents = DRIFT.exponents(7, CELLS)
    error = 0.01 / np.sqrt(len(CELLS))
    assert abs(exponents.mean() - 0.05) < 4 * error
    assert abs(exponents.std() - 0.01) < 4 * error / np.sqrt(2)


def test_relaxation_spreads_and_shifts_in_proportion_to_the_decades():
    for decades in (1.0, 2.0, 4.0):
        moved = np.log(RELAXATION.factor(3, CELLS, 5, 0.5 * (10.0**decades - 1.0)))
        error = decades * 0.02 / np.sqrt(len(CELLS))
        assert abs(moved.mean() + 0.01 * decades) < 4 * error
        assert abs(moved.std() - 0.02 * decades) < 4 * error / np.sqrt(2)


def test_relaxation_starts_at_the_programmed_value_and_ends_after_its_decades():
    np.testing.assert_array_equal(RELAXATION.factor(3, CELLS, 5, 0.0), 1.0)
    end = RELAXATION.factor(3, CELLS, 5, 0.5 * 10.0**6)
    np.testing.assert_array_equal(RELAXATION.factor(3, CELLS, 5, 1e12), end)
    assert not np.array_equal(RELAXATION.factor(3, CELLS, 5, 1e4), end)


def test_relaxation_is_drawn_anew_after_a_pulse():
    before, after = RELAXATION.factor(3, CELLS, 5, 100.0), RELAXATION.factor(3, CELLS, 6, 100.0)
    assert abs(np.corrcoef(before, after)[0, 1]) < 4 / np.sqrt(len(CELLS))


def test_rtn_occupies_the_low_state_for_its_share_of_time():
    trap = Rtn(amplitude=0.1, fraction=1.0, tau_high_s=3.0, tau_low_s=1.0)
    times = np.arange(200) * 7.7  # ten windows apart: each look is a new draw
    share = np.mean([trap.low(9, np.arange(500), now) for now in times])
    assert abs(share - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 1e5)


def test_rtn_dwell_times_have_the_asked_means():
    trap = Rtn(amplitude=0.1, fraction=1.0, tau_high_s=3.0, tau_low_s=1.0)
    step = trap.window_s / 4
    trace = np.array([trap.low(4, np.arange(200), k * step) for k in range(4000)])
    dwells = [runs(trace[:, cell]) for cell in range(200)]
    low = np.concatenate([pair[0] for pair in dwells]) * step
    high = np.concatenate([pair[1] for pair in dwells]) * step
    assert low.mean() == pytest.approx(1.0, rel=0.02)
    assert high.mean() == pytest.approx(3.0, rel=0.02)
    # Geometric: a dwell of mean tau has the standard deviation tau * sqrt(share of its own state).
    assert low.std() == pytest.approx(1.0 * np.sqrt(0.25), rel=0.05)
    assert high.std() == pytest.approx(3.0 * np.sqrt(0.75), rel=0.05)


def test_rtn_touches_only_its_fraction_of_the_cells():
    noisy = RTN.noisy(2, CELLS)
    assert abs(noisy.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / len(CELLS))
    factors = np.array([RTN.factor(2, CELLS, now) for now in np.arange(40) * 10.0])
    np.testing.assert_array_equal(np.unique(factors), [0.9, 1.0])
    np.testing.assert_array_equal((factors < 1.0).any(axis=0) & ~noisy, False)
    assert (factors < 1.0).any(axis=0)[noisy].mean() > 0.999


def test_rtn_cells_switch_at_different_times():
    trap = Rtn(amplitude=0.1, fraction=1.0, tau_high_s=1.0, tau_low_s=1.0)
    # Within one window half the cells pass a boundary in half the window, and half of these change their state.
    changed = trap.low(6, CELLS, 0.0) != trap.low(6, CELLS, 0.5 * trap.window_s)
    assert abs(changed.mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / len(CELLS))


@given(st.permutations(range(12)), st.floats(0, 1e9), st.integers(0, 2**64 - 1))
def test_reads_repeat_whatever_their_order(order, now, seed):
    retention = Retention(seed, DRIFT, RELAXATION, RTN)
    cell, count, G = np.arange(12), np.arange(12) * 3, np.linspace(1e-6, 1e-4, 12)
    age = np.linspace(0.0, 1e5, 12)
    seen = retention.visible(G, cell, count, age, now)
    again = retention.visible(G[order], cell[order], count[order], age[order], now)
    np.testing.assert_array_equal(again, seen[order])
    np.testing.assert_array_equal(retention.visible(G, cell, count, age, now), seen)


def test_effects_multiply():
    cell, count, age, G = CELLS[:100], CELLS[:100] % 7, np.full(100, 3e4), np.full(100, 2e-5)
    seen = Retention(5, DRIFT, RELAXATION, RTN).visible(G, cell, count, age, 11.0)
    expected = G * DRIFT.factor(5, cell, age) * RELAXATION.factor(5, cell, count, age) * RTN.factor(5, cell, 11.0)
    np.testing.assert_allclose(seen, expected, rtol=1e-14)
    assert not np.allclose(seen, G, rtol=1e-3)


def test_effects_draw_independently_of_each_other():
    drift, relaxed = DRIFT.exponents(5, CELLS), RELAXATION.factor(5, CELLS, 0, 100.0)
    assert abs(np.corrcoef(drift, relaxed)[0, 1]) < 4 / np.sqrt(len(CELLS))


def test_without_effects_the_programmed_conductance_is_seen_and_left_alone():
    G = np.array([1e-6, 0.0])
    seen = Retention(0).visible(G, [0, 1], [0, 0], [1.0, 2.0], 5.0)
    np.testing.assert_array_equal(seen, G)
    assert seen is not G


def test_conductances_stay_positive_under_violent_relaxation():
    wild = Relaxation(sigma=3.0, bias=0.0, t0_s=1e-3, decades=9.0)
    seen = Retention(1, relaxation=wild).visible(
        np.full(1000, 1e-5), np.arange(1000), np.zeros(1000, dtype=int), np.full(1000, 1e6), 1e6
    )
    assert (seen > 0.0).all()


@pytest.mark.parametrize(
    ("kind", "values", "name"),
    [
        (PowerLawDrift, (np.nan, 0.0, 1.0), "exponent_mean"),
        (PowerLawDrift, (0.05, -0.1, 1.0), "exponent_sigma"),
        (PowerLawDrift, (0.05, 0.0, 0.0), "t0_s"),
        (Relaxation, (-0.1, 0.0, 1.0, 1.0), "sigma"),
        (Relaxation, (0.1, np.inf, 1.0, 1.0), "bias"),
        (Relaxation, (0.1, 0.0, 1.0, 0.0), "decades"),
        (Rtn, (1.0, 0.5, 1.0, 1.0), "amplitude"),
        (Rtn, (0.1, 1.1, 1.0, 1.0), "fraction"),
        (Rtn, (0.1, 0.5, 0.0, 1.0), "tau_high_s"),
        (Rtn, (0.1, 0.5, 1.0, np.nan), "tau_low_s"),
        (Retention, (-1,), "seed"),
    ],
)
def test_impossible_parameters_are_refused(kind, values, name):
    with pytest.raises(DeviceError, match=name):
        kind(*values)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"G": [-1e-6]}, "G"),
        ({"G": [np.nan]}, "G"),
        ({"age_s": [-1.0]}, "age_s"),
        ({"age_s": [1.0, 2.0]}, "shapes"),
        ({"cell": [0.5]}, "cell"),
        ({"count": [-1]}, "index"),
        ({"now_s": -1.0}, "now_s"),
        ({"now_s": 1e30}, "now_s"),
    ],
)
def test_impossible_reads_are_refused(change, name):
    read = {"G": [1e-6], "cell": [0], "count": [0], "age_s": [1.0], "now_s": 1.0} | change
    with pytest.raises(DeviceError, match=name):
        Retention(1, DRIFT, RELAXATION, RTN).visible(**read)
