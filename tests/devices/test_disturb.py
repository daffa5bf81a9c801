import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hwctl.devices.disturb import Disturb
from hwctl.errors import DeviceError

counts_arrays = arrays(np.int64, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.integers(-50, 50))
shares = st.floats(0, 0.99)


def one_by_one(counts, scheme):
    """Count half-selects pulse by pulse, as the bias voltages say."""
    events = np.zeros_like(counts)
    for (i, j), pulses in np.ndenumerate(counts):
        for (k, m), _ in np.ndenumerate(counts):
            if (k, m) == (i, j):
                continue
            idle_row, idle_col = (0.5, 0.5) if scheme == "v/2" else (1 / 3, 2 / 3)
            volts = (1.0 if k == i else idle_row) - (0.0 if m == j else idle_col)
            events[k, m] += int(np.sign(volts)) * pulses
    return events


@given(counts_arrays, st.sampled_from(["v/2", "v/3"]))
def test_events_equal_the_signs_of_the_bias_voltages(counts, scheme):
    np.testing.assert_array_equal(Disturb(0.1, 0.0, scheme).half_select_events(counts), one_by_one(counts, scheme))


def test_half_bias_reaches_the_row_and_the_column_of_the_pulsed_cell_only():
    counts = np.zeros((3, 4), dtype=np.int8)
    counts[1, 2] = 5
    np.testing.assert_array_equal(
        Disturb(0.1, 0.0).half_select_events(counts), [[0, 0, 5, 0], [5, 5, 0, 5], [0, 0, 5, 0]]
    )


def test_third_bias_reaches_all_others_and_those_on_no_shared_line_in_reverse():
    counts = np.zeros((3, 3), dtype=np.int8)
    counts[0, 0] = -2
    np.testing.assert_array_equal(
        Disturb(0.1, 0.0, "v/3").half_select_events(counts), [[0, -2, -2], [-2, 2, 2], [-2, 2, 2]]
    )


def test_counts_of_bytes_do_not_overflow():
    counts = np.full((40, 40), 127, dtype=np.int8)
    assert (Disturb(0.1, 0.0).half_select_events(counts) == 78 * 127).all()


def test_one_event_moves_its_share_of_the_way_that_is_left():
    disturb = Disturb(half_select=0.1, read=0.0)
    assert disturb.shift(0.2, 1) == pytest.approx(0.08, rel=1e-12)
    assert disturb.shift(0.2, -1) == pytest.approx(-0.02, rel=1e-12)
    assert disturb.shift(0.2, 0) == 0.0


def test_reads_move_towards_the_bound_that_their_sign_names():
    assert Disturb(0.0, 0.01).shift(0.5, 0, 1) == pytest.approx(0.005, rel=1e-12)
    assert Disturb(0.0, -0.01).shift(0.5, 0, 1) == pytest.approx(-0.005, rel=1e-12)


def test_reads_act_after_half_selects():
    assert Disturb(0.5, -0.5).shift(0.0, 1, 1) == pytest.approx(0.25, rel=1e-12)


@given(st.floats(0, 1), shares, st.integers(-200, 200), st.floats(-0.99, 0.99), st.integers(0, 200))
def test_position_stays_in_its_range_and_events_move_it_their_way(position, share, events, read, reads):
    disturb = Disturb(share, read)
    assert 0.0 <= position + disturb.shift(position, events, reads) <= 1.0
    assert disturb.shift(position, events) * np.sign(events) >= 0.0


@given(st.floats(0, 1), shares, st.integers(0, 60), st.integers(0, 60), st.sampled_from([-1, 1]))
def test_many_events_at_once_equal_the_same_events_in_two_parts(position, share, first, second, sign):
    disturb = Disturb(share, 0.0)
    middle = position + disturb.shift(position, sign * first)
    parts = middle + disturb.shift(np.clip(middle, 0.0, 1.0), sign * second)
    assert parts == pytest.approx(position + disturb.shift(position, sign * (first + second)), abs=1e-12)


def test_tiny_shares_keep_their_digits():
    assert Disturb(1e-14, 0.0).shift(0.0, 3) == pytest.approx(3e-14, rel=1e-9)


def test_shift_works_on_whole_arrays():
    counts = np.array([[4, 0], [0, -3]])
    disturb = Disturb(0.01, 0.0)
    shift = disturb.shift(np.full((2, 2), 0.5), disturb.half_select_events(counts))
    assert shift.shape == (2, 2)
    np.testing.assert_allclose(shift, [[0, 0.5 * 0.01], [0.5 * 0.01, 0]], rtol=1e-12)


@pytest.mark.parametrize(
    ("half_select", "read", "scheme", "name"),
    [
        (-0.1, 0, "v/2", "half_select"),
        (1.0, 0, "v/2", "half_select"),
        (np.nan, 0, "v/2", "half_select"),
        (0, 1.0, "v/2", "read"),
        (0, np.nan, "v/2", "read"),
        (0, 0, "v/4", "scheme"),
    ],
)
def test_impossible_parameters_are_refused(half_select, read, scheme, name):
    with pytest.raises(DeviceError, match=f"^{name} is"):
        Disturb(half_select, read, scheme)


@pytest.mark.parametrize(("position", "events", "reads"), [(1.01, 0, 0), (np.nan, 0, 0), (0.5, 0.5, 0), (0.5, 0, -1)])
def test_impossible_shifts_are_refused(position, events, reads):
    with pytest.raises(DeviceError, match="give"):
        Disturb(0.1, 0.1).shift(position, events, reads)


@pytest.mark.parametrize("counts", [[1, 2], [[0.5, 1.0]]])
def test_counts_that_are_no_pulse_counts_are_refused(counts):
    with pytest.raises(DeviceError, match="counts"):
        Disturb(0.1, 0.1).half_select_events(counts)
