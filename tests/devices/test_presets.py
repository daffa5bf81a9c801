"""Every preset, fabricated and pulsed by the emulator, shows the figures of the paper or code that it cites."""

from dataclasses import replace

import numpy as np
import pytest

from hwctl.crossbar import Crossbar
from hwctl.devices import law, presets
from hwctl.devices.chip import fabricate
from hwctl.devices.steps import StepModel
from hwctl.emulator.board import EmulatedBoard
from hwctl.errors import DeviceError
from hwctl.links.inprocess import InProcessLink
from hwctl.protocol.cells import GAIN_ONE, from_words
from hwctl.protocol.codes import CellFlag, Polarity

SET, RESET = Polarity.SET, Polarity.RESET
TOP = law.STATE_MAX
US = 1e-6


def alike(name, *kept, **changes):
    """Return a preset whose cells are all alike and whose steps are not noisy, but for the spreads that are kept."""
    device = presets.get(name)
    spreads = {field for field in vars(device) if field.endswith(("_d2d", "_c2c")) or field == "unresponsive"}
    return replace(device, **(dict.fromkeys(spreads - set(kept), 0.0) | changes))


def opened(device, rows=4, cols=8, seed=3):
    return Crossbar(InProcessLink(EmulatedBoard(fabricate(device, rows, cols, seed), seed=9), "test"))


def usual_shapes(crossbar, model):
    return [crossbar.drive_levels(polarity)[model.usual[polarity]] for polarity in (SET, RESET)]


def pulse_all(crossbar, count, shapes):
    """Give every cell of an array a train of any length."""
    while count:
        now = max(min(count, 127), -127)
        crossbar.pulse(np.full((crossbar.rows, crossbar.cols), now), *shapes)
        count -= now


def cells_of(crossbar):
    return from_words(crossbar.dump().words).reshape(crossbar.rows, crossbar.cols)


def steps(device, polarity, state, level=None, n=1 << 12, seed=1):
    """Return by how many states one pulse of the cell law moves n cells that stand at a state."""
    chip = fabricate(device, 64, n // 64, seed)
    cells = chip.cells.reshape(-1).copy()
    cells["state"] = state
    levels = np.full(n, StepModel.of(device).usual[polarity] if level is None else level)
    law.pulse(cells, np.arange(n), polarity, levels, chip.curves[polarity], chip.seed)
    return cells["state"].astype(np.int64) - state


def pulses_to(device, polarity, start, end):
    """Return the pulses of the cell law that take an average cell from one position to another."""
    chip = fabricate(device, 1, 16, 2)
    cells, numbers = chip.cells.reshape(-1).copy(), np.arange(16)
    cells["state"] = np.clip(round(start * TOP), 0, TOP)
    levels = np.full(16, StepModel.of(device).usual[polarity])
    for n in range(1, 3000):
        law.pulse(cells, numbers, polarity, levels, chip.curves[polarity], chip.seed)
        reached = cells["state"] - end * TOP
        if np.median(reached if polarity == SET else -reached) >= 0:
            return n
    raise AssertionError("the end was never reached")


# -- all of them ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", presets.PRESETS)
def test_a_preset_says_where_its_parameters_come_from(name):
    device = presets.get(name)
    assert device.name == name
    assert device.title
    assert device.source
    assert device.assumed


@pytest.mark.parametrize("name", presets.PRESETS)
def test_levels_of_one_polarity_rise_from_weak_to_strong(name):
    device = presets.get(name)
    for polarity in (SET, RESET):
        levels = device.levels_of(polarity)
        assert levels
        means = np.array([device.curve(level, np.array([0.3]))[0][0] for level in levels])
        assert (np.diff(means) >= 0).all()
        assert len({(level.amplitude, level.width, level.gate) for level in levels}) == len(levels)


def test_an_unknown_preset_is_refused_with_the_nearest_name():
    with pytest.raises(DeviceError, match="did you mean reram-es"):
        presets.get("reram_es")
    with pytest.raises(DeviceError, match="known: linear, reram-es"):
        presets.get("flash")


# -- linear --------------------------------------------------------------------------------------------------------


def test_linear_takes_800_pulses_from_bound_to_bound_either_way():
    crossbar = opened(presets.get("linear"))
    shapes = usual_shapes(crossbar, StepModel.of(presets.get("linear")))
    np.testing.assert_allclose(crossbar.read(), 50 * US, atol=0.03 * US)
    for count, expected in ((-395, 10.5), (790, 89.5), (-790, 10.5), (-10, 10.0), (805, 90.0), (-400, 50.0)):
        pulse_all(crossbar, count, shapes)
        # Noise is none: what is left is the converter's step and the dither of the steps.
        np.testing.assert_allclose(crossbar.read(), expected * US, atol=0.06 * US)


# -- reram-es ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("w", "up", "down"), [(-1, 0.00295, 0.00108), (0, 0.00148, 0.00199), (1, 0.00136, 0.0131)])
def test_reram_es_steps_are_those_of_gong_2018(w, up, down):
    device = presets.get("reram-es")
    for level, expected in zip(device.levels(), (up, down), strict=True):
        step = 2.0 * device.curve(level, np.array([(w + 1) / 2]))[0][0]
        assert step == pytest.approx(expected, rel=0.005)


@pytest.mark.parametrize("entry", [0, 32, 63])
@pytest.mark.parametrize("polarity", [SET, RESET])
def test_reram_es_emulated_steps_are_the_published_curve(entry, polarity):
    device = alike("reram-es")
    # In the middle of a table entry, where the law is not a step off the curve.
    state = entry * 1024 + 512
    found = np.abs(steps(device, polarity, state)).mean()
    mean, _ = device.curve(device.levels_of(polarity)[0], np.array([state / (TOP + 1)]))
    assert found == pytest.approx(mean[0] * (TOP + 1), rel=0.002)


def test_reram_es_needs_1252_set_or_1002_reset_pulses_for_a_traverse():
    device = alike("reram-es")
    assert abs(pulses_to(device, SET, 0.0, 1.0) - 1252) <= 3
    assert abs(pulses_to(device, RESET, 1.0, 0.0) - 1002) <= 3


def test_reram_es_settles_at_its_symmetry_point_under_as_many_pulses_up_as_down():
    device = alike("reram-es", write_noise_steps=0.0)
    model = StepModel.of(device)
    assert (model.symmetry_point - device.g_centre) / device.siemens_per_weight == pytest.approx(-0.218, abs=0.001)
    crossbar = opened(device)
    shapes = usual_shapes(crossbar, model)
    ones = np.ones((crossbar.rows, crossbar.cols), np.int8)
    crossbar.pulse(ones * 127, *shapes)
    crossbar.pulse(np.where(np.arange(crossbar.cols) < 4, 127, -127) * ones, *shapes)
    assert np.ptp(crossbar.read()) > 5 * US
    for _ in range(2500):
        crossbar.pulse(ones, *shapes)
        crossbar.pulse(-ones, *shapes)
    w = (crossbar.read(averages=64) - device.g_centre) / device.siemens_per_weight
    np.testing.assert_allclose(w, -0.218, atol=0.012)


def test_reram_es_set_pulses_lower_the_conductance_in_42_percent():
    moved = steps(presets.get("reram-es"), SET, 0x8000, n=1 << 18)
    assert (moved < 0).mean() == pytest.approx(0.42, abs=0.004)


def test_reram_es_c2c_is_500_percent_of_the_step():
    for polarity in (SET, RESET):
        moved = steps(alike("reram-es", "step_c2c"), polarity, 0x8000, n=1 << 18)
        assert moved.std() / abs(moved.mean()) == pytest.approx(5.0, rel=0.06)


def test_reram_es_spreads_are_20_30_and_5_percent():
    chip = fabricate(presets.get("reram-es"), 512, 256, 7)
    cells = chip.cells[chip.cells["flags"] == 0]
    unit = 20e-6 / chip.scales.siemens  # codes of w = 1
    step = cells["gain_set"] / GAIN_ONE * cells["span"] / (2 * unit)
    assert (step.mean(), step.std()) == (pytest.approx(1.0, abs=0.005), pytest.approx(0.2, abs=0.005))
    for bound, expected in ((cells["low"].astype(int), -1.0), (cells["low"].astype(int) + cells["span"], 1.0)):
        w = bound / unit - 2.5
        assert (w.mean(), w.std()) == (pytest.approx(expected, abs=0.01), pytest.approx(0.3, abs=0.005))
    up_down = 1 - (1 - 0.259) * cells["gain_reset"] / cells["gain_set"]
    assert (up_down.mean(), up_down.std()) == (pytest.approx(0.259, abs=0.002), pytest.approx(0.05, abs=0.002))


def test_reram_es_cells_whose_bounds_cross_are_stuck():
    chip = fabricate(alike("reram-es", bound_d2d=1.5), 64, 64, 7)
    collapsed = chip.cells["span"] == 0
    assert 0.1 < collapsed.mean() < 0.3
    np.testing.assert_array_equal(chip.cells["flags"] == CellFlag.STUCK_OFF, collapsed)


@pytest.mark.parametrize(("name", "steps_of_noise"), [("reram-es", 75.0), ("reram-es-nowrite", 0.0)])
def test_readings_show_the_write_noise_and_only_a_pulse_draws_it_anew(name, steps_of_noise):
    crossbar = Crossbar.open(f"emulator:?device={name}&rows=128&cols=128&seed=4")
    cells = cells_of(crossbar)
    scale = crossbar.identity.siemens_per_code
    first = crossbar.read(averages=64)
    within = (first / scale - cells["low"]) / cells["span"] - cells["state"] / 0x10000
    # In fractions of each cell's own range, which is 2 in w on average.
    assert within.std() == pytest.approx(steps_of_noise * 0.00135 / 2, rel=0.02, abs=1e-3)
    assert (crossbar.read(averages=64) - first).std() < 0.03 * US
    crossbar.pulse(np.ones(first.shape, int), *usual_shapes(crossbar, StepModel.of(presets.get(name))))
    expected = steps_of_noise * 0.00135 * 20 * US * np.sqrt(2)
    assert (crossbar.read(averages=64) - first).std() == pytest.approx(expected, rel=0.05, abs=0.3 * US)


# -- ecram ---------------------------------------------------------------------------------------------------------


def test_ecram_steps_shrink_by_11_percent_to_the_top_and_by_51_to_the_bottom():
    device = alike("ecram")
    zero = round(0.8276 / 2 * (TOP + 1))  # state of w = 0
    unit = 2 / (TOP + 1)  # w of one state
    for polarity, gamma, bound in ((SET, 0.115, TOP - 200), (RESET, 0.509, 200)):
        at_zero = np.abs(steps(device, polarity, zero)).mean() * unit
        at_bound = np.abs(steps(device, polarity, bound)).mean() * unit
        assert at_zero == pytest.approx(0.002, rel=0.01)
        assert 1 - at_bound / at_zero == pytest.approx(gamma, abs=0.012)


def test_ecram_is_symmetric_about_w_0():
    model = StepModel.of(presets.get("ecram"))
    assert model.symmetry_point == pytest.approx(50 * US, abs=0.1 * US)


@pytest.mark.parametrize("position", [0.05, 0.8276 / 2, 0.95])
def test_ecram_c2c_is_30_percent_of_the_step(position):
    moved = steps(alike("ecram", "step_c2c"), RESET, round(position * (TOP + 1)), n=1 << 17)
    assert moved.std() / -moved.mean() == pytest.approx(0.3, rel=0.05)


def test_ecram_spreads_are_5_10_and_1_percent():
    chip = fabricate(presets.get("ecram"), 256, 256, 7)
    cells, unit = chip.cells, 20e-6 / chip.scales.siemens
    low, high = cells["low"] / unit - 2.5, (cells["low"].astype(int) + cells["span"]) / unit - 2.5
    assert (low.mean(), low.std()) == (pytest.approx(-0.8276, rel=0.01), pytest.approx(0.05 * 0.8276, rel=0.03))
    assert (high.mean(), high.std()) == (pytest.approx(1.1724, rel=0.01), pytest.approx(0.05 * 1.1724, rel=0.03))
    step = cells["gain_set"] / GAIN_ONE * cells["span"] / (2 * unit)
    assert (step.mean(), step.std()) == (pytest.approx(1.0, abs=0.005), pytest.approx(0.1, rel=0.03))
    ratio = cells["gain_reset"] / cells["gain_set"]
    assert (ratio.mean(), ratio.std()) == (pytest.approx(1.0, abs=0.002), pytest.approx(0.01, rel=0.03))


# -- hfox-1t1r -----------------------------------------------------------------------------------------------------


@pytest.fixture
def hfox():
    """Return a driver of the published array, 128 x 64, and which of its cells respond."""
    crossbar = Crossbar.open("emulator:?device=hfox-1t1r&rows=128&cols=64&seed=5")
    return crossbar, cells_of(crossbar)["flags"] == 0


def sweep(crossbar, count, level):
    """Pulse every cell with one gate voltage of SET (count > 0) or with RESET."""
    shapes = crossbar.drive_levels(SET)[level], crossbar.drive_levels(RESET)[0]
    crossbar.pulse(np.full((crossbar.rows, crossbar.cols), count), *shapes)
    return crossbar.read()


@pytest.mark.parametrize(("level", "expected"), [(0, 10), (8, 72), (16, 134), (31, 250)])
def test_hfox_set_saturates_where_the_gate_voltage_says(hfox, level, expected):
    crossbar, responsive = hfox
    gates = [round(shape.gate, 3) for shape in crossbar.drive_levels(SET)]
    assert (len(gates), gates[0], gates[-1]) == (32, 0.7, 2.0)
    typical = responsive & (cells_of(crossbar)["offset"] == 0)
    sweep(crossbar, -1, 0)
    g = sweep(crossbar, 1, level)
    # An entry of the step curve is 4 uS wide.
    assert np.mean(g[typical]) == pytest.approx(expected * US, abs=2.5 * US)
    # A weaker gate does nothing to what is above its saturation.
    weaker = sweep(crossbar, 1, max(level - 8, 0))
    above = responsive & (g > (expected + 20 - 8 * 7.7) * US) & (np.abs(cells_of(crossbar)["offset"]) < 2)
    if level:
        np.testing.assert_allclose(weaker[above], g[above], atol=2 * US)


def test_hfox_spread_of_the_gate_is_50_mv_and_of_set_4_us(hfox):
    crossbar, responsive = hfox
    g = sweep(crossbar, 1, 16)[responsive]
    slope = (250 - 10) / 1.3 * US  # S a volt
    # 50 mV in whole levels of 42 mV, the SET spread, and a table entry's width of 4 uS.
    gate = np.hypot(0.05, 0.042 / np.sqrt(12)) * slope
    assert g.std() == pytest.approx(np.hypot(gate, 4 * US), rel=0.06)
    same = responsive & (cells_of(crossbar)["offset"] == 0)
    assert crossbar.read()[same].std() == pytest.approx(np.hypot(4, 4.05 / np.sqrt(12)) * US, rel=0.1)


def test_hfox_reset_is_abrupt_and_a_depression_takes_two_pulses(hfox):
    crossbar, responsive = hfox
    high = sweep(crossbar, 1, 24)[responsive]
    assert high.min() > 130 * US
    low = sweep(crossbar, -1, 0)[responsive]
    assert np.median(low) == pytest.approx(5 * US, abs=0.5 * US)
    assert (low > 25 * US).sum() == 0
    again = sweep(crossbar, 1, 8)[responsive]
    gate = crossbar.drive_levels(SET)[8].gate
    assert np.median(again) == pytest.approx(presets.get("hfox-1t1r").saturation(gate), abs=3 * US)
    assert crossbar.pulse_counts().max() == 3


def test_hfox_leaves_11_percent_of_the_cells_unresponsive(hfox):
    crossbar, _ = hfox
    before = sweep(crossbar, -1, 0)
    after = sweep(crossbar, 1, 31)
    still = np.abs(after - before) < 5 * US
    assert still.mean() == pytest.approx(0.11, abs=0.012)  # 8192 cells: 3.5 standard deviations
    assert (after[still] > 200 * US).mean() == pytest.approx(3 / 11, abs=0.06)


# -- neurram -------------------------------------------------------------------------------------------------------


def test_neurram_has_29_levels_from_1_2_to_4_volts_of_1_us():
    crossbar = opened(presets.get("neurram"))
    for polarity in (SET, RESET):
        shapes = crossbar.drive_levels(polarity)
        volts = [shape.amplitude for shape in shapes]
        np.testing.assert_allclose(volts, 1.2 + 0.1 * np.arange(29))
        assert all(shape.width == pytest.approx(1e-6) for shape in shapes)
    device = presets.get("neurram")
    assert (device.g_min, device.g_max, device.tolerance) == (1e-6, 40e-6, 1e-6)
    assert (device.first_amplitude, device.last_amplitude, device.default_end) == (1.2, 4.0, 3.3)


def test_neurram_steps_grow_with_the_amplitude_and_vanish_at_the_bounds():
    device = alike("neurram")
    state = 0x8200  # middle of an entry at the middle of the range
    sizes = [np.abs(steps(device, SET, state, level)).mean() * 39 * US / (TOP + 1) for level in range(29)]
    assert sizes[10] == pytest.approx(1 * US, rel=0.03)  # 2.2 V
    np.testing.assert_allclose(np.diff(np.log(sizes[:18])), 0.1 / 0.35, rtol=0.02)
    assert max(sizes) < 0.25 * 39 * US * 1.02
    for polarity, near, far in ((SET, 63, 0), (RESET, 0, 63)):
        close, wide = (np.abs(steps(device, polarity, entry * 1024 + 512)).mean() for entry in (near, far))
        assert close / wide == pytest.approx(1 / 127, rel=0.1)  # entry centres are 1/128 and 127/128 from the bound


def test_neurram_ramps_bring_cells_within_1_us_of_their_targets():
    crossbar = Crossbar.open("emulator:?device=neurram&rows=32&cols=64&seed=2")
    targets = np.random.default_rng(1).uniform(2, 39, (32, 64)) * US
    ramps = [crossbar.drive_levels(polarity) for polarity in (SET, RESET)]
    found = crossbar.write_verify(targets, 1 * US, *ramps, attempts=60, averages=4)
    assert found.reached.mean() > 0.99
    off = np.abs(crossbar.read(averages=16) - targets)[found.reached]
    assert off.max() < 1.3 * US  # the tolerance and read noise


# -- tiox-passive --------------------------------------------------------------------------------------------------


def test_tiox_traverses_in_100_set_and_70_reset_pulses_an_asymmetry_of_1_43():
    device = alike("tiox-passive", "threshold_d2d")
    chip = fabricate(device, 16, 16, 2)
    typical = chip.cells["offset"] == 0
    assert 0.2 < typical.mean() < 0.6
    model = StepModel.of(device)
    crossbar = opened(device, 16, 16, seed=2)
    shapes = usual_shapes(crossbar, model)
    needed = []
    for count, start, end in ((1, 0.05, 0.95), (-1, 0.95, 0.05)):
        cells = cells_of(crossbar)
        cells["state"] = round(start * TOP)
        crossbar.restore(replace(crossbar.dump(), words=cells.reshape(-1).view(np.uint16).reshape(cells.size, -1)))
        pulses = 0
        while (np.median(cells_of(crossbar)["state"][typical]) - end * TOP) * count < 0:
            crossbar.pulse(np.full(cells.shape, count), *shapes)
            pulses += 1
        needed.append(pulses)
    assert needed == [pytest.approx(100, rel=0.03), pytest.approx(70, rel=0.03)]
    assert needed[0] / needed[1] == pytest.approx(1.43, rel=0.03)


def test_tiox_thresholds_spread_by_2_7_percent():
    device = presets.get("tiox-passive")
    np.testing.assert_allclose(
        [level.amplitude for level in device.levels_of(SET)], 1 + 0.027 * np.arange(-3, 4), atol=1e-3
    )
    chip = fabricate(device, 400, 400, 2)
    # Rounding to whole levels adds a twelfth of a level squared.
    assert (chip.cells["offset"] * 0.027).std() == pytest.approx(0.027 * np.sqrt(13 / 12), rel=0.01)


def test_tiox_cells_of_a_lower_threshold_take_larger_steps():
    device = replace(presets.get("tiox-passive"), step_c2c=0.0)
    moved = steps(device, SET, 0x8200, n=1 << 14)
    offset = fabricate(device, 64, 1 << 8, 1).cells["offset"].reshape(-1)
    typical = moved[offset == 0].mean()
    for k in (-2, -1, 1, 2):
        assert moved[offset == k].mean() / typical == pytest.approx(1.3**k, rel=0.01)


# -- pcm -----------------------------------------------------------------------------------------------------------


def test_pcm_set_is_gradual_with_the_steps_of_nandakumar_2020():
    device = alike("pcm")
    for entry in (0, 16, 40, 63):
        w = (entry + 0.5) / 64 * 2
        expected = 0.01 * (1 + 27.235 * np.exp(-2.5 * w))
        found = steps(device, SET, entry * 1024 + 512) * 2 / (TOP + 1)
        assert found.mean() == pytest.approx(expected, rel=0.03, abs=2e-4)
    noisy = steps(alike("pcm", "step_c2c"), SET, 30 * 1024 + 512, n=1 << 17) * 2 / (TOP + 1)
    w = 30.5 / 32
    mean = 0.01 * (1 + 27.235 * np.exp(-2.5 * w))
    assert noisy.std() == pytest.approx(0.6 * (0.042 + mean + 0.108 * w), rel=0.02)


def test_pcm_is_one_way_a_single_reset_goes_to_the_bottom():
    assert presets.get("pcm").one_way
    crossbar = Crossbar.open("emulator:?device=pcm&rows=64&cols=64&seed=2")
    shapes = [crossbar.drive_levels(polarity)[0] for polarity in (SET, RESET)]
    ones = np.ones((64, 64), int)
    crossbar.pulse(ones * 60, *shapes)
    high = crossbar.read()
    assert high.mean() > 30 * US
    crossbar.pulse(-ones, *shapes)
    low = crossbar.read()
    assert low.max() < 4 * US
    assert low.mean() < 1 * US


def test_pcm_spreads_are_10_percent_of_the_bound_and_20_of_the_step():
    chip = fabricate(presets.get("pcm"), 256, 256, 7)
    high = chip.cells["span"] * chip.scales.siemens
    assert (high.mean(), high.std()) == (pytest.approx(40 * US, rel=0.01), pytest.approx(4 * US, rel=0.03))
    step = chip.cells["gain_set"] / GAIN_ONE * high / (40 * US)
    assert (step.mean(), step.std()) == (pytest.approx(1.0, abs=0.005), pytest.approx(0.2, rel=0.03))


def test_pcm_drifts_with_the_exponent_of_the_preset():
    crossbar = Crossbar.open("emulator:?device=pcm&rows=32&cols=32&seed=2&device-drift=1")
    shapes = [crossbar.drive_levels(polarity)[0] for polarity in (SET, RESET)]
    crossbar.pulse(np.full((32, 32), 20), *shapes)
    crossbar.wait(10.0)
    early = crossbar.read(averages=64)
    crossbar.wait(1e4 - 10.0)
    exponent = -np.log(crossbar.read(averages=64) / early) / np.log(1e3)
    assert np.median(exponent) == pytest.approx(0.05, abs=0.002)
