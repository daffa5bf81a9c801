"""The report's figures; each draws from the table whose values are written as CSV."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator
from numpy.typing import NDArray

from hwctl.errors import RunError
from hwctl.files import write_file
from hwctl.report import style, tables
from hwctl.report.files import Table

FIGURE_IN = (3.7, 2.7)  # small, so that text stays readable at the width of a phone
PICTURE_IN = (9.0, 2.9)  # 100 units a inch at 900 px
PICTURE_DPI = 200
CRISP_CELLS = 120  # along a line; below that, cells are drawn as squares without smoothing
MARKED_EPOCHS = 40  # more markers than that hide the line


def write_training_plot(path: Path, summary: Mapping[str, object], metrics: Sequence[Mapping[str, float]]) -> None:
    """Write loss, accuracy and cumulative pulses as one picture, readable at a width of 900 px.

    `path` ends in .png or .svg; `summary` names task and device; `metrics` has a row an epoch, with
    accuracies from 0 to 1. Raise RunError where there is no epoch, the ending is another, or the file
    cannot be written.
    """
    kind = picture_kind(path)
    if not metrics:
        raise RunError("the run has no finished epoch to plot; train for at least one")
    table = tables.epochs(metrics)
    with style.paper_style():
        figure = Figure(figsize=PICTURE_IN, layout="constrained")
        loss, accuracy, pulses = figure.subplots(1, 3)
        draw_loss(loss, table)
        draw_accuracy(accuracy, table)
        draw_pulses(pulses, table, "cumulative")
        figure.suptitle(title(summary), fontsize=10.5)
        write_file(path, style.picture(figure, kind, PICTURE_DPI))


def picture_kind(path: Path) -> str:
    """Return "png" or "svg" by the ending of a path; raise RunError where it is another."""
    kind = path.suffix.lower().lstrip(".")
    if kind not in {"png", "svg"}:
        raise RunError(f"cannot write a picture as {path.name!r}; choose a name that ends in .png or .svg")
    return kind


def title(summary: Mapping[str, object]) -> str:
    """Return what a run is called: "hwctl: TASK on DEVICE"."""
    return f"hwctl: {summary.get('task', 'training')} on {summary.get('device', 'an unnamed device')}"


def draw_loss(axes: Axes, table: Table) -> None:
    """Draw the loss of each epoch."""
    _curve(axes, table, "train_loss", style.SET, "training")
    if np.isfinite(table["validation_loss"]).any():
        _curve(axes, table, "validation_loss", style.MARK, "validation")
        axes.legend(loc="upper right")
    _epoch_axes(axes, "Loss (mean of a sample)")


def draw_accuracy(axes: Axes, table: Table) -> None:
    """Draw training, validation and test accuracy of each epoch in percent."""
    _curve(axes, table, "train_accuracy_percent", style.TRAIN, "training")
    if np.isfinite(table["validation_accuracy_percent"]).any():
        _curve(axes, table, "validation_accuracy_percent", style.MARK, "validation")
    _curve(axes, table, "test_accuracy_percent", style.TEST, "test")
    _epoch_axes(axes, "Accuracy (%)")
    axes.legend(loc="lower right")


def draw_pulses(axes: Axes, table: Table, which: str) -> None:
    """Draw SET and RESET pulses: `which` is "cumulative" or "in_epoch"."""
    _curve(axes, table, f"set_pulses_{which}", style.SET, "SET")
    _curve(axes, table, f"reset_pulses_{which}", style.RESET, "RESET")
    _epoch_axes(axes, "Pulses since the start" if which == "cumulative" else "Pulses in the epoch")
    axes.yaxis.set_major_formatter(EngFormatter(sep=" "))
    axes.set_ylim(bottom=0)
    axes.legend(loc="best")


def draw_pulses_per_update(axes: Axes, table: Table) -> None:
    """Draw how many pulses one update of the weights takes."""
    _curve(axes, table, "pulses_per_update", style.AFTER, "")
    _epoch_axes(axes, "Pulses per update")
    axes.set_ylim(bottom=0)


def draw_clipped(axes: Axes, table: Table) -> None:
    """Draw the share of weights that the conductance range clips, in percent."""
    _curve(axes, table, "clipped_percent", style.RESET, "")
    _epoch_axes(axes, "Clipped weights (%)")
    axes.set_ylim(bottom=0)


def draw_conductance_map(axes: Axes, table: Table, which: str) -> None:
    """Draw a map of the layer's conductances: `which` is "before" or "after"; both share one scale."""
    both = np.concatenate([table["before_uS"], table["after_uS"]])
    low, high = _percentiles(both, 0.5, 99.5)
    _map(axes, table, f"{which}_uS", ("viridis", low, high), "Conductance (µS)")


def draw_difference_map(axes: Axes, table: Table) -> None:
    """Draw how much each cell's conductance changed."""
    _, limit = _percentiles(np.abs(table["difference_uS"]), 0, 99.5)
    _map(axes, table, "difference_uS", ("RdBu_r", -limit, limit), "After \N{MINUS SIGN} before (µS)")


def draw_pulse_map(axes: Axes, table: Table) -> None:
    """Draw how many pulses each cell took."""
    _, high = _percentiles(table["pulses"].astype(np.float64), 0, 99.5)
    _map(axes, table, "pulses", ("cividis", 0, high), "Pulses per cell")


def draw_conductance_histogram(axes: Axes, table: Table, symmetry_point_us: float | None) -> None:
    """Draw how the conductances are distributed before and after, with the symmetry point marked."""
    edges = np.append(table["bin_low_uS"], table["bin_high_uS"][-1])
    axes.stairs(table["cells_before"], edges, fill=True, color=style.BEFORE, alpha=0.45, label="before")
    axes.stairs(table["cells_after"], edges, color=style.AFTER, linewidth=1.6, label="after")
    if symmetry_point_us is not None:
        mark_symmetry_point(axes, symmetry_point_us)
    style.label_axes(axes, "Conductance (µS)", "Cells per bin")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    # Room above the bars, where the legend covers nothing.
    axes.set_ylim(top=1.35 * max(1, table["cells_before"].max(), table["cells_after"].max()))
    axes.legend(loc="upper center", ncols=3, fontsize=8, handlelength=1.4, columnspacing=1.2)


def mark_symmetry_point(axes: Axes, symmetry_point_us: float) -> None:
    """Draw a vertical line where a SET and a RESET pulse move a cell by the same amount."""
    axes.axvline(
        symmetry_point_us,
        ymax=0.78,  # ends below the legend
        color=style.MARK,
        linestyle="--",
        linewidth=1.3,
        label="symmetry point",
    )


def draw_pulse_histogram(axes: Axes, table: Table) -> None:
    """Draw how many cells took how many pulses; the count of cells is logarithmic."""
    edges = np.append(table["bin_low_pulses"], table["bin_high_pulses"][-1])
    axes.stairs(table["cells"], edges, fill=True, color=style.AFTER, baseline=0.5)
    style.label_axes(axes, "Pulses over the run (SET and RESET)", "Cells per bin (log scale)")
    axes.set_yscale("log")
    axes.set_ylim(0.5, 2 * max(1, table["cells"].max()))
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))


def draw_symmetry_distances(axes: Axes, table: Table) -> None:
    """Draw how far the cells of each layer are from its symmetry point: median and the middle 68%."""
    places = np.arange(len(table["layer"]))
    for when, shift, colour in (("before", -0.13, style.BEFORE), ("after", 0.13, style.AFTER)):
        read = np.isfinite(table[f"{when}_median_uS"])
        low, middle, high = (table[f"{when}_{name}_uS"][read] for name in ("p16", "median", "p84"))
        axes.errorbar(
            middle,
            places[read] + shift,
            xerr=np.stack([middle - low, high - middle]),
            fmt="o",
            color=colour,
            capsize=3,
            label=when,
        )
    style.label_axes(axes, "Distance |G \N{MINUS SIGN} symmetry point| (µS)", "")
    axes.set_yticks(places, [str(name)[:24] for name in table["layer"]])
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)


def _curve(axes: Axes, table: Table, column: str, colour: str, label: str) -> None:
    values: NDArray[np.float64] = table[column]
    measured = np.isfinite(values)
    # A curve that is measured every few epochs is joined over the gaps.
    axes.plot(
        table["epoch"][measured],
        values[measured],
        color=colour,
        label=label,
        linewidth=1.6,
        marker="o" if np.count_nonzero(measured) <= MARKED_EPOCHS else "",
        markersize=3,
    )


def _epoch_axes(axes: Axes, y: str) -> None:
    style.label_axes(axes, "Epoch", y)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))


def _map(axes: Axes, table: Table, column: str, scale: tuple[str, float, float], label: str) -> None:
    shape = (int(table["row"][-1]) + 1, int(table["col"][-1]) + 1)
    colours, low, high = scale
    smoothing = "nearest" if max(shape) <= CRISP_CELLS else "antialiased"
    values = table[column].reshape(shape)
    image = axes.imshow(values, aspect="auto", cmap=colours, vmin=low, vmax=high, interpolation=smoothing)
    axes.set_xlabel("Column (even: G+, odd: G\N{MINUS SIGN})")
    axes.set_ylabel("Row (the last is the bias)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    figure = axes.get_figure()
    if isinstance(figure, Figure):
        figure.colorbar(image, ax=axes, label=label, extend="max" if low == 0 else "both")


def _percentiles(values: NDArray[np.float64], low: float, high: float) -> tuple[float, float]:
    """Return the range that the colours span, free of a few extreme cells and never empty."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    bottom, top = (float(value) for value in np.percentile(finite, [low, high]))
    return (bottom, top) if top > bottom else (bottom, bottom + 1)
