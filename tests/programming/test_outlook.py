"""What a distance still costs: nothing within the band, more with distance and spread, less with cheap pulses."""

import numpy as np
import pytest

from hwctl.programming.outlook import Outlook

US = 1e-6


def outlook(relative=0.5, pulse_cost=0.2, largest=10 * US):
    return Outlook.of(0.8 * US, 39 * US, largest, relative, 0.1 * US, pulse_cost)


def test_a_certain_arrival_costs_nothing_and_a_certain_miss_a_reading_and_a_pulse_at_least():
    costs = outlook()(np.array([0.0, 0.4, 3.0]) * US, np.zeros(3))
    assert costs[0] == costs[1] == 0.0
    assert costs[2] >= 1.2


def test_the_cost_grows_with_distance_and_near_the_target_with_spread():
    costs = outlook()
    by_distance = costs(np.array([0.0, 1.5, 4.0, 12.0, 30.0]) * US, np.full(5, 0.1 * US))
    by_spread = costs(np.zeros(5), np.array([0.1, 0.5, 1.0, 4.0, 10.0]) * US)
    assert (np.diff(by_distance) > 0).all()
    assert (np.diff(by_spread) > 0).all()
    assert costs(np.array(-4 * US), np.array(US)) == costs(np.array(4 * US), np.array(US))


def test_a_quiet_device_is_one_move_away_and_a_noisy_one_several():
    far = np.array(15 * US), np.array(0.0)
    quiet, noisy = outlook(relative=0.0, largest=39 * US)(*far), outlook(relative=0.8)(*far)
    assert quiet == pytest.approx(1.2, abs=0.05)
    assert noisy > 2.0


def test_long_ways_in_small_steps_cost_their_pulses():
    costs = outlook(relative=0.0, pulse_cost=0.1, largest=0.1 * US)
    assert costs(np.array(20 * US), np.array(0.0)) == pytest.approx(1 + 0.1 * 200, rel=0.1)
