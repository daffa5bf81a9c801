"""The host's step model is what the emulated device does on average, and is never read beyond its table."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwctl.devices import law, presets
from hwctl.devices.chip import fabricate
from hwctl.devices.steps import GRID, StepModel
from hwctl.protocol.cells import GAIN_ONE
from hwctl.protocol.codes import Polarity

every_preset = pytest.mark.parametrize("name", presets.PRESETS)


def step_in_siemens(chip, cells, polarity, level):
    """Return the change of conductance (cells,) in S by one pulse of the cell law."""
    before = cells["state"].astype(np.int64)
    law.pulse(cells, np.arange(cells.size), polarity, np.full(cells.size, level), chip.curves[polarity], chip.seed)
    return (cells["state"] - before) / 0x10000 * cells["span"] * chip.scales.siemens


def nominal_cells(chip):
    """Return a chip's cells without what tells one from another."""
    device, siemens = chip.device, chip.scales.siemens
    cells = chip.cells.reshape(-1).copy()
    cells["gain_set"] = cells["gain_reset"] = GAIN_ONE
    cells["offset"] = cells["flags"] = 0
    cells["low"], cells["span"] = round(device.g_min / siemens), round((device.g_max - device.g_min) / siemens)
    return cells


@every_preset
@pytest.mark.parametrize("polarity", [Polarity.SET, Polarity.RESET])
@pytest.mark.parametrize("entry", [10, 33, 50])
def test_mean_and_spread_are_those_of_emulated_pulses(name, polarity, entry):
    device = presets.get(name)
    model = StepModel.of(device)
    chip = fabricate(device, 256, 256, 3)
    span = device.g_max - device.g_min
    g = device.g_min + (entry + 0.5) / 64 * span
    for level in {0, model.usual[polarity], len(model.levels[polarity]) - 1}:
        cells = nominal_cells(chip)
        cells["state"] = entry * 1024 + 512
        moved = step_in_siemens(chip, cells, polarity, level)
        at = model.index(np.array(g))
        mean, sigma = model.means[polarity][level, at], model.sigmas[polarity][level, at]
        # The grid's nearest point is up to half of one of 255 intervals away.
        slack = min(span / 510, 0.02 * abs(mean)) if abs(mean) < span / 2 else span / 510
        # A bound cuts off a tail, which moves the mean but not the median.
        assert np.median(moved) == pytest.approx(mean, abs=slack + 6 * sigma / 256 + span / 0x10000)
        room = device.g_max - (g + mean), g + mean - device.g_min
        if min(room) > 3.5 * sigma:
            assert moved.mean() == pytest.approx(mean, abs=slack + 5 * sigma / 256)
            assert moved.std() == pytest.approx(sigma, rel=0.04, abs=span / 0x10000)


@pytest.mark.parametrize("name", ["linear", "reram-es", "ecram"])
@pytest.mark.parametrize("polarity", [Polarity.SET, Polarity.RESET])
def test_mean_of_a_fabricated_chip_is_that_of_the_model(name, polarity):
    device = presets.get(name)
    model = StepModel.of(device)
    chip = fabricate(device, 512, 512, 3)
    cells = chip.cells.reshape(-1).copy()
    cells["state"] = 0x8200
    moved = step_in_siemens(chip, cells, polarity, model.usual[polarity])
    at = model.index(np.array(device.g_min + 0x8200 / 0x10000 * (device.g_max - device.g_min)))
    assert moved.mean() == pytest.approx(model.means[polarity][model.usual[polarity], at], rel=0.03)


@every_preset
def test_signs_and_shapes_of_the_tables(name):
    device = presets.get(name)
    model = StepModel.of(device)
    for polarity, sign in ((Polarity.SET, 1), (Polarity.RESET, -1)):
        levels = len(device.levels_of(polarity))
        assert model.means[polarity].shape == model.sigmas[polarity].shape == (levels, GRID)
        middle = model.means[polarity][:, GRID // 4 : -GRID // 4]
        assert (sign * middle >= 0).all()
        assert (sign * middle).max() > 0
        assert (model.sigmas[polarity] >= 0).all()
        assert 0 <= model.usual[polarity] < levels
    assert (model.g_min, model.g_max) == (device.g_min, device.g_max)
    assert (model.write_noise, model.read_noise, model.one_way) == (
        device.write_noise,
        device.read_noise,
        device.one_way,
    )


@every_preset
@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=20))
def test_an_index_is_the_nearest_grid_point_and_clamps_at_the_bounds(name, values):
    model = StepModel.of(presets.get(name))
    g = np.array(values)
    found = model.index(g)
    grid = np.linspace(model.g_min, model.g_max, GRID)
    assert ((found >= 0) & (found < GRID)).all()
    np.testing.assert_allclose(np.abs(grid[found] - g), np.abs(grid[:, None] - g).min(axis=0), rtol=1e-9, atol=1e-15)
    ends = np.array([-np.inf, model.g_min - 1e-6, model.g_min, model.g_max, model.g_max + 1e-6, np.inf])
    np.testing.assert_array_equal(model.index(ends), [0, 0, 0, GRID - 1, GRID - 1, GRID - 1])


@pytest.mark.parametrize(
    ("name", "micro"),
    [
        ("reram-es", 45.64),  # w = -0.218
        ("ecram", 50.0),  # w = 0
        ("neurram", 20.5),  # soft bounds alike: the middle
        ("tiox-passive", 5 + 45 / 2.43),  # SET (1 - p) balances RESET 1.43 p
    ],
)
def test_at_the_symmetry_point_set_and_reset_cancel(name, micro):
    model = StepModel.of(presets.get(name))
    assert model.symmetry_point == pytest.approx(micro * 1e-6, abs=0.03e-6)
    at = model.index(np.array(model.symmetry_point))
    steps = [model.means[polarity][model.usual[polarity], at] for polarity in (0, 1)]
    assert steps[0] + steps[1] == pytest.approx(0.0, abs=0.02 * steps[0])


@pytest.mark.parametrize("name", ["linear", "hfox-1t1r", "pcm"])
def test_a_device_without_a_crossing_has_no_symmetry_point(name):
    assert StepModel.of(presets.get(name)).symmetry_point is None


@every_preset
def test_the_quantum_is_the_mean_step_of_the_usual_level(name):
    model = StepModel.of(presets.get(name))
    polarities = (0,) if model.one_way else (0, 1)
    expected = np.mean([np.abs(model.means[p][model.usual[p]]).mean() for p in polarities])
    assert model.quantum == pytest.approx(expected)
    assert 0 < model.quantum < model.g_max - model.g_min


def test_the_quantum_of_the_linear_device_is_its_step():
    assert StepModel.of(presets.get("linear")).quantum == pytest.approx(80e-6 / 800)


@pytest.mark.parametrize(
    ("name", "spread"),
    [
        ("linear", 0.0),
        ("ecram", 0.1),
        ("reram-es", 0.2),
        ("pcm", 0.2),
    ],
)
def test_the_spread_of_steps_between_cells_is_that_of_the_preset(name, spread):
    assert StepModel.of(presets.get(name)).gain_spread[0] == pytest.approx(spread, rel=0.06, abs=1e-9)
