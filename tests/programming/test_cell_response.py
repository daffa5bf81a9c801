"""Predictions follow the step curves, and a cell's moves show its own offset or gain, or that it is stuck."""

import numpy as np
import pytest

from hwctl.devices import presets
from hwctl.devices.steps import StepModel
from hwctl.programming.moves import train
from hwctl.programming.response import Belief, Prior

US = 1e-6
NOISE = np.array([0.1 * US])


def model_of(device):
    return StepModel.of(presets.get(device))


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_short_trains_are_predicted_pulse_by_pulse(number):
    model = model_of("neurram")
    g, variance = 12 * US, 0.0
    for _ in range(number):
        at = model.index(np.array(g))
        slope = np.gradient(model.means[0][12], (model.g_max - model.g_min) / 255)[at]
        variance = variance * (1 + slope) ** 2 + model.sigmas[0][12, at] ** 2
        g += model.means[0][12, at]
    moved, found = train(model, 0, np.array([12]), np.array([12 * US]), np.array([number]), np.ones(1))
    assert moved.item() == pytest.approx(g - 12 * US)
    assert found.item() == pytest.approx(variance)


def test_long_trains_keep_to_the_curve_and_never_pass_where_it_ends():
    model = model_of("linear")
    moved, variance = train(model, 1, np.array([0]), np.array([60 * US]), np.array([200]), np.array([0.5]))
    assert moved.item() == pytest.approx(-10 * US, rel=1e-3)
    assert variance.item() == 0.0


@pytest.mark.parametrize("offset", [-3, 0, 2])
def test_an_offset_of_drive_levels_is_found(offset):
    model = model_of("neurram")
    belief = Belief(model, Prior.of_pool(model, 1))
    assert belief.hypotheses[0].shifted
    cell = np.array([0])
    for start in (10, 14, 17, 20):
        step = model.means[0][12 + offset, model.index(np.array([start * US]))]
        belief.observe(0, cell, np.array([12]), np.array([1]), step, np.array([start * US]), NOISE)
    weights = belief.weights(0, cell)[0]
    mean = weights @ belief.hypotheses[0].offsets[:-1]
    assert mean == pytest.approx(offset, abs=1.0)
    other = belief.weights(1, cell)[0] @ belief.hypotheses[1].offsets[:-1]
    assert np.sign(np.round(other)) == np.sign(offset)


@pytest.mark.parametrize("gain", [0.7, 1.3])
def test_a_gain_is_found_where_there_are_few_levels(gain):
    model = model_of("tiox-passive")
    belief = Belief(model, Prior.of_pool(model, 1))
    assert not belief.hypotheses[0].shifted
    cell = np.array([0])
    for start in (15, 20, 25, 30):
        step = 3 * gain * model.means[0][0, model.index(np.array([start * US]))]
        belief.observe(0, cell, np.array([0]), np.array([3]), step, np.array([start * US]), NOISE / 2)
    assert belief.weights(0, cell)[0] @ belief.hypotheses[0].gains[:-1] == pytest.approx(gain, abs=0.12)


def test_a_cell_that_never_moves_is_taken_for_stuck_and_one_that_moves_is_not():
    model = model_of("neurram")
    belief = Belief(model, Prior.of_pool(model, 2))
    cells = np.array([0, 1])
    for _ in range(3):
        step = model.means[0][12, model.index(np.array([10 * US]))].item()
        belief.observe(
            0,
            cells,
            np.array([12, 12]),
            np.array([4, 4]),
            np.array([0.0, 4 * step]),
            np.full(2, 10 * US),
            NOISE[[0, 0]],
        )
    assert belief.stuck(0)[0] > 0.9
    assert belief.stuck(0)[1] < 0.05
