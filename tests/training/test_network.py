"""Back-propagation: its gradients are those of finite differences, in floating point and on an ideal array."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwctl.errors import BadInput
from hwctl.training.functions import ACTIVATIONS, LOSSES
from hwctl.training.network import Network, gradients, with_bias

KINDS = [(activation, loss) for activation in ACTIVATIONS for loss in LOSSES]


class FloatLayer:
    """A layer in floating point."""

    def __init__(self, weights):
        self.weights = weights
        self.rows, self.outputs = weights.shape

    def forward(self, inputs, bound=None):
        if bound is not None:
            assert np.abs(inputs).max() <= bound
        return inputs @ self.weights

    def backward(self, deltas):
        return deltas @ self.weights.T


def float_loss(weights, x, labels, activation, loss):
    """Return the mean loss, one sample and one neuron after the other."""
    functions = {
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
        "tanh": lambda z: (np.exp(2 * z) - 1) / (np.exp(2 * z) + 1),
        "relu": lambda z: z if z > 0 else 0.0,
    }
    total = 0.0
    for sample, label in zip(x, labels, strict=True):
        values = [*sample, 1.0]
        for layer in weights[:-1]:
            sums = [sum(v * w for v, w in zip(values, column, strict=True)) for column in layer.T]
            values = [*(functions[activation](z) for z in sums), 1.0]
        sums = [sum(v * w for v, w in zip(values, column, strict=True)) for column in weights[-1].T]
        if loss == "mse":
            total += sum(0.5 * (1 / (1 + np.exp(-z)) - (j == label)) ** 2 for j, z in enumerate(sums))
        else:
            total += np.log(sum(np.exp(z) for z in sums)) - sums[label]
    return total / len(x)


def finite_differences(weights, *problem, step=1e-5):
    found = []
    for layer in weights:
        slope = np.empty(layer.shape)
        for place in np.ndindex(layer.shape):
            value = layer[place]
            ends = []
            for end in (value + step, value - step):
                layer[place] = end
                ends.append(float_loss(weights, *problem))
            layer[place] = value
            slope[place] = (ends[0] - ends[1]) / (2 * step)
        found.append(slope)
    return found


def propagated(network, x, labels):
    wanted = np.eye(network.layers[-1].outputs)[labels]
    done = network.forward(with_bias(x))
    return gradients(done, network.backward(done, wanted))


def problem(sizes, batch, seed):
    rng = np.random.default_rng(seed)
    weights = [rng.uniform(-1, 1, (n + 1, m)) for n, m in pairwise(sizes)]
    return weights, rng.uniform(0, 1, (batch, sizes[0])), rng.integers(0, sizes[-1], batch)


@pytest.mark.parametrize(("activation", "loss"), KINDS)
@pytest.mark.parametrize("sizes", [(3, 2), (3, 4, 2), (2, 4, 3, 3)])
def test_gradients_are_the_finite_differences_of_the_loss(activation, loss, sizes):
    weights, x, labels = problem(sizes, 5, 3)
    found = propagated(Network([FloatLayer(w) for w in weights], activation, loss), x, labels)
    for mine, wanted in zip(found, finite_differences(weights, x, labels, activation, loss), strict=True):
        np.testing.assert_allclose(mine, wanted, atol=1e-8)


@pytest.mark.parametrize(("activation", "loss"), KINDS)
def test_gradients_through_an_ideal_array_are_those_of_the_weights_it_holds(lab, activation, loss):
    sizes = (6, 8, 3)
    wished, x, labels = problem(sizes, 24, 4)
    movers = [lab.mover(rows=w.shape[0], outputs=w.shape[1]) for w in wished]
    for mover, w in zip(movers, wished, strict=True):
        targets = np.empty((mover.layer.rows, mover.layer.lines))
        targets[:, 0::2], targets[:, 1::2] = 50e-6 + w * lab.K / 2, 50e-6 - w * lab.K / 2
        mover.program(targets, 2)
    layers = [mover.layer for mover in movers]
    assert all(layer.transposes for layer in layers)
    held = [lab.true_weights(layer) for layer in layers]
    for w, wish in zip(held, wished, strict=True):
        np.testing.assert_allclose(w, wish, atol=0.02)
    # A converter's error may move a sum that is near 0 over relu's bend.
    far = (np.abs(with_bias(x) @ held[0]) > 0.05).all(axis=1)
    assert far.sum() >= 10
    x, labels = x[far], labels[far]
    found = propagated(Network(layers, activation, loss), x, labels)
    for mine, wanted in zip(found, finite_differences(held, x, labels, activation, loss), strict=True):
        # Eight bits of input and twelve of output leave about a hundredth.
        assert np.abs(mine - wanted).max() < 0.02 * np.abs(wanted).max()


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_a_batch_gives_the_mean_of_its_samples(batch, seed):
    weights, x, labels = problem((3, 4, 2), batch, seed)
    network = Network([FloatLayer(w) for w in weights], "tanh", "cross-entropy")
    alone = [propagated(network, x[n : n + 1], labels[n : n + 1]) for n in range(batch)]
    for layer, mean in enumerate(propagated(network, x, labels)):
        np.testing.assert_allclose(mean, np.mean([g[layer] for g in alone], axis=0), atol=1e-12)


def test_a_pass_keeps_every_layers_inputs_with_the_bias_last():
    weights, x, _ = problem((3, 4, 2), 5, 0)
    done = Network([FloatLayer(w) for w in weights], "sigmoid", "mse").forward(with_bias(x))
    assert [values.shape for values in done.inputs] == [(5, 4), (5, 5)]
    for values in done.inputs:
        np.testing.assert_array_equal(values[:, -1], 1.0)
    np.testing.assert_array_equal(done.inputs[0][:, :-1], x)


def test_unknown_names_list_the_known():
    layers = [FloatLayer(np.zeros((2, 2)))]
    with pytest.raises(BadInput, match="no activation 'gelu'; known: sigmoid, tanh, relu"):
        Network(layers, "gelu", "mse")
    with pytest.raises(BadInput, match="no loss 'hinge'; known: cross-entropy, mse"):
        Network(layers, "tanh", "hinge")
