"""Samples/s of in-situ training on the software board, beside aihwkit (where it is installed) and plain NumPy.

All contenders take turns in one process, one thread each; medians over rounds and ratios of medians are printed. Like
for like are hwctl with `sgd` and `outer`, and aihwkit's AnalogSGD on its ReRamESPreset: the same device with its full
noise, the same loss (cross-entropy) and activation, the same step of a weight in a pulse (a pair's bounds stand for -2
and 2), the same learning rate, one rank-1 update of bit streams a sample at every batch size. hwctl drives the
`Crossbar` class that drives hardware, with two cells a weight; aihwkit has one. Optimizers with dense state are printed
beside them, without a goal.
"""

import argparse
import importlib.util
import os
import statistics
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwctl.training import setup
from hwctl.training.config import TrainConfig
from hwctl.training.tasks.dataset import Dataset
from hwctl.training.trainer import Trainer

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
DW_MIN = 0.00135  # step of ReRamES in weight units
LARGEST_WEIGHT = 2.0  # of a differential pair of cells that span -1 to 1 each


class Case(NamedTuple):
    """One network and batch size; goal: wanted ratio to aihwkit."""

    task: str
    sizes: tuple[int, int, int]
    activation: str
    batch: int
    samples: int
    rate: float
    goal: float


CASES = (
    Case("wbc", (9, 10, 2), "tanh", 1, 2000, 0.05, 4.0),
    Case("mnist", (784, 100, 10), "sigmoid", 1, 1000, 0.05, 3.0),
    Case("mnist", (784, 100, 10), "sigmoid", 64, 12800, 1.0, 2.0),
)


class Contender(ABC):
    """Something that trains on rows of a data set."""

    name: str

    @abstractmethod
    def train(self, order: Indices) -> None:
        """Train on rows in this order, a batch at a time."""

    @abstractmethod
    def accuracy(self) -> float:
        """Return the share of test rows that are classified rightly."""

    def pulses(self) -> float | None:
        """Return pulses so far, where there are any."""
        return None


class Hwctl(Contender):
    """The trainer itself, on the software board."""

    def __init__(self, case: Case, data: Dataset, optimizer: str, schedule: str, rate: float | None) -> None:
        self.name = f"hwctl {optimizer} {schedule}"
        self._batch = case.batch
        config = setup.resolve(
            TrainConfig(
                task=case.task, targets=("emulator:?device=reram-es",), hidden=(case.sizes[1],), batch=case.batch,
                activation=case.activation, optimizer=optimizer, schedule=schedule, rate=rate, final_rate=1.0,
                largest_weight=LARGEST_WEIGHT,
            )
        )  # fmt: skip
        self._crossbars = setup.open_crossbars(config)
        self._trainer = Trainer(config, self._crossbars, setup.step_model(self._crossbars), data)
        self._trainer.start()
        self._data = data
        self._started = self._total()

    def train(self, order: Indices) -> None:
        for first in range(0, len(order), self._batch):
            self._trainer.update(order[first : first + self._batch])

    def accuracy(self) -> float:
        return self._trainer.test_accuracy()

    def _total(self) -> int:
        status = self._crossbars[0].status()
        return status.set_pulses + status.reset_pulses

    def pulses(self) -> float:
        return self._total() - self._started


class Aihwkit(Contender):
    """Analog layers of aihwkit in torch."""

    name = "aihwkit AnalogSGD"

    def __init__(self, case: Case, data: Dataset) -> None:
        import torch
        from aihwkit.nn import AnalogLinear, AnalogSequential
        from aihwkit.optim import AnalogSGD
        from aihwkit.simulator.presets import ReRamESPreset

        torch.set_num_threads(1)
        torch.manual_seed(0)
        inputs, hidden, outputs = case.sizes
        activation = {"tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid}[case.activation]
        self._model = AnalogSequential(
            AnalogLinear(inputs, hidden, rpu_config=ReRamESPreset()),
            activation(),
            AnalogLinear(hidden, outputs, rpu_config=ReRamESPreset()),
        )
        self._optimizer = AnalogSGD(self._model.parameters(), lr=case.rate)
        self._optimizer.regroup_param_groups(self._model)
        self._loss = torch.nn.CrossEntropyLoss()
        self._torch, self._case = torch, case
        self._x, self._test_x = (torch.tensor(x, dtype=torch.float32) for x in (data.train_x, data.test_x))
        self._y, self._test_y = torch.tensor(data.train_y), torch.tensor(data.test_y)
        self._pulses = 0.0

    def train(self, order: Indices) -> None:
        rows = self._torch.tensor(order)
        for first in range(0, len(order), self._case.batch):
            chosen = rows[first : first + self._case.batch]
            self._optimizer.zero_grad()
            loss = self._loss(self._model(self._x[chosen]), self._y[chosen])
            loss.backward()
            self._optimizer.step()

    def count(self, order: Indices) -> None:
        """Add the pulses that training on rows takes on average: aihwkit counts them on GPUs alone."""
        for row in order.tolist():
            x = self._x[row : row + 1]
            hidden = self._model[1](self._model[0](x)).detach().requires_grad_()
            out = self._model[2](hidden)
            out.retain_grad()
            self._loss(out, self._y[row : row + 1]).backward()
            slope = hidden * (1 - hidden) if self._case.activation == "sigmoid" else 1 - hidden**2
            for inputs, deltas in ((x, hidden.grad * slope), (hidden, out.grad)):
                size = self._case.rate / self._case.batch / DW_MIN
                self._pulses += size * float(inputs.abs().sum()) * float(deltas.abs().sum())

    def pulses(self) -> float:
        return self._pulses

    def accuracy(self) -> float:
        with self._torch.no_grad():
            return float((self._model(self._test_x).argmax(dim=1) == self._test_y).float().mean())


class PlainNumpy(Contender):
    """Back-propagation in float64, no devices."""

    name = "NumPy float"

    def __init__(self, case: Case, data: Dataset) -> None:
        rng = np.random.default_rng(0)
        self._case, self._data = case, data
        bounds = [np.sqrt(6.0 / (a + b + 1)) for a, b in zip(case.sizes, case.sizes[1:], strict=False)]
        shapes = [(a + 1, b) for a, b in zip(case.sizes, case.sizes[1:], strict=False)]
        self._weights = [rng.uniform(-b, b, shape) for b, shape in zip(bounds, shapes, strict=True)]
        self._wanted = np.eye(data.classes)
        self._x, self._test_x = (np.hstack((x, np.ones((len(x), 1)))) for x in (data.train_x, data.test_x))

    def _forward(self, x: Floats) -> tuple[Floats, Floats]:
        z = x @ self._weights[0]
        hidden = np.ones((len(x), z.shape[1] + 1))
        hidden[:, :-1] = np.tanh(z) if self._case.activation == "tanh" else 0.5 * (1 + np.tanh(0.5 * z))
        raised = np.exp(hidden @ self._weights[1])
        return hidden, raised / raised.sum(axis=1, keepdims=True)

    def train(self, order: Indices) -> None:
        for first in range(0, len(order), self._case.batch):
            chosen = order[first : first + self._case.batch]
            x = self._x[chosen]
            hidden, output = self._forward(x)
            delta = output - self._wanted[self._data.train_y[chosen]]
            y = hidden[:, :-1]
            slope = 1 - y * y if self._case.activation == "tanh" else y * (1 - y)
            back = (delta @ self._weights[1].T)[:, :-1] * slope
            self._weights[1] -= self._case.rate / len(x) * (hidden.T @ delta)
            self._weights[0] -= self._case.rate / len(x) * (x.T @ back)

    def accuracy(self) -> float:
        return float((self._forward(self._test_x)[1].argmax(axis=1) == self._data.test_y).mean())


def contenders(case: Case, data: Dataset) -> list[Contender]:
    found: list[Contender] = [Hwctl(case, data, "sgd", "outer", case.rate)]
    if importlib.util.find_spec("aihwkit"):
        found.append(Aihwkit(case, data))
    found.append(PlainNumpy(case, data))
    dense = ("momentum", "momentum-adaptive", "adam")
    return found + [Hwctl(case, data, optimizer, "accumulate", None) for optimizer in dense]


def compare(case: Case, rounds: int, data_dir: str | None) -> None:
    data = setup.load_data(TrainConfig(task=case.task, data_dir=data_dir if case.task == "mnist" else None))
    found = contenders(case, data)
    rng = np.random.default_rng(0)
    speeds: dict[str, list[float]] = {contender.name: [] for contender in found}
    trained = 0
    for number in range(rounds + 1):
        order = rng.integers(0, len(data.train_y), case.samples)
        trained += len(order)
        for contender in found:
            start = time.perf_counter()
            contender.train(order)
            if number:  # the first round compiles and warms up
                speeds[contender.name].append(len(order) / (time.perf_counter() - start))
            if isinstance(contender, Aihwkit):
                contender.count(order)
    report(case, found, speeds, trained)


def report(case: Case, found: Sequence[Contender], speeds: dict[str, list[float]], trained: int) -> None:
    layers = "-".join(map(str, case.sizes))
    print(f"\n{layers} batch {case.batch}, rate {case.rate:g}, {trained} samples, {case.samples} a round")
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    for contender in found:
        pulses = contender.pulses()
        each = "" if pulses is None else f", {pulses / trained:,.0f} pulses a sample"
        expected = " (expected; not counted on a CPU)" if isinstance(contender, Aihwkit) else ""
        low, high = min(speeds[contender.name]), max(speeds[contender.name])
        print(
            f"  {contender.name:30} {medians[contender.name]:9,.0f} samples/s ({low:,.0f} to {high:,.0f}), "
            f"test {100 * contender.accuracy():.1f}%{each}{expected}"
        )
    ours = medians["hwctl sgd outer"]
    print(f"  hwctl sgd outer over NumPy float: {ours / medians[PlainNumpy.name]:.2f}x")
    if Aihwkit.name in medians:
        print(f"  hwctl sgd outer over aihwkit: {ours / medians[Aihwkit.name]:.2f}x (goal {case.goal:g}x)")
    else:
        print(
            "  aihwkit is not installed: no comparison (build its source package: the wheel does not suit newer torch)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds; medians are printed")
    parser.add_argument("--case", type=int, nargs="*", default=range(len(CASES)), help="cases 0, 1, 2; default all")
    parser.add_argument("--data-dir", type=Path, help="folder of MNIST's files")
    options = parser.parse_args()
    if THREADS.items() - os.environ.items():  # NumPy looks at them when it is imported
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **THREADS})
    for number in options.case:
        compare(CASES[number], options.rounds, str(options.data_dir.resolve()) if options.data_dir else None)


if __name__ == "__main__":
    main()
