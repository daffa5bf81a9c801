"""Layers that are held several times: what the copies do together is the mean, and one copy's faults weigh less."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hwctl.training import setup
from hwctl.training.config import TrainConfig
from hwctl.training.ensemble import Averaged, Copies
from hwctl.training.trainer import Trainer

SHAPE = (3, 2)
FLAGS = arrays(np.bool_, (3, 4))


class Floating:
    """A layer in plain floating point."""

    def __init__(self, weights):
        self.weights = weights
        self.rows, self.outputs = weights.shape

    def forward(self, inputs, bound=None):
        return inputs @ self.weights

    def backward(self, deltas):
        return deltas @ self.weights.T


def standing_in(frozen):
    """Return what `Copies` asks of a mover."""
    return SimpleNamespace(frozen=frozen, layer=SimpleNamespace(rows=3, outputs=2))


def test_signals_are_those_of_the_mean_weights():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4, *SHAPE))
    layer, mean = Averaged([Floating(w) for w in weights]), Floating(weights.mean(axis=0))
    assert (layer.rows, layer.outputs) == SHAPE
    x, deltas = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    np.testing.assert_allclose(layer.forward(x, 1.0), mean.forward(x))
    np.testing.assert_allclose(layer.backward(deltas), mean.backward(deltas))


@given(st.lists(FLAGS, min_size=2, max_size=4), arrays(np.float64, SHAPE, elements=st.floats(-1, 1)))
def test_the_mean_changes_as_wished_wherever_one_pair_can(frozen, wish):
    parts = Copies([standing_in(flags) for flags in frozen], len(frozen)).wishes([wish])
    dead = np.array([flags[:, 0::2] & flags[:, 1::2] for flags in frozen])
    np.testing.assert_allclose(np.mean(parts, axis=0), np.where(dead.all(axis=0), 0.0, wish), atol=1e-15)
    assert not np.array(parts)[dead].any()
    for part, able in zip(parts, ~dead, strict=True):  # those that can share alike
        np.testing.assert_array_equal(part[able], np.max(np.abs(parts), axis=0)[able] * np.sign(wish)[able])


def test_each_mover_gets_what_belongs_to_its_layer():
    movers = [standing_in(np.zeros((3, 4), np.bool_)) for _ in range(6)]
    copies = Copies(movers, 3)
    assert list(copies.of_layers()) == [[0, 1, 2], [3, 4, 5]]
    assert copies.each("ab") == list("aaabbb")
    assert [copies.name(n) for n in (0, 2, 4)] == ["2 to 2, copy 1", "2 to 2, copy 3", "2 to 2, copy 2"]
    assert [layer.copies for layer in copies.products()] == [
        [m.layer for m in movers[:3]],
        [m.layer for m in movers[3:]],
    ]


def test_a_layer_that_is_held_once_is_itself():
    movers = [standing_in(np.ones((3, 4), np.bool_)) for _ in range(2)]
    copies = Copies(movers)
    assert copies.products() == [mover.layer for mover in movers]
    wishes = [np.ones(SHAPE), np.zeros(SHAPE)]
    assert all(part is wish for part, wish in zip(copies.wishes(wishes), wishes, strict=True))
    assert copies.name(1) == "2 to 2"


@pytest.mark.parametrize("replicas", [4, 9])
def test_errors_of_stuck_cells_fall_with_the_root_of_the_copies(lab, replicas):
    def stick(cells):
        flags = cells["flags"].reshape(-1)
        flags[rng.permutation(flags.size)[: flags.size // 5]] = rng.integers(1, 3, flags.size // 5)

    rng = np.random.default_rng(3)
    movers = [lab.mover(rows=32, outputs=16, change=stick) for _ in range(replicas)]
    weights = rng.uniform(-1, 1, (32, 16))
    targets = np.repeat(50e-6 + weights * lab.K / 2, 2, axis=1)
    targets[:, 1::2] = 100e-6 - targets[:, 1::2]
    for mover in movers:
        mover.program(targets, 2)
    x = rng.uniform(-1, 1, (64, 32))
    errors = [float((mover.layer.forward(x) - x @ weights).std()) for mover in movers]
    together = Copies(movers, replicas).products()[0].forward(x, 1.0) - x @ weights
    assert together.std() < 1.3 * np.mean(errors) / np.sqrt(replicas)


# -- in training ---------------------------------------------------------------------------------------------------


def started(saved=None, url="emulator:?device=ecram&stuck=0.2", **options):
    """Return a trainer of a small run, at its start or at a checkpoint."""
    config = setup.resolve(TrainConfig(**{"task": "wbc", "batch": 4, "epochs": 1, "targets": (url,), **options}))
    crossbars = setup.open_crossbars(config)
    trainer = Trainer(config, crossbars, setup.step_model(crossbars), setup.load_data(config))
    trainer.resume(saved) if saved else trainer.start()
    return trainer


@pytest.mark.parametrize(
    ("optimizer", "schedule"),
    [("momentum", "accumulate"), ("momentum", "outer"), ("adam", "cell"), ("adam", "low-rank")],
)
def test_copies_learn_and_a_resumed_run_is_the_same_to_the_bit(optimizer, schedule):
    options = {"optimizer": optimizer, "schedule": schedule, "replicas": 3}
    whole, part = started(**options), started(**options)
    assert whole.run()
    assert whole.history[-1]["test_accuracy"] > 0.85
    counts = whole.crossbars[0].pulse_counts()
    assert sum(pulses.sum() for pulses in whole.cell_pulses()) == counts.sum() > 100
    assert all(pulses.any() for pulses in whole.cell_pulses())
    part.run(stop=lambda: part.progress.updates >= 50)
    again = started(part.checkpoint(), **options)
    assert again.run()
    assert whole.crossbars[0].dump().words.tobytes() == again.crossbars[0].dump().words.tobytes()
    assert whole.history[-1]["train_loss"] == again.history[-1]["train_loss"]
    assert whole.summary()["replicas"] == 3


def test_where_most_cells_are_stuck_three_copies_learn_better_than_one():
    losses = np.empty((2, 5))
    for n, replicas in enumerate((1, 3)):
        for seed in range(losses.shape[1]):
            trainer = started(url="emulator:?device=linear&stuck=0.6", replicas=replicas, epochs=2, seed=seed)
            trainer.run()
            losses[n, seed] = trainer.history[-1]["train_loss"]
    one, three = losses.mean(axis=1)
    assert three < 0.75 * one


def test_copies_may_lie_on_arrays_of_their_own():
    trainer = started(targets=("emulator:?device=ecram&rows=21&cols=20",) * 2, replicas=2)
    assert {placed.tile.array for mover in trainer.movers for placed in mover.layer.tiles} == {0, 1}
    assert trainer.run()
    assert trainer.history[-1]["test_accuracy"] > 0.9
