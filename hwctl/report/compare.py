"""The page that compares two records of a chip: maps and histograms of what changed, a CSV file for all of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from hwctl.calibration.compare import CellChange, Comparison
from hwctl.files import write_file
from hwctl.report import page, style
from hwctl.report.album import Album, Draw
from hwctl.report.files import Table

SHOWN = {"S": (1e6, "uS", "µS"), "1": (100.0, "percent", "%")}
"""Factor, ending of a column's name and unit of each kind of change."""
BINS = 50


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
    album, table, shape = Album(folder), _table(found), found.died.shape
    changes = [part for part in found.cells if np.isfinite(part.change).any()]
    yield page.strip(
        [
            ("Cells that died", f"{found.died.sum()} of {found.died.size}", ""),
            ("Cells that move again", str(found.revived.sum()), ""),
            *((f"{p.name} changed", f"{p.sure.sum()} cells", f"of {np.isfinite(p.change).sum()}") for p in changes),
        ]
    )
    yield page.heading("Where", title)
    maps = [album.shown("Dead cells", table, _map(shape, "died", "1 died, -1 moves again", minus="revived"))]
    for part in changes:
        label = f"{part.name} ({SHOWN[part.unit][2]})"
        maps.append(
            album.shown(f"Change of {part.name}", table, _map(shape, _column(part), label), "Later minus earlier.")
        )
    yield page.figures(maps)
    yield page.heading("How much")
    yield page.figures(
        album.shown(f"Changes of {p.name}", table, _histogram(p), "Grey: what the errors of both records explain.")
        for p in changes
    )


def _column(part: CellChange, what: str = "change") -> str:
    return f"{part.name}_{what}_{SHOWN[part.unit][1]}"


def _table(found: Comparison) -> Table:
    place = np.indices(found.died.shape)
    columns: dict[str, NDArray[Any]] = {
        "row": place[0], "col": place[1], "died": found.died, "revived": found.revived, "flags": found.flags,
    }  # fmt: skip
    columns["pulses_between"] = found.pulses
    for part in found.cells:
        factor = SHOWN[part.unit][0]
        columns[_column(part)], columns[_column(part, "error")] = part.change * factor, part.error * factor
    return Table("changes", {name: array.reshape(-1) for name, array in columns.items()})


def _map(shape: tuple[int, ...], column: str, label: str, minus: str | None = None) -> Draw:
    def draw(axes: Axes, table: Table) -> None:
        values = table[column].astype(np.float64) - (0.0 if minus is None else table[minus])
        values = values.reshape(shape)
        most = float(np.nan_to_num(np.abs(values)).max(initial=0.0)) or 1.0
        image = axes.imshow(values, aspect="auto", cmap="coolwarm", vmin=-most, vmax=most, interpolation="nearest")
        axes.figure.colorbar(image, ax=axes, label=label)
        axes.set_xlabel("Column")
        axes.set_ylabel("Row")

    return draw


def _histogram(part: CellChange) -> Draw:
    def draw(axes: Axes, table: Table) -> None:
        change, error = table[_column(part)], table[_column(part, "error")]
        known = np.isfinite(change)
        low, high = np.percentile(change[known], (0.5, 99.5)).tolist()
        edges = np.linspace(low, max(high, low + 1e-9), BINS + 1)
        axes.hist(change[known], edges.tolist(), color=style.SET, alpha=0.8)
        centres = (edges[1:] + edges[:-1]) / 2
        width = max(float(np.sqrt(np.mean(error[known] ** 2))), 1e-12)
        chance = np.exp(-0.5 * (centres / width) ** 2) / (width * np.sqrt(2 * np.pi))
        axes.plot(centres, chance * known.sum() * (edges[1] - edges[0]), color=style.BEFORE)
        style.label_axes(axes, f"Change of {part.name} ({SHOWN[part.unit][2]})", "Cells")

    return draw
