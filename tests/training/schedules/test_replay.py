"""Replayed outer products are the momentum matrix, but for what is older than they reach."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwctl.errors import BadInput
from hwctl.training.optimizers import Momentum
from hwctl.training.schedules.replay import Replay


@given(b=st.floats(0.0, 0.95), depth=st.integers(1, 6), sizes=st.lists(st.integers(1, 3), min_size=1, max_size=8))
def test_the_sum_of_replayed_events_is_the_momentum_that_reaches_back_so_far(b, depth, sizes):
    rng = np.random.default_rng(0)
    replay = Replay([(4, 3)], b, depth)
    events = [(rng.normal(size=(n, 4)), rng.normal(size=(n, 3))) for n in sizes]
    for n, (x, d) in enumerate(events):
        sent_x, sent_d = replay.with_past(0, x, d, rng)
        wanted = sum(
            b**age * events[n - age][0].T @ events[n - age][1] for age in range(min(depth, n + 1)) if b > 0 or age == 0
        )
        np.testing.assert_allclose(sent_x.T @ sent_d, wanted, atol=1e-12)


def test_a_deep_replay_is_the_optimizer():
    rng, b = np.random.default_rng(1), 0.8
    replay, optimizer = Replay([(5, 2)], b, 100), Momentum([(5, 2)], 0.1, momentum=b)
    for _ in range(20):
        x, d = rng.normal(size=(3, 5)), rng.normal(size=(3, 2))
        sent_x, sent_d = replay.with_past(0, x, d, rng)
        (change,) = optimizer.step([x.T @ d], 0.0)
        np.testing.assert_allclose(-0.1 * sent_x.T @ sent_d, change, atol=1e-12)


@pytest.mark.parametrize("draws", [1, 3])
def test_drawn_events_are_the_same_sum_on_average(draws):
    rng, b, depth = np.random.default_rng(3), 0.7, 4
    events = [(rng.normal(size=(2, 4)), rng.normal(size=(2, 3))) for _ in range(6)]
    every, total = Replay([(4, 3)], b, depth), np.zeros((4, 3))
    for x, d in events:
        whole_x, whole_d = every.with_past(0, x, d, rng)
    tries = 4000
    for _ in range(tries):
        some = Replay([(4, 3)], b, depth, draws)
        for x, d in events:
            sent_x, sent_d = some.with_past(0, x, d, rng)
        assert len(sent_x) <= 2 * draws
        total += sent_x.T @ sent_d
    np.testing.assert_allclose(total / tries, whole_x.T @ whole_d, atol=0.25)


def test_what_is_kept_comes_back():
    rng = np.random.default_rng(2)
    one, other = (Replay([(3, 2), (2, 2)], 0.9, 3) for _ in range(2))
    for layer, rows in ((0, 3), (1, 2), (0, 3)):
        one.with_past(layer, rng.normal(size=(2, rows)), rng.normal(size=(2, 2)), rng)
    other.restore(one.state())
    x, d = rng.normal(size=(1, 3)), rng.normal(size=(1, 2))
    for mine, its in zip(one.with_past(0, x, d, rng), other.with_past(0, x, d, rng), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_a_replay_of_nothing_is_refused():
    with pytest.raises(BadInput, match="give 1 or more"):
        Replay([(1, 1)], 0.9, 0)
