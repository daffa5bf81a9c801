"""Unformed cells are formed first, what each took is kept, and going on forms none again."""

import numpy as np
import pytest

from hwctl.calibration.forming import Ramp, forming
from hwctl.calibration.plan import Plan
from hwctl.calibration.procedure import calibrate
from hwctl.devices.chip import form_levels
from hwctl.errors import Unsupported
from hwctl.protocol.codes import CellFlag, Polarity


def ramp(chip):
    shapes = [chip.crossbar.shape(*level) for level in form_levels(chip.chip.device)]
    return Ramp(shapes, 8e-6, len(shapes))


def test_unformed_cells_are_formed_and_the_others_left_alone(bench):
    chip = bench("neurram", unformed=0.3)
    unformed = chip.truth("flags") == CellFlag.UNFORMED
    assert 0.2 < unformed.mean() < 0.4
    found = forming(chip.probe(), ramp(chip))
    np.testing.assert_array_equal(found.pulses > 0, unformed)
    assert found.formed[unformed].mean() > 0.9
    volts = [shape.amplitude for shape in ramp(chip).shapes]
    known = found.amplitude[unformed]
    assert np.isin(known, volts).all()
    assert np.isnan(found.amplitude[~unformed]).all()


def test_a_calibration_measures_formed_cells_and_does_not_form_them_again(bench):
    chip = bench("neurram", 8, 8, unformed=0.3)
    probe = chip.probe(budget=60)
    first = calibrate(probe, Plan.of(60), np.random.default_rng(0), lambda stage: None, ramp(chip))
    assert first.response.moves.sum() > 60
    assert probe.spent.max() == 60
    again = chip.probe(budget=60, before=probe.known)
    second = calibrate(again, Plan.of(60), np.random.default_rng(0), lambda stage: None, ramp(chip))
    np.testing.assert_array_equal(first.forming.pulses, second.forming.pulses)
    np.testing.assert_array_equal(first.trace, second.trace)


def test_a_cut_between_forming_and_pulses_is_gone_on_with(bench):
    chip = bench("neurram", 8, 8, unformed=0.3)
    probe = chip.probe(budget=60)
    forming(probe, ramp(chip))
    again = chip.probe(budget=60, before=probe.known)
    found = calibrate(again, Plan.of(60), np.random.default_rng(0), lambda stage: None, ramp(chip))
    assert (again.lifetime() == found.spent + found.forming.pulses).all()


def test_a_board_that_cannot_form_is_named(bench):
    chip = bench("neurram", 4, 4, lacks="form")
    shapes = chip.crossbar.drive_levels(Polarity.SET)
    with pytest.raises(Unsupported, match="has no FORM"):
        forming(chip.probe(), Ramp(shapes, 8e-6, 3))
