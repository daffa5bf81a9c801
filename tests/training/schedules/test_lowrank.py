"""A sum of low rank is sent as few events; what they lack stays due, and nothing is lost."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwctl.devices import presets
from hwctl.devices.tabulated import Spread, tabulate
from hwctl.training import schedules
from hwctl.training.config import TrainConfig
from hwctl.training.schedules.events import encoded, send
from hwctl.training.schedules.lowrank import expected, factors

ROWS, OUTPUTS = 8, 5


def schedule_of(lab, rank=1, hold=1, device="linear", policy="bidirectional", seed=0):
    mover = lab.mover(device, policy=policy, rows=ROWS, outputs=OUTPUTS)
    return schedules.get("low-rank")([mover], TrainConfig(rank=rank, hold=hold), np.random.default_rng(seed))


def in_quanta(schedule, numbers):
    """Return a weight change of so many pulse quanta."""
    layer = schedule.movers[0].layer
    return np.asarray(numbers) * (layer.model.quantum / layer.k)


@given(rank=st.integers(1, 5), seed=st.integers(0, 1000))
def test_iterated_factors_find_the_best_matrix_of_their_rank(rank, seed):
    rng = np.random.default_rng(seed)
    u, _ = np.linalg.qr(rng.normal(size=(ROWS, OUTPUTS)))
    v, _ = np.linalg.qr(rng.normal(size=(OUTPUTS, OUTPUTS)))
    sizes = 4.0 ** -np.arange(OUTPUTS)
    matrix, q = (u * sizes) @ v.T, rng.normal(size=(OUTPUTS, rank))
    for _ in range(40):
        p, q = factors(matrix, q)
    best = (u[:, :rank] * sizes[:rank]) @ v[:, :rank].T
    np.testing.assert_allclose(p @ q.T, best, atol=1e-6)
    np.testing.assert_allclose(p.T @ p, np.eye(rank), atol=1e-12)


def quiet(name):
    """Return a preset whose cells are all alike, without any noise."""
    exact = tabulate(presets.get(name), name)
    tables = tuple(replace(table, sigma=np.zeros_like(table.sigma)) for table in exact.tables)
    return replace(exact, tables=tables, spread=Spread(), write_sigma=0.0, read_sigma=0.0)


@pytest.mark.parametrize("policy", ["bidirectional", "fixed-reference"])
def test_what_is_expected_of_events_is_what_they_do_on_average_wherever_cells_stand(lab, policy):
    mover = lab.mover(quiet("ecram"), policy=policy, rows=ROWS, outputs=OUTPUTS)
    layer, rng = mover.layer, np.random.default_rng(0)
    layer.pulse(lab.everywhere(layer), rng.choice([-380, 380], ROWS * 2 * OUTPUTS), np.zeros(ROWS * 2 * OUTPUTS, int))
    start, counted, total, pulses = lab.true_weights(layer), lab.counted(layer).sum(), 0.0, 0.0
    x, d = rng.normal(size=(2, ROWS)), rng.normal(size=(2, OUTPUTS))
    for _ in range(200):
        events = encoded(mover, x, d, 0.5 * layer.model.quantum / layer.k)
        each, change = expected(mover, events)
        send(mover, events, counted=True)
        pulses, total = pulses + each.sum(), total + change / layer.k
    done, asked = lab.true_weights(layer) - start, 100 * x.T @ d * layer.model.quantum / layer.k
    assert np.abs(start).max() > 0.5
    assert pulses == pytest.approx(lab.counted(layer).sum() - counted, rel=0.03)
    assert np.abs(total - done).mean() < 0.12 * np.abs(done).mean()
    assert np.abs(asked - done).mean() > 1.5 * np.abs(total - done).mean()  # steps of mid-range would say that


def test_what_steps_lack_is_due(lab):
    mover = lab.mover(quiet("ecram"), rows=ROWS, outputs=OUTPUTS)
    schedule = schedules.get("low-rank")([mover], TrainConfig(rank=1, hold=1), np.random.default_rng(0))
    layer = mover.layer
    layer.pulse(lab.everywhere(layer), np.tile([250, -250], ROWS * OUTPUTS), np.zeros(ROWS * 2 * OUTPUTS, int))
    before = lab.true_weights(layer)
    wish = in_quanta(schedule, np.full((ROWS, OUTPUTS), 4.0))
    for _ in range(20):
        schedule.apply([wish])
    moved = lab.true_weights(layer) - before
    # Steps are two thirds of mid-range's there.
    assert moved.mean() == pytest.approx(20 * wish.mean(), rel=0.03)


def test_a_wish_that_nothing_can_be_done_about_is_dropped(lab):
    mover = lab.mover("linear", rows=ROWS, outputs=OUTPUTS)
    mover.frozen[2, 4:6] = True
    schedule = schedules.get("low-rank")([mover], TrainConfig(rank=1, hold=1), np.random.default_rng(0))
    for _ in range(20):
        schedule.apply([in_quanta(schedule, np.full((ROWS, OUTPUTS), 2.0))])
    assert schedule.remainders[0][2, 2] == 0.0
    assert np.abs(schedule.remainders[0]).max() < 4 * mover.layer.model.quantum


def test_a_change_of_rank_one_arrives_whole(lab):
    schedule = schedule_of(lab)
    layer, rng = schedule.movers[0].layer, np.random.default_rng(1)
    before = lab.true_weights(layer)
    wish = in_quanta(schedule, np.outer(rng.choice([-1.0, 1.0], ROWS), rng.choice([-1.0, 1.0], OUTPUTS)) * 0.5)
    for _ in range(60):
        schedule.apply([wish])
    moved = lab.true_weights(layer) - before
    # Of codes rounded at random, what is left over is due: a few pulses.
    assert np.abs(schedule.remainders[0]).max() < 8 * layer.model.quantum
    np.testing.assert_allclose(moved, 60 * wish, rtol=0.6)
    assert moved.sum() == pytest.approx((60 * wish).sum(), abs=0.1 * np.abs(60 * wish).sum())


def test_what_an_event_lacks_is_sent_later(lab):
    schedule = schedule_of(lab)
    layer = schedule.movers[0].layer
    wish = in_quanta(schedule, np.eye(ROWS, OUTPUTS) * 12.0)  # of rank 5: five events at least
    schedule.apply([wish])
    assert np.abs(schedule.remainders[0]).max() > 6 * layer.model.quantum
    for _ in range(20):
        schedule.apply([0 * wish])
    assert np.abs(schedule.remainders[0]).max() < 3 * layer.model.quantum


def test_nothing_is_sent_before_its_time(lab):
    schedule = schedule_of(lab, hold=3)
    layer = schedule.movers[0].layer
    for _ in range(2):
        schedule.apply([in_quanta(schedule, np.full((ROWS, OUTPUTS), 5.0))])
    assert not lab.counted(layer).any()
    schedule.apply([in_quanta(schedule, np.full((ROWS, OUTPUTS), 5.0))])
    assert lab.counted(layer).any()


def test_its_state_is_all_it_needs(lab):
    def run(schedule, first, last):
        rng = np.random.default_rng(5)
        wishes = [in_quanta(schedule, rng.normal(size=(ROWS, OUTPUTS))) for _ in range(10)]
        for wish in wishes[first:last]:
            schedule.apply([wish])

    whole, cut = schedule_of(lab, rank=2, hold=3), schedule_of(lab, rank=2, hold=3)
    run(whole, 0, 10)
    run(cut, 0, 4)
    again = schedule_of(lab, rank=2, hold=3, seed=9)
    again.movers = cut.movers  # the same array
    again.remainders = cut.remainders
    again.restore(cut.state())
    run(again, 4, 10)
    np.testing.assert_array_equal(again.remainders[0], whole.remainders[0])
    np.testing.assert_array_equal(lab.true_matrix(again.movers[0].layer), lab.true_matrix(whole.movers[0].layer))
