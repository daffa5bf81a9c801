"""Each stage finds what is true of an emulated chip."""

import numpy as np
import pytest

from hwctl.calibration.bounds import bound
from hwctl.calibration.noise import READINGS, read_noise
from hwctl.calibration.response import Response, counts_of, response
from hwctl.calibration.still import write_noise
from hwctl.calibration.walk import walk
from hwctl.protocol.codes import CellFlag


def test_read_noise_is_that_of_the_converter(bench):
    chip = bench("neurram")
    found = read_noise(chip.probe())
    assert abs(found.pooled[0] - chip.chip.device.read_noise) < 4 * found.pooled_error[0]
    assert found.of(16) == pytest.approx(chip.sigma, rel=0.02)
    assert found.flagged.sum() <= 1
    assert found.cells.shape == (4, 256)


def test_a_cell_that_averaging_does_not_quieten_is_flagged(bench, monkeypatch):
    probe = bench("neurram").probe()
    rng, read = np.random.default_rng(0), probe.read

    def two_levels(averages=None):
        found = read(averages)
        found[5] += rng.choice([0.0, 1e-6])  # a trap, slower than any averaging
        return found

    monkeypatch.setattr(probe, "read", two_levels)
    assert np.flatnonzero(read_noise(probe).flagged).tolist() == [5]
    assert READINGS > 8


@pytest.mark.parametrize("device", ["hfox-1t1r", "neurram", "tiox-passive"])
def test_what_does_not_move_is_found_and_named(bench, device):
    chip = bench(device, unformed=0.1)
    found = response(chip.probe(), chip.sigma, 28)
    np.testing.assert_array_equal(found.flags, chip.chip.cells["flags"].reshape(-1))
    assert counts_of(found.flags)["unformed"] == (found.flags == CellFlag.UNFORMED).sum() > 0


def test_a_cell_with_bounds_no_change_apart_is_stuck_where_it_is():
    found = Response(np.array([0, 0, 0, 0, CellFlag.UNFORMED], np.uint16), 1e-7)
    low = np.array([1, 39.9, 1.1, 2, 0]) * 1e-6
    left = found.between(low, np.array([40, 39.95, 1.15, 41, 0]) * 1e-6)
    np.testing.assert_array_equal(left.flags, [0, CellFlag.STUCK_ON, CellFlag.STUCK_OFF, 0, CellFlag.UNFORMED])
    assert left.least == found.least


def test_cells_that_do_not_move_get_no_more_than_their_share(bench):
    chip = bench("neurram", unformed=1.0)
    probe = chip.probe()
    assert not response(probe, chip.sigma, 28).moves.any()
    assert probe.spent.max() <= 28


def test_bounds_are_the_cells_own(bench):
    chip = bench("neurram")
    probe, moves = chip.probe(), np.ones(256, bool)
    lower, upper = bound(probe, -1, moves, chip.sigma, 100), bound(probe, 1, moves, chip.sigma, 100)
    for found, true in ((lower, chip.truth("low")), (upper, chip.truth("low") + chip.truth("span"))):
        assert found.reached.all()
        assert 0.9 <= np.mean(np.abs(found.found - true) < 1.96 * found.error) <= 1.0


@pytest.mark.parametrize("device", ["reram-es", "ecram"])
def test_a_bound_beyond_the_budget_is_not_reached_and_not_extrapolated(bench, device):
    chip = bench(device)
    sigma = np.hypot(chip.sigma, chip.chip.device.write_noise)
    found = bound(chip.probe(), 1, chip.moving, sigma, 120)
    assert not found.reached.any()
    assert np.isnan(found.found).all()


def test_write_noise_is_told_from_read_noise_and_steps(bench):
    chip = bench("reram-es", 32, 32)
    found = write_noise(chip.probe(), chip.moving, chip.sigma, np.random.default_rng(0))
    assert abs(found.sigma - chip.chip.device.write_noise) < 4 * found.error + 0.05 * found.sigma


def test_where_there_is_no_write_noise_none_is_found(bench):
    chip = bench("neurram", 32, 32)
    found = write_noise(chip.probe(), chip.moving, chip.sigma, np.random.default_rng(0))
    assert found.sigma == 0
    assert found.error < chip.sigma * 2


def test_a_walk_sees_every_level_all_over_the_range(bench):
    chip = bench("neurram", 32, 32)
    probe, low = chip.probe(60), chip.truth("low")
    walk(probe, chip.moving, low, low + chip.truth("span"), chip.sigma, 0, np.random.default_rng(0))
    trace = probe.trace()
    assert probe.spent.max() <= 60
    place = (trace["before"] - low[trace["cell"]]) / chip.truth("span")[trace["cell"]]
    for polarity in (0, 1):
        chosen = trace["polarity"] == polarity
        seen, _, _ = np.histogram2d(trace["level"][chosen], place[chosen], [29, 8], [[0, 29], [0, 1]])
        assert seen.min() > 20
