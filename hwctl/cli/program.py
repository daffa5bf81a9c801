"""`hwctl program`: bring a region to wanted conductances, open loop."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from hwctl.cli.output import DEFAULT_TARGET, Averages, Device, Json, Target, write_json
from hwctl.cli.watch import LogPulses, Record, watching
from hwctl.errors import BadInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def program(
    file: Annotated[Path, typer.Argument(metavar="TARGETS.csv", help="Conductances in uS: a line a row, no header.")],
    target: Target = DEFAULT_TARGET,
    row: Annotated[int, typer.Option("--row", help="First row of the region.")] = 0,
    col: Annotated[int, typer.Option("--col", help="First column of the region.")] = 0,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Rounds of a reading and pulses.")] = 1,
    averages: Averages = 4,
    device: Device = None,
    record: Record = None,
    pulse_log: LogPulses = None,
    json: Json = None,
) -> None:
    """Send the pulses that the device's step curves ask for, and show how near it came. Nothing is verified."""
    import numpy as np  # noqa: PLC0415  not needed for --help

    from hwctl.crossbar import Crossbar  # noqa: PLC0415
    from hwctl.crossbar.known import device_of  # noqa: PLC0415
    from hwctl.devices.steps import StepModel  # noqa: PLC0415
    from hwctl.programming import openloop  # noqa: PLC0415

    wanted = _load(file)
    with watching(record, pulse_log) as wraps, Crossbar.open(target, wraps=wraps) as crossbar:
        region = crossbar.region(slice(row, row + wanted.shape[0]), slice(col, col + wanted.shape[1]))
        model = StepModel.of(device_of(crossbar, device))
        done = openloop.program(crossbar, wanted * 1e-6, model, region, slice(None), rounds=rounds, averages=averages)
    error = done.after * 1e6 - wanted
    result = {
        "target": target,
        "cells": int(wanted.size),
        "rounds": rounds,
        "pulses": int(done.pulses.sum()),
        "pulses_max_cell": int(done.pulses.max()),
        "error_median_microsiemens": float(np.nanmedian(np.abs(error))),
        "error_rms_microsiemens": float(np.sqrt(np.nanmean(error**2))),
        "saturated": int(np.isnan(error).sum()),
        "after_siemens": [[None if np.isnan(g) else g for g in line] for line in done.after.tolist()],
    }
    if json is None:
        Console().print(
            f"{result['cells']} cells, {result['pulses']} pulses (at most {result['pulses_max_cell']} a cell); "
            f"distance from the targets: median {result['error_median_microsiemens']:.2f} uS, "
            f"root mean square {result['error_rms_microsiemens']:.2f} uS"
        )
    write_json(json, result)


def _load(file: Path) -> "NDArray[np.float64]":
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
