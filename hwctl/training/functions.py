"""Activations and losses, each with the derivative that back-propagation needs."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwctl.training.kernels import softmax

Floats = NDArray[np.float64]


class Activation(NamedTuple):
    """A neuron's function of its input, and its derivative as a function of its output."""

    value: Callable[[Floats], Floats]
    slope: Callable[[Floats], Floats]
    bound: float | None
    """Largest size of an output, None where there is none."""


def sigmoid(z: Floats) -> Floats:
    """1 / (1 + exp(-z)), without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * z))


def relu(z: Floats) -> Floats:
    """max(z, 0)."""
    return np.maximum(z, 0.0)


ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {
        "sigmoid": Activation(sigmoid, lambda y: y * (1.0 - y), 1.0),
        "tanh": Activation(np.tanh, lambda y: 1.0 - y * y, 1.0),
        "relu": Activation(relu, lambda y: (y > 0.0).astype(np.float64), None),
    }
)


class Loss(NamedTuple):
    """A loss at the output layer."""

    output: Callable[[Floats], Floats]
    """Output (batch, classes) from the last layer's sums."""
    value: Callable[[Floats, Floats], Floats]
    """Loss (batch,) of outputs against one-hot targets."""
    delta: Callable[[Floats, Floats], Floats]
    """Derivative of the loss by the last layer's sums (batch, classes)."""


def _cross_entropy(output: Floats, wanted: Floats) -> Floats:
    return -np.log(np.maximum((output * wanted).sum(axis=1), 1e-300))


def _squared(output: Floats, wanted: Floats) -> Floats:
    return 0.5 * ((output - wanted) ** 2).sum(axis=1)


LOSSES: Mapping[str, Loss] = MappingProxyType(
    {
        "cross-entropy": Loss(softmax, _cross_entropy, lambda y, t: y - t),
        "mse": Loss(sigmoid, _squared, lambda y, t: (y - t) * y * (1.0 - y)),
    }
)
