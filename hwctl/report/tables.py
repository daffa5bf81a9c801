"""Every number of the report, computed once: plots draw from these tables and CSV files hold them."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hwctl.report.files import Table, slug
from hwctl.report.snapshot import LayerSnapshot

BINS = 60
WORST = 15
MICRO = 1e6  # S to µS

Metrics = Sequence[Mapping[str, float]]


def epochs(metrics: Metrics) -> Table:
    """Return the curves of a run, a row an epoch; what was not measured is NaN."""
    pulses_set, pulses_reset = column(metrics, "pulses_set"), column(metrics, "pulses_reset")
    return Table(
        "epochs",
        {
            "epoch": column(metrics, "epoch"),
            "train_loss": column(metrics, "train_loss"),
            "train_accuracy_percent": 100 * column(metrics, "train_accuracy"),
            "validation_loss": column(metrics, "validation_loss"),
            "validation_accuracy_percent": 100 * column(metrics, "validation_accuracy"),
            "test_accuracy_percent": 100 * column(metrics, "test_accuracy"),
            "set_pulses_cumulative": pulses_set,
            "reset_pulses_cumulative": pulses_reset,
            "set_pulses_in_epoch": np.diff(pulses_set, prepend=0),
            "reset_pulses_in_epoch": np.diff(pulses_reset, prepend=0),
            "pulses_per_update": column(metrics, "pulses_per_update"),
            "clipped_percent": 100 * column(metrics, "clipped_share"),
        },
    )


def column(metrics: Metrics, key: str) -> NDArray[np.float64]:
    """Return one column of the metrics as (epochs,), NaN where a row lacks it."""
    return np.array([float(row.get(key, math.nan)) for row in metrics], dtype=np.float64)


def last(metrics: Metrics, key: str) -> float:
    """Return the last value of a column that was measured, or NaN."""
    values = column(metrics, key)
    measured = values[np.isfinite(values)]
    return float(measured[-1]) if len(measured) else math.nan


def cells(layer: LayerSnapshot, number: int) -> Table:
    """Return a row a cell, row-major: place, conductance before and after, difference (µS), pulses."""
    rows, cols = np.indices(layer.before.shape)
    return Table(
        f"{_prefix(layer, number)}-cells",
        {
            "row": rows.ravel(),
            "col": cols.ravel(),
            "before_uS": MICRO * layer.before.ravel(),
            "after_uS": MICRO * layer.after.ravel(),
            "difference_uS": MICRO * (layer.after - layer.before).ravel(),
            "pulses": layer.pulses.ravel(),
        },
    )


def conductance_histogram(layer: LayerSnapshot, number: int) -> Table:
    """Return how many cells lie in each bin of conductance (µS), before and after."""
    before, after = (MICRO * g[np.isfinite(g)] for g in (layer.before, layer.after))
    seen = np.concatenate([before, after])
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 1.0)
    edges = np.histogram_bin_edges([low, high], bins=BINS)
    return Table(
        f"{_prefix(layer, number)}-conductances",
        {
            "bin_low_uS": edges[:-1],
            "bin_high_uS": edges[1:],
            "cells_before": np.histogram(before, edges)[0],
            "cells_after": np.histogram(after, edges)[0],
        },
    )


def pulse_histogram(layer: LayerSnapshot, number: int) -> Table:
    """Return how many cells took how many pulses; bins hold low to below high, of whole pulses."""
    width = max(1, math.ceil((int(layer.pulses.max()) + 1) / BINS))
    edges = np.arange(0, int(layer.pulses.max()) + width + 1, width)
    return Table(
        f"{_prefix(layer, number)}-pulses",
        {
            "bin_low_pulses": edges[:-1],
            "bin_high_pulses": edges[1:],
            "cells": np.histogram(layer.pulses, edges)[0],
        },
    )


def worst_cells(layers: Sequence[LayerSnapshot]) -> Table:
    """Return the cells of all layers that took most pulses, the worst first."""
    found: list[tuple[int, str, int, int, float, float]] = []
    for layer in layers:
        for index in np.argsort(-layer.pulses, axis=None, kind="stable")[:WORST]:
            row, col = (int(k) for k in np.unravel_index(index, layer.pulses.shape))
            before, after = float(layer.before[row, col]), float(layer.after[row, col])
            found.append((int(layer.pulses[row, col]), layer.name, row, col, before, after))
    found.sort(key=lambda cell: -cell[0])
    pulses, names, rows, cols, before_s, after_s = zip(*found[:WORST], strict=True) if found else ((),) * 6
    return Table(
        "worst-cells",
        {
            "layer": np.array(names, dtype=np.str_),
            "row": np.array(rows, dtype=np.int64),
            "col": np.array(cols, dtype=np.int64),
            "pulses": np.array(pulses, dtype=np.int64),
            "before_uS": MICRO * np.array(before_s, dtype=np.float64),
            "after_uS": MICRO * np.array(after_s, dtype=np.float64),
        },
    )


def symmetry_distances(layers: Sequence[LayerSnapshot]) -> Table:
    """Return |G - symmetry point| (µS) of the layers that have one: median, 16% and 84% before and after."""
    with_point = [
        (layer, layer.symmetry_point)
        for layer in layers
        if layer.symmetry_point is not None and np.isfinite(layer.symmetry_point)
    ]
    columns: dict[str, NDArray[np.float64] | NDArray[np.str_]] = {
        "layer": np.array([layer.name for layer, _ in with_point], dtype=np.str_),
        "symmetry_point_uS": np.array([MICRO * point for _, point in with_point]),
    }
    for when in ("before", "after"):
        spread = [_spread(MICRO * np.abs(getattr(layer, when) - point)) for layer, point in with_point]
        for k, name in enumerate(("p16", "median", "p84")):
            columns[f"{when}_{name}_uS"] = np.array([values[k] for values in spread])
    return Table("symmetry-distance", columns)


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    finite = values[np.isfinite(values)]
    return np.percentile(finite, [16, 50, 84]) if len(finite) else np.full(3, np.nan)


def _prefix(layer: LayerSnapshot, number: int) -> str:
    return f"layer{number}-{slug(layer.name)}"
