"""`hwctl program`: bring a region to wanted conductances, open loop or closed."""

from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from hwctl.cli.output import DEFAULT_TARGET, Averages, Device, Json, Target, write_json
from hwctl.cli.watch import LogPulses, Record, watching
from hwctl.errors import BadInput

if TYPE_CHECKING:
    from hwctl.crossbar import Crossbar
    from hwctl.crossbar.results import Floats
    from hwctl.devices.steps import StepModel
    from hwctl.protocol.packing import Region


def program(
    file: Annotated[Path, typer.Argument(metavar="TARGETS.csv", help="Conductances in uS: a line a row, no header.")],
    target: Target = DEFAULT_TARGET,
    row: Annotated[int, typer.Option("--row", help="First row of the region.")] = 0,
    col: Annotated[int, typer.Option("--col", help="First column of the region.")] = 0,
    verify: Annotated[
        bool, typer.Option("--verify", help="Closed loop: pulse until the readings are on target.")
    ] = False,
    tolerance: Annotated[
        float, typer.Option("--tolerance", metavar="uS", help="Distance from a target that --verify accepts.")
    ] = 1.0,
    rounds: Annotated[
        int | None, typer.Option("--rounds", min=1, help="Rounds of a reading and pulses; default 1, with --verify 40.")
    ] = None,
    averages: Averages = 4,
    device: Device = None,
    record: Record = None,
    pulse_log: LogPulses = None,
    json: Json = None,
) -> None:
    """Send the pulses that the device's step curves ask for, and show how near it came.

    Nothing is verified, except with --verify: then readings decide the next pulses, and cells that do not follow are
    listed.
    """
    from hwctl.crossbar import Crossbar  # noqa: PLC0415  not needed for --help
    from hwctl.crossbar.known import device_of  # noqa: PLC0415
    from hwctl.devices.steps import StepModel  # noqa: PLC0415

    wanted = _load(file)
    with watching(record, pulse_log) as wraps, Crossbar.open(target, wraps=wraps) as crossbar:
        region = crossbar.region(slice(row, row + wanted.shape[0]), slice(col, col + wanted.shape[1]))
        model = StepModel.of(device_of(crossbar, device))
        if verify:
            result = _closed_loop(crossbar, region, model, wanted, tolerance, rounds or 40, averages)
        else:
            result = _open_loop(crossbar, region, model, wanted, rounds or 1, averages)
    if json is None:
        _show(result)
    write_json(json, {"target": target, **result})


def _open_loop(
    crossbar: "Crossbar", region: "Region", model: "StepModel", wanted: "Floats", rounds: int, averages: int
) -> dict[str, Any]:
    """Program a region to targets (rows, cols) in uS open loop; return what is shown of it."""
    from hwctl.programming import openloop  # noqa: PLC0415

    done = openloop.program(crossbar, wanted * 1e-6, model, region, slice(None), rounds=rounds, averages=averages)
    return {
        "cells": int(wanted.size),
        "rounds": rounds,
        "pulses": int(done.pulses.sum()),
        "pulses_max_cell": int(done.pulses.max()),
        **_errors(done.after, wanted),
    }


def _closed_loop(
    crossbar: "Crossbar",
    region: "Region",
    model: "StepModel",
    wanted: "Floats",
    tolerance: float,
    rounds: int,
    averages: int,
) -> dict[str, Any]:
    """Program a region to targets (rows, cols) and a tolerance in uS until readings are there; return what is shown."""
    from hwctl.programming.modelbased import model_based  # noqa: PLC0415

    done = model_based(crossbar, wanted * 1e-6, tolerance * 1e-6, region, model=model, rounds=rounds, averages=averages)
    missed = [
        {
            "row": region.row0 + i,
            "col": region.col0 + j,
            "target_siemens": float(wanted[i, j]) * 1e-6,
            "reading_siemens": _number(done.reading[i, j]),
        }
        for i, j in done.missed()
    ]
    return {
        "cells": int(wanted.size),
        "tolerance_microsiemens": tolerance,
        "reached": int(done.reached.sum()),
        "rounds": done.rounds,
        "pulses": int(done.pulses.sum()),
        "pulses_max_cell": int(done.pulses.max()),
        "reads": int(done.reads.sum()),
        **_errors(done.reading, wanted),
        "not_reached": missed,
    }


def _errors(reading: "Floats", wanted: "Floats") -> dict[str, Any]:
    """Return how far readings in S are from targets in uS, each (rows, cols)."""
    import numpy as np  # noqa: PLC0415

    off = reading * 1e6 - wanted
    return {
        "error_median_microsiemens": float(np.nanmedian(np.abs(off))),
        "error_rms_microsiemens": float(np.sqrt(np.nanmean(off**2))),
        "saturated": int(np.isnan(off).sum()),
        "after_siemens": [[_number(g) for g in line] for line in reading],
    }


def _number(value: float) -> float | None:
    """Return a reading, None where it is no number."""
    return None if isnan(value) else float(value)


def _show(result: dict[str, Any]) -> None:
    """Print what programming came to, and each cell that did not reach its target."""
    console = Console(soft_wrap=True)
    verified = "reached" in result
    reads = f", {result['reads']} reads in {result['rounds']} rounds" if verified else ""
    console.print(
        f"{result['cells']} cells, {result['pulses']} pulses (at most {result['pulses_max_cell']} a cell){reads}; "
        f"distance from the targets: median {result['error_median_microsiemens']:.2f} uS, "
        f"root mean square {result['error_rms_microsiemens']:.2f} uS"
    )
    if not verified:
        return
    console.print(
        f"{result['reached']} cells ({100 * result['reached'] / result['cells']:.2f}%) are within "
        f"{result['tolerance_microsiemens']:g} uS"
    )
    for cell in result["not_reached"]:
        seen, target = cell["reading_siemens"], cell["target_siemens"]
        found = "beyond the converter" if seen is None else f"{seen * 1e6:.2f} uS"
        console.print(f"not reached: row {cell['row']}, column {cell['col']}: {found}, wanted {target * 1e6:.2f} uS")


def _load(file: Path) -> "Floats":
    """Return the numbers of a CSV file (rows, cols). Raises BadInput that names file and line."""
    import numpy as np  # noqa: PLC0415

    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read ({error}); give a CSV file of conductances in uS") from None
    found: list[list[float]] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            values = [float(cell) for cell in line.split(",")]
        except ValueError:
            raise BadInput(
                f"{file}, line {number}: '{line[:40]}' is no list of numbers; give conductances in uS"
            ) from None
        if not np.isfinite(values).all() or (found and len(values) != len(found[0])):
            raise BadInput(
                f"{file}, line {number}: NaN, infinite, or another number of columns than line 1; correct it"
            )
        found.append(values)
    if not found:
        raise BadInput(f"{file} is empty; give a line of conductances in uS for each row")
    return np.array(found)
