"""The training loop: samples in, pulses out, a checkpoint after every epoch."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwctl.crossbar import Crossbar
from hwctl.devices.steps import StepModel
from hwctl.errors import BadInput, RunError
from hwctl.protocol.codes import Feature
from hwctl.protocol.replies import Dumped
from hwctl.training import optimizers, schedules
from hwctl.training.checkpoint import Checkpoint
from hwctl.training.config import TrainConfig
from hwctl.training.counts import Counter
from hwctl.training.ensemble import Copies
from hwctl.training.evaluation import Evaluation, Metrics
from hwctl.training.moves import Mover
from hwctl.training.network import Network, gradients, with_bias
from hwctl.training.setup import build, layer_sizes, start_weights
from hwctl.training.tasks.dataset import Dataset

Floats = NDArray[np.float64]

REBALANCE_EVERY = 500  # updates
SCORED_AT_ONCE = 64  # updates
UNITS = {"mean": "S", "variance": "S^2", "remainder": "S", "before": "S"}


@dataclass
class Progress:
    """Where a run stands: all that the loop itself has to remember."""

    epoch: int = 0
    position: int = 0
    """Samples of the epoch that are done."""
    samples: int = 0
    updates: int = 0
    loss_sum: float = 0.0
    correct: int = 0


class Trainer:
    """One run on open arrays. Call `start` or `resume`, then `run`."""

    def __init__(self, config: TrainConfig, crossbars: Sequence[Crossbar], model: StepModel, data: Dataset) -> None:
        """Build the network on the arrays; nothing is pulsed yet. config: as `setup.resolve` returned it."""
        self.config = config
        if config.epochs is None or config.batch is None or config.activation is None:
            raise BadInput("the configuration leaves something open; pass it through setup.resolve")
        self.epochs, self.batch = config.epochs, config.batch
        self.crossbars = list(crossbars)
        self.model = model
        self.data = data
        built = build(config, crossbars, model)
        layers = (len(layer_sizes(config)) - 1) * config.replicas
        self.movers: list[Mover] = built[:layers]
        self.copies = Copies(self.movers, config.replicas, layer_sizes(config) if config.remap else ())
        self.network = Network(self.copies.products(), config.activation, config.loss)
        shapes = [(layer.rows, layer.outputs) for layer in self.network.layers]
        self.optimizer = optimizers.get(config.optimizer)(
            shapes, config.rate, momentum=config.momentum, decay=config.decay
        )
        self._rng = np.random.default_rng([config.seed, 3])
        kind = schedules.get(config.schedule)
        if kind.optimizers and config.optimizer not in kind.optimizers:
            raise BadInput(
                f"schedule '{kind.name}' cannot carry out optimizer '{config.optimizer}'; "
                f"add --optimizer {' or '.join(kind.optimizers)}"
            )
        if not kind.single_cells and config.pulse_budget is not None:
            raise BadInput(f"schedule '{kind.name}' knows no pulse budget of a cell; take another schedule")
        self.schedule = kind(self.movers, config, self._rng, built[layers:])
        self._train_x = with_bias(data.train_x)
        self._wanted = np.eye(data.classes)
        self.progress = Progress()
        self._scored: list[tuple[Floats, NDArray[np.int64]]] = []
        self.history: list[Metrics] = []
        self.evaluation = Evaluation(self.network, data)
        self.before: list[Floats] = []
        """Device matrices in S where training started."""
        self.bit_identical = True
        """False after a resume on a board that could not restore its state."""
        self._counter: Counter
        self._since = time.perf_counter()

    # -- start, resume, save -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Bring the arrays to the starting weights."""
        self._since = time.perf_counter()
        self._counter = Counter(self.crossbars)
        start_weights(self.config, self.copies, self._train_x)
        self.schedule.prepare()
        self.before = [mover.layer.tracker.mean.copy() for mover in self.movers]

    def checkpoint(self) -> Checkpoint:
        """Return the whole state of the run."""
        self._score()
        totals, cell_pulses = self._counter.state(time.perf_counter() - self._since)
        values: dict[str, Any] = {
            "config": self.config.to_toml(),
            "progress": asdict(self.progress),
            "history": self.history,
            "trace": self.evaluation.trace,
            "evaluating": [self.evaluation.array_seconds, self.evaluation.link_bytes],
            "totals": totals,
            "steps": self.optimizer.steps,
            "rng": self._rng.bit_generator.state,
            "indices": [[c.noise_index, c.event] for c in self.crossbars],
            "moves": [[m.updates, m.rebalances] for m in self.movers],
        }
        arrays: dict[str, NDArray[Any]] = dict(self.copies.state())
        for n, mover in enumerate(self.movers):
            arrays |= {
                f"layer{n}/mean": mover.layer.tracker.mean,
                f"layer{n}/variance": mover.layer.tracker.variance,
                f"layer{n}/remainder": self.schedule.remainders[n],
                f"layer{n}/before": self.before[n],
                f"layer{n}/spent": mover.spent,
                f"layer{n}/frozen": mover.frozen,
            }
        arrays |= {f"schedule/{name}": array for name, array in self.schedule.state().items()}
        for name, moments in self.optimizer.state.items():
            arrays |= {f"optimizer/{name}/{n}": moment for n, moment in enumerate(moments)}
        for n, crossbar in enumerate(self.crossbars):
            arrays[f"array{n}/pulses"] = cell_pulses[n]
            if crossbar.has(Feature.RESTORE):
                dumped = crossbar.dump()
                arrays |= {f"array{n}/words": dumped.words, f"array{n}/extra": dumped.extra}
                values.setdefault("clocks", []).append(dumped.clock)
        return Checkpoint(values, arrays, UNITS)

    def sent(self) -> dict[str, NDArray[Any]]:
        """Return the pulses sent to each layer's cells, for the checkpoint of a run whose line died."""
        return {f"layer{n}/sent": mover.spent for n, mover in enumerate(self.movers)}

    def resume(self, saved: Checkpoint) -> None:
        """Put everything back to a checkpoint. Raises RunError where it belongs to another run."""
        self._since = time.perf_counter()
        values, arrays = saved.values, saved.arrays
        try:
            saved_config = TrainConfig.from_toml(values["config"], Path("checkpoint.h5"))
            if saved_config.moved(self.config.targets) != self.config:
                raise RunError("the checkpoint belongs to another run than config.toml; restore the one that is wrong")
            self._resume_boards(values, arrays)
            self._counter = Counter(self.crossbars)
            pulses = [arrays[f"array{n}/pulses"] for n in range(len(self.crossbars))]
            if not self.bit_identical:
                self._count_sent(arrays, pulses)
            self._counter.carry(values["totals"], pulses)
            self._resume_host(values, arrays)  # may read the arrays back, which counts
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise RunError(f"the checkpoint lacks or garbles {error}; start the run again") from None

    def _resume_boards(self, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        for n, crossbar in enumerate(self.crossbars):
            crossbar.noise_index, crossbar.event = values["indices"][n]
            if crossbar.has(Feature.RESTORE) and f"array{n}/words" in arrays:
                crossbar.restore(Dumped(arrays[f"array{n}/words"], values["clocks"][n], arrays[f"array{n}/extra"]))
            else:
                self.bit_identical = False

    def _count_sent(self, arrays: dict[str, NDArray[Any]], pulses: Sequence[NDArray[np.int64]]) -> None:
        """Count what was sent between checkpoint and loss of the line as executed: it is on the arrays."""
        for n, mover in enumerate(self.movers):
            spent, sent = arrays[f"layer{n}/spent"], arrays.get(f"layer{n}/sent")
            if sent is None:
                continue
            for placed in mover.layer.tiles:
                row0, row1, col0, col1 = placed.region
                beyond = (sent - spent)[placed.inputs, placed.lines]
                pulses[placed.tile.array][row0:row1, col0:col1] += beyond
            spent[...] = sent

    def _resume_host(self, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        self.progress = Progress(**values["progress"])
        self.history = values["history"]
        self.evaluation.trace = values["trace"]
        self.evaluation.array_seconds, self.evaluation.link_bytes = values["evaluating"]
        self.optimizer.steps = values["steps"]
        self.copies.restore(arrays)
        self._rng.bit_generator.state = values["rng"]
        self.schedule.restore({n.removeprefix("schedule/"): a for n, a in arrays.items() if n.startswith("schedule/")})
        for name, moments in self.optimizer.state.items():
            for n, moment in enumerate(moments):
                moment[...] = arrays[f"optimizer/{name}/{n}"]
        self.before = [arrays[f"layer{n}/before"] for n in range(len(self.movers))]
        for n, mover in enumerate(self.movers):
            mover.layer.tracker.mean[...] = arrays[f"layer{n}/mean"]
            mover.layer.tracker.variance[...] = arrays[f"layer{n}/variance"]
            self.schedule.remainders[n][...] = arrays[f"layer{n}/remainder"]
            mover.spent[...] = arrays[f"layer{n}/spent"]
            mover.frozen[...] = arrays[f"layer{n}/frozen"]
            mover.updates, mover.rebalances = values["moves"][n]
            if not self.bit_identical:
                mover.layer.tracker.forget()
                mover.layer.read(self.config.averages)

    # -- the loop ------------------------------------------------------------------------------------------------

    def run(
        self,
        *,
        stop: Callable[[], bool] = lambda: False,
        on_batch: Callable[[Progress], None] = lambda _: None,
        on_epoch: Callable[[Metrics], None] = lambda _: None,
    ) -> bool:
        """Train up to the last epoch. Returns False where `stop` ended it between two updates."""
        count = len(self._train_x)
        progress = self.progress
        while progress.epoch < self.epochs:
            order = np.random.default_rng([self.config.seed, 1, progress.epoch]).permutation(count)
            while progress.position < count:
                if stop():
                    return False
                chosen = order[progress.position : progress.position + self.batch]
                self.update(chosen)
                before, progress.position = progress.position, progress.position + len(chosen)
                if self._evaluation_due(before, count):
                    self.evaluation.record(self._counter, progress.samples / count)
                on_batch(progress)
            self._end_epoch()
            on_epoch(self.history[-1])
        return True

    def _evaluation_due(self, before: int, count: int) -> bool:
        """Return whether a share of the epoch ended since sample `before` of `count`, and several are wanted."""
        shares = self.config.evaluations
        return shares > 1 and self.progress.position * shares // count > before * shares // count

    def update(self, chosen: NDArray[np.int64]) -> None:
        """Train on a batch of rows of the training part. Raises RunError where the loss is no number any more."""
        x, labels = self._train_x.take(chosen, axis=0), self.data.train_y.take(chosen)
        wanted = self._wanted.take(labels, axis=0)
        done = self.network.forward(x)
        self._scored.append((done.output, labels))
        if len(self._scored) == SCORED_AT_ONCE:
            self._score()
        deltas = self.network.backward(done, wanted)
        if self.schedule.takes_events:
            rate = self.optimizer.rate * self._rate_share() / len(chosen)
            self.schedule.apply_events(*self.copies.events(done.inputs, deltas), rate)
        else:
            share = self._rate_share()
            follows = self.optimizer.follows_loss
            loss = float(self.network.loss.value(done.output, wanted).mean()) if follows else 0.0
            changes = self.optimizer.step(gradients(done, deltas), loss)
            self.schedule.apply(self.copies.wishes([share * change for change in changes]))
        self.progress.updates += 1
        self.progress.samples += len(chosen)
        if self.progress.updates % REBALANCE_EVERY == 0:
            self._rebalance()

    def _score(self) -> None:
        """Add loss and right answers of the updates since the last call: many at once, as each alone takes long."""
        if not self._scored:
            return
        outputs, labels = (np.concatenate(parts) for parts in zip(*self._scored, strict=True))
        self._scored.clear()
        losses = self.network.loss.value(outputs, self._wanted[labels])
        if not np.isfinite(losses).all():
            raise RunError(f"the loss is no number after {self.progress.samples} samples; lower the learning rate")
        # One by one, so that the sum does not depend on how they were grouped.
        for loss in losses.tolist():
            self.progress.loss_sum += loss
        self.progress.correct += int((outputs.argmax(axis=1) == labels).sum())

    def _rate_share(self) -> float:
        """Return what is left of the learning rate: it falls linearly, so that a noisy device comes to rest."""
        total = self.epochs * len(self._train_x)
        return 1.0 - (1.0 - self.config.final_rate) * min(self.progress.samples / total, 1.0)

    def _rebalance(self) -> None:
        for mover in self.movers:
            if not self.schedule.single_cells:
                mover.read_if_unsure()
            mover.rebalance()

    def _end_epoch(self) -> None:
        progress = self.progress
        self._score()
        self._rebalance()
        count = len(self._train_x)
        progress.epoch, progress.position = progress.epoch + 1, 0
        self.history.append(self._measure(progress.loss_sum / count, progress.correct / count))
        progress.loss_sum, progress.correct = 0.0, 0

    def _measure(self, train_loss: float, train_accuracy: float) -> Metrics:
        evaluated = self.evaluation.at_epoch(self._counter, last=self.progress.epoch == self.epochs)
        totals = self._counter.totals(time.perf_counter() - self._since)
        pulses = totals.pulses_set + totals.pulses_reset
        weights = sum(m.layer.rows * m.layer.outputs for m in self.movers)
        return {
            "epoch": self.progress.epoch,
            "samples": self.progress.samples,
            "train_loss": train_loss,
            "train_accuracy": train_accuracy,
            **evaluated,
            "pulses_set": totals.pulses_set,
            "pulses_reset": totals.pulses_reset,
            "pulses_max_cell": self._counter.worst_cell(),
            "reads": totals.reads,
            "array_seconds": totals.array_seconds,
            "link_bytes": totals.link_bytes,
            "host_seconds": totals.host_seconds,
            "clipped_share": sum(m.clipped_share() * m.layer.rows * m.layer.outputs for m in self.movers) / weights,
            "rebalances": sum(m.rebalances for m in self.movers),
            "pulses_per_update": pulses / max(self.progress.updates, 1),
        }

    def test_accuracy(self) -> float:
        """Return the share of test rows that the network on the array classifies rightly."""
        return self.evaluation.test_accuracy()

    # -- results -------------------------------------------------------------------------------------------------

    def cell_pulses(self) -> list[NDArray[np.int64]]:
        """Return the pulses of each layer's cells since the start, (rows, lines) each."""
        by_array = self._counter.cell_pulses()
        found = []
        for mover in self.movers:
            pulses = np.zeros((mover.layer.rows, mover.layer.lines), np.int64)
            for placed in mover.layer.tiles:
                row0, row1, col0, col1 = placed.region
                pulses[placed.inputs, placed.lines] = by_array[placed.tile.array][row0:row1, col0:col1]
            found.append(pulses)
        return found

    def summary(self) -> dict[str, Any]:
        """Return what a run came to: the fields of `train --json`."""
        last = self.history[-1]
        names = ("train_loss", "train_accuracy", "test_accuracy", "pulses_set", "pulses_reset", "pulses_max_cell",
                 "reads", "array_seconds", "link_bytes", "host_seconds", "clipped_share", "rebalances")  # fmt: skip
        return {
            "task": self.config.task,
            "layers": list(layer_sizes(self.config)),
            "device": self.crossbars[0].identity.device,
            "optimizer": self.config.optimizer,
            "schedule": self.config.schedule,
            "policy": self.movers[0].policy,
            "replicas": self.config.replicas,
            "moved_lines": self.copies.moved_lines(),
            "activation": self.config.activation,
            "loss": self.config.loss,
            "rate": self.optimizer.rate,
            "batch": self.batch,
            "seed": self.config.seed,
            "data": self.data.provenance,
            "epochs": self.progress.epoch,
            "samples": self.progress.samples,
            **{name: last[name] for name in names},
            **{name: last[name] for name in ("validation_loss", "validation_accuracy") if name in last},
            "stuck_cells": int(sum(mover.frozen.sum() for mover in self.movers)),
            "samples_per_second": self.progress.samples / max(last["host_seconds"], 1e-9),
            "bit_identical": self.bit_identical,
            "target": ", ".join(self.config.targets),
        }
