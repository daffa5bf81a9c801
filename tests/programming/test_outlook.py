"""What a distance still costs: nothing within the band, more with distance and spread, less with cheap pulses."""

from functools import cache

import numpy as np
import pytest

from hwctl.devices import presets
from hwctl.devices.steps import StepModel
from hwctl.programming.outlook import Outlook

US = 1e-6


@cache
def outlook(device="neurram", pulse_cost=0.2, band=0.8 * US):
    return Outlook.of(StepModel.of(presets.get(device)), band, 0.1 * US, pulse_cost)


def cost(costs, target, above, spread=0.0):
    """Return what it still costs to be `above` a target in uS, give or take a spread."""
    return costs(costs.near(np.array(target * US)), np.array(above) * US, np.array(spread) * US)


def test_a_certain_arrival_costs_nothing_and_a_certain_miss_a_reading_and_a_pulse_at_least():
    costs = cost(outlook(), 20.0, [0.0, 0.4, -0.4, 3.0, -3.0])
    assert (costs[:3] == 0.0).all()
    assert (costs[3:] >= 1.2).all()


@pytest.mark.parametrize("side", [-1, 1])
def test_the_cost_grows_with_distance_and_near_the_target_with_spread(side):
    by_distance = cost(outlook(), 20.0, side * np.array([0.0, 1.5, 4.0, 12.0]), 0.1)
    by_spread = cost(outlook(), 20.0, 0.0, [0.1, 0.5, 1.0, 4.0, 10.0])
    assert (np.diff(by_distance) > 0).all()
    assert (np.diff(by_spread) > 0).all()


def test_long_ways_in_small_steps_cost_their_pulses():
    costs, model = outlook("linear", pulse_cost=0.1), StepModel.of(presets.get("linear"))
    pulses = 20 * US / model.quantum
    assert cost(costs, 50.0, -20.0) == pytest.approx(1 + 0.1 * pulses, rel=0.1)


def test_it_costs_more_where_steps_shrink_towards_the_bound():
    costs = outlook("tiox-passive")
    assert cost(costs, 49.0, -10.0) > 2 * cost(costs, 25.0, -10.0)


def test_on_a_one_way_device_too_high_is_dearer_than_too_low():
    costs = outlook("pcm")
    low, high = cost(costs, 20.0, -2.0), cost(costs, 20.0, 2.0)
    assert high > low + 2.0
    assert high == pytest.approx(cost(costs, 20.0, 15.0), rel=0.05)  # from anywhere above, it starts at the bottom
