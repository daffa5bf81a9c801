"""What a chip's faults cost a network that is trained on it, and what helps: accuracy against each fault alone.

One fault at a time is made worse (AXES), all else is the device's own; the levels that are the device's own are one
run for all axes. What may help are VARIANTS: three copies of every layer, lines swapped around stuck cells, or a
calibration of that very chip first, whose record training uses. Seeds are paired: one draws split, first weights,
sample order and chip, the same for all variants on an array of one size; copies and spare lines take a larger one. The
test part is read after every epoch, and nothing is chosen by it.

A chip is calibrated as it is fabricated, at the faults of its level, and trained from there on; pulses of the
calibration are told apart. Where no calibration comes about, the chip is trained without a record, and counted.

    python -m benchmarks.robustness                              # wbc, 10 seeds; goes on where it was cut off
    python -m benchmarks.robustness --axes stuck,d2d --variants plain,chip-400 --scheduler tcp://HOST:8786
    python -m benchmarks.robustness --page docs/robustness-results.md        # the page of what is in the results file

On a Dask cluster, workers start in a checkout, where they find this folder.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from benchmarks.calibrated_run import CalibratedPoint, measure_calibrated
from benchmarks.study import arguments
from hwctl.sweeps import workers
from hwctl.sweeps.point import Point, measure
from hwctl.sweeps.results import Results
from hwctl.training.config import TrainConfig

Levels = tuple[float, ...]


@dataclass(frozen=True)
class Axis:
    """A fault and how bad it is made."""

    says: str
    unit: str
    levels: Levels
    own: float
    """Level at which nothing is changed."""
    factor: str = ""
    """Factor of the device that it is, "" for none,"""
    options: tuple[str, ...] = ()
    """or options of `emulator:`."""

    def target(self, device: str, level: float) -> str:
        """Return the emulator of a device with this fault."""
        if level == self.own:
            return f"emulator:?device={device}"
        if self.factor:
            return f"emulator:?device={device},{self.factor}={level:g}"
        return "&".join([f"emulator:?device={device}", *(f"{name}={level:g}" for name in self.options)])


AXES: Mapping[str, Axis] = {
    "stuck": Axis("Stuck cells", "share of all cells", (0.0, 0.05, 0.1, 0.2, 0.3), 0.0, options=("stuck",)),
    "c2c": Axis("Noise from pulse to pulse (c2c)", "times the device's", (0.0, 1.0, 2.0, 4.0), 1.0, "c2c"),
    "d2d": Axis("Spread of devices (d2d)", "times the device's", (0.0, 1.0, 2.0), 1.0, "d2d"),
    "read-noise": Axis("Read noise", "times the device's", (0.0, 1.0, 4.0, 16.0), 1.0, "read-noise"),
    "adc-bits": Axis("Converters", "bits", (12.0, 8.0, 6.0, 5.0, 4.0), 12.0, options=("adc-bits",)),
    "wire-ohm": Axis(
        "IR drop", "ohm of a wire segment", (0.0, 1.0, 3.0, 10.0, 30.0), 0.0, options=("row-ohm", "col-ohm")
    ),
}


@dataclass(frozen=True)
class Variant:
    """What is done against faults."""

    says: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the run,"""
    budget: int = 0
    """and pulses a cell of a calibration before it; 0 for none."""


VARIANTS: Mapping[str, Variant] = {
    "plain": Variant("plain"),
    "replicas": Variant("3 copies of each layer", {"replicas": 3}),
    "remap": Variant("lines swapped around stuck cells, with 2 spare ones each way", {"remap": True, "spare": 2}),
    "chip-60": Variant("calibrated, 60 pulses a cell", budget=60),
    "chip-400": Variant("calibrated, 400 pulses a cell", budget=400),
}


@dataclass(frozen=True)
class Study:
    """All runs of one task on one device."""

    task: str
    device: str
    axes: tuple[str, ...]
    variants: tuple[str, ...]
    seeds: int
    epochs: int | None = None
    """None: the task's own."""

    def point(self, axis: str, level: float, variant: str, seed: int) -> Point:
        """Return one run; at a device's own level it is that of the other axes, too."""
        tried = VARIANTS[variant]
        config = TrainConfig(
            task=self.task, targets=(AXES[axis].target(self.device, level),), seed=seed, epochs=self.epochs,
            **tried.options,
        )  # fmt: skip
        labels = {"task": self.task, "device": self.device, "variant": variant, "seed": seed}
        if level != AXES[axis].own:
            labels |= {"axis": axis, "level": level}
        return CalibratedPoint(config, labels, tried.budget) if tried.budget else Point(config, labels)

    def points(self) -> Iterator[Point]:
        """Yield all runs, those of one level after the other's."""
        for axis in self.axes:
            for level in AXES[axis].levels:
                for seed in range(self.seeds):
                    for variant in self.variants:
                        yield self.point(axis, level, variant, seed)

    def runs(self, results: Results, axis: str, level: float, variant: str) -> list[dict[str, Any]]:
        """Return the runs of all seeds. Raises KeyError where one is missing."""
        return [results.runs[self.point(axis, level, variant, seed).key] for seed in range(self.seeds)]


def run(study: Study, results: Results, cores: int, scheduler: str | None) -> None:
    """Run what is missing."""
    wanted = {point.key: point for point in study.points()}
    left = [point for key, point in wanted.items() if key not in results.runs]
    print(f"{study.task} on {study.device}: {len(wanted)} runs, {len(left)} to do", flush=True)
    done = 0

    def tell(point: Point, result: Mapping[str, Any]) -> None:
        nonlocal done
        done += 1
        print(f"  {done}/{len(left)}  {dict(point.labels)}: {100 * result['test_accuracy']:.2f}%", flush=True)

    for budget in sorted({VARIANTS[variant].budget for variant in study.variants}):
        own = [point for point in left if VARIANTS[point.labels["variant"]].budget == budget]
        measured = partial(measure_calibrated, budget=budget) if budget else measure
        workers.run(own, results, cores, scheduler, tell, measured)


def names(given: str, known: Mapping[str, Any]) -> tuple[str, ...]:
    """Return names joined by commas. Raises argparse.ArgumentTypeError on one that is not known."""
    found = tuple(given.split(","))
    for name in found:
        if name not in known:
            raise argparse.ArgumentTypeError(f"no '{name}'; known: {', '.join(known)}")
    return found


def main(given: Sequence[str] | None = None) -> None:
    """Run studies, or write their page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default="wbc", help="joined by commas")
    parser.add_argument("--device", default="reram-es")
    parser.add_argument("--axes", type=lambda text: names(text, AXES), default=tuple(AXES), help=", ".join(AXES))
    parser.add_argument(
        "--variants", type=lambda text: names(text, VARIANTS), default=tuple(VARIANTS), help=", ".join(VARIANTS)
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, help="default: the task's own")
    arguments(parser, "robustness.jsonl")
    options = parser.parse_args(given)
    studies = [
        Study(task, options.device, options.axes, options.variants, options.seeds, options.epochs)
        for task in options.tasks.split(",")
    ]
    results = Results(options.results)
    if options.page:
        from benchmarks.robustness_page import write

        write(options.page, studies, results)
        return
    for study in studies:
        run(study, results, options.workers, options.scheduler)


if __name__ == "__main__":
    main()
