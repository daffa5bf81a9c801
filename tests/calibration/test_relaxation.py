"""Relaxation, drift and read disturb of emulated chips come out as they were set."""

import numpy as np
import pytest

from hwctl.calibration.reading import read_disturb
from hwctl.calibration.relaxation import relaxation
from hwctl.crossbar import waiting


def relaxed(chip, longest=1000.0):
    probe = chip.probe()
    return probe, relaxation(probe, chip.moving, chip.sigma, longest, np.random.default_rng(0))


def test_spread_and_drift_are_told_apart(bench):
    probe, found = relaxed(bench("linear", 32, 32, relaxation=0.02, drift=0.01))
    np.testing.assert_allclose(found.ages[1:], [1, 10, 100, 1000], rtol=0.01)
    own_drift = 0.2 * 0.01 * np.log(10)  # exponents differ by 20% from cell to cell
    assert abs(found.per_decade.value - np.hypot(0.02, own_drift)) < 4 * found.per_decade.error
    assert abs(found.exponent.value - 0.01) < 4 * found.exponent.error
    assert (np.diff(found.sigma) > 0).all()
    assert probe.spent.max() == 1


def test_a_still_chip_shows_neither(bench):
    _, found = relaxed(bench("neurram"))
    assert abs(found.per_decade.value) < 4 * found.per_decade.error
    assert not found.exponent.found


def test_delays_end_where_they_are_told_to(bench):
    _, found = relaxed(bench("linear", 8, 8), longest=10.0)
    assert len(found.ages) == 3
    _, found = relaxed(bench("linear", 8, 8), longest=0.0)
    assert len(found.ages) == 1
    assert np.isnan(found.exponent.value)


@pytest.mark.parametrize("share", [1e-6, -1e-6, 0.0])
def test_read_disturb_is_found_with_its_direction(bench, share):
    chip = bench("neurram", read_disturb=share)
    found = read_disturb(chip.probe(), chip.moving, *chip.ranges, None, np.random.default_rng(0))
    assert abs(found.share.value - share) < max(4 * found.share.error, 0.05 * abs(share))
    assert found.share.found == (share != 0.0)
    assert np.sign(found.change.value) == np.sign(share) or share == 0.0


def test_drift_during_the_readings_is_no_disturb(bench):
    chip = bench("linear", drift=0.05)
    probe, found = relaxed(chip, longest=10.0)
    rng = np.random.default_rng(0)
    with_drift, without = (read_disturb(probe, chip.moving, *chip.ranges, r, rng) for r in (None, found))
    assert with_drift.change.found
    assert abs(without.change.value) < 0.3 * abs(with_drift.change.value)


def test_a_board_without_virtual_time_is_waited_for(bench, monkeypatch):
    slept, left = [], []
    monkeypatch.setattr(waiting.time, "sleep", slept.append)
    ticks = iter(np.arange(0.0, 10.0, 0.5))
    monkeypatch.setattr(waiting.time, "monotonic", lambda: next(ticks))
    probe = bench("linear", 4, 4, lacks="virtual_time").probe()
    probe.wait(2.0, left.append)
    assert left == [1.5, 1.0, 0.5]
    assert slept == [1.0, 1.0, 0.5]
