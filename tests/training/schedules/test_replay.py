"""Replayed outer products are the momentum matrix, but for what is older than they reach."""

import numpy as np
import pytest
from hypothesis import given, settings
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


@pytest.mark.parametrize("draws", [0.25, 1, 3])
@pytest.mark.parametrize("b", [0.0, 0.7])
def test_drawn_events_are_the_same_sum_on_average(draws, b):
    rng, depth = np.random.default_rng(3), 4
    events = [(rng.normal(size=(2, 4)), rng.normal(size=(2, 3))) for _ in range(6)]
    events[5] = events[5][0], events[5][1] * np.array([[1.0], [0.1]])  # one of them is small
    every, total, sent = Replay([(4, 3)], b, depth), np.zeros((4, 3)), []
    for x, d in events:
        whole_x, whole_d = every.with_past(0, x, d, rng)
    tries = 3000
    for _ in range(tries):
        some = Replay([(4, 3)], b, depth, draws)
        for x, d in events:
            sent_x, sent_d = some.with_past(0, x, d, rng)
        sent.append(len(sent_x))
        total += sent_x.T @ sent_d
    np.testing.assert_allclose(total / tries, whole_x.T @ whole_d, atol=0.4 / min(np.sqrt(draws), 1.0))
    assert np.mean(sent) < 1.3 * draws


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1000), draws=st.sampled_from([0.1, 0.5, 1.0]))
def test_no_more_events_are_sent_than_wanted_however_large_they_are(seed, draws):
    rng = np.random.default_rng(seed)
    replay, scale = Replay([(4, 3)], 0.9, 16, draws), 10.0 ** rng.uniform(-6, 3)
    sent = [
        len(replay.with_past(0, scale * rng.normal(size=(1, 4)), rng.normal(size=(1, 3)), rng)[0]) for _ in range(600)
    ]
    assert 0.5 * draws - 5 * np.sqrt(draws / 600) < np.mean(sent) < draws + 5 * np.sqrt(draws / 600)


def test_a_large_event_is_sent_once_and_late():
    rng, depth, b = np.random.default_rng(5), 16, 0.9
    replay = Replay([(2, 2)], b, depth, 0.5)
    for _ in range(50):
        replay.with_past(0, np.full((1, 2), 0.01), np.full((1, 2), 0.01), rng)
    sent, late = 0, []
    for _ in range(300):
        x, d = np.full((1, 2), 1.0), np.full((1, 2), 1.0)
        for update in range(depth + 1):
            sent_x, sent_d = replay.with_past(0, x, d, rng)
            large = np.abs(sent_x[:, 0]) == 1.0
            sent += large.sum()
            late += [update] * int(large.sum())
            np.testing.assert_allclose(sent_d[large], (1 - b**depth) / (1 - b))
            x, d = np.full((1, 2), 1e-9), np.full((1, 2), 1e-9)
    assert sent == 300
    weights = b ** np.arange(depth)
    assert np.mean(late) == pytest.approx(np.average(np.arange(depth), weights=weights), rel=0.15)


def test_of_events_without_any_size_none_is_drawn():
    rng = np.random.default_rng(0)
    x, d = Replay([(4, 3)], 0.9, 3, 2.0).with_past(0, np.zeros((2, 4)), np.ones((2, 3)), rng)
    assert (x.shape, d.shape) == ((0, 4), (0, 3))


@pytest.mark.parametrize("draws", [0.0, 1.5])
def test_what_is_kept_comes_back(draws):
    rng = np.random.default_rng(2)
    one, other = (Replay([(3, 2), (2, 2)], 0.9, 3, draws) for _ in range(2))
    for layer, rows in ((0, 3), (1, 2), (0, 3)):
        one.with_past(layer, rng.normal(size=(2, rows)), rng.normal(size=(2, 2)), rng)
    other.restore(one.state())
    x, d = rng.normal(size=(1, 3)), rng.normal(size=(1, 2))
    same = (np.random.default_rng(8) for _ in range(2))
    for mine, its in zip(one.with_past(0, x, d, next(same)), other.with_past(0, x, d, next(same)), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_a_replay_of_nothing_is_refused():
    for depth, draws in ((0, 0.0), (1, -0.5), (1, np.inf), (1, np.nan)):
        with pytest.raises(BadInput, match="give 1 or more"):
            Replay([(1, 1)], 0.9, depth, draws)
