"""What a cell can be sent: as its direction asks, or more where steps scatter widely or a RESET leads to the bottom."""

import numpy as np
import pytest

from hwctl.devices import presets
from hwctl.devices.steps import StepModel
from hwctl.programming import moves
from hwctl.programming.moves import Way

US = 1e-6


def model_of(device):
    return StepModel.of(presets.get(device))


@pytest.mark.parametrize(
    ("device", "up", "down"),
    [
        ("neurram", (Way.SET,), (Way.RESET,)),
        ("reram-es", (Way.SET,), (Way.RESET,)),
        ("hfox-1t1r", (Way.SET, Way.AGAIN), (Way.AGAIN,)),
        ("pcm", (Way.SET, Way.AGAIN), (Way.SET, Way.AGAIN)),
    ],
)
def test_ways_follow_from_the_step_curves(device, up, down):
    model = model_of(device)
    assert (moves.ways(model, 0, 0.5 * US), moves.ways(model, 1, 0.5 * US)) == (up, down)


def test_scatter_within_the_band_is_no_way_to_a_target():
    assert moves.ways(model_of("pcm"), 1, 5 * US) == (Way.AGAIN,)


def test_numbers_lead_about_to_the_target_and_short_of_it():
    model = model_of("linear")
    found = moves.numbers(
        model, 0, np.zeros((1, 1), int), np.array([1.0, 0.5]), np.full(2, 40 * US), np.full(2, 50 * US)
    )
    pulses = 10 * US / model.means[0][0, 0]
    assert found.shape == (len(moves.AIMS), 1, 2)
    np.testing.assert_allclose(found[:, 0, 0], np.array(moves.AIMS) * pulses, atol=0.6)
    np.testing.assert_allclose(found[:, 0, 1], 2 * np.array(moves.AIMS) * pulses, atol=0.6)


def test_one_reset_leads_to_the_bottom_from_anywhere():
    model, start = model_of("pcm"), np.array([3.0, 12.0, 39.0]) * US
    low, variance = moves.bottom(model, np.zeros(3, int), start, np.ones(3))
    np.testing.assert_allclose(low, 0.2 * US, atol=0.1 * US)
    np.testing.assert_allclose(np.sqrt(variance), 0.4 * US, rtol=0.01)
