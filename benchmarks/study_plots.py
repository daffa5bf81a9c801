"""Plots of studies."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from benchmarks.study import WINDOW, moving_mean
from hwctl.sweeps.statistics import Interval

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def losses(path: Path, runs: Mapping[str, Sequence[Mapping[str, Any]]], target: float) -> None:
    """Draw validation losses of methods against epochs and pulses: medians and quartiles of their runs."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained", sharey=True)
    for says, of_method in runs.items():
        window = WINDOW[of_method[0]["task"]]
        found = np.array([moving_mean(run["trace"]["validation_loss"], window) for run in of_method])
        low, middle, high = np.percentile(found, [25, 50, 75], axis=0)
        for axis, clock in zip(axes, ("epochs", "pulses"), strict=True):
            at = np.median([moving_mean(run["trace"][clock], window) for run in of_method], axis=0)
            (line,) = axis.plot(at, middle, label=says, linewidth=1.2)
            axis.fill_between(at, low, high, alpha=0.08, color=line.get_color(), linewidth=0)
    for axis, label in zip(axes, ("Epochs", "Pulses"), strict=True):
        axis.axhline(target, color="0.4", linewidth=0.8, linestyle="--")
        axis.set_xlabel(label)
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.grid(visible=True, alpha=0.3)
    axes[0].set_ylabel("Validation loss, moving mean\n(median and quartiles of the runs)")
    axes[0].legend(fontsize=7)
    save(figure, path)


def ratios(path: Path, studies: Mapping[str, Mapping[str, Mapping[str, Interval]]]) -> None:
    """Draw how many times as fast methods are, with intervals: a column a study, a colour for what they are tuned for.

    Methods without a median are left out.
    """
    figure, axes = plt.subplots(
        1, len(studies), figsize=(6.0 + 2.4 * len(studies), 3.8), layout="constrained", sharey=True, squeeze=False
    )
    for axis, (study, by_aim) in zip(axes[0], studies.items(), strict=True):
        for number, (aim, found) in enumerate(by_aim.items()):
            kept = [(place, one) for place, one in enumerate(found.values()) if 0.0 < one.value < np.inf]
            places = np.array([place + 0.22 * (number - 1) for place, _ in kept])
            values = np.array([one.value for _, one in kept])
            ends = np.array([[max(one.low, 0.01), min(one.high, 100.0)] for _, one in kept]).reshape(-1, 2).T
            bars = np.abs(ends - values)
            axis.errorbar(values, places, xerr=bars, fmt="o", markersize=4, linewidth=1, label=f"each {aim}")
        axis.axvline(1.0, color="0.4", linewidth=0.8)
        axis.set_xscale("log")
        axis.set_xlim(0.11, 10)
        axis.set_xticks([0.125, 0.25, 0.5, 1, 2, 4, 8])
        axis.set_xticklabels(["1/8", "1/4", "1/2", "1", "2", "4", "8"], fontsize=8)
        axis.minorticks_off()
        axis.set_title(study, fontsize=9)
        axis.grid(visible=True, axis="x", alpha=0.3)
    names = list(next(iter(next(iter(studies.values())).values())))
    axes[0][0].set_yticks(range(len(names)))
    axes[0][0].set_yticklabels(names, fontsize=8)
    axes[0][0].invert_yaxis()
    figure.supxlabel("Times as fast to the target (95% interval)", fontsize=9)
    axes[0][-1].legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), fontsize=8, frameon=False)
    save(figure, path)


def save(figure: Any, path: Path) -> None:
    """Write a figure, and the folder that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
