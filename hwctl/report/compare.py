"""The page that compares two records of a chip: maps and histograms of what changed, a CSV file for all of it."""

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hwctl.calibration.compare import CellChange, Comparison
from hwctl.files import write_file
from hwctl.report import page, plots, style
from hwctl.report.files import Table, write_csv

SHOWN = {"S": (1e6, "uS", "µS"), "1": (100.0, "percent", "%")}
"""Factor, ending of a column's name and unit of each kind of change."""
BINS = 50
DIED, REVIVED = 1, -1


def write_comparison(path: Path, found: Comparison, title: str) -> Path:
    """Write a page and, beside it, a folder of CSV files with its name; return the page's path.

    Raises RunError where a file cannot be written.
    """
    folder = path.with_suffix("")
    with style.page_style():
        body = list(_sections(folder, found, title))
    write_file(path, page.document(f"hwctl: {title}", body).encode())
    return path


def _sections(folder: Path, found: Comparison, title: str) -> Iterator[str]:
    table = _table(found)
    write_csv(folder, table)
    changes = [part for part in found.cells if np.isfinite(part.change).any()]
    yield page.strip(
        [
            ("Cells that died", f"{found.died.sum()} of {found.died.size}", ""),
            ("Cells that move again", str(found.revived.sum()), ""),
            *((f"{p.name} changed", f"{p.sure.sum()} cells", f"of {np.isfinite(p.change).sum()}") for p in changes),
        ]
    )
    yield page.heading("Where", title)

    def shown(name: str, figure: Figure, caption: str) -> str:
        svg = style.inline_svg(figure, name.replace(" ", "-").lower(), escape(name))
        return page.figure(name, svg, caption, table.file, folder.name)

    maps = [shown("Dead cells", _map(found.died * DIED + found.revived * REVIVED, "1 died, -1 moves again"), "")]
    maps += [shown(f"Change of {p.name}", _change_map(p), "Later minus earlier.") for p in changes]
    yield page.figures(maps)
    yield page.heading("How much")
    yield page.figures(
        shown(f"Changes of {p.name}", _histogram(p), "Grey: what the errors of both records explain.") for p in changes
    )


def _table(found: Comparison) -> Table:
    place = np.indices(found.died.shape)
    columns: dict[str, NDArray[Any]] = {"row": place[0], "col": place[1], "died": found.died, "flags": found.flags}
    columns["pulses_between"] = found.pulses
    for part in found.cells:
        factor, ending, _ = SHOWN[part.unit]
        columns[f"{part.name}_change_{ending}"] = part.change * factor
        columns[f"{part.name}_error_{ending}"] = part.error * factor
    return Table("changes", {name: array.reshape(-1) for name, array in columns.items()})


def _map(values: NDArray[Any], label: str) -> Figure:
    figure = Figure(figsize=plots.FIGURE_IN, layout="constrained")
    axes = figure.subplots()
    most = float(np.nan_to_num(np.abs(values.astype(np.float64))).max(initial=0.0)) or 1.0
    image = axes.imshow(values, aspect="auto", cmap="coolwarm", vmin=-most, vmax=most, interpolation="nearest")
    figure.colorbar(image, ax=axes, label=label)
    axes.set_xlabel("Column")
    axes.set_ylabel("Row")
    return figure


def _change_map(part: CellChange) -> Figure:
    factor, _, unit = SHOWN[part.unit]
    return _map(part.change * factor, f"{part.name} ({unit})")


def _histogram(part: CellChange) -> Figure:
    factor, _, unit = SHOWN[part.unit]
    known = np.isfinite(part.change)
    change, error = part.change[known] * factor, part.error[known] * factor
    figure = Figure(figsize=plots.FIGURE_IN, layout="constrained")
    axes: Axes = figure.subplots()
    low, high = np.percentile(change, (0.5, 99.5)).tolist()
    edges = np.linspace(low, max(high, low + 1e-9), BINS + 1)
    axes.hist(change, edges.tolist(), color=style.SET, alpha=0.8)
    centres = (edges[1:] + edges[:-1]) / 2
    width = max(float(np.sqrt(np.mean(error**2))), 1e-12)
    chance = np.exp(-0.5 * (centres / width) ** 2) / (width * np.sqrt(2 * np.pi))
    axes.plot(centres, chance * change.size * (edges[1] - edges[0]), color=style.BEFORE)
    style.label_axes(axes, f"Change of {part.name} ({unit})", "Cells")
    return figure
