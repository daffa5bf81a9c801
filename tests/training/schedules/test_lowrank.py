"""A sum of low rank is sent as few events; what they lack stays due, and nothing is lost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwctl.training import schedules
from hwctl.training.config import TrainConfig
from hwctl.training.schedules.events import send
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


@pytest.mark.parametrize("policy", ["bidirectional", "fixed-reference"])
def test_what_is_expected_of_events_is_what_they_send_on_average(lab, policy):
    mover = lab.mover("linear", policy=policy, rows=ROWS, outputs=OUTPUTS)
    rng = np.random.default_rng(0)
    x, d = rng.normal(size=(2, ROWS)), rng.normal(size=(2, OUTPUTS))
    total, counted = np.zeros((ROWS, OUTPUTS)), lab.true_weights(mover.layer)
    for n in range(200):
        sign = 1.0 if n % 2 else -1.0  # there and back, so that no cell meets its bound
        before = lab.true_weights(mover.layer)
        total += sign * expected(send(mover, x, d, sign * 4 * mover.layer.model.quantum / mover.layer.k))
        counted += sign * (lab.true_weights(mover.layer) - before)
    found = (counted - lab.true_weights(mover.layer)) * mover.layer.k / mover.layer.model.quantum
    wanted = 200 * 4 * x.T @ d
    np.testing.assert_allclose(total, wanted, rtol=0.05, atol=30)
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.99


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
