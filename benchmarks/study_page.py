"""The page of studies: what of it is said first, and tables and plots of each study."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import study_plots
from benchmarks.study import AIMS, TARGET_SEEDS, Study, epochs_to, final_loss
from hwctl import __version__
from hwctl.sweeps.results import Results
from hwctl.sweeps.statistics import Floats, Interval, mean_difference, median_of, ratio_of_medians

Runs = Mapping[str, list[dict[str, Any]]]
SAYS = {
    "speed": "tuned to be soonest at the target",
    "loss": "tuned for the least final loss",
    "pulses": "tuned for the fewest pulses to the target",
}


@dataclass(frozen=True)
class Page:
    """What a page says beside its figures."""

    title: str
    about: str
    command: str
    """That made the results."""


@dataclass(frozen=True)
class Figures:
    """What the reported runs of a method come to, at one aim."""

    runs: list[dict[str, Any]]
    times: Mapping[str, Floats]
    """(seeds,) until the target by clock: epochs, pulses, pulses_max_cell, array_seconds and so on."""
    training: Floats
    """(seeds,) pulses until the target without those that programmed the first weights."""
    own: Floats
    """(seeds,) epochs until the loss that the first method, tuned for loss, ends with on the same seed."""
    accuracy: Floats
    """(seeds,) %"""


@dataclass(frozen=True)
class Found:
    """What the runs of a study come to."""

    target: float
    chosen: Mapping[tuple[str, str], Mapping[str, Any]]
    """Options by (method, aim)."""
    by_aim: Mapping[str, Mapping[str, Figures]]
    """By aim and method."""
    against: Mapping[str, Mapping[str, Mapping[str, Interval]]]
    """By aim and method: how many times sooner than the first one, or for accuracy how much more."""


def write(path: Path, page: Page, studies: Sequence[Study], results: Results) -> None:
    """Write the page of those studies that are complete, and its plots beside it in images/; name the others."""
    images, stem = path.parent / "images", path.stem
    found, missing = {}, []
    for study in studies:
        try:
            found[study] = found_in(study, results)
        except KeyError:
            missing.append(f"{study.task} on {study.device}")
    if not found:
        raise SystemExit(f"no study is complete: {', '.join(missing)}; run it without --page")
    base = studies[0].methods[studies[0].base].says
    plot = images / f"{stem}-speed.png"
    study_plots.ratios(plot, {f"{s.task} on {s.device}": _ratios(s, of) for s, of in found.items()})
    lines = [*_head(page, path, list(found)), f"Each method against {base}, tuned for the same:", ""]
    lines += _table_head("task", "device", "tuned for", *SUMMARY)
    lines += [row for study, of_study in found.items() for row in _summary(study, of_study)]
    lines += ["", f"![Times as fast as {base}](images/{plot.name})"]
    if missing:
        lines += ["", f"Not measured yet: {', '.join(missing)}."]
    lines += [row for study, of_study in found.items() for row in _section(study, of_study, stem, images)]
    path.write_text("\n".join(lines) + "\n")
    print(f"{path}: {len(found)} studies" + (f"; not complete: {', '.join(missing)}" if missing else ""))


def found_in(study: Study, results: Results) -> Found:
    """Return what the runs of a study come to. Raises KeyError where one is missing."""
    target, chosen = study.target(results), study.chosen(results)
    start = np.array([_pulses(results.runs[point.key]) for point in study.starts()])
    ends = [final_loss(run) for run in study.reported_of(results, study.base, chosen[study.base, "loss"])]
    by_aim: dict[str, dict[str, Figures]] = {aim: {} for aim in AIMS}
    for (method, aim), options in chosen.items():
        runs = study.reported_of(results, method, options)
        by_aim[aim][method] = _figures(runs, target, ends, start)
    return Found(
        target, chosen, by_aim,
        {aim: {m: _against(own, of[study.base]) for m, own in of.items() if m != study.base}
         for aim, of in by_aim.items()},
    )  # fmt: skip


def _figures(runs: list[dict[str, Any]], target: float, ends: Sequence[float], start: Floats) -> Figures:
    clocks = [clock for clock in runs[0]["trace"] if not clock.startswith("validation")]
    times = {clock: np.array([epochs_to(run, target, clock) for run in runs]) for clock in clocks}
    return Figures(
        runs,
        times,
        times["pulses"] - start,
        np.array([epochs_to(run, end) for run, end in zip(runs, ends, strict=True)]),
        100 * np.array([run["test_accuracy"] for run in runs]),
    )


def _pulses(run: Mapping[str, Any]) -> int:
    return int(run["pulses_set"] + run["pulses_reset"])


def _head(page: Page, path: Path, studies: Sequence[Study]) -> Iterator[str]:
    sizes: dict[tuple[int, int, int], dict[str, None]] = {}
    for study in studies:
        sizes.setdefault((study.trials, study.tuning_seeds, study.seeds), {})[study.task] = None
    yield f"# {page.title}"
    yield ""
    yield from page.about.strip().split("\n")
    yield ""
    yield from (
        "Every method had as many trials, a Latin hypercube over its own ranges and the length of a run, each on the",
        "same tuning seeds; other seeds are reported:",
    )
    yield "; ".join(
        f"{', '.join(tasks)}: {trials} trials on {tuning} tuning seed(s), {seeds} reported seeds"
        for (trials, tuning, seeds), tasks in sizes.items()
    )
    yield from (
        "A seed draws split, chip, first weights and sample order: runs are paired. The target is the validation loss",
        f"that the median of {TARGET_SEEDS} runs of {studies[0].methods[studies[0].base].says}, tuned for loss, ends",
        "with; reached it is in the middle of the first readings, of 40 to 50 samples or a tenth of an epoch of MNIST,",
        "whose mean is as low. A seed's own target is the loss that this method ends with on that very seed, as some",
        "splits are harder than others. Intervals are of 95%, by a bootstrap over the pairs. A run that does not reach",
        "a target is censored and counts as the longest: where half of the runs of a method are, there is no median;",
        "in an interval 0 or inf stands for draws without one. The test part was read once, after the last epoch. Each",
        "method is shown with three of its trials: the one soonest at the target, the one of least final loss, and the",
        "one with the fewest pulses until the target. Pulses include those that program the first weights, but for the",
        "column of training alone.",
    )
    yield ""
    yield f"Written by `{page.command} --page docs/{path.name}`, hwctl {__version__}, commit {commit()}."
    yield ""


def commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


SUMMARY = ("method", "times as fast", "to each seed's own target", "times fewer pulses to the target",
           "of training alone", "times less wear of the worst cell", "test accuracy minus")  # fmt: skip
SOONER = "speed", "own", "pulses", "training", "wear"


def _summary(study: Study, found: Found) -> Iterator[str]:
    for aim in AIMS:
        for method, against in found.against[aim].items():
            sooner = [_ratio(against[name]) if name in against else "" for name in SOONER]
            yield _row(study.task, study.device, aim, study.methods[method].says, *sooner, _signed(against["accuracy"]))


def _against(own: Figures, base: Figures) -> dict[str, Interval]:
    rng = np.random.default_rng(0)
    return {"accuracy": mean_difference(own.accuracy, base.accuracy, rng)} | {
        name: ratio_of_medians(slow, fast, rng)
        for name, slow, fast in zip(SOONER, _sooner(base), _sooner(own), strict=True)
        if slow is not None and fast is not None
    }


def _sooner(of: Figures) -> tuple[Floats | None, ...]:
    """Return the times and costs of SOONER; None where a run has not kept one."""
    return of.times["epochs"], of.own, of.times["pulses"], of.training, of.times.get("pulses_max_cell")


def _ratios(study: Study, found: Found) -> dict[str, dict[str, Interval]]:
    """Return how many times as fast each method is at the target, by aim and method."""
    return {
        SAYS[aim]: {study.methods[method].says: against["speed"] for method, against in of.items()}
        for aim, of in found.against.items()
    }


def _section(study: Study, found: Found, stem: str, images: Path) -> Iterator[str]:
    yield from ("", f"## {study.task} on {study.device}", "", f"Target: a validation loss of {found.target:.4f}.")
    for aim, of in found.by_aim.items():
        yield from ("", f"### {study.task} on {study.device}, each method {SAYS[aim]}", "")
        yield from _table(study, of, found.against[aim])
        plot = images / f"{stem}-{study.task}-{study.device}-{aim}.png"
        study_plots.losses(plot, {study.methods[m].says: figures.runs for m, figures in of.items()}, found.target)
        yield from ("", f"![Validation loss against epochs and pulses](images/{plot.name})")
    yield ""
    yield from _options(study, found.chosen)


def _table(study: Study, found: Mapping[str, Figures], against: Mapping[str, Mapping[str, Interval]]) -> Iterator[str]:
    traffic = any(run["link_bytes"] > 0 for own in found.values() for run in own.runs)
    yield from _table_head(
        "method", "epochs to the target", "times as fast", "less time", "own target", "times as fast", "censored",
        "pulses to the target", "worst cell at the target", "array time", *(["traffic"] if traffic else []),
        "test accuracy", "pulses in all", "worst cell",
    )  # fmt: skip
    for method, own in found.items():
        base = method == study.base
        sooner, sooner_own = ("", "") if base else (_ratio(against[method][name]) for name in ("speed", "own"))
        slow, fast = median_of(found[study.base].times["epochs"]), median_of(own.times["epochs"])
        less = "" if base or not np.isfinite(slow + fast) else f"{100 * (1 - fast / slow):.0f}%"
        worst = _number(median_of(own.times["pulses_max_cell"])) if "pulses_max_cell" in own.times else ""
        yield _row(
            study.methods[method].says, _number(fast), sooner, less, _number(median_of(own.own)),
            sooner_own, int(np.isinf(own.times["epochs"]).sum()), _number(median_of(own.times["pulses"])), worst,
            _number(1e3 * median_of(own.times["array_seconds"]), " ms"),
            *([_number(median_of(own.times["link_bytes"]) / 1024, " KiB")] if traffic else []),
            f"{own.accuracy.mean():.2f}%", _number(np.median([_pulses(run) for run in own.runs])),
            _number(np.median([run["pulses_max_cell"] for run in own.runs])),
        )  # fmt: skip


def _options(study: Study, chosen: Mapping[tuple[str, str], Mapping[str, Any]]) -> Iterator[str]:
    yield from _table_head("method", "tuned for", "options")
    for (method, aim), options in chosen.items():
        said = ", ".join(
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in options.items()
            if name not in ("optimizer", "schedule")
        )
        yield _row(study.methods[method].says, aim, said)


def _table_head(*names: str) -> Iterator[str]:
    yield _row(*names)
    yield "|" + "---|" * len(names)


def _row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _ratio(found: Interval) -> str:
    if found.value == 0.0 or np.isinf(found.value):
        return "not reached" if found.value == 0.0 else "reached by it alone"
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


def _signed(found: Interval) -> str:
    return f"{found.value:+.2f} ({found.low:+.2f} to {found.high:+.2f})"


def _number(value: float, unit: str = "") -> str:
    if np.isinf(value):
        return "not reached"
    return (f"{value:,.0f}" if value >= 100 else f"{value:.3g}") + unit
