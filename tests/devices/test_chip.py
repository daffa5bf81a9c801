"""A chip is a function of device, size and seed; its integers are what the device model says, within their limits."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwctl.devices import law, presets
from hwctl.devices.chip import CODES, FORM_LEVELS, fabricate
from hwctl.devices.device import Cells, DriveLevel, Floats, uniform_cells
from hwctl.devices.presets.linear import Linear
from hwctl.errors import DeviceError
from hwctl.protocol.cells import GAIN_ONE
from hwctl.protocol.codes import MAX_CELLS, MAX_LEVELS, MAX_LINES, CellFlag, Polarity

every_preset = pytest.mark.parametrize("name", presets.PRESETS)
spread_presets = pytest.mark.parametrize("name", [name for name in presets.PRESETS if name != "linear"])


@every_preset
@settings(max_examples=5, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**63 - 1), st.floats(0, 1))
def test_the_same_seed_gives_the_same_chip(name, rows, cols, seed, unformed):
    first, second = (fabricate(presets.get(name), rows, cols, seed, unformed) for _ in range(2))
    assert first.cells.shape == (rows, cols)
    np.testing.assert_array_equal(first.cells, second.cells)
    assert (first.rows, first.cols, first.seed, first.scales) == (rows, cols, seed, second.scales)


@spread_presets
def test_another_seed_gives_another_chip(name):
    chips = [fabricate(presets.get(name), 16, 16, seed).cells for seed in (0, 1, 2**63 - 1)]
    fields = ["low", "span", "gain_set", "gain_reset", "offset", "flags"]
    drawn = [chip[fields].tobytes() for chip in chips]
    assert len(set(drawn)) == 3


def test_cells_that_need_forming_leave_the_other_draws_alone():
    device = presets.get("hfox-1t1r")
    formed, raw = (fabricate(device, 64, 64, 3, unformed) for unformed in (0.0, 0.4))
    fields = ["state", "low", "span", "gain_set", "gain_reset", "offset"]
    np.testing.assert_array_equal(formed.cells[fields], raw.cells[fields])
    stuck = formed.cells["flags"] != 0
    assert stuck.any()
    np.testing.assert_array_equal(raw.cells["flags"][stuck], formed.cells["flags"][stuck])
    share = (raw.cells["flags"][~stuck] == CellFlag.UNFORMED).mean()
    assert share == pytest.approx(0.4, abs=0.03)


@every_preset
@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**63 - 1), st.floats(0, 1))
def test_stuck_cells_leave_everything_else_alone(name, seed, unformed):
    device = presets.get(name)
    without, stuck = (fabricate(device, 16, 16, seed, unformed, stuck=share).cells for share in (0.0, 0.3))
    fields = [field for field in without.dtype.names if field != "flags"]
    np.testing.assert_array_equal(without[fields], stuck[fields])
    changed = without["flags"] != stuck["flags"]
    assert np.isin(stuck["flags"][changed], (CellFlag.STUCK_ON, CellFlag.STUCK_OFF)).all()
    assert np.isin(without["flags"][changed], (0, CellFlag.UNFORMED)).all()


def test_the_stuck_share_is_half_on_and_half_off():
    flags = fabricate(presets.get("linear"), 256, 256, 3, stuck=0.02).cells["flags"]
    for flag in (CellFlag.STUCK_ON, CellFlag.STUCK_OFF):
        assert (flags == flag).mean() == pytest.approx(0.01, abs=0.002)
    assert (fabricate(presets.get("linear"), 16, 16, 3, stuck=1.0).cells["flags"] != 0).all()


@every_preset
def test_all_or_no_cells_are_unformed_at_the_ends_of_the_share(name):
    device = presets.get(name)
    assert not (fabricate(device, 32, 32, 1).cells["flags"] == CellFlag.UNFORMED).any()
    assert (fabricate(device, 32, 32, 1, 1.0).cells["flags"] != 0).all()


@every_preset
def test_forming_takes_a_level_that_the_board_has(name):
    chip = fabricate(presets.get(name), 64, 64, 1, 1.0)
    levels = chip.levels[Polarity.FORM]
    assert len(levels) == FORM_LEVELS
    assert chip.cells["form_level"].max() < FORM_LEVELS
    assert len(np.unique(chip.cells["form_level"])) > 5
    volts = [level.amplitude for level in levels]
    assert volts == sorted(volts)
    assert volts[-1] == pytest.approx(chip.device.max_form_amplitude)


IMPOSSIBLE = {
    "no rows": {"rows": 0},
    "no columns": {"cols": 0},
    "too many rows": {"rows": MAX_LINES + 1},
    "too many columns": {"cols": MAX_LINES + 1},
    "too many cells": {"rows": MAX_LINES, "cols": MAX_CELLS // MAX_LINES + 1},
    "a negative seed": {"seed": -1},
    "a seed of 64 bits": {"seed": 2**63},
    "a negative share": {"unformed": -0.01},
    "a share above 1": {"unformed": 1.01},
    "a share that is no number": {"unformed": float("nan")},
    "a negative stuck share": {"stuck": -0.01},
    "a stuck share that is no number": {"stuck": float("nan")},
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_what_cannot_be_fabricated_is_refused(case):
    asked = {"rows": 2, "cols": 2, "seed": 0} | IMPOSSIBLE[case]
    with pytest.raises(DeviceError, match="give"):
        fabricate(presets.get("linear"), **asked)


def test_the_largest_chip_can_be_fabricated():
    assert fabricate(presets.get("linear"), MAX_LINES, MAX_CELLS // MAX_LINES, 0).cells.size == MAX_CELLS


@every_preset
@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**63 - 1))
def test_no_cell_reaches_beyond_the_codes(name, seed):
    cells = fabricate(presets.get(name), 32, 32, seed).cells
    assert (cells["low"].astype(int) + cells["span"]).max() <= CODES
    np.testing.assert_array_equal(cells["count"], 0)
    assert np.abs(cells["offset"].astype(int)).max() <= MAX_LEVELS


@every_preset
def test_nominal_cells_have_the_nominal_range_and_position(name):
    device = presets.get(name)
    chip = fabricate(device, 64, 64, 1)
    assert chip.scales.siemens * CODES == pytest.approx(device.full_scale)
    low = chip.cells["low"] * chip.scales.siemens
    high = low + chip.cells["span"] * chip.scales.siemens
    span = device.g_max - device.g_min
    assert low.mean() == pytest.approx(device.g_min, abs=0.02 * span)
    assert high.mean() == pytest.approx(device.g_max, abs=0.02 * span)
    g = low + chip.cells["state"] / 0x10000 * (high - low)
    drawn = device.fabricate(np.random.default_rng(1), 64 * 64)
    np.testing.assert_allclose(g.ravel(), drawn.low + drawn.position * (drawn.high - drawn.low), atol=1e-4 * span)


@every_preset
def test_integer_curves_are_the_device_curves_to_half_a_step_of_theirs(name):
    device = presets.get(name)
    chip = fabricate(device, 1, 1, 1)
    for polarity in (Polarity.SET, Polarity.RESET):
        levels = device.levels_of(polarity)
        assert chip.levels[polarity] == levels
        for level, curve in zip(levels, chip.curves[polarity], strict=True):
            mean, sigma = device.curve(level, law.entry_centres())
            found = law.curve_steps(curve)
            unit = GAIN_ONE / (0x10000 * 2.0**curve.shift)
            assert np.abs(found[0] - mean).max() <= 0.5001 * unit
            assert np.abs(found[1] - sigma).max() <= 0.5001 * unit * law.XI_SIGMA * 2**law.SIGMA_SHIFT / GAIN_ONE


@dataclass(frozen=True)
class ManyLevels(Linear):
    """A device with any number of drive levels."""

    name = "many"
    count: int = 1

    def levels(self) -> tuple[DriveLevel, ...]:
        sets = [DriveLevel(Polarity.SET, 1.0 + i / 100, 1e-6) for i in range(self.count)]
        return *sets, DriveLevel(Polarity.RESET, 1.0, 1e-6)


def test_a_device_has_1_to_32_levels_of_a_polarity():
    for count in (1, MAX_LEVELS):
        assert len(fabricate(ManyLevels(count=count), 1, 1, 0).curves[0]) == count
    for count in (0, MAX_LEVELS + 1):
        with pytest.raises(DeviceError, match=f"many: {count} SET levels; give 1 to 32"):
            fabricate(ManyLevels(count=count), 1, 1, 0)


@dataclass(frozen=True)
class Crossed(Linear):
    """A device of which half the cells have their lower bound above the upper one, and one beyond full scale."""

    name = "crossed"

    def fabricate(self, rng: np.random.Generator, n: int) -> Cells:
        cells = uniform_cells(self, n)
        bounds: Floats = np.where(np.arange(n) % 2, 20e-6, 80e-6)
        cells.low = bounds
        cells.high = np.full(n, 50e-6)
        cells.high[-1] = 1.0
        return cells


def test_a_cell_whose_bounds_cross_is_stuck_and_one_beyond_full_scale_is_cut():
    cells = fabricate(Crossed(), 2, 4, 0).cells.ravel()
    np.testing.assert_array_equal(cells["flags"] == CellFlag.STUCK_OFF, np.arange(8) % 2 == 0)
    np.testing.assert_array_equal(cells["span"][::2], 0)
    assert cells["low"][-1].astype(int) + cells["span"][-1] == CODES
