"""Wires and half-select disturb are told apart, and found as they were set."""

import numpy as np
import pytest

from hwctl.calibration.loads import loads


def measured(chip, pulses=20):
    probe = chip.probe()
    return probe, loads(probe, chip.moving, *chip.ranges, chip.sigma, pulses, np.random.default_rng(0))


@pytest.mark.parametrize("device", ["neurram", "hfox-1t1r", "ecram"])
def test_wires_and_disturb_are_told_apart(bench, device):
    _, found = measured(bench(device, 32, 32, row_ohm=2, col_ohm=1, half_select=2e-5))
    for estimate, true in ((found.row_ohm, 2.0), (found.col_ohm, 1.0)):
        assert abs(estimate.value - true) < max(4 * estimate.error, 0.05 * true)
    for estimate in (found.half_select_set, found.half_select_reset):
        assert abs(estimate.value - 2e-5) < max(4 * estimate.error, 2e-6)


def test_where_there_is_nothing_nothing_is_found(bench):
    _, found = measured(bench("neurram", 32, 32))
    for estimate in (found.row_ohm, found.col_ohm, found.half_select_set, found.half_select_reset):
        assert abs(estimate.value) < 4 * estimate.error
    assert found.row_ohm.error < 0.05


@pytest.mark.slow  # up to half a minute and more
def test_strong_wires_are_found_where_a_straight_line_would_not_do(bench):
    chip = bench("hfox-1t1r", 32, 32, row_ohm=5, col_ohm=1)
    _, found = measured(chip)
    assert found.row_ohm.value == pytest.approx(5.0, rel=0.02)
    assert found.col_ohm.value == pytest.approx(1.0, rel=0.03)


def test_pulses_are_within_the_budget(bench):
    probe, _ = measured(bench("neurram"), pulses=12)
    assert probe.spent.max() == 12
    assert (probe.spent < 12).any()


@pytest.mark.parametrize("size", [1, 2])
def test_too_few_cells_tell_nothing(bench, size):
    _, found = measured(bench("neurram", size, size))
    assert np.isnan(found.row_ohm.value)
