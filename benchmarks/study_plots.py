"""Plots of studies."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from hwctl.sweeps.statistics import Interval

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def losses(path: Path, runs: Mapping[str, Sequence[Mapping[str, Any]]], target: float) -> None:
    """Draw validation losses of methods against epochs and pulses: medians and quartiles of their runs."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained", sharey=True)
    for says, of_method in runs.items():
        found = np.array([run["trace"]["validation_loss"] for run in of_method])
        low, middle, high = np.percentile(found, [25, 50, 75], axis=0)
        for axis, clock in zip(axes, ("epochs", "pulses"), strict=True):
            at = np.median([run["trace"][clock] for run in of_method], axis=0)
            (line,) = axis.plot(at, middle, label=says)
            axis.fill_between(at, low, high, alpha=0.15, color=line.get_color(), linewidth=0)
    for axis, label in zip(axes, ("Epochs", "Pulses"), strict=True):
        axis.axhline(target, color="0.4", linewidth=0.8, linestyle="--")
        axis.set_xlabel(label)
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.grid(visible=True, alpha=0.3)
    axes[0].set_ylabel("Validation loss (median, quartiles)")
    axes[0].legend(fontsize=7)
    _save(figure, path)


def ratios(path: Path, studies: Mapping[str, Mapping[str, Interval]]) -> None:
    """Draw how many times as fast methods are, with intervals: a column a study.

    Methods without a median are left out.
    """
    figure, axes = plt.subplots(
        1, len(studies), figsize=(2.2 + 2.2 * len(studies), 2.8), layout="constrained", sharey=True, squeeze=False
    )
    for axis, (study, found) in zip(axes[0], studies.items(), strict=True):
        for place, interval in enumerate(found.values()):
            if not 0.0 < interval.value < np.inf:
                continue
            low, high = max(interval.low, 0.05), min(interval.high, 50.0)
            axis.plot([low, high], [place, place], color="tab:blue")
            axis.plot(interval.value, place, "o", color="tab:blue")
        axis.axvline(1.0, color="0.4", linewidth=0.8)
        axis.set_xscale("log")
        axis.set_xlim(0.2, 10)
        axis.set_xticks([0.25, 0.5, 1, 2, 4, 8], ["1/4", "1/2", "1", "2", "4", "8"])
        axis.set_title(study, fontsize=9)
        axis.grid(visible=True, axis="x", alpha=0.3)
    names = list(next(iter(studies.values())))
    axes[0][0].set_yticks(range(len(names)), names, fontsize=8)
    axes[0][0].invert_yaxis()
    figure.supxlabel("Times as fast to each seed's own target (95% interval)", fontsize=9)
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
