"""`hwctl calibrate compare`: what became of a chip between two calibrations."""

from math import hypot, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from hwctl.cli.output import Json, quantity, write_json

if TYPE_CHECKING:
    from hwctl.calibration.compare import Comparison

LISTED = 20  # dead cells that are printed; all are in the JSON and in the CSV


def compare(
    earlier: Annotated[Path, typer.Argument(metavar="EARLIER.h5", help="A record that 'hwctl calibrate' wrote.")],
    later: Annotated[Path, typer.Argument(metavar="LATER.h5", help="A later one of the same chip.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE.html", help="The page; default beside the later record.")
    ] = None,
    json: Json = None,
) -> None:
    """Say what drifted and which cells died between two calibrations, and write maps of it into one HTML file."""
    from hwctl.calibration.compare import compare as compared  # noqa: PLC0415  not needed for --help
    from hwctl.calibration.record import Record  # noqa: PLC0415
    from hwctl.report import write_comparison  # noqa: PLC0415

    found = compared(Record.load(earlier), Record.load(later))
    result = _result(found)
    page = write_comparison(
        out or later.with_name(f"{later.stem}-since-{earlier.stem}.html"), found, f"{earlier.name} and {later.name}"
    )
    if json is None:
        _show(found, result)
        Console().print(f"maps: {page}", highlight=False, soft_wrap=True)
    write_json(json, result)


def _result(found: "Comparison") -> dict[str, object]:
    import numpy as np  # noqa: PLC0415

    from hwctl.calibration.compare import named  # noqa: PLC0415

    cells = {
        part.name: {
            "unit": part.unit, "mean": part.mean.value, "mean_error": part.mean.error,
            "cells_changed": int(part.sure.sum()), "cells_known": int(np.isfinite(part.change).sum()),
        }
        for part in found.cells
    }  # fmt: skip
    figures = {
        name: {"earlier": one.value, "earlier_error": one.error, "later": other.value, "later_error": other.error}
        for name, one, other in found.figures
    }
    return {
        "cells": int(found.died.size),
        "died": [[int(i), int(j), named(int(found.flags[i, j]))] for i, j in np.argwhere(found.died)],
        "revived": np.argwhere(found.revived).tolist(),
        "pulses_between": int(found.pulses.sum()),
        "of_cells": cells,
        "figures": figures,
    }


def _show(found: "Comparison", result: dict[str, object]) -> None:
    from hwctl.calibration.estimate import Estimate  # noqa: PLC0415

    console = Console(highlight=False, soft_wrap=True)
    dead: list[list[object]] = result["died"]  # type: ignore[assignment]
    listed = ", ".join(f"({row}, {col}) {kind}" for row, col, kind in dead[:LISTED])
    more = f" and {len(dead) - LISTED} more: see --json" if len(dead) > LISTED else ""
    console.print(
        f"{result['cells']} cells: {len(dead)} died, {found.revived.sum()} move again; "
        f"{result['pulses_between']} pulses between the calibrations" + (f"\ndied: {listed}{more}" if dead else "")
    )
    for part in found.cells:
        mean, unit = part.mean, part.unit
        if isfinite(mean.value):
            said = [quantity(v, unit) if unit == "S" else f"{v:+.2%}" for v in mean]
            console.print(f"{part.name}: {said[0]} ± {said[1]} on average; {part.sure.sum()} cells changed for sure")
    for name, one, other in found.figures:
        if isfinite(one.value) and isfinite(other.value):
            changed = Estimate(other.value - one.value, hypot(one.error, other.error)).found
            console.print(f"{name}: {one.value:.3g}, later {other.value:.3g}{'  (changed)' if changed else ''}")
