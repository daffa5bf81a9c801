"""The page of `benchmarks.paper`: tables and plots of what is in its results file."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.paper import METHODS, REPORTED, TARGET_SEEDS, Study, epochs_to
from hwctl import __version__
from hwctl.sweeps.results import Results
from hwctl.sweeps.statistics import Interval, mean_difference, median_of, ratio_of_medians

CLOCKS = {"epochs": "epochs", "pulses": "pulses", "array_seconds": "array time"}
BASE = "sgd"
Runs = Mapping[str, list[dict[str, Any]]]


def write(path: Path, studies: Sequence[Study], results: Results, command: str) -> None:
    """Write the page, and its plots beside it in images/."""
    sections = [line for study in studies for line in _section(study, results, path.parent / "images")]
    path.write_text("\n".join([*_head(studies, command), *sections]) + "\n")
    print(f"{path}: {len(studies)} studies")


def _head(studies: Sequence[Study], command: str) -> Iterator[str]:
    one = studies[0]
    yield "# Momentum and adaptive rates on memristive devices"
    yield ""
    yield from (
        "What the abstract of Yan et al., Neural Networks 128 (2020) 142, claims of its circuit, measured on",
        "emulated arrays: reproduced from the abstract, since the paper's equations and network sizes were not at",
        "hand. It says: against SGD, training on WBC is 37.2% faster, and accuracy 0.77% lower.",
        "",
        f"Every method had {one.trials} trials, a Latin hypercube over its own ranges, each on {one.tuning_seeds}",
        f"tuning seeds; {one.seeds} other seeds are reported. A seed draws split, chip, first weights and sample",
        f"order: runs are paired. The target is the validation loss that the median of {TARGET_SEEDS} runs of the SGD",
        "tuned for loss ends with. Intervals are of 95%, by a bootstrap over the pairs. A run that does not reach the",
        "target is censored and counts as the longest. The test part was read once, after the last epoch.",
    )
    yield ""
    yield f"Written by `{command} --page docs/results.md`, hwctl {__version__}, commit {_commit()}."


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _section(study: Study, results: Results, images: Path) -> Iterator[str]:
    chosen, target = study.chosen(results), study.target(results)
    yield ""
    yield f"## {study.task} on {study.device}"
    yield ""
    yield f"Target: a validation loss of {target:.4f}."
    for aim, says in (("speed", "tuned to be soonest at the target"), ("loss", "tuned for the least final loss")):
        runs = {
            method: [
                results.runs[study.point(method, chosen[method, aim], REPORTED + n, "reported").key]
                for n in range(study.seeds)
            ]
            for method in METHODS
        }
        yield ""
        yield f"### {study.task} on {study.device}, each method {says}"
        yield ""
        yield from _table(runs, target)
        yield ""
        plot = images / f"results-{study.task}-{study.device}-{aim}.png"
        _plot(plot, runs, target)
        yield f"![Validation loss against epochs and pulses](images/{plot.name})"
    yield ""
    yield from _options(chosen)


def _table(runs: Runs, target: float) -> Iterator[str]:
    rng = np.random.default_rng(0)
    yield (
        "| method | epochs to the target | times as fast as SGD | less time | pulses to it | times fewer "
        "| array time to it | censored | test accuracy | minus SGD's | pulses in all | worst cell |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|"
    times = {m: {c: np.array([epochs_to(r, target, c) for r in rs]) for c in CLOCKS} for m, rs in runs.items()}
    accuracy = {m: 100 * np.array([r["test_accuracy"] for r in rs]) for m, rs in runs.items()}
    for method, of_method in runs.items():
        own, base = times[method], times[BASE]
        pulses = np.array([r["pulses_set"] + r["pulses_reset"] for r in of_method], np.float64)
        worst = np.median([r["pulses_max_cell"] for r in of_method])
        if method == BASE:
            faster = fewer = less = difference = ""
        else:
            ratio = ratio_of_medians(base["epochs"], own["epochs"], rng)
            faster, less = _ratio(ratio), f"{100 * (1 - 1 / ratio.value):.0f}%" if ratio.value > 0 else "none"
            fewer = _ratio(ratio_of_medians(base["pulses"], own["pulses"], rng))
            apart = mean_difference(accuracy[method], accuracy[BASE], rng)
            difference = f"{apart.value:+.2f} ({apart.low:+.2f} to {apart.high:+.2f})"
        cells = (
            METHODS[method].says, _number(median_of(own["epochs"])), faster, less, _number(median_of(own["pulses"])),
            fewer,
            f"{_number(1e3 * median_of(own['array_seconds']))} ms", int(np.isinf(own["epochs"]).sum()),
            f"{accuracy[method].mean():.2f}%", difference, _number(float(np.median(pulses))), _number(float(worst)),
        )  # fmt: skip
        yield "| " + " | ".join(str(cell) for cell in cells) + " |"


def _ratio(found: Interval) -> str:
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


def _number(value: float) -> str:
    if np.isinf(value):
        return "not reached"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _options(chosen: Mapping[tuple[str, str], Mapping[str, Any]]) -> Iterator[str]:
    yield "| method | tuned for | options |"
    yield "|---|---|---|"
    for (method, aim), options in chosen.items():
        said = ", ".join(f"{name} {value:.4g}" for name, value in options.items() if name != "optimizer")
        yield f"| {METHODS[method].says} | {aim} | {said} |"


def _plot(path: Path, runs: Runs, target: float) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained", sharey=True)
    for method, of_method in runs.items():
        losses = np.array([run["trace"]["validation_loss"] for run in of_method])
        low, middle, high = np.percentile(losses, [25, 50, 75], axis=0)
        for axis, clock in zip(axes, ("epochs", "pulses"), strict=True):
            at = np.median([run["trace"][clock] for run in of_method], axis=0)
            (line,) = axis.plot(at, middle, label=METHODS[method].says)
            axis.fill_between(at, low, high, alpha=0.15, color=line.get_color(), linewidth=0)
    for axis, label in zip(axes, ("Epochs", "Pulses"), strict=True):
        axis.axhline(target, color="0.4", linewidth=0.8, linestyle="--")
        axis.set_xlabel(label)
        axis.set_yscale("log")
        axis.grid(visible=True, alpha=0.3)
    axes[0].set_xscale("log")
    axes[1].set_xscale("log")
    axes[0].set_ylabel("Validation loss (median, quartiles)")
    axes[0].legend(fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
