"""Each optimizer does what its equation says, number by number, and its state depends on gradients alone."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hwctl.errors import BadInput
from hwctl.training import optimizers
from hwctl.training.optimizers import OPTIMIZERS, MomentumAdaptive, MomentumGlobalRate

SHAPES = [(2, 3), (4, 1)]
OPTIONS = {"momentum": 0.8, "decay": 0.95}
EPS = 1e-2  # what AdaGrad, RMSprop and Adam take by default

gradients = st.tuples(*(arrays(np.float64, shape, elements=st.floats(-10, 10)) for shape in SHAPES))
sequences = st.lists(gradients, min_size=1, max_size=6)


class Reference:
    """One weight's state, as the equations in the docstrings have it."""

    def __init__(self):
        self.m = self.v = 0.0
        self.t = 0


def sgd(w, g, rate, b, r, layer):
    return -rate * g


def momentum(w, g, rate, b, r, layer):
    w.m = b * w.m + g
    return -rate * w.m


def adagrad(w, g, rate, b, r, layer):
    w.v = w.v + g * g
    return -rate * g / (sqrt(w.v) + EPS)


def rmsprop(w, g, rate, b, r, layer):
    w.v = r * w.v + (1 - r) * g * g
    return -rate * g / (sqrt(w.v) + EPS)


def adam(w, g, rate, b, r, layer):
    w.t += 1
    w.m = b * w.m + (1 - b) * g
    w.v = r * w.v + (1 - r) * g * g
    return -rate * (w.m / (1 - b**w.t)) / (sqrt(w.v / (1 - r**w.t)) + EPS)


def momentum_adaptive(w, g, rate, b, r, layer):
    w.m = b * w.m + g
    w.v = r * w.v + (1 - r) * g * g
    # The floor takes the v of the whole layer after this step; `layer` holds the others' before it and their g.
    squares = [r * other.v + (1 - r) * h * h if other is not w else w.v for other, h in layer]
    return -rate * w.m / (sqrt(w.v) + max(sqrt(sum(squares) / len(squares)), 1e-8))


REFERENCES = {
    "sgd": sgd,
    "momentum": momentum,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adam": adam,
    "momentum-adaptive": momentum_adaptive,
}


def references():
    return [[[Reference() for _ in range(cols)] for _ in range(rows)] for rows, cols in SHAPES]


def reference_step(rule, weights, step, rate, options=OPTIONS):
    """Return the changes of all layers for one step of gradients, one weight after the other."""
    changes = []
    for layer, g in zip(weights, step, strict=True):
        flat = [(w, float(g[i, j])) for i, row in enumerate(layer) for j, w in enumerate(row)]
        before = []
        for w, _ in flat:
            copy = Reference()
            copy.m, copy.v, copy.t = w.m, w.v, w.t
            before.append(copy)
        found = []
        for n, (w, h) in enumerate(flat):
            others = [(w if k == n else before[k], g_k) for k, (_, g_k) in enumerate(flat)]
            found.append(rule(w, h, rate, options["momentum"], options["decay"], others))
        changes.append(np.array(found).reshape(g.shape))
    return changes


@pytest.mark.parametrize("name", REFERENCES)
@settings(max_examples=40, deadline=None)
@given(sequence=sequences, rate=st.floats(1e-4, 10))
def test_an_optimizer_is_its_equation(name, sequence, rate):
    optimizer = optimizers.get(name)(SHAPES, rate, **OPTIONS)
    weights = references()
    for step in sequence:
        given_before = [g.copy() for g in step]
        found = optimizer.step(step, 1.0)
        for change, wanted in zip(found, reference_step(REFERENCES[name], weights, step, rate), strict=True):
            np.testing.assert_allclose(change, wanted, rtol=1e-9, atol=1e-12)
        for g, before in zip(step, given_before, strict=True):
            np.testing.assert_array_equal(g, before)
    assert optimizer.steps == len(sequence)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(gradients, st.floats(0, 5)), min_size=1, max_size=12), st.floats(1e-3, 1))
def test_one_global_rate_follows_the_smoothed_loss(sequence, rate):
    optimizer = MomentumGlobalRate(SHAPES, rate, **OPTIONS)
    weights = references()
    current, fast, slow = rate, sequence[0][1], sequence[0][1]
    for step, loss in sequence:
        fast += 0.02 * (loss - fast)
        slow += 0.005 * (loss - slow)
        current = min(max(current * (1.002 if fast < slow else 0.995), rate / 10), rate * 10)
        found = optimizer.step(step, loss)
        assert optimizer.rate == pytest.approx(current, rel=1e-9)
        for change, wanted in zip(found, reference_step(momentum, weights, step, current), strict=True):
            np.testing.assert_allclose(change, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("losses", "end"), [((1.0 / n for n in range(1, 4000)), 10), (range(4000), 0.1)])
def test_a_global_rate_stays_within_a_factor_of_ten(losses, end):
    optimizer = MomentumGlobalRate([(1, 1)], 0.5)
    for loss in losses:
        optimizer.adapt(loss)
        assert 0.05 <= optimizer.rate <= 5.0
    assert optimizer.rate == pytest.approx(0.5 * end)


@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS) - {"momentum-global-rate"}))
def test_nothing_but_gradients_enters_the_state(name):
    rng = np.random.default_rng(5)
    one, other = (optimizers.get(name)(SHAPES) for _ in range(2))
    for n in range(5):
        step = [rng.normal(size=shape) for shape in SHAPES]
        changes = one.step(step, 0.1 * n)
        changes[0][...] = 0.0  # what becomes of a change is none of the optimizer's business
        other.step(step, 7.0)
    for moment, layers in one.state.items():
        for mine, its in zip(layers, other.state[moment], strict=True):
            np.testing.assert_array_equal(mine, its)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_state_taken_over_goes_on_to_the_same_bits(name):
    rng = np.random.default_rng(6)
    steps = [[rng.normal(size=shape) for shape in SHAPES] for _ in range(8)]
    whole, resumed = (optimizers.get(name)(SHAPES) for _ in range(2))
    for n, step in enumerate(steps):
        if n == 4:
            resumed.steps = whole.steps
            for moment, layers in whole.state.items():
                for layer, values in enumerate(layers):
                    resumed.state[moment][layer][...] = values
        wanted = whole.step(step, 1.0 / (n + 1))
        if n >= 4:
            for mine, its in zip(resumed.step(step, 1.0 / (n + 1)), wanted, strict=True):
                np.testing.assert_array_equal(mine, its)


# -- the floor of a rate per weight --------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-9, 1e-3), st.integers(1, 50))
def test_steps_of_negligible_gradients_stay_negligible(size, steps):
    optimizer = MomentumAdaptive([(10, 10)], 0.002)
    rng = np.random.default_rng(1)
    for _ in range(steps):
        g = rng.normal(size=(10, 10))
        g[5:] *= size
        (change,) = optimizer.step([g], 1.0)
    loud, quiet = np.abs(change[:5]).mean(), np.abs(change[5:]).mean()
    # Without the floor both would be alike, however small the gradients are.
    assert quiet < 10 * size * loud


def test_a_layer_without_gradients_rests():
    optimizer = MomentumAdaptive(SHAPES)
    for change in optimizer.step([np.zeros(shape) for shape in SHAPES], 1.0):
        np.testing.assert_array_equal(change, 0.0)


def test_a_given_floor_above_the_noise_is_kept():
    optimizer = MomentumAdaptive([(1, 1)], 0.5, momentum=0.0, decay=0.0, eps=3.0)
    (change,) = optimizer.step([np.array([[2.0]])], 1.0)
    assert change[0, 0] == pytest.approx(-0.5 * 2.0 / (2.0 + 3.0))


# -- refusals ------------------------------------------------------------------------------------------------------


def test_an_unknown_optimizer_lists_the_known():
    with pytest.raises(BadInput, match="no optimizer 'lamb'; known: sgd, momentum, adagrad"):
        optimizers.get("lamb")


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(
    "options",
    [{"rate": 0.0}, {"rate": -1.0}, {"rate": np.inf}, {"rate": np.nan}, {"momentum": 1.0}, {"momentum": -0.1},
     {"momentum": np.nan}, {"decay": 1.0}, {"decay": -0.1}],
)  # fmt: skip
def test_a_number_out_of_range_is_refused(name, options):
    with pytest.raises(BadInput, match="give"):
        optimizers.get(name)(SHAPES, **options)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_downhill_from_the_start(name):
    optimizer = optimizers.get(name)([(1, 2)])
    assert optimizer.rate == optimizers.get(name).default_rate
    (change,) = optimizer.step([np.array([[1.0, -2.0]])], 1.0)
    assert change[0, 0] < 0 < change[0, 1]
