"""Activations and losses: their values from the textbook, and derivatives that match finite differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hwctl.training.functions import ACTIVATIONS, LOSSES, relu, sigmoid, softmax

STEP = 1e-6

sums = arrays(np.float64, (3, 4), elements=st.floats(-8, 8))


@settings(deadline=None)
@given(sums)
def test_sigmoid_and_relu_are_the_textbooks(z):
    np.testing.assert_allclose(sigmoid(z), 1 / (1 + np.exp(-z)), rtol=1e-9)
    np.testing.assert_array_equal(relu(z), [[max(value, 0) for value in row] for row in z])


@settings(deadline=None)
@given(sums, st.floats(-500, 500))
def test_softmax_are_shares_that_do_not_depend_on_a_common_shift(z, shift):
    shares = softmax(z)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    for row, found in zip(z, shares, strict=True):
        np.testing.assert_allclose(found, np.exp(row) / sum(np.exp(row)), rtol=1e-9)
    np.testing.assert_allclose(softmax(z + shift), shares, rtol=1e-9)


def test_large_sums_do_not_overflow():
    z = np.array([[-1e4, 0.0, 1e4]])
    np.testing.assert_array_equal(sigmoid(z), [[0, 0.5, 1]])
    np.testing.assert_array_equal(softmax(z), [[0, 0, 1]])


@pytest.mark.parametrize("name", ACTIVATIONS)
@settings(deadline=None)
@given(z=sums)
def test_a_slope_from_the_output_is_the_derivative_by_the_input(name, z):
    z = np.where(np.abs(z) < 0.01, 0.5, z)  # relu has no derivative at 0
    value, slope = ACTIVATIONS[name].value, ACTIVATIONS[name].slope
    difference = (value(z + STEP) - value(z - STEP)) / (2 * STEP)
    np.testing.assert_allclose(slope(value(z)), difference, atol=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
@settings(deadline=None)
@given(z=arrays(np.float64, 5, elements=st.floats(-1e6, 1e6)))
def test_no_output_is_beyond_the_bound_that_is_named(name, z):
    activation = ACTIVATIONS[name]
    if activation.bound is None:
        assert activation.value(np.array([1e6])) == 1e6
    else:
        assert (np.abs(activation.value(z)) <= activation.bound).all()


def test_relu_is_flat_below_zero_and_at_zero():
    value, slope = ACTIVATIONS["relu"].value, ACTIVATIONS["relu"].slope
    np.testing.assert_array_equal(slope(value(np.array([-1.0, 0.0, 2.0]))), [0, 0, 1])


@pytest.mark.parametrize("name", LOSSES)
@settings(deadline=None)
@given(z=sums, label=st.integers(0, 3))
def test_a_delta_is_the_derivative_of_the_loss_by_the_sums(name, z, label):
    loss = LOSSES[name]
    wanted = np.tile(np.eye(4)[label], (3, 1))
    found = loss.delta(loss.output(z), wanted)
    for j in range(4):
        step = STEP * np.eye(4)[j]
        difference = loss.value(loss.output(z + step), wanted) - loss.value(loss.output(z - step), wanted)
        np.testing.assert_allclose(found[:, j], difference / (2 * STEP), atol=1e-5)


def test_values_of_the_losses():
    output, wanted = np.array([[0.25, 0.75], [1.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])
    np.testing.assert_allclose(LOSSES["cross-entropy"].value(output, wanted), [-np.log(0.75), 0])
    np.testing.assert_allclose(LOSSES["mse"].value(output, wanted), [0.0625, 0])


def test_a_sample_that_is_wholly_wrong_has_a_finite_loss():
    for loss in LOSSES.values():
        output = loss.output(np.array([[1e4, -1e4]]))
        assert np.isfinite(loss.value(output, np.array([[0.0, 1.0]]))).all()


def test_tables_cannot_be_changed():
    for table in (ACTIVATIONS, LOSSES):
        with pytest.raises(TypeError):
            table["new"] = None
