"""How a device answers pulses: its conductance along a SET and a RESET train, and the size of one step."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hwctl.errors import RunError
from hwctl.files import write_file
from hwctl.report import plots, style
from hwctl.report.files import Table, slug, write_csv

ROW_IN = (9.0, 2.9)
DPI = 200
LOG_ABOVE = 20.0  # ratio of median step sizes above which a linear axis would flatten one curve


class DeviceResponse(Protocol):
    """Tell how a device answers pulses; all conductances and steps are in S.

    `set_g` is (n + 1, cells): before the first and after each SET pulse, from the low bound; `reset_g` is
    (m + 1, cells) likewise from the high end. `set_step` (positive) and `reset_step` (negative) are (k,):
    the mean step at the conductances `step_g`. `symmetry_point` is where both steps have one size, or None.
    """

    @property
    def name(self) -> str:
        """Name of the preset."""

    @property
    def title(self) -> str:
        """Name for people."""

    @property
    def set_g(self) -> NDArray[np.float64]:
        """Conductance along the SET train, (n + 1, cells) in S."""

    @property
    def reset_g(self) -> NDArray[np.float64]:
        """Conductance along the RESET train, (m + 1, cells) in S."""

    @property
    def step_g(self) -> NDArray[np.float64]:
        """Conductances at which the mean steps are given, (k,) in S."""

    @property
    def set_step(self) -> NDArray[np.float64]:
        """Mean step of a SET pulse, (k,) in S."""

    @property
    def reset_step(self) -> NDArray[np.float64]:
        """Mean step of a RESET pulse, (k,) in S, negative."""

    @property
    def symmetry_point(self) -> float | None:
        """Conductance in S where both steps have one size, or None."""


def plot_device_response(responses: Sequence[DeviceResponse], path: Path) -> list[Path]:
    """Write a picture with a row a device, and beside it the CSV files of what it shows; return their paths.

    `path` ends in .png or .svg; the CSV files carry its name, the device's, and "train" or "step". Raise
    RunError where there is no device, a device has no cell that could be read throughout, or a file cannot
    be written.
    """
    kind = plots.picture_kind(path)
    if not responses:
        raise RunError("no device to plot; name at least one")
    tables = [(train_table(response, path.stem), step_table(response, path.stem)) for response in responses]
    with style.paper_style():
        figure = Figure(figsize=(ROW_IN[0], ROW_IN[1] * len(responses)), layout="constrained")
        axes = figure.subplots(len(responses), 2, squeeze=False)
        for (left, right), response, (train, step) in zip(axes, responses, tables, strict=True):
            draw_train(left, train)
            draw_steps(right, step, response.symmetry_point)
            left.set_title(response.title, loc="left")
        content = style.picture(figure, kind, DPI)
    written = [write_csv(path.parent, table) for pair in tables for table in pair]
    write_file(path, content)
    return [path, *written]


def train_table(response: DeviceResponse, stem: str) -> Table:
    """Return median and middle 68% of the cells' conductance (µS) after each pulse, SET train first."""
    parts = []
    for name, g in (("SET", response.set_g), ("RESET", response.reset_g)):
        read = g[:, np.isfinite(g).all(axis=0)]
        if read.size == 0:
            raise RunError(f"device {response.name}: no cell was read along the whole {name} train; read again")
        parts.append(1e6 * np.percentile(read, [16, 50, 84], axis=1))
    sets, resets = (part.shape[1] for part in parts)
    low, middle, high = np.concatenate(parts, axis=1)
    return Table(
        f"{slug(stem)}-{slug(response.name)}-train",
        {
            "train": np.repeat(["SET", "RESET"], [sets, resets]),
            "pulse": np.concatenate([np.arange(sets), sets - 1 + np.arange(resets)]),
            "p16_uS": low,
            "median_uS": middle,
            "p84_uS": high,
        },
    )


def step_table(response: DeviceResponse, stem: str) -> Table:
    """Return the mean step (µS per pulse, RESET negative) over conductance (µS)."""
    return Table(
        f"{slug(stem)}-{slug(response.name)}-step",
        {
            "conductance_uS": 1e6 * response.step_g,
            "set_step_uS": 1e6 * response.set_step,
            "reset_step_uS": 1e6 * response.reset_step,
        },
    )


def draw_train(axes: Axes, table: Table) -> None:
    """Draw conductance over the number of pulses: SET train, then RESET train."""
    for name, colour in (("SET", style.SET), ("RESET", style.RESET)):
        rows = table["train"] == name
        pulse = table["pulse"][rows]
        axes.fill_between(pulse, table["p16_uS"][rows], table["p84_uS"][rows], color=colour, alpha=0.25, lw=0)
        axes.plot(pulse, table["median_uS"][rows], color=colour, linewidth=1.6, label=name)
    style.label_axes(axes, "Pulse number (band: middle 68% of cells)", "Conductance (µS)")
    axes.legend(loc="best")


def draw_steps(axes: Axes, table: Table, symmetry_point: float | None) -> None:
    """Draw the size of a SET and a RESET step over conductance; they cross at the symmetry point (S)."""
    sizes = {"SET": table["set_step_uS"], "RESET (downward)": -table["reset_step_uS"]}
    positive = {name: np.where(size > 0, size, np.nan) for name, size in sizes.items()}
    medians = [float(np.nanmedian(size)) for size in positive.values() if np.any(size > 0)]
    is_log = len(medians) == 2 and max(medians) > LOG_ABOVE * min(medians)
    drawn = positive if is_log else sizes
    for (name, size), colour in zip(drawn.items(), (style.SET, style.RESET), strict=True):
        axes.plot(table["conductance_uS"], size, color=colour, linewidth=1.6, label=name)
    if symmetry_point is not None and np.isfinite(symmetry_point):
        plots.mark_symmetry_point(axes, 1e6 * symmetry_point)
    style.label_axes(axes, "Conductance (µS)", "Step size (µS per pulse)")
    if is_log:
        axes.set_yscale("log")
    axes.legend(loc="best")
