"""`hwctl read`: conductances of a region."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from hwctl.cli.output import DEFAULT_TARGET, Averages, Cols, Json, Rows, Target, lines, write_json
from hwctl.cli.watch import Record, watching
from hwctl.files import write_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_SHOWN = 12  # lines of a region that a terminal shows whole


def read(
    target: Target = DEFAULT_TARGET,
    rows: Rows = ":",
    cols: Cols = ":",
    averages: Averages = 1,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the conductances in uS.")] = None,
    record: Record = None,
    json: Json = None,
) -> None:
    """Read conductances; a cell that saturates the converter is NaN, never a number."""
    import numpy as np  # noqa: PLC0415  not needed for --help

    from hwctl.crossbar import Crossbar  # noqa: PLC0415

    with watching(record) as wraps, Crossbar.open(target, wraps=wraps) as crossbar:
        region = crossbar.region(lines("--rows", rows), lines("--cols", cols))
        found = crossbar.read(region, averages=averages, over_range="nan")
    micro = found * 1e6
    if csv is not None:
        write_file(csv, "".join(",".join(f"{g:.6g}" for g in row) + "\n" for row in micro).encode())
    if json is None:
        _show(micro, region.row0, region.col0)
    saturated = int(np.isnan(found).sum())
    write_json(
        json,
        {
            "target": target,
            "rows": [region.row0, region.row1],
            "cols": [region.col0, region.col1],
            "averages": averages,
            "conductances_siemens": [[None if np.isnan(g) else g for g in row] for row in found.tolist()],
            "saturated": saturated,
        },
    )


def _show(micro: "NDArray[np.float64]", row0: int, col0: int) -> None:
    """Print a small region cell by cell, then the figures of any."""
    import numpy as np  # noqa: PLC0415

    console = Console()
    if max(micro.shape) <= MOST_SHOWN:
        table = Table(title="Conductances in uS")
        table.add_column("row")
        for j in range(micro.shape[1]):
            table.add_column(str(col0 + j), justify="right")
        for i, row in enumerate(micro):
            table.add_row(str(row0 + i), *(f"{g:.2f}" for g in row))
        console.print(table)
    good = micro[~np.isnan(micro)]
    figures = (
        ""
        if good.size == 0
        else (f": min {good.min():.2f}, median {np.median(good):.2f}, max {good.max():.2f}, spread {good.std():.2f} uS")
    )
    console.print(f"{micro.shape[0]} x {micro.shape[1]} cells{figures}; {micro.size - good.size} saturated")
