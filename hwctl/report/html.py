"""The report of a run: one HTML file that needs nothing else, and a CSV file for all that it plots."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from hwctl.files import write_file
from hwctl.report import page, plots, style, tables, units
from hwctl.report.album import Album
from hwctl.report.files import write_csv
from hwctl.report.snapshot import LayerSnapshot

Metrics = Sequence[Mapping[str, float]]


def write_report(
    folder: Path, summary: Mapping[str, object], metrics: Metrics, layers: Sequence[LayerSnapshot]
) -> Path:
    """Write report.html and plots/*.csv into `folder`, and return the path of the page.

    `summary` holds the run's settings, "task" and "device" among them; it may be nested. `metrics` has a
    row an epoch with the columns of metrics.csv: counts and array_seconds (s), host_seconds (s) and
    link_bytes cumulative, accuracies from 0 to 1, NaN where a value was not measured. Columns that are
    missing count as not measured. Raise RunError where a file cannot be written.
    """
    with style.page_style():
        body = list(_sections(folder / "plots", summary, metrics, layers))
    path = folder / "report.html"
    write_file(path, page.document(plots.title(summary), body).encode())
    return path


def _sections(
    folder: Path, summary: Mapping[str, object], metrics: Metrics, layers: Sequence[LayerSnapshot]
) -> Iterator[str]:
    album = Album(folder)
    yield page.strip(_key_figures(metrics, layers))
    yield page.heading("Training")
    yield _training(album, metrics)
    for number, layer in enumerate(layers, start=1):
        yield page.heading(f"Layer {number}: {layer.name}", _describe(layer))
        yield _layer(album, layer, number)
    if layers:
        yield from _wear(folder, layers)
        yield from _symmetry(album, layers)
    yield page.heading("Settings")
    yield page.table(("setting", "value"), _flat(summary), numbers_from=2)


def _describe(layer: LayerSnapshot) -> str:
    rows, cols = layer.before.shape
    return (
        f"{rows} rows \N{MULTIPLICATION SIGN} {cols} columns, {rows * cols} cells in {rows * (cols // 2)} "
        f"differential pairs; the nominal device spans {1e6 * layer.g_min:.4g} to {1e6 * layer.g_max:.4g} µS."
    )


def _key_figures(metrics: Metrics, layers: Sequence[LayerSnapshot]) -> list[tuple[str, str, str]]:
    def last(key: str) -> float:
        return tables.last(metrics, key)

    worst = last("pulses_max_cell")
    if np.isnan(worst) and layers:
        worst = float(max(layer.pulses.max() for layer in layers))
    return [
        ("Test accuracy", units.percent(last("test_accuracy")), _when(metrics, "test_accuracy")),
        ("Training loss", units.number(last("train_loss")), _when(metrics, "train_loss")),
        ("Pulses SET", units.count(last("pulses_set")), ""),
        ("Pulses RESET", units.count(last("pulses_reset")), ""),
        ("Worst cell", units.count(worst), "pulses"),
        ("Time on the array", units.seconds(last("array_seconds")), "from the pulse and read widths"),
        ("Reads", units.count(last("reads")), ""),
        ("Bytes on the link", units.size(last("link_bytes")), ""),
        ("Host time", units.seconds(last("host_seconds")), ""),
    ]


def _when(metrics: Metrics, key: str) -> str:
    measured = [row for row in metrics if np.isfinite(row.get(key, np.nan))]
    return f"after epoch {units.count(tables.last(measured, 'epoch'))}" if measured else "not measured"


def _training(album: Album, metrics: Metrics) -> str:
    if not metrics:
        return page.heading("No epoch was finished", "There are no curves to show yet.")
    table = tables.epochs(metrics)
    return page.figures(
        [
            album.shown(
                "Loss",
                table,
                plots.draw_loss,
                "Falling means learning; flat from the start means that pulses do not reach the weights.",
            ),
            album.shown(
                "Accuracy",
                table,
                plots.draw_accuracy,
                "The gap between both curves is what the network learned by heart.",
            ),
            album.shown(
                "Pulses in each epoch",
                table,
                lambda axes, values: plots.draw_pulses(axes, values, "in_epoch"),
                "A training that settles needs fewer pulses each epoch; initial programming counts in the first.",
            ),
            album.shown(
                "Pulses since the start",
                table,
                lambda axes, values: plots.draw_pulses(axes, values, "cumulative"),
                "Compare the end with the endurance of the device; unequal curves tell of an asymmetric device.",
            ),
            album.shown(
                "Pulses per update",
                table,
                plots.draw_pulses_per_update,
                "Many pulses per update wear the device out; far below one, most updates wait in the remainder.",
            ),
            album.shown(
                "Clipped weights",
                table,
                plots.draw_clipped,
                "Weights that end at the bounds of their cells; a rising share asks for a larger weight range.",
            ),
        ]
    )


def _layer(album: Album, layer: LayerSnapshot, number: int) -> str:
    cells = tables.cells(layer, number)
    conductances = tables.conductance_histogram(layer, number)
    pulses = tables.pulse_histogram(layer, number)
    point = layer.symmetry_point
    point_us = 1e6 * point if point is not None and np.isfinite(point) else None
    return page.figures(
        [
            album.shown(
                "Conductances before",
                cells,
                lambda axes, values: plots.draw_conductance_map(axes, values, "before"),
                "A weight is the difference of two neighbouring columns; blank cells could not be read.",
            ),
            album.shown(
                "Conductances after",
                cells,
                lambda axes, values: plots.draw_conductance_map(axes, values, "after"),
                "Same colours as before; neighbouring columns that differ are weights far from zero.",
            ),
            album.shown(
                "Difference",
                cells,
                plots.draw_difference_map,
                "Red cells were potentiated, blue ones depressed, pale ones stayed.",
            ),
            album.shown(
                "Pulses of each cell",
                cells,
                plots.draw_pulse_map,
                "Bright rows or columns wear out first; the colours end at the 99.5th percentile.",
            ),
            album.shown(
                "Distribution of conductances",
                conductances,
                lambda axes, values: plots.draw_conductance_histogram(axes, values, point_us),
                "Cells that pile up at the symmetry point were moved there by pulses that cancel out.",
            ),
            album.shown(
                "Distribution of pulses",
                pulses,
                plots.draw_pulse_histogram,
                "A long tail to the right means that few cells carry most of the wear.",
            ),
        ]
    )


def _wear(folder: Path, layers: Sequence[LayerSnapshot]) -> Iterator[str]:
    table = tables.worst_cells(layers)
    write_csv(folder, table)
    yield page.heading("Worst cells", "The cells that took most pulses, SET and RESET together.")
    header = ("layer", "pair", "row", "col", "pulses", "before (µS)", "after (µS)")
    rows = zip(*(table[name] for name in table.columns), strict=True)
    lines = [
        (str(name), _side(int(col)), str(row), str(col), units.count(pulses), f"{before:.4g}", f"{after:.4g}")
        for name, row, col, pulses, before, after in rows
    ]
    yield page.table(header, lines, numbers_from=2)
    yield f"<p>Values: {page.link(table.file)}</p>"


def _symmetry(album: Album, layers: Sequence[LayerSnapshot]) -> Iterator[str]:
    table = tables.symmetry_distances(layers)
    if not len(table["layer"]):
        yield page.heading("Distance from the symmetry point", "The device has no symmetry point.")
        return
    yield page.heading("Distance from the symmetry point")
    yield page.figures(
        [
            album.shown(
                "Distance in each layer",
                table,
                plots.draw_symmetry_distances,
                "Points are medians, bars the middle 68% of cells; smaller after training means that the cells "
                "drifted to where SET and RESET steps are equal.",
            )
        ]
    )


def _side(col: int) -> str:
    return f"{col // 2}{units.MINUS if col % 2 else '+'}"


def _flat(summary: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Return settings as texts, those of a nested table under its name and a dot."""
    for name, value in summary.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", units.NOT_MEASURED if value is None else str(value)
