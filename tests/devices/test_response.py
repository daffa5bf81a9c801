"""Pulse trains from bound to bound, as a plot of a preset shows them."""

import numpy as np
import pytest

from hwctl.devices import presets
from hwctl.devices.response import MAX_TRAIN, respond, traverse_pulses
from hwctl.devices.steps import StepModel
from hwctl.protocol.codes import Polarity

every_preset = pytest.mark.parametrize("name", presets.PRESETS)


@every_preset
def test_trains_start_at_the_bounds_and_end_beyond_the_middle(name):
    device = presets.get(name)
    model = StepModel.of(device)
    found = respond(device, cells=40, seed=2)
    span = model.g_max - model.g_min
    assert (found.name, found.title) == (device.name, device.title)
    assert found.set_g.shape == (traverse_pulses(model, Polarity.SET) + 1, 40)
    assert found.reset_g.shape == (traverse_pulses(model, Polarity.RESET) + 1, 40)
    # A median, as stuck cells stay where they are.
    assert np.median(found.set_g[0]) == pytest.approx(model.g_min, abs=0.15 * span)
    assert np.median(found.reset_g[0]) == pytest.approx(model.g_max, abs=0.15 * span)
    middle = model.g_min + (0.45 if name == "hfox-1t1r" else 0.6) * span  # HfOx: where the usual gate saturates
    assert np.median(found.set_g[-1]) > middle
    assert np.median(found.reset_g[-1]) < model.g_min + 0.4 * span
    assert found.step_g.shape == found.set_step.shape == found.reset_step.shape
    assert (found.step_g[0], found.step_g[-1]) == (model.g_min, pytest.approx(model.g_max))
    assert found.symmetry_point == model.symmetry_point


def test_the_same_seed_answers_the_same_and_another_does_not():
    first, again, other = (respond(presets.get("reram-es"), cells=5, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.set_g, again.set_g)
    np.testing.assert_array_equal(first.reset_g, again.reset_g)
    assert (first.set_g[0] != other.set_g[0]).any()


def test_a_linear_device_answers_in_straight_lines():
    found = respond(presets.get("linear"), cells=3)
    for train, sign in ((found.set_g, 1), (found.reset_g, -1)):
        np.testing.assert_allclose(np.diff(train, axis=0), sign * 0.1e-6, atol=4e-9)
        assert len(train) == 721  # 90% of 800, and the start


def test_write_noise_is_in_the_trains():
    quiet, noisy = (respond(presets.get(name), cells=200, seed=1) for name in ("reram-es-nowrite", "reram-es"))
    assert np.diff(noisy.set_g, axis=0).std() > 5 * np.diff(quiet.set_g, axis=0).std()


@every_preset
@pytest.mark.parametrize("polarity", [Polarity.SET, Polarity.RESET])
def test_a_longer_way_takes_more_pulses_and_never_more_than_the_limit(name, polarity):
    model = StepModel.of(presets.get(name))
    needed = [traverse_pulses(model, polarity, share) for share in (0.2, 0.5, 0.9, 1e3)]
    assert needed == sorted(needed)
    assert needed[0] >= 1
    assert needed[-1] == MAX_TRAIN  # an end out of reach


def test_pulses_of_a_traverse_are_those_of_the_preset():
    linear, pcm = (StepModel.of(presets.get(name)) for name in ("linear", "pcm"))
    assert [traverse_pulses(linear, polarity, 0.5) for polarity in (0, 1)] == [400, 400]
    assert traverse_pulses(pcm, Polarity.RESET, 0.9) == 1
