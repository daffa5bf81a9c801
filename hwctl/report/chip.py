"""The report of a calibrated chip: one HTML file that needs nothing else, and a CSV file for all that it plots."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from hwctl.calibration.probe import Stage
from hwctl.calibration.record import Record
from hwctl.devices import law
from hwctl.devices.chipfile import NAMES
from hwctl.files import write_file
from hwctl.protocol.codes import CURVE_ENTRIES
from hwctl.report import effects, page, style, units
from hwctl.report.album import Album, Draw
from hwctl.report.files import Table

US = 1e6  # uS in a siemens
COLOURS = {"set": style.SET, "reset": style.RESET}
PLACES = (0.25, 0.5, 0.75)  # of the range: where switching is shown
NEAR = 0.05  # of the range about such a place
WALKED = ("cell", "polarity", "level", "count", "before", "after", "stage")
MOST_POINTS = 4000  # of a scatter plot


def write_chip_report(path: Path, record: Record, figures: Sequence[tuple[str, str, str]]) -> Path:
    """Write a page and, beside it, a folder of CSV files with its name; return the page's path.

    figures: label, value and note of each key figure. Raises RunError where a file cannot be written.
    """
    folder = path.with_suffix("")
    with style.page_style():
        body = [page.strip(figures), *_sections(folder, record)]
    title = f"hwctl: {record.attributes.get('chip') or 'chip'}, {record.attributes.get('device', '')}"
    write_file(path, page.document(title, body).encode())
    return path


def _sections(folder: Path, record: Record) -> Iterator[str]:
    shown = Album(folder).shown
    cells = _cells(record)
    yield page.heading("Where on the chip", "A cell a square. What does not move is blank in the maps of the range.")
    yield page.figures(
        shown(title, cells, _map(column, label, record.cells("flags").shape), caption)
        for title, column, label, caption in (
            ("Lower bound", "g_min_uS", "G_min (µS)", "Lines or corners that differ tell of wires or of the process."),
            ("Upper bound", "g_max_uS", "G_max (µS)", "Blank among others: not reached within the budget."),
            ("Cells that do not move", "flags", "1 stuck on, 2 stuck off, 4 unformed", "Whole lines are wires."),
            ("Pulses of each cell", "pulses", "pulses", "What the calibration cost."),
            *_optional_maps(record),
        )
    )
    yield page.heading("The range of the cells")
    yield page.figures(
        shown(
            f"{name} on normal paper",
            _ranked(cells, column),
            _normal_paper(name),
            "A straight line is a normal spread.",
        )
        for name, column in (("G_min", "g_min_uS"), ("G_max", "g_max_uS"))
    )
    yield page.heading("Steps", "Of one pulse, in parts of a cell's own range, against where the cell was.")
    for name in NAMES.values():
        curves = _curves(record, name)
        yield page.figures(
            [
                shown(f"{name.upper()} steps of single cells", _single(record, name), _scatter(record, name),
                      "Grey: single pulses at the middle level. Line: the pooled curve, with its standard error."),
                shown(f"{name.upper()} step of every level", curves, _heat(record, name),
                      "Mean step; levels from weak to strong."),
                shown(f"{name.upper()} switching", _switching(record, name), _switching_plot(name),
                      "One pulse at the middle drive level, from three places of the range."),
            ]
        )  # fmt: skip
    time, converters = list(effects.of_time(record)), list(effects.of_converters(record))
    if time:
        yield page.heading("After programming", "Read again and again without a pulse in between.")
        yield page.figures(shown(*picture) for picture in time)
    if converters:
        yield page.heading("Converters and I-V curve", "By readings at several voltages.")
        yield page.figures(shown(*picture) for picture in converters)
    yield page.heading("The record")
    yield page.table(("entry", "value"), [(n, _text(v)) for n, v in _about(record.attributes)], numbers_from=2)


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value) or units.NOT_MEASURED


def _about(attributes: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in sorted(attributes.items()):
        if not name.startswith("twin_") and name not in {"complete"}:
            yield name, value


def _cells(record: Record) -> Table:
    place = np.indices(record.cells("flags").shape)
    arrays: dict[str, NDArray[Any]] = {"row": place[0], "col": place[1]}
    arrays |= {f"{n}_uS": record.cells(n) * US for n in ("g_min", "g_max", "g_min_error", "g_max_error")}
    arrays |= {n: record.cells(n) for n in ("flags", "offset", "gain_set", "gain_reset", "pulses", "lifetime_pulses")}
    if "cells/forming_amplitude" in record.arrays:
        arrays["forming_amplitude_V"] = record.cells("forming_amplitude")
    if "symmetry/found" in record.arrays:
        arrays["symmetry_uS"] = record.arrays["symmetry/found"] * US
    return Table("cells", {name: array.reshape(-1) for name, array in arrays.items()})


def _optional_maps(record: Record) -> Iterator[tuple[str, str, str, str]]:
    if "cells/forming_pulses" in record.arrays:
        yield (
            "Forming",
            "forming_amplitude_V",
            "V",
            "Amplitude of the pulse that formed a cell; blank: none was needed.",
        )
    if np.isfinite(record.arrays.get("symmetry/found", np.array([]))).any():
        yield "Symmetry point", "symmetry_uS", "G (µS)", "Where SET and RESET pulses in turns lead a cell."


def _map(column: str, label: str, shape: tuple[int, ...]) -> Draw:
    def draw(axes: Axes, table: Table) -> None:
        values = table[column].reshape(shape)
        image = axes.imshow(values, aspect="auto", cmap="viridis", interpolation="nearest")
        axes.figure.colorbar(image, ax=axes, label=label)
        axes.set_xlabel("Column")
        axes.set_ylabel("Row")

    return draw


def _ranked(cells: Table, column: str) -> Table:
    """Return sorted values beside the standard normal quantiles of their ranks."""
    values = np.sort(cells[column][np.isfinite(cells[column])])
    normal = NormalDist()
    quantiles = [normal.inv_cdf((rank + 0.5) / values.size) for rank in range(values.size)]
    return Table(f"normal-paper-{column.partition('_uS')[0]}", {column: values, "quantile": np.array(quantiles)})


def _normal_paper(name: str) -> Draw:
    def draw(axes: Axes, table: Table) -> None:
        values, quantiles = table.columns.values()
        axes.plot(values, quantiles, ".", markersize=2, color=style.SET)
        style.label_axes(axes, f"{name} (µS)", "Standard normal quantile")

    return draw


def _middle(record: Record, name: str) -> int:
    return len(record.arrays[f"curves/{name}/mean"]) // 2


def _curves(record: Record, name: str) -> Table:
    mean = record.arrays[f"curves/{name}/mean"]
    level, entry = np.indices(mean.shape)
    volts = record.arrays[f"curves/{name}/levels"]
    parts = {part: record.arrays[f"curves/{name}/{part}"] for part in ("mean", "mean_error", "sigma", "sigma_error")}
    columns = {
        "level": level, "amplitude_V": volts[level, 0], "gate_V": volts[level, 2],
        "place": law.entry_centres()[entry], **parts, "observed": record.arrays[f"curves/{name}/observed"],
    }  # fmt: skip
    return Table(f"steps-{name}", {column: array.reshape(-1) for column, array in columns.items()})


def _heat(record: Record, name: str) -> Draw:
    levels = len(record.arrays[f"curves/{name}/mean"])

    def draw(axes: Axes, table: Table) -> None:
        values = 100 * table["mean"].reshape(levels, CURVE_ENTRIES)
        image = axes.imshow(values, aspect="auto", origin="lower", extent=(0, 1, -0.5, levels - 0.5), cmap="magma")
        axes.figure.colorbar(image, ax=axes, label="Mean step (% of the range)")
        axes.set_xlabel("Place in the range")
        axes.set_ylabel("Drive level")

    return draw


def _walked(record: Record, name: str) -> tuple[NDArray[Any], ...]:
    """Return cell, place and step of the walk's single pulses at the middle level."""
    trace = {part: record.arrays[f"trace/{part}"] for part in WALKED}
    chosen = (
        (trace["polarity"] == (name == "reset"))
        & (trace["level"] == _middle(record, name))
        & (trace["count"] == 1)
        & (trace["stage"] == Stage.WALK)  # others were sent where cells stood for a reason
    )
    cell = trace["cell"][chosen].astype(np.int64)
    low, high = (record.cells(end).reshape(-1)[cell] for end in ("low", "high"))
    with np.errstate(divide="ignore", invalid="ignore"):
        place = (trace["before"][chosen] - low) / (high - low)
        step = (trace["after"] - trace["before"])[chosen] / (high - low) * (1 if name == "set" else -1)
    known = np.isfinite(place) & np.isfinite(step)
    return cell[known], place[known], step[known]


def _single(record: Record, name: str) -> Table:
    cell, place, step = _walked(record, name)
    every = max(cell.size // MOST_POINTS, 1)
    return Table(f"single-{name}", {"cell": cell[::every], "place": place[::every], "step": step[::every]})


def _scatter(record: Record, name: str) -> Draw:
    level = _middle(record, name)
    mean, error = (record.arrays[f"curves/{name}/{part}"][level] * 100 for part in ("pooled", "pooled_error"))
    centres = law.entry_centres()

    def draw(axes: Axes, table: Table) -> None:
        axes.plot(table["place"], 100 * table["step"], ".", markersize=1.5, color=style.BEFORE, alpha=0.4)
        axes.fill_between(centres, mean - error, mean + error, color=COLOURS[name], alpha=0.3, linewidth=0)
        axes.plot(centres, mean, color=COLOURS[name])
        axes.set_xlim(-0.05, 1.05)
        style.label_axes(axes, "Place in the range", "Step (% of the range)")

    return draw


def _switching(record: Record, name: str) -> Table:
    _, place, step = _walked(record, name)
    chosen = [np.abs(place - middle) < NEAR for middle in PLACES]
    return Table(
        f"switching-{name}",
        {"near": np.repeat(PLACES, [c.sum() for c in chosen]), "step": np.concatenate([step[c] for c in chosen])},
    )


def _switching_plot(name: str) -> Draw:
    def draw(axes: Axes, table: Table) -> None:
        if table["step"].size > 1:
            low, high = np.percentile(table["step"], [0.5, 99.5]).tolist()
            edges = 100 * np.linspace(low, high, 41)
            for place in PLACES:
                steps = 100 * table["step"][table["near"] == place]
                if np.histogram(steps, edges)[0].any():
                    axes.hist(steps, edges.tolist(), histtype="step", density=True, label=f"at {place:g} of the range")
            axes.legend(fontsize=7)
        style.label_axes(axes, f"{name.upper()} step (% of the range)", "Density")

    return draw
