import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwctl.devices.conduction import Conduction
from hwctl.errors import DeviceError


def test_cubic_term_adds_its_share_at_one_volt():
    assert Conduction(alpha=0.25).current(2e-6, 1.0) == pytest.approx(2.5e-6, rel=1e-15)


def test_no_cubic_term_is_ohms_law():
    volts = np.linspace(-1, 1, 11)
    np.testing.assert_array_equal(Conduction(0.0).current(3e-5, volts), 3e-5 * volts)


@given(st.floats(0, 10), st.floats(1e-9, 1e-2), st.floats(0.01, 3))
def test_curve_is_odd_and_never_below_ohms_law(alpha, G, V):
    law = Conduction(alpha)
    assert law.current(G, -V) == -law.current(G, V)
    assert law.current(G, V) >= G * V
    assert law.factor(V) == law.factor(-V)


def test_conductance_near_zero_volts_is_the_given_one():
    assert Conduction(5.0).current(1e-5, 1e-6) / 1e-6 == pytest.approx(1e-5, rel=1e-10)


def test_it_follows_sinh_up_to_its_scale_voltage():
    scale = 0.4
    volts = np.linspace(0.01, scale, 20)
    sinh = 1e-5 * scale * np.sinh(volts / scale)
    cubic = Conduction(1 / (6 * scale**2)).current(1e-5, volts)
    error = 1 - cubic / sinh
    assert (error > 0).all()
    assert error.max() == pytest.approx(0.0073, abs=2e-4)


def test_arrays_broadcast():
    assert Conduction(1.0).current(np.full((3, 1), 1e-6), np.zeros((1, 4))).shape == (3, 4)


@pytest.mark.parametrize("alpha", [-0.1, np.nan, np.inf])
def test_impossible_alpha_is_refused(alpha):
    with pytest.raises(DeviceError, match="alpha"):
        Conduction(alpha)


@pytest.mark.parametrize(("G", "V", "name"), [(-1e-9, 0.1, "G"), (np.nan, 0.1, "G"), (1e-6, np.nan, "V")])
def test_impossible_values_are_refused(G, V, name):
    with pytest.raises(DeviceError, match=f"^{name} holds"):
        Conduction(1.0).current(G, V)
