"""The analog effects of a calibrated chip as figures of its page: each a title, a table, a drawing and a caption."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from hwctl.calibration.record import Record
from hwctl.report import style
from hwctl.report.album import Draw
from hwctl.report.files import Table

US = 1e6  # uS in a siemens
BINS = 60
MIDDLE = (0.5, 99.5)  # percentiles that a histogram spans


class Picture(NamedTuple):
    """One figure of a page."""

    title: str
    table: Table
    draw: Draw
    caption: str


def of_time(record: Record) -> Iterator[Picture]:
    """Yield what a record says of relaxation; nothing where it was not measured."""
    if "relaxation/ages" not in record.arrays or record.arrays["relaxation/ages"].size < 2:
        return
    yield Picture(
        "Change after programming",
        _changes(record),
        _histograms,
        "Of each cell's conductance since the reading behind its last pulse, read noise included.",
    )
    yield Picture(
        "Relaxation",
        _growth(record),
        _growth_plot,
        "Mean and spread of the change over the cells, read noise subtracted, with standard errors.",
    )


def of_converters(record: Record) -> Iterator[Picture]:
    """Yield what a record says of the read path; nothing where it was not measured."""
    if "read_path/voltages" not in record.arrays:
        return
    arrays = {name: record.arrays[f"read_path/{name}"] for name in ("voltages", "curve", "offset", "offset_error")}
    yield Picture(
        "I-V curve",
        Table("iv-curve", {"voltage_V": arrays["voltages"], "relative_conductance": arrays["curve"]}),
        _curve_plot(float(record.attributes.get("alpha", np.nan))),
        "Conductance over that at the usual read voltage. Line: I = G V (1 + alpha V²).",
    )
    yield Picture(
        "Offsets of the columns' converters",
        Table("column-offsets", {"col": np.arange(arrays["offset"].size), "offset_uS": arrays["offset"] * US,
                                 "offset_error_uS": arrays["offset_error"] * US}),
        _bars("offset_uS", "offset_error_uS", "Offset (µS)"),
        "What a column adds to each of its readings, with its standard error; taken off in this record.",
    )  # fmt: skip
    gain, error = record.arrays["read_path/gain"], record.arrays["read_path/gain_error"]
    if np.isfinite(gain).any():
        columns = {"col": np.arange(gain.size), "gain_percent": 100 * (gain - 1), "gain_error_percent": 100 * error}
        yield Picture(
            "Gains of the columns' converters",
            Table("column-gains", columns),
            _bars("gain_percent", "gain_error_percent", "Gain above the mean (%)"),
            "By reading each cell along its column and along its row. A gain that all share cannot be seen.",
        )


def _changes(record: Record) -> Table:
    ages, readings = record.arrays["relaxation/ages"], record.arrays["relaxation/readings"]
    cells = readings.reshape(len(ages), -1)
    cell = np.flatnonzero(np.isfinite(cells).all(axis=0))
    columns: dict[str, NDArray[Any]] = {"cell": cell, "first_uS": cells[0, cell] * US}
    columns |= {f"after_{age:.4g}_s_uS": cells[n, cell] * US for n, age in enumerate(ages) if n}
    return Table("relaxed-cells", columns)


def _histograms(axes: Axes, table: Table) -> None:
    names = [name for name in table.columns if name.startswith("after_")]
    changes = {name: table[name] - table["first_uS"] for name in names}
    if changes and next(iter(changes.values())).size > 1:
        low, high = np.percentile(np.concatenate(list(changes.values())), MIDDLE).tolist()
        edges = np.linspace(low, max(high, low + 1e-6), BINS + 1).tolist()
        for shade, name in zip(np.linspace(0.35, 1.0, len(names)).tolist(), names, strict=True):
            label = f"{name.removeprefix('after_').removesuffix('_s_uS')} s"
            axes.hist(changes[name], edges, histtype="step", color=style.SET, alpha=shade, label=label)
        axes.legend(fontsize=7)
    style.label_axes(axes, "Change (µS)", "Cells")


def _growth(record: Record) -> Table:
    percent = {"mean": "mean_percent", "mean_error": "mean_error_percent", "sigma": "sigma_percent",
               "sigma_error": "sigma_error_percent"}  # fmt: skip
    columns = {to: 100 * record.arrays[f"relaxation/{name}"] for name, to in percent.items()}
    return Table("relaxation", {"age_s": record.arrays["relaxation/ages"], **columns})


def _growth_plot(axes: Axes, table: Table) -> None:
    ages = table["age_s"][1:]
    for name, colour, label in (("mean", style.RESET, "mean"), ("sigma", style.SET, "spread")):
        values, errors = (table[f"{part}_percent"][1:] for part in (name, f"{name}_error"))
        axes.errorbar(ages, values, errors, marker="o", markersize=3, color=colour, label=label)
    axes.set_xscale("log")
    axes.legend(fontsize=7)
    style.label_axes(axes, "Time since the last pulse (s)", "Change of ln G (%)")


def _curve_plot(alpha: float) -> Draw:
    def draw(axes: Axes, table: Table) -> None:
        volts, curve = table["voltage_V"], table["relative_conductance"]
        axes.plot(volts, curve, "o", markersize=4, color=style.SET)
        if np.isfinite(alpha):
            usual = volts[np.abs(curve - 1.0).argmin()]
            line = np.linspace(0.0, volts.max(), 50)
            axes.plot(line, (1 + alpha * line**2) / (1 + alpha * usual**2), color=style.BEFORE)
        style.label_axes(axes, "Read voltage (V)", "Conductance, relative")

    return draw


def _bars(value: str, error: str, label: str) -> Draw:
    def draw(axes: Axes, table: Table) -> None:
        axes.errorbar(table["col"], table[value], table[error], fmt=".", markersize=4, color=style.SET)
        axes.axhline(0.0, color=style.BEFORE, linewidth=0.8)
        style.label_axes(axes, "Column", label)

    return draw
