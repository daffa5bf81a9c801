"""Times to a target with censored runs, and intervals of paired runs that hold the truth as often as they say."""

import math

import numpy as np
import pytest

from hwctl.sweeps import statistics
from hwctl.sweeps.statistics import mean_difference, median_of, ratio_of_medians, time_to


def test_the_time_to_a_target_is_interpolated_between_epochs():
    assert time_to([3.0, 2.0, 1.0], 1.5) == 2.5
    assert time_to([3.0, 2.0, 1.0], 2.0) == 2.0
    assert time_to([3.0, 2.0], 5.0) == 1.0
    assert time_to([3.0, 2.0, 1.0], 1.5, times=[10, 30, 70]) == 50.0
    assert math.isinf(time_to([3.0, 2.0], 1.0))


def test_runs_that_never_reach_the_target_count_as_the_longest():
    assert median_of(np.array([1.0, np.inf, 3.0])) == 3.0
    assert math.isinf(median_of(np.array([1.0, np.inf, np.inf])))
    assert median_of(np.array([1.0, 2.0, 3.0, np.inf])) == 2.5


def test_intervals_of_paired_runs_hold_the_truth_as_often_as_they_say(monkeypatch):
    monkeypatch.setattr(statistics, "DRAWS", 400)
    rng = np.random.default_rng(0)
    held = np.zeros(2)
    for _ in range(200):
        common = rng.normal(0.0, 5.0, 20)
        one, other = common + rng.normal(1.0, 1.0, 20), common + rng.normal(0.0, 1.0, 20)
        found = mean_difference(one, other, rng)
        held[0] += found.low < 1.0 < found.high
        slow, fast = np.exp(rng.normal(np.log(3.0), 0.3, 21)), np.exp(rng.normal(np.log(2.0), 0.3, 21))
        ratio = ratio_of_medians(slow, fast, rng)
        held[1] += ratio.low < 1.5 < ratio.high
    assert (held / 200 > 0.88).all()


def test_a_ratio_with_censored_runs_is_infinite_or_zero():
    rng, never = np.random.default_rng(0), np.full(5, np.inf)
    assert math.isinf(ratio_of_medians(never, np.ones(5), rng).value)
    assert ratio_of_medians(np.ones(5), never, rng).value == pytest.approx(0.0)
