"""Lines are assigned around stuck cells: inputs that matter to good rows, outputs to good pairs."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hwctl.programming.linemap import LineMap
from hwctl.protocol.cells import as_words, from_words
from hwctl.protocol.codes import CellFlag
from hwctl.training import setup
from hwctl.training.config import TrainConfig
from hwctl.training.remap import MappedLayer, best_lines, harm
from hwctl.training.trainer import Trainer


def cost(found, importance, harms):
    return float(importance @ harms[np.ix_(found.rows, found.pairs)].sum(axis=1))


@settings(deadline=None)
@given(st.data(), st.integers(0, 2), st.integers(0, 2))
def test_lines_are_lines_of_the_layer_and_never_worse(data, spare_rows, spare_pairs):
    harms = data.draw(arrays(np.float64, (4 + spare_rows, 3 + spare_pairs), elements=st.floats(0, 4)))
    importance = data.draw(arrays(np.float64, 4, elements=st.floats(0, 1)))
    start = LineMap.straight(4, 3)
    found = best_lines(harms, importance, start)
    for lines, size in ((found.rows, 4 + spare_rows), (found.pairs, 3 + spare_pairs)):
        assert len(set(lines.tolist())) == lines.size
        assert set(lines.tolist()) <= set(range(size))
    assert cost(found, importance, harms) <= cost(start, importance, harms) * (1 + 1e-9)


def test_an_input_that_is_always_0_takes_the_bad_row():
    harms = np.zeros((4, 3))
    harms[2] = 1.0
    found = best_lines(harms, np.array([1.0, 0.5, 1.0, 0.0]), LineMap.straight(4, 3))
    np.testing.assert_array_equal(found.rows, [0, 1, 3, 2])  # what gains nothing stays
    np.testing.assert_array_equal(found.pairs, [0, 1, 2])


def test_spare_lines_are_taken_where_others_are_bad_and_not_else():
    harms = np.zeros((5, 4))
    harms[1], harms[:, 0] = 1.0, 0.5
    found = best_lines(harms, np.ones(4), LineMap.straight(4, 3))
    np.testing.assert_array_equal(found.rows, [0, 4, 2, 3])
    np.testing.assert_array_equal(found.pairs, [3, 1, 2])
    still = best_lines(np.zeros((5, 4)), np.ones(4), LineMap.straight(4, 3))
    np.testing.assert_array_equal(still.rows, [0, 1, 2, 3])


def test_a_pair_harms_by_what_it_lacks(lab):
    mover = lab.mover(rows=3, outputs=2)
    low, high = mover.layer.model.g_min, mover.layer.model.g_max
    middle, span = (low + high) / 2, high - low
    mover.layer.tracker.mean[...] = middle
    mover.frozen[1, 0] = True  # half the largest weight either way is still there
    mover.frozen[2, 2:] = True
    mover.layer.tracker.mean[2, 2] += span / 2  # half the largest weight for ever
    found, half = harm(mover), span / mover.layer.k / 2
    assert found[2, 1] == pytest.approx((half**2 + (2 * half) ** 2) / 3)
    found[2, 1] = 0.0
    np.testing.assert_allclose(found, 0.0, atol=1e-12)


def test_signals_and_wishes_go_where_the_weights_are(lab):
    mover = lab.mover(rows=6, outputs=5)
    mapped = MappedLayer(mover.layer, 4, 3)
    mapped.lines = LineMap(np.array([5, 0, 3, 1]), np.array([4, 0, 2]))
    rng = np.random.default_rng(1)
    weights, x, deltas = rng.uniform(-1, 1, (4, 3)), rng.uniform(-1, 1, (7, 4)), rng.normal(size=(7, 3))
    mover.program(setup.start_targets(mover, mapped.placed(weights)), 2)
    np.testing.assert_allclose(mapped.forward(x, 1.0), x @ weights, atol=0.1)
    back = deltas @ weights.T
    np.testing.assert_allclose(mapped.backward(deltas), back, atol=0.05 * np.abs(back).max())
    np.testing.assert_allclose(mapped.on_rows(x) @ mapped.placed(weights), mapped.on_pairs(x @ weights))
    np.testing.assert_array_equal(mapped.taken(mapped.placed(weights)), weights)
    assert mapped.placed(weights).shape == (6, 5)


# -- in training ---------------------------------------------------------------------------------------------------


def trainer_of(url="emulator:?device=ecram&stuck=0.2", **options):
    """Return the trainer of a small run."""
    config = setup.resolve(TrainConfig(**{"task": "wine", "batch": 4, "epochs": 2, "targets": (url,), **options}))
    crossbars = setup.open_crossbars(config)
    return Trainer(config, crossbars, setup.step_model(crossbars), setup.load_data(config))


def started(saved=None, **options):
    """Return a trainer at its start or at a checkpoint."""
    trainer = trainer_of(**options)
    trainer.resume(saved) if saved else trainer.start()
    return trainer


@pytest.mark.parametrize("replicas", [1, 2])
def test_after_remapping_lines_do_less_harm_and_start_weights_are_held(replicas):
    kept = started(url="emulator:?device=linear&stuck=0.2&rows=80&cols=40", replicas=replicas)
    trainer = started(url="emulator:?device=linear&stuck=0.2&rows=80&cols=40", replicas=replicas, remap=True, spare=3)
    copies = trainer.copies
    for n, (layer, mover) in enumerate(zip(copies.mapped, copies.movers, strict=True)):
        assert (mover.layer.rows, mover.layer.outputs) == (layer.rows + 3, layer.outputs + 3)
        straight, harms = LineMap.straight(layer.rows, layer.outputs), harm(mover)
        importance = (trainer._train_x**2).mean(axis=0) if n < replicas else np.ones(layer.rows)
        assert cost(layer.lines, importance, harms) < 0.8 * cost(straight, importance, harms)
        sound = layer.taken(~(mover.frozen[:, 0::2] | mover.frozen[:, 1::2]))
        weights = layer.taken(mover.layer.weights())
        wanted = kept.movers[n].layer.weights()
        fine = sound & ~(kept.movers[n].frozen[:, 0::2] | kept.movers[n].frozen[:, 1::2])
        np.testing.assert_allclose(weights[fine], wanted[fine], atol=0.05)


WAYS = [("momentum", "accumulate"), ("momentum", "outer"), ("adam", "cell"), ("sgd", "tiki-taka")]


@pytest.mark.parametrize(("optimizer", "schedule"), WAYS)
def test_a_remapped_run_learns_and_resumes_to_the_same_bits(optimizer, schedule):
    options = {"optimizer": optimizer, "schedule": schedule, "replicas": 2, "remap": True, "spare": 2}
    whole, part = started(task="wbc", **options), started(task="wbc", **options)
    assert whole.run()
    assert whole.summary()["moved_lines"] > 5
    assert whole.history[-1]["test_accuracy"] > 0.85
    of_layers, of_array = sum(map(np.sum, whole.cell_pulses())), whole.crossbars[0].pulse_counts().sum()
    assert of_layers < of_array if schedule == "tiki-taka" else of_layers == of_array  # it has a second array
    part.run(stop=lambda: part.progress.updates >= 50)
    again = started(part.checkpoint(), task="wbc", **options)
    assert again.run()
    assert whole.crossbars[0].dump().words.tobytes() == again.crossbars[0].dump().words.tobytes()
    assert whole.history[-1]["train_loss"] == again.history[-1]["train_loss"]


def break_pair(mover, number):
    """Make the cells of an output's pair stuck: G+ on, G- off."""
    (placed,) = mover.layer.tiles
    crossbar, first = placed.crossbar, placed.region.col0 + 2 * number
    dumped = crossbar.dump()
    cells = from_words(dumped.words.copy()).reshape(crossbar.rows, crossbar.cols)
    rows = slice(placed.region.row0, placed.region.row1)
    cells["flags"][rows, first], cells["flags"][rows, first + 1] = CellFlag.STUCK_ON, CellFlag.STUCK_OFF
    crossbar.restore(replace(dumped, words=as_words(cells)))


@pytest.mark.parametrize("seed", [0, 1])
def test_classes_whose_pairs_are_dead_are_learned_on_spare_ones(seed):
    # Two dead pairs always say the same: no other weight can tell their classes apart.
    accuracies = []
    for options in ({}, {"remap": True, "spare": 2}):
        trainer = trainer_of(url="emulator:?device=linear&rows=40&cols=30", seed=seed, epochs=10, **options)
        for number in (1, 2):
            break_pair(trainer.movers[1], number)
        trainer.start()
        assert trainer.run()
        accuracies.append(trainer.history[-1]["test_accuracy"])
        if options:
            assert sorted(trainer.copies.mapped[1].lines.pairs.tolist()) == [0, 3, 4]
    assert accuracies[0] < 0.75
    assert accuracies[1] > 0.9
