"""The report of a programming run: one HTML file that needs nothing else, and a CSV file for all that it plots."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from hwctl.files import write_file
from hwctl.programming.fine import FineResult
from hwctl.programming.matrix import Programmed
from hwctl.programming.residual import Corrected
from hwctl.programming.result import Result
from hwctl.protocol.packing import Region
from hwctl.report import page, style
from hwctl.report.album import Album, Draw
from hwctl.report.files import Table, write_csv

US = 1e6  # uS in a siemens
BINS = 48  # of a histogram, and one more at either end for what lies beyond
WIDE = 6.0  # half the histogram's width in robust standard deviations
Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class ProgramTables:
    """What a page shows of a run. Columns end in their units."""

    cells: Table
    """A row a cell that was to be programmed: `row` and `col` on the array, target, reading, error, reached, pulses."""
    weights: Table | None = None
    """A row a weight: wanted, expected, effective, error; `error_first` before a residual was added."""
    lines: Sequence[Table] = field(default_factory=tuple)
    """Where the matrix' lines are, where a map was chosen."""


def tables_of_cells(result: Result, targets: NDArray[np.float64], region: Region) -> ProgramTables:
    """Return what is shown of cells brought to targets (rows, cols) in S."""
    at = np.indices(targets.shape)
    return ProgramTables(_cells({"row": at[0] + region.row0, "col": at[1] + region.col0}, result, targets))


def tables_of_weights(done: Programmed, mapped: bool, corrected: Corrected | None = None) -> ProgramTables:
    """Return what is shown of a programmed matrix.

    mapped: its lines were assigned. corrected: where it got a residual, both together.
    """
    line_map, region = done.line_map, done.region
    cells = _of_matrix(done, 1)
    if corrected is not None:
        residual = _of_matrix(corrected.second, 2)
        both = {n: np.concatenate([values, residual[n]]) for n, values in cells.columns.items()}
        cells = Table("cells", both)
    at = np.indices(done.weights.shape)
    effective = done.effective if corrected is None else corrected.effective
    shown: Columns = {"row": at[0], "output": at[1], "wanted": done.weights, "expected": done.expected,
                      "effective": effective, "error": effective - done.weights}  # fmt: skip
    if corrected is not None:
        shown |= {"effective_first": corrected.before, "error_first": corrected.before - done.weights}
    lines = (
        Table("map-rows", {"weight_row": np.arange(line_map.rows.size), "row": region.row0 + line_map.rows}),
        Table("map-outputs", {"output": np.arange(line_map.pairs.size),
                              "col_plus": region.col0 + line_map.columns[0::2],
                              "col_minus": region.col0 + line_map.columns[1::2]}),
    ) if mapped else ()  # fmt: skip
    return ProgramTables(cells, _flat("weights", shown), lines)


def _of_matrix(done: Programmed, number: int) -> Table:
    cell = np.indices(done.targets.shape)
    row, column = cell[0], cell[1]
    place: Columns = {
        "row": done.region.row0 + done.line_map.rows[row], "col": done.region.col0 + done.line_map.columns[column],
        "matrix": np.full(row.shape, number), "weight_row": row, "output": column // 2,
        "side": np.where(column % 2 == 0, "plus", "minus"), "stuck": done.stuck,
    }  # fmt: skip
    return _cells(place, done.result, done.targets)


def write_program_report(
    path: Path, title: str, tables: ProgramTables, figures: Sequence[tuple[str, str, str]]
) -> Path:
    """Write a page and, beside it, a folder of CSV files with its name; return the page's path.

    figures: label, value and note of each key figure. Raises RunError where a file cannot be written.
    """
    folder = path.with_suffix("")
    with style.page_style():
        body = [page.strip(figures), *_sections(folder, tables)]
    write_file(path, page.document(f"hwctl: {title}", body).encode())
    return path


def _cells(place: Mapping[str, NDArray[Any]], result: Result, targets: NDArray[np.float64]) -> Table:
    fine = {"standard_error_uS": result.error * US, "noisy": result.noisy} if isinstance(result, FineResult) else {}
    left = {} if result.unreachable is None else {"unreachable": result.unreachable}
    return _flat("cells", {
        **place, **fine, **left, "target_uS": targets * US, "reading_uS": result.reading * US,
        "error_uS": (result.reading - targets) * US, "reached": result.reached, "set_pulses": result.set_pulses,
        "reset_pulses": result.reset_pulses, "pulses": result.pulses, "reads": result.reads,
    })  # fmt: skip


def _flat(name: str, arrays: Columns) -> Table:
    return Table(name, {n: (a.astype(np.int64) if a.dtype == np.bool_ else a).reshape(-1) for n, a in arrays.items()})


def _sections(folder: Path, tables: ProgramTables) -> Iterator[str]:
    shown = Album(folder).shown
    cells = tables.cells
    errors = histogram("errors", "uS", {"cells": cells["error_uS"]})
    yield page.heading("How near it came")
    near = [
        shown("Error of the cells", errors, _bars("Reading \N{MINUS SIGN} target (µS)"), _outside(errors, "cells")),
        shown("Readings and targets", cells, _against_targets, "On the line: reached. Far off: stuck cells."),
    ]  # fmt: skip
    if tables.weights is not None:
        names = {"weights": "error", "weights_first": "error_first"}
        of_weights = {name: tables.weights[c] for name, c in names.items() if c in tables.weights.columns}
        table = histogram("weight-errors", "weight", of_weights)
        near.append(shown("Error of the weights", table, _bars("Effective \N{MINUS SIGN} wanted weight"),
                          _outside(table, "weights")))  # fmt: skip
    yield page.figures(near)
    yield page.heading("Where on the array", "A cell a square; blank: not used.")
    yield page.figures(
        shown(title, cells, _map(column, label, colours), caption)
        for title, column, label, colours, caption in (
            ("Targets", "target_uS", "Target (µS)", "viridis", "What was wanted."),
            ("Readings", "reading_uS", "Reading (µS)", "viridis", "What was read last."),
            ("Errors", "error_uS", "Error (µS)", "RdBu_r", "Whole lines that differ are wires."),
            ("Pulses", "pulses", "Pulses", "cividis", "Of each cell in this run."),
        )
    )
    if tables.weights is not None:
        yield page.heading("The weights", "In the matrix' own order.")
        yield page.figures(
            shown(title, tables.weights, _weight_map(column, colours), caption)
            for title, column, colours, caption in (
                ("Wanted weights", "wanted", "viridis", "As given."),
                ("Effective weights", "effective", "viridis", "(G+ \N{MINUS SIGN} G\N{MINUS SIGN}) / k, as read."),
                ("Errors of weights", "error", "RdBu_r", "Effective \N{MINUS SIGN} wanted."),
            )
        )
    for table in tables.lines:
        write_csv(folder, table)
        yield page.heading(f"Map: {table.name.removeprefix('map-')}", "Lines of the array that hold the matrix'.")
        yield f"<p>Values: {page.link(table.file, folder.name)}</p>"
        rows = [[str(value) for value in row] for row in zip(*table.columns.values(), strict=True)]
        yield page.table(tuple(table.columns), rows, numbers_from=0)


def histogram(name: str, unit: str, groups: Mapping[str, NDArray[np.float64]]) -> Table:
    """Return counts of values in equal bins about 0; the first and the last bin hold all that lies beyond.

    groups: values by the name of their column of counts; all share the bins, which the first one's scatter decides.
    """
    first = next(iter(groups.values()))
    sizes = np.abs(first[np.isfinite(first)])
    width = WIDE * 1.4826 * float(np.median(sizes)) if sizes.size else 0.0
    edges = np.linspace(-width, width, BINS + 1) if width > 0 else np.linspace(-1e-9, 1e-9, BINS + 1)
    ends = np.concatenate([[-np.inf], edges, [np.inf]])
    columns: Columns = {f"bin_low_{unit}": ends[:-1], f"bin_high_{unit}": ends[1:]}
    for group, values in groups.items():
        place = np.searchsorted(edges, values[np.isfinite(values)], side="right")
        columns[group] = np.bincount(place, minlength=ends.size - 1)
    return Table(name, columns)


def _outside(table: Table, group: str) -> str:
    beyond = int(table[group][0] + table[group][-1])
    return f"{beyond} of {int(table[group].sum())} lie beyond the picture." if beyond else ""


def _bars(label: str) -> Draw:
    def draw(axes: Axes, table: Table) -> None:
        low, *groups = (values for name, values in table.columns.items() if not name.startswith("bin_high"))
        names = [name for name in table.columns if not name.startswith("bin_")]
        edges = np.append(low[1:-1], -low[1])
        for name, counts, colour in zip(names, groups, (style.AFTER, style.BEFORE), strict=False):
            first = name.endswith("_first")
            axes.stairs(counts[1:-1], edges, fill=not first, color=colour, linewidth=1.4,
                        label="before the residual" if first else "in the end")  # fmt: skip
        style.label_axes(axes, label, "Number per bin")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        if len(names) > 1:
            axes.legend(fontsize=7)

    return draw


def _against_targets(axes: Axes, table: Table) -> None:
    targets, readings = table["target_uS"], table["reading_uS"]
    ends = [float(targets.min()), float(targets.max())]
    axes.plot(ends, ends, color=style.BEFORE, linewidth=0.8)
    axes.plot(targets, readings, ".", markersize=2, color=style.SET)
    style.label_axes(axes, "Target (µS)", "Reading (µS)")


def _map(column: str, label: str, colours: str) -> Draw:
    def draw(axes: Axes, table: Table) -> None:
        row, col = table["row"], table["col"]
        grid = np.full((row.max() - row.min() + 1, col.max() - col.min() + 1), np.nan)
        grid[row - row.min(), col - col.min()] = table[column]
        corner = (col.min() - 0.5, col.max() + 0.5, row.max() + 0.5, row.min() - 0.5)
        _show(axes, grid, colours, label, corner)
        axes.set_xlabel("Column")
        axes.set_ylabel("Row")

    return draw


def _weight_map(column: str, colours: str) -> Draw:
    def draw(axes: Axes, table: Table) -> None:
        grid = table[column].reshape(int(table["row"][-1]) + 1, -1)
        _show(axes, grid, colours, "Weight", None)
        axes.set_xlabel("Output")
        axes.set_ylabel("Row of the matrix")

    return draw


def _show(
    axes: Axes, grid: NDArray[np.float64], colours: str, label: str, extent: tuple[float, float, float, float] | None
) -> None:
    known = np.abs(grid[np.isfinite(grid)])
    limit = float(np.percentile(known, 99.5)) if known.size and colours == "RdBu_r" else None
    image = axes.imshow(
        grid, aspect="auto", cmap=colours, interpolation="nearest", extent=extent,
        vmin=None if limit is None else -limit, vmax=limit,
    )  # fmt: skip
    axes.figure.colorbar(image, ax=axes, label=label, extend="neither" if limit is None else "both")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, nbins=6))
