"""Schedules carry out wishes in whole pulses: when they are due, without bias, and in the right direction."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hwctl.errors import BadInput
from hwctl.training import schedules
from hwctl.training.config import TrainConfig
from hwctl.training.schedules import SCHEDULES

ROWS, OUTPUTS = 6, 4
THRESHOLD = 10.0


def schedule_of(lab, name, device="linear", policy="fixed-reference", seed=0, **options):
    """Return a schedule on one layer. With a fixed reference one quantum is one pulse of one linear cell."""
    mover = lab.mover(device, policy=policy, rows=ROWS, outputs=OUTPUTS, **options)
    return schedules.get(name)(
        [mover], TrainConfig(optimizer="sgd", fire_threshold=THRESHOLD), np.random.default_rng(seed)
    )


def layer_of(schedule):
    return schedule.movers[0].layer


def quanta(schedule, numbers):
    """Return the weight change of a number of pulse quanta."""
    layer = layer_of(schedule)
    return np.broadcast_to(numbers, (ROWS, OUTPUTS)) * (layer.model.quantum / layer.k)


def held(lab, schedule):
    """Return the weights in quanta."""
    layer = layer_of(schedule)
    return lab.true_weights(layer) * layer.k / layer.model.quantum


# -- accumulate ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["linear", "reram-es", "tiox-passive", "neurram", "hfox-1t1r"])
def test_accumulate_by_default_moves_a_weight_by_ten_pulses_or_a_tenth_of_the_range(lab, device):
    mover = lab.mover(device, rows=ROWS, outputs=OUTPUTS)
    model = mover.layer.model
    default, given = (
        schedules.get("accumulate")([mover], TrainConfig(fire_threshold=number), np.random.default_rng(0))
        for number in (None, 2.5)
    )
    assert given.threshold(model) == 2.5 * model.quantum
    tenth = 0.1 * (model.g_max - model.g_min)
    expected = {"linear": 10 * model.quantum, "reram-es": 10 * model.quantum, "hfox-1t1r": model.quantum}
    assert default.threshold(model) == pytest.approx(expected.get(device, tenth))
    assert default.threshold(model) <= max(tenth, model.quantum)


def test_accumulate_touches_nothing_before_the_threshold_is_due(lab):
    schedule = schedule_of(lab, "accumulate")
    for _ in range(9):
        schedule.apply([quanta(schedule, np.where(np.arange(OUTPUTS) == 1, 1.05, 1.0))])
    assert not lab.counted(layer_of(schedule)).any()
    schedule.apply([quanta(schedule, [0.5, 0.6, -9.0, 0.99])])
    counted = lab.counted(layer_of(schedule))
    np.testing.assert_array_equal(counted[:, 2], 10)
    assert counted.sum() == 10 * ROWS
    np.testing.assert_allclose(
        schedule.remainders[0], quanta(schedule, [9.5, 0.05, 0.0, 9.99]) * layer_of(schedule).k, atol=1e-12
    )


@settings(max_examples=25, deadline=None)
@given(st.lists(arrays(np.float64, (ROWS, OUTPUTS), elements=st.floats(-12, 12)), min_size=1, max_size=12))
def test_accumulate_fires_what_is_due_alone_and_keeps_the_remainder(lab, wishes):
    schedule = schedule_of(lab, "accumulate")
    layer = layer_of(schedule)
    start, total = held(lab, schedule), np.zeros((ROWS, OUTPUTS))
    for wish in wishes:
        due = np.abs(schedule.remainders[0] / layer.model.quantum + wish)
        counted = lab.counted(layer)
        schedule.apply([quanta(schedule, wish)])
        pulsed = (lab.counted(layer) - counted)[:, 0::2] > 0
        assert (due[pulsed] > THRESHOLD - 1e-9).all()
        assert (due[~pulsed] < THRESHOLD + 1e-9).all()
        total += wish
        left = schedule.remainders[0] / layer.model.quantum
        assert (np.abs(left) < THRESHOLD + 1e-9).all()
        np.testing.assert_allclose(held(lab, schedule) - start + left, total, atol=0.3)


def test_accumulate_drops_what_a_cell_at_its_bound_cannot_do(lab):
    def at_top(cells):
        cells["state"] = 0xFFFF

    schedule = schedule_of(lab, "accumulate", "tiox-passive", change=at_top)
    layer_of(schedule).tracker.mean[...] = layer_of(schedule).model.g_max
    schedule.apply([quanta(schedule, 50.0)])
    np.testing.assert_array_equal(schedule.remainders[0], 0.0)
    schedule.apply([quanta(schedule, -50.0)])
    assert (lab.counted(layer_of(schedule))[:, 0::2] > 0).all()


# -- cell ----------------------------------------------------------------------------------------------------------


def test_cell_carries_out_whole_quanta_at_once_and_exactly(lab):
    schedule = schedule_of(lab, "cell")
    wish = np.arange(ROWS * OUTPUTS).reshape(ROWS, OUTPUTS) - 12
    start = held(lab, schedule)
    schedule.apply([quanta(schedule, wish + 1e-9)])
    np.testing.assert_array_equal(lab.counted(layer_of(schedule))[:, 0::2], np.abs(wish))
    np.testing.assert_allclose(held(lab, schedule) - start, wish, atol=0.2)
    assert not schedule.remainders[0].any()


@pytest.mark.parametrize("wish", [0.3, -0.3, 0.05, -1.6, 2.5])
def test_cell_rounds_without_bias(lab, wish):
    schedule = schedule_of(lab, "cell")
    start = held(lab, schedule)
    rounds = 60
    for _ in range(rounds):
        schedule.apply([quanta(schedule, wish)])
    moved = (held(lab, schedule) - start) / rounds
    fraction = wish % 1
    deviation = np.sqrt(fraction * (1 - fraction) / (rounds * ROWS * OUTPUTS))
    assert abs(moved.mean() - wish) < 4 * deviation + 0.005
    assert moved.std() > 0


def test_cell_has_no_bias_where_both_cells_share_a_change_and_steps_are_no_quantum(lab):
    # Nothing is read: the host's expectation is what may be biased.
    schedule = schedule_of(lab, "cell", "reram-es-nowrite", "bidirectional", averages=64, reread_share=1e9)
    layer = layer_of(schedule)
    layer.tracker.mean[...] = start = 50e-6
    moved, rounds = 0.0, 60
    for _ in range(rounds):
        schedule.apply([quanta(schedule, 1.0)])
        moved += (layer.weights() * layer.k).mean()
        layer.tracker.mean[...] = start
    assert moved / rounds == pytest.approx(layer.model.quantum, rel=0.05)


def test_the_generator_decides_on_the_roundings(lab):
    first, again, other = (schedule_of(lab, "cell", seed=seed) for seed in (1, 1, 2))
    for schedule in (first, again, other):
        schedule.apply([quanta(schedule, 0.5)])
    np.testing.assert_array_equal(lab.counted(layer_of(first)), lab.counted(layer_of(again)))
    assert (lab.counted(layer_of(first)) != lab.counted(layer_of(other))).any()


# -- sign ----------------------------------------------------------------------------------------------------------


def test_sign_sends_one_pulse_in_the_direction_of_each_change_that_stands_out(lab):
    schedule = schedule_of(lab, "sign")
    wish = np.full((ROWS, OUTPUTS), 0.1)
    wish[0], wish[3, 2], wish[5, 1] = 5.0, -7.0, 1e3
    loud = np.abs(wish) > np.sqrt((wish**2).mean())
    assert 0 < loud.sum() < 3
    wish[5, 1] = 6.0
    loud = np.abs(wish) > np.sqrt((wish**2).mean())
    assert loud.sum() == OUTPUTS + 2
    start = held(lab, schedule)
    schedule.apply([wish])
    np.testing.assert_array_equal(lab.counted(layer_of(schedule))[:, 0::2], loud)
    np.testing.assert_allclose(held(lab, schedule) - start, np.sign(wish) * loud, atol=0.2)


@pytest.mark.parametrize("name", sorted(name for name, kind in SCHEDULES.items() if not kind.takes_events))
def test_no_wish_is_no_pulse(lab, name):
    schedule = schedule_of(lab, name)
    schedule.apply([quanta(schedule, 0.0)])
    assert not lab.counted(layer_of(schedule)).any()


# -- outer ---------------------------------------------------------------------------------------------------------


def events(count, seed=0):
    """Return one pair of vectors `count` times: entries of both signs, none of them small."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.2, 1, ROWS) * rng.choice([-1, 1], ROWS)
    d = rng.uniform(0.2, 1, OUTPUTS) * rng.choice([-1, 1], OUTPUTS)
    return np.tile(x, (count, 1)), np.tile(d, (count, 1))


def rate_for(schedule, pulses):
    """Return the learning rate at which x = d = 1 is a number of quanta."""
    return pulses * layer_of(schedule).model.quantum / layer_of(schedule).k


@pytest.mark.parametrize("policy", ["bidirectional", "fixed-reference", "set-only"])
@pytest.mark.parametrize("pulses", [0.4, 5.0, 70.0])
def test_outer_sends_rate_times_x_times_d_pulses_on_average(lab, policy, pulses):
    schedule = schedule_of(lab, "outer", "pcm" if policy == "set-only" else "linear", policy)
    count = int(12_000 / min(pulses, 32))
    x, d = events(count)
    for part in range(0, count, 500):
        end = part + 500
        schedule.apply_events([x[part:end]], [d[part:end]], rate_for(schedule, pulses))
    counted = lab.counted(layer_of(schedule))
    sent = counted[:, 0::2] + counted[:, 1::2]
    wanted = count * pulses * np.abs(np.outer(x[0], d[0]))
    # The largest code is 127 of 128, which costs 1.6%.
    assert sent.sum() == pytest.approx(wanted.sum(), rel=0.03)
    assert (np.abs(sent - wanted) < 5 * np.sqrt(wanted) + 0.03 * wanted).all()
    if policy == "bidirectional":
        halves = counted[:, 0::2], counted[:, 1::2]
        assert (np.abs(halves[0] - halves[1]) < 5 * np.sqrt(wanted)).all()
    if policy == "fixed-reference":
        assert not counted[:, 1::2].any()


@pytest.mark.parametrize("policy", ["bidirectional", "fixed-reference"])
def test_outer_descends_event_by_event(lab, policy):
    schedule = schedule_of(lab, "outer", policy=policy)
    x, d = events(40)
    x[20:] = np.roll(x[20:], 1, axis=1)
    start = held(lab, schedule)
    schedule.apply_events([x], [d], rate_for(schedule, 4.0))
    wanted = -4.0 * (x.T @ d)
    moved = held(lab, schedule) - start
    assert np.corrcoef(moved.ravel(), wanted.ravel())[0, 1] > 0.98
    assert np.abs(moved - wanted).mean() < 0.15 * np.abs(wanted).mean()


def test_outer_under_set_only_never_resets_and_moves_weights_both_ways(lab):
    schedule = schedule_of(lab, "outer", "pcm", "set-only")
    layer = layer_of(schedule)
    x, d = events(3)
    schedule.apply_events([x], [d], rate_for(schedule, 3.0))
    status = layer.tiles[0].crossbar.status()
    assert status.reset_pulses == 0
    counted = lab.counted(layer)
    down = np.outer(x[0], d[0]) > 0
    assert down.any()
    assert not down.all()
    assert not counted[:, 0::2][down].any()
    assert not counted[:, 1::2][~down].any()
    assert status.set_pulses == counted.sum() > 20


def test_events_without_effect_send_nothing(lab):
    schedule = schedule_of(lab, "outer")
    x, d = events(4)
    schedule.apply_events([x * 0], [d], 1.0)
    schedule.apply_events([x], [d * 0], 1.0)
    assert not lab.counted(layer_of(schedule)).any()
    d[1:] = 0
    schedule.apply_events([x], [d], rate_for(schedule, 20.0))
    assert lab.counted(layer_of(schedule)).max() <= 20


def test_outer_sends_small_events_on_average_too(lab):
    schedule = schedule_of(lab, "outer")
    x, d = np.tile([1, 0.5, 0.2, 0.1, 0.1, 0.1], (4000, 1)), np.tile([1, 0.5, 0.2, 0.1], (4000, 1))
    for _ in range(10):
        schedule.apply_events([x], [d], rate_for(schedule, 1e-3))
    sent = lab.counted(layer_of(schedule))[:, 0::2]
    wanted = 40_000 * 1e-3 * np.outer(x[0], d[0])
    assert sent.sum() > 0.8 * wanted.sum()
    assert sent[2:].sum() > 0.5 * wanted[2:].sum()


def test_outer_takes_no_dense_changes(lab):
    schedule = schedule_of(lab, "outer")
    assert schedule.takes_events
    with pytest.raises(BadInput, match="takes events of rank 1"):
        schedule.apply([quanta(schedule, 1.0)])


def scatter(cells):
    cells["state"] = np.random.default_rng(0).integers(0, 0x10000, cells.shape)


def after_zero_mean_pulses(lab, device, events_sent):
    """Return conductances before and after as many SET as RESET pulses, in random order."""
    mover = lab.mover(device, rows=20, outputs=15, change=scatter)
    schedule = schedules.get("outer")([mover], TrainConfig(optimizer="sgd"), np.random.default_rng(0))
    before, rng = lab.true_matrix(mover.layer), np.random.default_rng(1)
    for _ in range(events_sent // 50):
        signs = rng.choice([-1.0, 1.0], (50, 15))
        schedule.apply_events([np.ones((50, 20))], [signs], 2 * mover.layer.model.quantum / mover.layer.k)
    return before, lab.true_matrix(mover.layer), mover.layer.model


@pytest.mark.parametrize(("device", "count"), [("tiox-passive", 1000), ("reram-es", 4000), ("ecram", 4000)])
def test_zero_mean_pulses_drift_to_the_symmetry_point(lab, device, count):
    before, after, model = after_zero_mean_pulses(lab, device, count)
    span = model.g_max - model.g_min
    assert abs(before.mean() - model.symmetry_point) > 0.1 * span
    assert abs(after.mean() - model.symmetry_point) < 0.02 * span
    high = before > np.median(before)
    assert before[high].mean() - before[~high].mean() > 0.4 * span
    for half in (after[high], after[~high]):
        assert abs(half.mean() - model.symmetry_point) < 0.06 * span


def test_zero_mean_pulses_leave_a_symmetric_device_where_it_is(lab):
    before, after, model = after_zero_mean_pulses(lab, "linear", 1000)
    assert model.symmetry_point is None
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.95
    assert abs(after.mean() - before.mean()) < 0.02 * (model.g_max - model.g_min)


# -- verify --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["neurram", "ecram", "tiox-passive"])
def test_verify_makes_the_changes_that_are_due_within_its_tolerance(lab, device):
    schedule = schedule_of(lab, "verify", device, policy="bidirectional")
    layer, tolerance = layer_of(schedule), schedule._methods[0].tolerance
    before = lab.true_weights(layer)
    wish = np.random.default_rng(1).choice([-4.0, -1.0, 1.0, 4.0], (ROWS, OUTPUTS)) * tolerance / layer.k
    schedule.apply([wish])
    moved = (lab.true_weights(layer) - before) * layer.k
    due = np.abs(wish) * layer.k > 2 * tolerance
    np.testing.assert_array_equal(moved[~due], 0.0)
    # Each cell of a pair is within the tolerance; where the pair was before is known as well as it was read.
    assert (np.abs(moved - wish * layer.k)[due] <= 2.5 * tolerance).mean() > 0.95
    np.testing.assert_allclose(schedule.remainders[0][~due], wish[~due] * layer.k)
    np.testing.assert_array_equal(schedule.movers[0].spent, lab.counted(layer))


def test_verify_needs_no_more_pulses_than_it_is_allowed(lab):
    schedule = schedule_of(lab, "verify", "neurram", pulse_budget=3)
    for sign in (1.0, -1.0, 1.0, -1.0):
        schedule.apply([np.full((ROWS, OUTPUTS), sign * 10e-6 / layer_of(schedule).k)])
    assert lab.counted(layer_of(schedule)).max() <= 3
    assert schedule.movers[0].frozen.any()


def test_an_unknown_schedule_lists_the_known():
    with pytest.raises(
        BadInput, match="no schedule 'tiki'; known: accumulate, cell, low-rank, outer, sign, tiki-taka, verify"
    ):
        schedules.get("tiki")
