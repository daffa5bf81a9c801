"""Methods of training compared fairly on one task and one device: tuned alike, on paired seeds, to one target.

Every method gets the same number of trials, a Latin hypercube over its own declared ranges and over the length of the
run (EPOCHS: the rate falls linearly over it), each on the same tuning seeds; reported seeds are others. A seed draws
split, chip, first weights and sample order, so that runs are paired. The target is fixed before the methods are
compared: the validation loss that the median run of the first method, tuned for loss, ends with, on seeds of its own.
Reached it is where the mean of readings around it (WINDOW) is as low: one reading of a noisy array may be luck. Each
method is then taken with the trial that was soonest at the target, with the one of least final loss, and with the one
that was at the target with the fewest pulses. Runs that never reach it are censored. The test part is read once, after
the last epoch.
"""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from hwctl.sweeps import workers
from hwctl.sweeps.point import Point, measure
from hwctl.sweeps.results import Results
from hwctl.sweeps.statistics import median_of, time_to
from hwctl.training.config import TrainConfig

TUNING, TARGET, REPORTED = 1000, 2000, 0  # first seed of each kind
TARGET_SEEDS = 10
AIMS = ("speed", "loss", "pulses")
EVALUATIONS = {"iris": 10, "wine": 10, "wbc": 100, "mnist": 30}  # an epoch
WINDOW = {"iris": 5, "wine": 5, "wbc": 10, "mnist": 3}
"""Readings that a mean is of: 40 to 50 samples, or a tenth of an epoch of MNIST."""
VALIDATION = {"iris": 0.25, "wine": 0.25, "wbc": 0.25, "mnist": 0.1}  # of the training rows
EPOCHS = {"iris": (10.0, 40.0), "wine": (8.0, 30.0), "wbc": (2.0, 8.0), "mnist": (1.0, 2.0)}  # tuned as well
RATES = {"mnist": 10.0}  # of the mean gradient of 50 samples
Ranges = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Method:
    """An optimizer, and the ranges within which it is tuned, all of them logarithmic."""

    says: str
    optimizer: str
    ranges: Ranges
    fixed: Mapping[str, Any] = field(default_factory=dict)
    scales: bool = True
    """Whether the rate multiplies gradients, and is RATES times larger for a task; not where they are normalised."""


def trials(methods: Mapping[str, Method], name: str, task: str, number: int) -> list[dict[str, Any]]:
    """Return options of a method's trials: each range is cut into as many parts as there are trials."""
    method = methods[name]
    rng = np.random.default_rng([7, list(methods).index(name)])
    found: list[dict[str, Any]] = [{"optimizer": method.optimizer, **method.fixed} for _ in range(number)]
    for option, (low, high) in {**method.ranges, "epochs": EPOCHS[task]}.items():
        scale = RATES.get(task, 1.0) if option == "rate" and method.scales else 1.0
        places = (rng.permutation(number) + rng.random(number)) / number
        values = scale * low * (high / low) ** places
        for trial, value in zip(found, values, strict=True):
            trial[option] = _option(option, float(value))
    return found


def _option(name: str, value: float) -> float | int:
    """Return a drawn value as the option that it stands for."""
    if name == "epochs":
        return round(value)
    return round(1.0 - value if name in ("momentum", "decay") else value, 6)


@dataclass(frozen=True, eq=False)
class Study:
    """All runs of one task on one device. The first method sets the target, and the others are compared with it."""

    methods: Mapping[str, Method]
    task: str
    device: str
    trials: int
    tuning_seeds: int
    seeds: int

    @property
    def base(self) -> str:
        """Name of the first method."""
        return next(iter(self.methods))

    def point(self, method: str, options: Mapping[str, Any], seed: int, kind: str) -> Point:
        """Return one run."""
        config = TrainConfig(
            task=self.task, targets=(f"emulator:?device={self.device}",), seed=seed,
            validation=VALIDATION[self.task], evaluations=EVALUATIONS[self.task], **options,
        )  # fmt: skip
        return Point(config, {"kind": kind, "task": self.task, "device": self.device, "method": method, "seed": seed})

    def of_method(self, method: str) -> list[dict[str, Any]]:
        """Return the trials of a method."""
        return trials(self.methods, method, self.task, self.trials)

    def tuning(self) -> Iterator[Point]:
        """Yield the trials of all methods."""
        for method in self.methods:
            for options in self.of_method(method):
                for n in range(self.tuning_seeds):
                    yield self.point(method, options, TUNING + n, "tuning")

    def of_trial(self, results: Results, method: str, options: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the runs of one trial. Raises KeyError where one is missing."""
        return [results.runs[self.point(method, options, TUNING + n, "tuning").key] for n in range(self.tuning_seeds)]

    def for_loss(self, results: Results, method: str) -> dict[str, Any]:
        """Return the trial that ends with the least mean validation loss."""
        return min(
            self.of_method(method),
            key=lambda options: float(np.mean([final_loss(r) for r in self.of_trial(results, method, options)])),
        )

    def soonest(self, results: Results, method: str, target: float, clock: str) -> dict[str, Any]:
        """Return the trial soonest at the target by a clock, in the median; where none is there, of least loss."""

        def rank(options: dict[str, Any]) -> tuple[float, float]:
            runs = self.of_trial(results, method, options)
            times = np.array([epochs_to(run, target, clock) for run in runs])
            return median_of(times), float(np.mean([final_loss(run) for run in runs]))

        return min(self.of_method(method), key=rank)

    def target_runs(self, results: Results) -> list[Point]:
        """Return the runs of the first method, tuned for loss, that the target is taken from."""
        options = self.for_loss(results, self.base)
        return [self.point(self.base, options, TARGET + n, "target") for n in range(TARGET_SEEDS)]

    def target(self, results: Results) -> float:
        """Return the validation loss that counts as reached."""
        return float(np.median([final_loss(results.runs[p.key]) for p in self.target_runs(results)]))

    def chosen(self, results: Results) -> dict[tuple[str, str], dict[str, Any]]:
        """Return the options of every method by (method, aim)."""
        target, found = self.target(results), {}
        for method in self.methods:
            found[method, "speed"] = self.soonest(results, method, target, "epochs")
            found[method, "loss"] = self.for_loss(results, method)
            found[method, "pulses"] = self.soonest(results, method, target, "pulses")
        return found

    def starts(self) -> list[Point]:
        """Return runs that learn nothing, for what it takes to program the weights that training starts from."""
        still = {"optimizer": "sgd", "rate": 1e-9, "epochs": 1}
        return [self.point(self.base, still, REPORTED + n, "start") for n in range(self.seeds)]

    def reported_of(self, results: Results, method: str, options: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the reported runs of a method's trial. Raises KeyError where one is missing."""
        points = (self.point(method, options, REPORTED + n, "reported") for n in range(self.seeds))
        return [results.runs[point.key] for point in points]

    def reported(self, results: Results) -> Iterator[Point]:
        """Yield the runs that are compared; a trial that is best in both ways is run once."""
        for (method, _), options in self.chosen(results).items():
            for n in range(self.seeds):
                yield self.point(method, options, REPORTED + n, "reported")


def arguments(parser: ArgumentParser, results: str) -> None:
    """Add the options that benchmarks of studies share. results: default of the file."""
    parser.add_argument("--results", type=Path, default=Path(results))
    parser.add_argument("--workers", type=int, default=0, help="processes; 0: one a core")
    parser.add_argument("--scheduler", help="address of a Dask cluster")
    parser.add_argument("--page", type=Path, help="write this page of the results, and run nothing")


def final_loss(run: Mapping[str, Any]) -> float:
    """Return the validation loss that a run ends with: the mean of its last epoch's evaluations."""
    losses = run["trace"]["validation_loss"]
    return float(np.mean(losses[-EVALUATIONS[run["task"]] :]))


def epochs_to(run: Mapping[str, Any], target: float, clock: str = "epochs") -> float:
    """Return when a run first is at the target: in epochs, pulses or array_seconds; infinite where it never is."""
    window, trace = WINDOW[run["task"]], run["trace"]
    return time_to(moving_mean(trace["validation_loss"], window), target, moving_mean(trace[clock], window))


def moving_mean(values: Sequence[float], window: int) -> list[float]:
    """Return the mean of every `window` values that follow one another. Raises ValueError where there are fewer."""
    means: list[float] = sliding_window_view(values, window).mean(axis=1).tolist()
    return means


def run(
    options: Study,
    results: Results,
    cores: int,
    scheduler: str | None,
    measured: Callable[[TrainConfig], dict[str, Any]] = measure,
) -> None:
    """Run what is missing, stage by stage. measured: trains once; see `hwctl.sweeps.workers.run`."""
    for stage, points in (
        ("tuning", options.tuning), ("target", lambda: options.target_runs(results)),
        ("reported", lambda: options.reported(results)), ("start", options.starts),
    ):  # fmt: skip
        wanted = {point.key: point for point in points()}
        left = [point for key, point in wanted.items() if key not in results.runs]
        print(f"{options.task} on {options.device}, {stage}: {len(wanted)} runs, {len(left)} to do", flush=True)
        done = 0

        def tell(point: Point, result: Mapping[str, Any], total: int = len(left)) -> None:
            nonlocal done
            done += 1
            if done % 20 == 0:
                print(f"  {done}/{total}", flush=True)

        workers.run(left, results, cores, scheduler, tell, measured)
