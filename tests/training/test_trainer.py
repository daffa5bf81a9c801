"""Training learns, on whole and bare boards alike, and a resumed run is the run that was never interrupted."""

import math
from dataclasses import replace

import numpy as np
import pytest

from hwctl.errors import BadInput, HwctlError, RunError
from hwctl.protocol.codes import Feature
from hwctl.training import setup
from hwctl.training.checkpoint import NAME, Checkpoint
from hwctl.training.config import TrainConfig
from hwctl.training.trainer import Trainer


def configured(device="ecram", lacks="", targets=None, **options):
    """Return a small run on an emulator."""
    url = f"emulator:?device={device}" + (f"&lacks={lacks}" if lacks else "")
    given = {"task": "iris", "epochs": 2, "batch": 2, "targets": targets or (url,), **options}
    return setup.resolve(TrainConfig(**given))


def trainer_of(config, crossbars=None):
    crossbars = crossbars or setup.open_crossbars(config)
    return Trainer(config, crossbars, setup.step_model(crossbars), setup.load_data(config))


def started(config):
    trainer = trainer_of(config)
    trainer.start()
    return trainer


def finished(config):
    trainer = started(config)
    assert trainer.run()
    return trainer


def run_to(trainer, updates):
    """Train until so many updates are done, in all."""
    assert not trainer.run(stop=lambda: trainer.progress.updates >= updates)
    assert trainer.progress.updates == updates


# -- learning ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1])
def test_wbc_is_learned_as_it_comes(seed):
    config = setup.resolve(TrainConfig(task="wbc", epochs=3, seed=seed))
    history = finished(config).history
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert history[-1]["test_accuracy"] > 0.9
    assert history[-1]["train_accuracy"] > 0.9
    assert history[-1]["train_loss"] < history[0]["train_loss"]


WAYS = [
    ("momentum", "accumulate", "ecram"),
    ("sgd", "outer", "linear"),
    ("adam", "cell", "ecram"),
    ("momentum-global-rate", "sign", "linear"),
    ("momentum-adaptive", "accumulate", "tiox-passive"),
    ("adagrad", "accumulate", "linear"),
    ("rmsprop", "accumulate", "linear"),
    ("sgd", "outer", "pcm"),
    ("momentum", "accumulate", "pcm"),
    ("momentum", "verify", "ecram"),
    ("momentum-adaptive", "low-rank", "linear"),
    ("sgd", "tiki-taka", "tiox-passive"),
]


@pytest.mark.parametrize(("optimizer", "schedule", "device"), WAYS)
def test_every_optimizer_and_schedule_learns(optimizer, schedule, device):
    batch = 1 if device == "pcm" else 4
    config = configured(device, task="wbc", optimizer=optimizer, schedule=schedule, batch=batch)
    last = finished(config).history[-1]
    assert last["test_accuracy"] > 0.9
    assert last["pulses_set"] + last["pulses_reset"] > 100


LACKING = ["vmm_t", "counters", "vmm", "outer_coincidence", "restore",
           "vmm,vmm_t,measure,outer_count,outer_coincidence,write_verify,form,counters,restore"]  # fmt: skip


@pytest.mark.parametrize("lacks", LACKING)
@pytest.mark.parametrize(("optimizer", "schedule"), [("momentum", "accumulate"), ("sgd", "outer")])
def test_a_board_that_can_do_less_still_trains(lacks, optimizer, schedule):
    config = configured(lacks=lacks, task="wbc", optimizer=optimizer, schedule=schedule, batch=4, epochs=1)
    trainer = finished(config)
    crossbar = trainer.crossbars[0]
    assert not any(crossbar.has(Feature[name.upper()]) for name in lacks.split(","))
    assert trainer.history[-1]["test_accuracy"] > 0.9
    assert trainer.history[-1]["pulses_max_cell"] == max(pulses.max() for pulses in trainer.cell_pulses()) > 0


@pytest.mark.parametrize(("optimizer", "schedule"), [("momentum", "accumulate"), ("sgd", "outer")])
def test_a_network_over_several_small_arrays_trains(optimizer, schedule):
    targets = ("emulator:?device=ecram&rows=8&cols=8",) * 5
    trainer = finished(configured(targets=targets, task="wbc", optimizer=optimizer, schedule=schedule, batch=4))
    assert max(len(mover.layer.tiles) for mover in trainer.movers) > 4
    assert trainer.history[-1]["test_accuracy"] > 0.9
    pulsed = [crossbar.pulse_counts() for crossbar in trainer.crossbars]
    assert all(counts.any() for counts in pulsed)
    assert sum(counts.sum() for counts in pulsed) == sum(pulses.sum() for pulses in trainer.cell_pulses())


def test_the_seed_decides_on_everything():
    first, again, other = (finished(configured(seed=seed)) for seed in (3, 3, 4))
    same_bits(first, again)
    assert first.history[-1]["train_loss"] != other.history[-1]["train_loss"]


def pulses_of_epochs(config):
    trainer = started(config)
    sent = [trainer.crossbars[0].pulse_counts().sum()]
    trainer.run(on_epoch=lambda _: sent.append(trainer.crossbars[0].pulse_counts().sum()))
    return np.diff(sent)


def test_the_learning_rate_falls_to_its_final_share():
    # So low a rate leaves the gradients as they are: pulses follow the rate, 7/8 to 1/8 of it in four epochs.
    options = {"optimizer": "sgd", "schedule": "cell", "policy": "fixed-reference", "rate": 0.005, "epochs": 4}
    constant, falling = (
        sum(pulses_of_epochs(configured("linear", final_rate=share, seed=seed, **options)) for seed in range(4))
        for share in (1.0, 0.0)
    )
    np.testing.assert_allclose(falling / constant, [7 / 8, 5 / 8, 3 / 8, 1 / 8], atol=0.08)


# -- what it reports -----------------------------------------------------------------------------------------------


def test_metrics_are_what_the_board_counted():
    trainer = finished(configured(epochs=3))
    status, counts = trainer.crossbars[0].status(), trainer.crossbars[0].pulse_counts()
    last = trainer.history[-1]
    assert (last["pulses_set"], last["pulses_reset"]) == (status.set_pulses, status.reset_pulses)
    assert last["reads"] == status.reads
    assert last["array_seconds"] == pytest.approx(status.busy)
    assert last["pulses_max_cell"] == counts.max()
    assert counts.sum() == status.set_pulses + status.reset_pulses == sum(m.spent.sum() for m in trainer.movers)
    assert last["samples"] == 3 * len(trainer.data.train_y) == trainer.progress.samples
    assert all(math.isfinite(value) for value in last.values())
    summary = trainer.summary()
    assert summary["layers"] == [4, 10, 3]
    assert summary["device"] == "ecram"
    assert {name: summary[name] for name in ("pulses_set", "reads", "test_accuracy")} == {
        name: last[name] for name in ("pulses_set", "reads", "test_accuracy")
    }


def test_losses_and_right_answers_are_those_of_the_epochs_samples():
    # Nothing moves at such a rate: every sample meets the same weights.
    trainer = finished(configured(epochs=1, rate=1e-12))
    (row,), data = trainer.history, trainer.data
    output = trainer.network.forward(np.hstack((data.train_x, np.ones((len(data.train_x), 1))))).output
    losses = -np.log(output[np.arange(len(output)), data.train_y])
    assert row["train_loss"] == pytest.approx(losses.mean(), rel=0.02)
    assert row["train_accuracy"] == pytest.approx((output.argmax(axis=1) == data.train_y).mean(), abs=0.05)


def test_where_rows_are_kept_back_the_test_part_is_read_once(monkeypatch):
    trainer = started(configured(validation=0.25, epochs=3))
    read = []
    real = trainer.network.forward
    monkeypatch.setattr(trainer.network, "forward", lambda x: read.append(x) or real(x))
    assert trainer.run()
    tested = [x for x in read if np.shares_memory(x, trainer.evaluation._test_x)]
    assert len(tested) == 1
    assert [math.isnan(row["test_accuracy"]) for row in trainer.history] == [True, True, False]
    assert all(0 < row["validation_loss"] < 3 for row in trainer.history)
    assert trainer.summary()["validation_accuracy"] == trainer.history[-1]["validation_accuracy"]
    assert trainer.progress.samples == 3 * len(trainer.data.train_y) == 3 * 90


def test_evaluations_within_an_epoch_are_traced_and_not_counted():
    few, many = (finished(configured(validation=0.25, evaluations=n)) for n in (1, 6))
    assert few.evaluation.trace == []
    assert [round(row["epochs"], 9) for row in many.evaluation.trace] == pytest.approx(
        [n / 6 for n in range(1, 13)], abs=0.02
    )
    assert all(row["validation_loss"] > 0 for row in many.evaluation.trace)
    pulses = [row["pulses"] for row in many.evaluation.trace]
    assert pulses == sorted(pulses)
    assert pulses[-1] <= many.summary()["pulses_set"] + many.summary()["pulses_reset"]
    driven = many.evaluation.trace[-1]["array_seconds"]
    assert 0 < driven < many.summary()["array_seconds"]
    without = few.summary()["array_seconds"] - few.evaluation.array_seconds
    assert driven == pytest.approx(without, rel=0.1)


def test_a_traced_run_resumes_to_the_same_trace(tmp_path):
    config = configured(validation=0.25, evaluations=4, epochs=3)
    whole = finished(config)
    part = started(config)
    run_to(part, 60)
    again = resumed(part, tmp_path)
    assert again.run()
    assert again.evaluation.trace == whole.evaluation.trace
    assert len(whole.evaluation.trace) == 12


def test_the_loop_reports_after_every_update_and_epoch():
    trainer = started(configured(epochs=2, batch=7))
    done, epochs = [], []
    assert trainer.run(on_batch=lambda p: done.append(p.samples), on_epoch=lambda m: epochs.append(m["epoch"]))
    count = len(trainer.data.train_y)
    assert done == [*(min(n * 7, count) + e * count for e in range(2) for n in range(1, math.ceil(count / 7) + 1))]
    assert epochs == [1, 2]


# -- budgets -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", ["accumulate", "cell", "sign", "verify"])
@pytest.mark.parametrize("device", ["reram-es", "tiox-passive"])
def test_a_long_run_keeps_the_pulse_budget_of_every_cell(device, schedule):
    trainer = finished(configured(device, schedule=schedule, pulse_budget=60, epochs=4, largest_weight=1.0))
    counts = trainer.crossbars[0].pulse_counts()
    assert counts.max() <= 60
    assert sum(mover.frozen.sum() for mover in trainer.movers) > 5


def test_outer_keeps_the_pulse_budget_or_is_refused():
    config = configured(optimizer="sgd", schedule="outer", pulse_budget=60)
    try:
        trainer = finished(config)
    except BadInput:
        return
    assert trainer.crossbars[0].pulse_counts().max() <= 60


# -- refusals ------------------------------------------------------------------------------------------------------


def test_a_configuration_that_leaves_something_open_is_refused():
    config = configured()
    crossbars = setup.open_crossbars(config)
    for name in ("epochs", "batch", "activation"):
        with pytest.raises(BadInput, match=r"setup\.resolve"):
            trainer_of(replace(config, **{name: None}), crossbars)


@pytest.mark.parametrize("optimizer", ["rmsprop", "adam"])
def test_outer_takes_no_rate_per_weight(optimizer):
    with pytest.raises(BadInput, match="--optimizer sgd or momentum"):
        trainer_of(configured(schedule="outer", optimizer=optimizer))


def test_a_second_array_lies_beside_the_weights():
    config = configured("tiox-passive", schedule="tiki-taka", optimizer="sgd", zero_shift=10, epochs=1)
    trainer = finished(config)
    rows = sum(m.layer.rows for m in trainer.movers)
    assert trainer.crossbars[0].rows == 2 * rows
    taken = {(t.crossbar, t.region) for m in [*trainer.movers, *trainer.schedule.beside] for t in m.layer.tiles}
    assert len(taken) == 2 * len(trainer.movers)
    counts = trainer.crossbars[0].pulse_counts()
    assert (counts[rows:, : trainer.movers[0].layer.lines].min(axis=1) >= 10).any()
    assert trainer.history[-1]["pulses_set"] + trainer.history[-1]["pulses_reset"] == counts.sum()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    "hidden",
    [(), (10,)],
    ids=["one layer", "two layers"],
)
def test_a_loss_that_is_no_number_ends_the_run_in_one_line(hidden):
    # Weights that no double holds: sums are infinite.
    trainer = started(configured("linear", hidden=hidden, activation="relu", siemens_per_weight=1e-320, epochs=1))
    with pytest.raises(RunError, match="the loss is") as error:
        trainer.run()
    assert "\n" not in str(error.value)
    assert "lower the learning rate" in str(error.value)


# -- resume --------------------------------------------------------------------------------------------------------


def same_bits(one, other):
    for a, b in zip(one.crossbars, other.crossbars, strict=True):
        dumped = a.dump(), b.dump()
        assert dumped[0].words.tobytes() == dumped[1].words.tobytes()
        assert dumped[0].extra.tobytes() == dumped[1].extra.tobytes()
        assert dumped[0].clock == dumped[1].clock
        assert (a.noise_index, a.event) == (b.noise_index, b.event)
    for a, b in zip(one.movers, other.movers, strict=True):
        np.testing.assert_array_equal(a.layer.tracker.mean, b.layer.tracker.mean)
        np.testing.assert_array_equal(a.layer.tracker.variance, b.layer.tracker.variance)
        np.testing.assert_array_equal(a.spent, b.spent)
        np.testing.assert_array_equal(a.frozen, b.frozen)
        assert (a.updates, a.rebalances) == (b.updates, b.rebalances)
    for a, b in zip(one.schedule.remainders, other.schedule.remainders, strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.optimizer.steps == other.optimizer.steps
    for moment, layers in one.optimizer.state.items():
        for a, b in zip(layers, other.optimizer.state[moment], strict=True):
            np.testing.assert_array_equal(a, b)
    for a, b in zip(one.cell_pulses() + one.before, other.cell_pulses() + other.before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.progress == other.progress
    assert without_host_time(one.history) == without_host_time(other.history)


def without_host_time(history):
    return [{name: value for name, value in row.items() if name != "host_seconds"} for row in history]


def resumed(trainer, folder, crossbars=None):
    """Save a run to its folder and return another trainer that has gone on from there."""
    trainer.checkpoint().save(folder)
    other = trainer_of(trainer.config, crossbars)
    other.resume(Checkpoint.load(folder))
    return other


PER_EPOCH = 60  # updates of iris: 120 rows, two at once

RESUMED = [
    ("momentum", "accumulate", "reram-es", 1.0),
    ("sgd", "outer", "ecram", 10.0),
    ("adam", "cell", "tiox-passive", 10.0),
    ("momentum-global-rate", "sign", "ecram", 10.0),
    ("momentum-adaptive", "accumulate", "hfox-1t1r", 1.0),
    ("rmsprop", "cell", "pcm", 10.0),
    ("sgd", "outer", "pcm", 10.0),
    ("momentum", "outer", "ecram", 10.0),
    ("momentum", "verify", "ecram", 10.0),
    ("momentum", "low-rank", "ecram", 10.0),
    ("sgd", "tiki-taka", "tiox-passive", 10.0),
]


@pytest.mark.parametrize(("optimizer", "schedule", "device", "share"), RESUMED)
def test_a_resumed_run_is_the_same_to_the_bit(tmp_path, optimizer, schedule, device, share):
    config = configured(device, optimizer=optimizer, schedule=schedule, reread_share=share)
    whole = finished(config)
    # In the middle of an epoch, at its end, and again and again.
    for stops in ((37,), (PER_EPOCH,), (0, 1, 64, 65)):
        trainer = started(config)
        for updates in stops:
            run_to(trainer, updates)
            trainer = resumed(trainer, tmp_path)
            assert trainer.bit_identical
        assert trainer.run()
        same_bits(whole, trainer)


def test_a_run_over_several_arrays_and_bare_boards_resumes_to_the_same_bits(tmp_path):
    targets = ("emulator:?device=ecram&rows=8&cols=8&lacks=counters,vmm_t",) * 5
    config = configured(targets=targets, pulse_budget=40)
    trainer = started(config)
    run_to(trainer, 70)
    trainer = resumed(trainer, tmp_path)
    assert trainer.run()
    same_bits(finished(config), trainer)


def test_a_finished_run_resumes_to_nothing_left_to_do(tmp_path):
    whole = finished(configured())
    trainer = resumed(whole, tmp_path)
    pulses = trainer.crossbars[0].status()
    assert trainer.run()
    assert trainer.crossbars[0].status() == pulses
    same_bits(whole, trainer)
    assert trainer.summary()["test_accuracy"] == whole.summary()["test_accuracy"]


def test_a_board_that_cannot_restore_is_read_back_and_says_so(tmp_path):
    trainer = started(configured("linear", lacks="restore"))
    run_to(trainer, 40)
    trainer.checkpoint().save(tmp_path)
    saved = Checkpoint.load(tmp_path)
    # What happened to the array since then is not in the checkpoint.
    layer = trainer.movers[0].layer
    rows, lines = (grid.ravel() for grid in np.indices((layer.rows, layer.lines)))
    layer.pulse((rows, lines), np.full(rows.size, 30), np.zeros(rows.size, np.int64))
    other = trainer_of(trainer.config, trainer.crossbars)
    assert not any("words" in name for name in saved.arrays)
    other.resume(saved)
    assert not other.bit_identical
    np.testing.assert_allclose(other.movers[0].layer.tracker.mean, layer.tracker.mean, atol=0.03e-6)
    assert np.abs(other.movers[0].layer.tracker.mean - saved.arrays["layer0/mean"]).min() > 2.9e-6
    assert other.run()
    assert other.summary()["bit_identical"] is False
    assert other.history[-1]["test_accuracy"] > 0.6


def test_reading_an_array_back_is_counted(tmp_path):
    trainer = started(configured(lacks="restore"))
    run_to(trainer, 40)
    other = resumed(trainer, tmp_path, trainer.crossbars)
    assert other.checkpoint().values["totals"]["reads"] == trainer.crossbars[0].status().reads


# -- checkpoints of trainers ---------------------------------------------------------------------------------------


def test_a_checkpoint_names_the_units_of_its_arrays(tmp_path):
    import h5py

    started(configured()).checkpoint().save(tmp_path)
    with h5py.File(tmp_path / NAME) as file:
        for n in range(2):
            units = {name: item.attrs.get("units") for name, item in file[f"layer{n}"].items()}
            assert units == {"mean": "S", "variance": "S^2", "remainder": "S", "before": "S", "spent": None,
                             "frozen": None}  # fmt: skip


@pytest.mark.parametrize(
    "other",
    [{"hidden": (4,)}, {"task": "wine"}, {"optimizer": "adam"}, {"seed": 9}, {"rate": 0.5}, {"epochs": 9}],
    ids=lambda options: next(iter(options)),
)
def test_the_checkpoint_of_another_run_is_refused(other):
    saved = started(configured()).checkpoint()
    with pytest.raises(RunError, match="belongs to another run") as error:
        trainer_of(configured(**other)).resume(saved)
    assert "\n" not in str(error.value)


def without(saved, name):
    return Checkpoint(saved.values, {k: v for k, v in saved.arrays.items() if k != name})


DAMAGES = {
    "no values": lambda saved: Checkpoint({}, saved.arrays),
    "values of another kind": lambda saved: Checkpoint(None, saved.arrays),
    "no means": lambda saved: without(saved, "layer1/mean"),
    "no moments": lambda saved: without(saved, "optimizer/m/0"),
    "no pulses": lambda saved: without(saved, "array0/pulses"),
    "means of another shape": lambda saved: Checkpoint(
        saved.values, {**saved.arrays, "layer0/mean": saved.arrays["layer1/mean"]}
    ),
    "progress with another entry": lambda saved: Checkpoint({**saved.values, "progress": {"epochs": 3}}, saved.arrays),
    "no clocks": lambda saved: Checkpoint({k: v for k, v in saved.values.items() if k != "clocks"}, saved.arrays),
    "generator of another kind": lambda saved: Checkpoint({**saved.values, "rng": {}}, saved.arrays),
    "cells of another array": lambda saved: Checkpoint(
        saved.values, {**saved.arrays, "array0/words": saved.arrays["array0/words"][1:]}
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_one_line(damage):
    config = configured()
    saved = DAMAGES[damage](started(config).checkpoint())
    with pytest.raises(HwctlError) as error:
        trainer_of(config).resume(saved)
    assert "\n" not in str(error.value)
    if damage != "cells of another array":  # the driver refuses those
        assert isinstance(error.value, RunError)
