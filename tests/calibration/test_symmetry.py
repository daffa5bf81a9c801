"""Where SET and RESET balance: by pulses in turns, and by the curves; a slow cell is not called at rest."""

import numpy as np
import pytest

from hwctl.calibration.estimate import Estimate
from hwctl.calibration.probe import Stage
from hwctl.calibration.symmetry import Balance, balance, symmetry
from hwctl.devices import law
from hwctl.devices.steps import StepModel


class Curves:
    """Step curves of a device model, as a calibration without errors would find them."""

    def __init__(self, device, polarity):
        span = device.g_max - device.g_min
        means = [device.curve(level, law.entry_centres())[0] for level in device.levels() if level.polarity == polarity]
        assert span > 0
        self.pooled = np.array(means)
        self.pooled_error = np.full(self.pooled.shape, 1e-4)
        self.observed = np.ones(self.pooled.shape, np.bool_)


def balanced(chip):
    usual = StepModel.of(chip.chip.device).usual
    return usual, balance(Curves(chip.chip.device, 0), Curves(chip.chip.device, 1), usual)


@pytest.mark.parametrize("device", ["ecram", "reram-es", "neurram"])
def test_the_curves_cancel_where_the_model_says(bench, device):
    chip = bench(device, 4, 4)
    _, found = balanced(chip)
    model = StepModel.of(chip.chip.device)
    place = (model.symmetry_point - model.g_min) / (model.g_max - model.g_min)
    assert found.place.value == pytest.approx(place, abs=0.01)
    assert found.slope > 0


def test_quick_cells_come_to_rest_at_their_symmetry_point(bench):
    chip = bench("neurram", 32, 32)
    probe = chip.probe()
    usual, found = balanced(chip)
    rest = symmetry(probe, chip.moving, *chip.ranges, usual, found, 20)
    assert rest.pairs == 20
    assert abs(rest.place.value - found.place.value) < 0.02
    assert rest.place.error < 0.02
    assert np.isfinite(rest.found).mean() > 0.95
    assert probe.spent.max() == 40


def test_slow_cells_are_not_called_at_rest(bench):
    chip = bench("ecram", 16, 16)  # one pair takes less than a thousandth of the way
    usual, found = balanced(chip)
    probe = chip.probe()
    probe.pulse(Stage.WALK, np.full(probe.cells, 60), np.full(probe.cells, usual[0]))
    rest = symmetry(probe, chip.moving, *chip.ranges, usual, found, 20)
    assert np.isnan(rest.place.value)
    assert rest.drift.value < 0
    assert np.isnan(rest.found).all()
    assert np.isfinite(rest.furthest).all()
    assert rest.balance is found


def test_curves_that_never_cancel_have_no_such_point(bench):
    chip = bench("linear", 4, 4)
    _, found = balanced(chip)
    assert np.isnan(found.place.value)
    rest = symmetry(chip.probe(), chip.moving, *chip.ranges, (0, 0), Balance(Estimate(np.nan, np.nan), 0.0), 10)
    assert np.isnan(rest.place.value)
