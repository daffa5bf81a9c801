"""The page of `benchmarks.robustness`: a table and a plot of each axis, of what is in its results file."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.robustness import AXES, VARIANTS, Axis, Study
from benchmarks.study_page import commit
from benchmarks.study_plots import plt, save
from hwctl import __version__
from hwctl.errors import SweepError
from hwctl.sweeps.results import Results
from hwctl.sweeps.statistics import Interval, mean_difference

BASE = "plain"
Runs = dict[tuple[float, str], list[dict[str, Any]]]
"""By level and variant."""


def write(path: Path, studies: Sequence[Study], results: Results) -> None:
    """Write the page, and its plots beside it in images/. Raises SweepError where runs are missing."""
    missing = {point.key for study in studies for point in study.points()} - set(results.runs)
    if missing:
        raise SweepError(f"{len(missing)} runs are not in {results.path}; run the same command without --page first")
    sections = [line for study in studies for line in _study(study, results, path.parent / "images")]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*_head(studies, path), *sections]) + "\n")
    print(f"{path}: {sum(len(study.axes) for study in studies)} axes")


def command(studies: Sequence[Study]) -> str:
    """Return the command whose results these are."""
    one = studies[0]
    epochs = "" if one.epochs is None else f" --epochs {one.epochs}"
    return (
        f"python -m benchmarks.robustness --tasks {','.join(study.task for study in studies)} --device {one.device} "
        f"--axes {','.join(one.axes)} --variants {','.join(one.variants)} --seeds {one.seeds}{epochs}"
    )


def _head(studies: Sequence[Study], path: Path) -> Iterator[str]:
    yield "# Robustness, measured"
    yield ""
    yield from (
        f"Test accuracy of networks trained in situ on emulated `{studies[0].device}`, one fault at a time made worse.",
        f"{studies[0].seeds} paired seeds: each draws split, chip, first weights and sample order, the same for all",
        "variants. Intervals are of 95%: of the mean over seeds, and of the mean paired difference from the plain run",
        "at the same level, by a bootstrap over seeds. A calibrated chip was measured as fabricated, at the faults of",
        "its level; those pulses are not among the run's. Stuck cells are those that the run gave up or knew of.",
    )
    yield ""
    yield f"Written by `{command(studies)} --page docs/{path.name}`, hwctl {__version__}, commit {commit()}."


def _study(study: Study, results: Results, images: Path) -> Iterator[str]:
    for name in study.axes:
        axis = AXES[name]
        runs = {(level, v): study.runs(results, name, level, v) for level in axis.levels for v in study.variants}
        plot = images / f"robustness-{study.task}-{study.device.replace(',', '-')}-{name}.png"
        _plot(plot, axis, study, runs)
        yield from ("", f"## {axis.says}: {study.task}", "")
        yield from _table(axis, study, runs)
        yield from ("", f"![{axis.says}: accuracy of {study.task}](images/{plot.name})")


def _table(axis: Axis, study: Study, runs: Runs) -> Iterator[str]:
    rng = np.random.default_rng(0)
    yield f"| {axis.unit} | variant | accuracy | minus plain | pulses, median | worst cell, median | stuck cells |"
    yield "|---|---|---|---|---|---|---|"
    for (level, variant), found in runs.items():
        own, base = accuracy(found), runs.get((level, BASE))
        apart = ""
        if base is not None and variant != BASE:
            apart = _interval(mean_difference(own, accuracy(base), rng), "+.2f")
        cells = (
            f"{level:g}", VARIANTS[variant].says + _uncalibrated(found), _interval(mean_of(own, rng), ".2f"), apart,
            f"{np.median([run['pulses_set'] + run['pulses_reset'] for run in found]):,.0f}",
            f"{np.median([run['pulses_max_cell'] for run in found]):,.0f}",
            f"{np.mean([run['stuck_cells'] for run in found]):.1f}",
        )  # fmt: skip
        yield "| " + " | ".join(cells) + " |"


def accuracy(runs: Sequence[dict[str, Any]]) -> np.ndarray:
    """Return the test accuracies in percent."""
    return 100.0 * np.array([run["test_accuracy"] for run in runs])


def mean_of(values: np.ndarray, rng: np.random.Generator) -> Interval:
    """Return the mean over seeds with its interval."""
    return mean_difference(values, np.zeros_like(values), rng)


def _uncalibrated(runs: Sequence[dict[str, Any]]) -> str:
    failed = sum(not run.get("calibrated", True) for run in runs)
    return f" ({failed} of {len(runs)} could not be, and ran plain)" if failed else ""


def _interval(found: Interval, form: str) -> str:
    return f"{found.value:{form}} ({found.low:{form}} to {found.high:{form}})"


def _plot(path: Path, axis: Axis, study: Study, runs: Runs) -> None:
    rng = np.random.default_rng(0)
    figure, plotted = plt.subplots(figsize=(7, 4), layout="constrained")
    places = np.arange(len(axis.levels))
    for n, variant in enumerate(study.variants):
        found = [mean_of(accuracy(runs[level, variant]), rng) for level in axis.levels]
        mean, low, high = np.array(found).T
        beside = 0.06 * (n - (len(study.variants) - 1) / 2)
        plotted.errorbar(
            places + beside, mean, [mean - low, high - mean], marker="o", capsize=3, label=VARIANTS[variant].says
        )
    plotted.set_xticks(places, [f"{level:g}" for level in axis.levels])
    plotted.set_xlabel(f"{axis.says}: {axis.unit}")
    plotted.set_ylabel("Test accuracy, % (mean, 95% interval)")
    plotted.grid(visible=True, alpha=0.3)
    plotted.legend(fontsize=8)
    save(figure, path)
