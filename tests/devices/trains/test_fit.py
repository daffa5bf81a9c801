"""From pulse trains to a device: what comes out is what the trains were made of."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from measured import trains_csv

from hwctl.devices import law, presets
from hwctl.devices.device import DriveLevel
from hwctl.devices.presetfile import load_device, save_device
from hwctl.devices.tabulated import Spread, StepTable, TabulatedDevice
from hwctl.devices.trains.csvfile import Drive, read_trains
from hwctl.devices.trains.fit import Given, fit
from hwctl.devices.trains.smoothing import held, smooth, smooth_squares
from hwctl.errors import DeviceError
from hwctl.protocol.codes import Polarity

SET, RESET = Polarity.SET, Polarity.RESET
US = 1e-6
Z = law.entry_centres()
NOTHING = Given()


def soft(step=0.02, bend=0.6, ratio=1.3, c2c=0.3, **changes):
    """Return a device whose steps shrink by `bend` towards the bound that they go to."""
    tables = []
    for polarity, mean in ((SET, step * (1 - bend * Z)), (RESET, ratio * step * (1 - bend * (1 - Z)))):
        tables.append(StepTable(DriveLevel(polarity, 1.0, 1e-6), mean, c2c * mean))
    return TabulatedDevice(name="made", lowest=10 * US, highest=60 * US, tables=tuple(tables), **changes)


def fitted(tmp_path, device, pulses, given=NOTHING, **options):
    path = tmp_path / "x.csv"
    path.write_text(trains_csv(device, pulses, **options))
    return fit(read_trains(path, Drive()), given, "found", "a test")


def steps_at(device, g, polarity, level=0):
    """Return mean and sigma in S of a step at conductances in S."""
    span = device.g_max - device.g_min
    drive = device.levels_of(polarity)[level]
    mean, sigma = device.curve(drive, (g - device.g_min) / span)
    return mean * span, sigma * span


def traverse(device, share=0.95):
    """Return SET and RESET pulses from bound to near the other one."""
    found = []
    for polarity in (SET, RESET):
        mean = device.curve(device.levels_of(polarity)[0], Z)[0]
        found.append(int(share * (1 / 64 / mean).sum()))
    return tuple(found)


@settings(max_examples=15, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    st.floats(0.008, 0.04), st.floats(0.0, 0.8), st.floats(0.5, 2.0), st.floats(0.0, 0.5), st.floats(0.0, 0.003),
    st.integers(0, 1000),
)  # fmt: skip
def test_trains_of_a_known_device_give_its_step_curves_back(tmp_path_factory, step, bend, ratio, c2c, noise, seed):
    tmp_path = tmp_path_factory.mktemp("trip")
    device = soft(step, bend, ratio, c2c)
    noise *= 50 * US
    given = Given(read_noise=noise)
    found = fitted(tmp_path, device, traverse(device), given, cells=6, cycles=10, seed=seed, read_noise=noise).device
    save_device(found, tmp_path / "x.toml")
    found = load_device(tmp_path / "x.toml")
    assert found.g_min == pytest.approx(device.g_min, abs=1.5 * US)
    assert found.g_max == pytest.approx(device.g_max, abs=6 * US)
    g = np.linspace(15, 52, 38) * US
    for polarity in (SET, RESET):
        (mean, sigma), (true_mean, true_sigma) = (steps_at(item, g, polarity) for item in (found, device))
        size = true_mean.mean()
        # 60 trains: some 60 / (64 * step) samples an entry, so 5% for the mean of noisy ones; six of that at worst
        off = np.abs(mean - true_mean) / np.maximum(true_mean, 0.3 * size)
        assert off.max() < 0.04 + 0.6 * c2c + 12 * noise / (50 * US) / step / 8
        assert np.abs(mean - true_mean).mean() < (0.02 + 0.12 * c2c) * size + 0.3 * noise
        assert np.abs(sigma - true_sigma).mean() < 0.2 * true_sigma.mean() + 0.02 * size + 0.8 * noise


def test_an_ideal_device_comes_back_exactly_and_one_train_will_do(tmp_path):
    device = soft(bend=0.0, ratio=1.0, c2c=0.0)
    found = fitted(tmp_path, device, (50, 50))
    assert (found.cells, found.trains, found.steps, found.visible_noise) == (1, (1, 1), 100, 0.0)
    assert (found.device.g_min, found.device.g_max) == (
        pytest.approx(10 * US, rel=1e-3),
        pytest.approx(60 * US, rel=1e-3),
    )
    for table in found.device.tables:
        np.testing.assert_allclose(table.mean, 0.02, rtol=2e-3)
        assert table.sigma.max() < 2e-4
    assert found.device.start == pytest.approx(0.0, abs=1e-3)


def test_what_was_never_visited_is_held_and_said(tmp_path):
    device = soft(c2c=0.0)
    found = fitted(tmp_path, device, (15, 10), Given(g_min=10 * US, g_max=60 * US), starts=(0.25, 0.75)).device
    sets, resets = found.tables
    assert (sets.mean[:10] == sets.mean[10]).all()
    assert (sets.mean[-10:] == sets.mean[-11]).all()
    assert (resets.mean[-8:] == resets.mean[-9]).all()
    said = "; ".join(found.assumed)
    assert "SET at 1 V: below 23% of the range, never visited, steps are those at 23%" in said
    assert "RESET at 1 V: above" in said
    assert "bounds are" not in said


def test_cells_that_differ_show_d2d_and_noise_of_their_steps_does_not(tmp_path):
    alike = soft(c2c=0.4)
    unlike = replace(alike, spread=Spread(gain_set=0.25, gain_reset=0.15, low=1 * US, high=2 * US))
    none, some = (fitted(tmp_path, item, (60, 45), cells=60, cycles=1, seed=4).device for item in (alike, unlike))
    assert none.spread.gain_set < 0.03
    assert some.spread.gain_set == pytest.approx(0.25, rel=0.35)
    assert some.spread.gain_reset == pytest.approx(0.15, rel=0.35)
    assert some.spread.low == pytest.approx(1 * US, rel=0.35)
    assert some.spread.high > none.spread.high


def test_noise_of_readings_is_told_from_c2c(tmp_path):
    noisy = soft(0.01, c2c=0.3, write_sigma=1.0 * US)
    found = fitted(tmp_path, noisy, (110, 90), Given(read_noise=0.1 * US), cells=5, cycles=20)
    assert found.visible_noise == pytest.approx(1.0 * US, rel=0.15)
    assert found.device.write_noise == pytest.approx(1.0 * US, rel=0.15)
    assert found.device.read_noise == pytest.approx(0.1 * US)
    mean, sigma = steps_at(found.device, np.linspace(20, 50, 31) * US, SET)
    true, true_sigma = steps_at(noisy, np.linspace(20, 50, 31) * US, SET)
    assert np.abs(mean - true).mean() < 0.15 * true.mean()
    assert sigma.mean() < 3 * true_sigma.mean()  # without taking the noise off: nine times
    quiet = fitted(tmp_path, soft(0.01, c2c=0.3), (110, 90), cells=5, cycles=20)
    assert quiet.visible_noise < 0.05 * US


def test_drive_levels_are_tables_from_weak_to_strong(tmp_path):
    lines = ["amplitude_V,polarity,pulse,conductance_uS"]
    for volts, step in ((1.4, 4), (1.2, 2)):
        lines += [f"{volts},SET,{n},{10 + step * n}" for n in range(11)]
    lines += [f"1.3,RESET,{n},{50 - 4 * n}" for n in range(11)]
    path = tmp_path / "x.csv"
    path.write_text("\n".join(lines))
    device = fit(read_trains(path, Drive()), NOTHING, "found", "a test").device
    assert [level.amplitude for level in device.levels_of(SET)] == [1.2, 1.4]
    for level, step in ((0, 2), (1, 4)):
        np.testing.assert_allclose(steps_at(device, np.array([20 * US]), SET, level)[0], step * US, rtol=1e-6)


def test_a_reset_to_the_bottom_makes_a_one_way_device(tmp_path):
    found = fitted(tmp_path, presets.get("pcm"), (40, 1), cells=20, cycles=2, starts=(0.0, 0.97)).device
    assert found.one_way
    assert "one-way: a RESET goes to the bottom at once" in found.assumed
    assert not fitted(tmp_path, soft(), (60, 40)).device.one_way


def test_pulses_that_were_not_read_after_count(tmp_path):
    text = "\n".join(
        ["pulse,conductance_uS"] + [f"{n},{10 + n}" for n in (0, 1, 5, 20, 40)] + [f"{n},{50 - n}" for n in (0, 30, 40)]
    )
    (tmp_path / "x.csv").write_text(text)
    device = fit(read_trains(tmp_path / "x.csv", Drive()), NOTHING, "found", "a test").device
    for table in device.tables:
        np.testing.assert_allclose(table.mean, 1 / 40, rtol=1e-6)
    assert any("are interpolated" in line for line in device.assumed)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"g_max": 30 * US}, "readings of 60 uS are above --g-max 30 uS; correct one of them"),
        ({"g_min": 15 * US}, "readings of 10 uS are below --g-min 15 uS"),
        ({"g_min": float("nan")}, "lower bound nan uS; give 0 to below"),
        ({"g_max": 1.0}, r"upper bound 1e\+06 uS; give 0 to below"),
        ({"read_noise": -1e-9}, "read noise -0.001 uS; give 0 to"),
        ({"g_min": 9 * US, "read_noise": 0.9}, "read noise 0.9; give 0 to"),
    ],
)
def test_what_contradicts_the_trains_is_refused(tmp_path, given, says):
    with pytest.raises(DeviceError, match=says):
        fitted(tmp_path, soft(bend=0.0, ratio=1.0, c2c=0.0), (50, 50), Given(**given))


def test_a_cell_that_does_not_move_is_named(tmp_path):
    text = "cell,polarity,pulse,conductance_uS\n" + "".join(
        f"{cell},{polarity},{n},{g}\n"
        for cell, slope in (("a", 1), ("b7", 0))
        for polarity in ("SET", "RESET")
        for n, g in enumerate((20, 20 + slope, 20 + 2 * slope))
    )
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(DeviceError, match="cell 'b7' does not move; leave its rows out"):
        fit(read_trains(tmp_path / "x.csv", Drive()), NOTHING, "found", "a test")


# -- smoothing -----------------------------------------------------------------------------------------------------


def test_a_smooth_curve_goes_through_exact_samples_and_averages_noisy_ones():
    rng = np.random.default_rng(1)
    at = rng.random(4000)
    np.testing.assert_allclose(smooth(at, 1 - at), 1 - Z, atol=2e-3)
    noisy = smooth(at, 1 - at + 0.3 * rng.standard_normal(at.size))
    assert np.abs(noisy - (1 - Z)).mean() < 0.03
    np.testing.assert_allclose(smooth_squares(at, 0.09 * rng.standard_normal(at.size) ** 2), 0.09, rtol=0.45)


def test_a_curve_is_nan_where_no_sample_is_and_held_from_the_nearest():
    at = np.linspace(0.25, 0.5, 100)
    found = smooth(at, at)
    assert np.isnan(found[:14]).all()
    assert np.isnan(found[34:]).all()
    assert np.isfinite(found[16:31]).all()
    whole = held(found)
    assert whole[0] == np.nanmin(found)
    assert whole[-1] == np.nanmax(found)
    assert 0.25 <= whole.min() <= whole.max() <= 0.5
