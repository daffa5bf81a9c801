"""`hwctl form`: form the unformed cells of a region."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from hwctl.cli.output import DEFAULT_TARGET, Averages, CellBudget, Cols, Device, Json, Rows, Target, lines, write_json
from hwctl.cli.watch import LogPulses, Record, watching
from hwctl.errors import BadInput, BoardError, DeviceError

if TYPE_CHECKING:
    from hwctl.crossbar import Crossbar, PulseShape
    from hwctl.crossbar.results import FormResult
    from hwctl.protocol.packing import Region

STOP = 0.25  # of the range: a cell as formed stands well above
LISTED = 20  # failed cells that are printed; all are in the JSON


def form(
    target: Target = DEFAULT_TARGET,
    rows: Rows = ":",
    cols: Cols = ":",
    stop: Annotated[
        float | None,
        typer.Option("--stop", help="Conductance in uS from which a cell is formed; default a quarter of its range."),
    ] = None,
    attempts: Annotated[
        int | None, typer.Option("--attempts", min=1, help="Pulses that a cell may take; default one a level.")
    ] = None,
    ramp: Annotated[
        str | None, typer.Option("--ramp", metavar="FIRST:LAST:STEP", help="Amplitudes in V; default the levels known.")
    ] = None,
    width: Annotated[float, typer.Option("--width", help="Pulse width of --ramp in s.")] = 1e-3,
    gate: Annotated[float, typer.Option("--gate", help="Gate voltage of --ramp in V.")] = 0.0,
    averages: Averages = 1,
    device: Device = None,
    pulse_budget: CellBudget = None,
    record: Record = None,
    pulse_log: LogPulses = None,
    json: Json = None,
) -> None:
    """Give unformed cells forming pulses, weak to strong, until each conducts. Formed cells get none."""
    from hwctl.crossbar import Crossbar  # noqa: PLC0415  numpy is not needed for --help
    from hwctl.crossbar.pulsebudget import within_budget  # noqa: PLC0415

    with watching(record, pulse_log) as wraps, Crossbar.open(target, wraps=wraps) as opened:
        crossbar = within_budget(opened, pulse_budget, "--pulse-budget")
        region = crossbar.region(lines("rows", rows), lines("columns", cols))
        shapes = _given(crossbar, ramp, width, gate) if ramp else known_levels(crossbar, device)
        siemens = usual_stop(crossbar, device) if stop is None else stop * 1e-6
        done = _form(crossbar, shapes, siemens, region, attempts or len(shapes), averages, quiet=json is not None)
    result = {"target": target, "stop_siemens": siemens, **_result(done, region)}
    if json is None:
        _show(result)
    write_json(json, result)
    if result["failed"] and not result["formed"]:
        raise BoardError(
            f"none of {result['failed']} unformed cells formed with up to {attempts or len(shapes)} pulses of "
            f"{shapes[0].amplitude:g} to {shapes[-1].amplitude:g} V; give more --attempts, a higher --ramp, or check "
            "the lines"
        )


def _given(crossbar: "Crossbar", ramp: str, width: float, gate: float) -> "list[PulseShape]":
    import numpy as np  # noqa: PLC0415

    from hwctl.protocol.codes import Polarity  # noqa: PLC0415

    try:
        first, last, step = (float(part) for part in ramp.split(":"))
        count = round((last - first) / step) + 1
    except (ValueError, ZeroDivisionError, OverflowError):
        raise BadInput(f"ramp '{ramp}'; give FIRST:LAST:STEP in V, for example 3:4.5:0.1") from None
    if not (first <= last and 1 <= count <= 128):
        raise BadInput(f"ramp '{ramp}' has {count} levels; give 1 to 128, rising")
    return [crossbar.shape(Polarity.FORM, round(v, 6), width, gate) for v in np.linspace(first, last, count).tolist()]


def known_levels(crossbar: "Crossbar", device: str | None) -> "list[PulseShape]":
    """Return the forming levels that the board lists, or else those of the device model."""
    from hwctl.crossbar.known import device_of  # noqa: PLC0415
    from hwctl.devices.chip import form_levels  # noqa: PLC0415
    from hwctl.protocol.codes import Polarity  # noqa: PLC0415

    listed = crossbar.drive_levels(Polarity.FORM)
    if listed:
        return listed
    try:
        levels = form_levels(device_of(crossbar, device))
    except DeviceError as error:
        raise DeviceError(f"the board lists no forming levels: {error}, or give --ramp") from None
    return [crossbar.shape(*level) for level in levels]


def usual_stop(crossbar: "Crossbar", device: str | None) -> float:
    """Return the conductance in S from which on a cell of the device counts as formed. Raises DeviceError."""
    from hwctl.crossbar.known import device_of  # noqa: PLC0415

    try:
        model = device_of(crossbar, device)
    except DeviceError as error:
        raise DeviceError(f"the range of the cells is not known: {error}, or give --stop") from None
    return model.g_min + STOP * (model.g_max - model.g_min)


def _form(
    crossbar: "Crossbar",
    shapes: "list[PulseShape]",
    stop: float,
    region: "Region",
    attempts: int,
    averages: int,
    *,
    quiet: bool,
) -> "FormResult":
    """Form row by row, with a progress bar on a terminal."""
    import numpy as np  # noqa: PLC0415
    from rich.progress import track  # noqa: PLC0415

    from hwctl.crossbar.results import FormResult  # noqa: PLC0415

    every = range(region.row0, region.row1)
    console = Console(stderr=quiet)
    done = [
        crossbar.form(shapes, stop, row, slice(region.col0, region.col1), attempts=attempts, averages=averages)
        for row in track(every, "rows", console=console, transient=True, disable=not console.is_terminal)
    ]
    return FormResult(
        np.concatenate([part.formed for part in done]),
        np.concatenate([part.conductances for part in done]),
        np.concatenate([part.pulses for part in done]),
    )


def _result(done: "FormResult", region: "Region") -> dict[str, Any]:
    import numpy as np  # noqa: PLC0415

    failed = np.argwhere(~done.formed) + np.array([region.row0, region.col0])
    return {
        "rows": [region.row0, region.row1],
        "cols": [region.col0, region.col1],
        "cells": int(done.formed.size),
        "formed": int((done.formed & (done.pulses > 0)).sum()),
        "already_formed": int((done.formed & (done.pulses == 0)).sum()),
        "failed": len(failed),
        "failed_cells": failed.tolist(),
        "pulses": int(done.pulses.sum()),
        "pulses_max_cell": int(done.pulses.max()),
    }


def _show(result: dict[str, Any]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{result['cells']} cells: {result['formed']} formed, {result['already_formed']} were formed already, "
        f"{result['failed']} failed; {result['pulses']} pulses (at most {result['pulses_max_cell']} a cell)"
    )
    if result["failed"]:
        cells = ", ".join(f"({row}, {col})" for row, col in result["failed_cells"][:LISTED])
        more = result["failed"] - LISTED
        console.print(f"failed, as (row, column): {cells}{f' and {more} more: see --json' if more > 0 else ''}")
