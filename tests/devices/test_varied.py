"""A device with more or less noise is that device but for what was multiplied."""

import numpy as np
import pytest

from hwctl.crossbar import Crossbar
from hwctl.crossbar.known import device_of
from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.errors import DeviceError, TargetError


@pytest.mark.parametrize("name", list(presets.PRESETS))
def test_factors_of_one_change_nothing(name):
    base, varied = presets.get(name), presets.get(f"{name},c2c=1,d2d=1,read-noise=1,write-noise=1")
    one, other = (fabricate(device, 8, 8, 3) for device in (base, varied))
    np.testing.assert_array_equal(one.cells, other.cells)
    assert (one.read_code, one.write_code, one.levels) == (other.read_code, other.write_code, other.levels)
    for mine, its in zip(one.curves[0] + one.curves[1], other.curves[0] + other.curves[1], strict=True):
        np.testing.assert_array_equal(mine.mean, its.mean)
        np.testing.assert_array_equal(mine.sigma, its.sigma)


def test_each_factor_multiplies_what_it_names():
    base, varied = presets.get("reram-es"), presets.get("reram-es,c2c=0.5,read-noise=3,write-noise=0")
    level, place = base.levels()[0], np.linspace(0, 1, 5)
    np.testing.assert_allclose(varied.curve(level, place)[1], 0.5 * base.curve(level, place)[1])
    np.testing.assert_array_equal(varied.curve(level, place)[0], base.curve(level, place)[0])
    assert varied.read_noise == 3 * base.read_noise
    assert varied.write_noise == 0
    assert any("c2c 0.5 times" in text for text in varied.assumed)


@pytest.mark.parametrize("factor", [0.0, 0.5, 2.0])
def test_cells_differ_by_as_much_as_is_said(factor):
    base, varied = presets.get("ecram"), presets.get(f"ecram,d2d={factor}")
    one, other = (device.fabricate(np.random.default_rng(0), 2000) for device in (base, varied))
    for name in ("low", "high", "gain_set", "gain_reset"):
        assert np.std(getattr(other, name)) == pytest.approx(factor * np.std(getattr(one, name)), rel=0.1, abs=1e-12)


def test_a_board_names_it_and_the_host_knows_it():
    with Crossbar.open("emulator:?device=reram-es,c2c=2&rows=4&cols=4") as crossbar:
        assert crossbar.identity.device == "reram-es,c2c=2"
        assert device_of(crossbar).factors == {"c2c": 2.0}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("reram-es,c3c=1", "no factor 'c3c'; known: c2c, d2d"),
        ("reram-es,c2c", "'c2c' of device 'reram-es,c2c' is no factor"),
        ("reram-es,c2c=x", "is no factor"),
        ("reram-es,c2c=-1", "give a factor from 0 to 100"),
        ("reram-es,c2c=nan", "give a factor from 0 to 100"),
        ("rerum-es,c2c=1", "did you mean reram-es"),
        ("reram-es-nowrite,c2c=0.333333,d2d=0.333333,read-noise=0.333333,write-noise=2", "longer than the 64 bytes"),
    ],
)
def test_what_cannot_be_varied_is_named(name, said):
    with pytest.raises(DeviceError, match=said):
        presets.get(name)
    with pytest.raises(TargetError):
        Crossbar.open(f"emulator:?device={name}")
