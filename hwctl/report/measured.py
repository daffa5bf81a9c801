"""Measured pulse trains beside those of the model that was made of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hwctl.files import write_file
from hwctl.report import plots, style
from hwctl.report.files import Table, slug, write_csv
from hwctl.report.response import DPI, ROW_IN, DeviceResponse, draw_steps, draw_train, step_table, train_table

Train = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Pulse numbers from 0, and conductances in S, (n,) each."""


def plot_measured(
    response: DeviceResponse, measured: tuple[Sequence[Train], Sequence[Train]], path: Path
) -> list[Path]:
    """Write a picture of measured SET and RESET trains over the model's, and CSV files of both; return their paths.

    `path` ends in .png or .svg. Raise RunError where a file cannot be written.
    """
    kind = plots.picture_kind(path)
    points = measured_table(response, measured, path.stem)
    train, step = train_table(response, path.stem), step_table(response, path.stem)
    with style.paper_style():
        figure = Figure(figsize=ROW_IN, layout="constrained")
        left, right = figure.subplots(1, 2)
        left.scatter(points["pulse"], points["conductance_uS"], s=3, color=style.BEFORE, lw=0, label="measured")
        draw_train(left, train)
        draw_steps(right, step, response.symmetry_point)
        left.set_title(response.title, loc="left")
        content = style.picture(figure, kind, DPI)
    written = [write_csv(path.parent, table) for table in (points, train, step)]
    write_file(path, content)
    return [path, *written]


def measured_table(response: DeviceResponse, measured: tuple[Sequence[Train], Sequence[Train]], stem: str) -> Table:
    """Return every measured conductance (µS) at its pulse; RESET trains stand where the model's one does."""
    begin = 0, len(response.set_g) - 1
    trains = [(n, begin[kind], *train) for kind in (0, 1) for n, train in enumerate(measured[kind])]
    sizes = [g.size for _, _, _, g in trains]
    kinds = ["SET"] * len(measured[0]) + ["RESET"] * len(measured[1])
    return Table(
        f"{slug(stem)}-{slug(response.name)}-measured",
        {
            "train": np.repeat(kinds, sizes),
            "number": np.repeat([n for n, *_ in trains], sizes),
            "pulse": np.concatenate([pulses + first for _, first, pulses, _ in trains]),
            "conductance_uS": np.concatenate([g * 1e6 for *_, g in trains]),
        },
    )
