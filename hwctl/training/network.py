"""A multilayer network whose products are done on crossbars."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hwctl.errors import BadInput
from hwctl.training.functions import ACTIVATIONS, LOSSES

Floats = NDArray[np.float64]


class Products(Protocol):
    """What a layer does with signals; the last input is the bias."""

    rows: int
    outputs: int

    def forward(self, inputs: Floats, bound: float | None) -> Floats:
        """Return inputs W (batch, outputs) of inputs (batch, rows), none larger than `bound` where that is known."""

    def backward(self, deltas: Floats) -> Floats:
        """Return deltas W^T (batch, rows) of deltas (batch, outputs)."""


@dataclass
class Pass:
    """One forward pass: what back-propagation needs of it."""

    inputs: list[Floats]
    """Input of each layer (batch, inputs + 1), with the bias input 1 as last column."""
    output: Floats
    """(batch, classes)"""


class Network:
    """Layers with one activation between them, and a loss at the end."""

    def __init__(self, layers: Sequence[Products], activation: str, loss: str) -> None:
        """Take layers whose sizes fit, and names of an activation and a loss. Raises BadInput."""
        if activation not in ACTIVATIONS:
            raise BadInput(f"no activation '{activation}'; known: {', '.join(ACTIVATIONS)}")
        if loss not in LOSSES:
            raise BadInput(f"no loss '{loss}'; known: {', '.join(LOSSES)}")
        self.layers = list(layers)
        self._activation = ACTIVATIONS[activation]
        self.loss = LOSSES[loss]

    def forward(self, x: Floats) -> Pass:
        """Return the pass of inputs x (batch, features + 1), 0 to 1, the last column being the bias input 1."""
        inputs = [x]
        bound: float | None = 1.0  # a Dataset's features are 0 to 1
        for layer in self.layers[:-1]:
            hidden = np.empty((len(x), layer.outputs + 1))
            hidden[:, -1] = 1.0
            hidden[:, :-1] = self._activation.value(layer.forward(inputs[-1], bound))
            inputs.append(hidden)
            bound = self._activation.bound
        return Pass(inputs, self.loss.output(self.layers[-1].forward(inputs[-1], bound)))

    def backward(self, done: Pass, wanted: Floats) -> list[Floats]:
        """Return each layer's derivative of the summed loss by its sums, (batch, outputs); wanted: one-hot."""
        deltas = [self.loss.delta(done.output, wanted)]
        for number in range(len(self.layers) - 1, 0, -1):
            back = self.layers[number].backward(deltas[0])[:, :-1]
            deltas.insert(0, back * self._activation.slope(done.inputs[number][:, :-1]))
        return deltas


def gradients(done: Pass, deltas: Sequence[Floats]) -> list[Floats]:
    """Return the mean gradient of each layer's weights (inputs + 1, outputs)."""
    return [x.T @ delta / len(x) for x, delta in zip(done.inputs, deltas, strict=True)]


def with_bias(x: Floats) -> Floats:
    """Return x (rows, features) with a last column of 1."""
    return np.hstack((x, np.ones((len(x), 1))))
