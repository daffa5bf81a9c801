"""`hwctl program`: bring cells to wanted conductances or weights, open loop or closed."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwctl.cli.chiprecord import known_of, model_of, refuse_contradicted
from hwctl.cli.closedloop import ClosedLoop
from hwctl.cli.matrixfile import load_csv, load_weights
from hwctl.cli.output import DEFAULT_TARGET, Averages, CellBudget, Device, Json, Target, write_json
from hwctl.cli.programmed import errors, key_figures, of_result, show
from hwctl.cli.watch import LogPulses, Record, watching
from hwctl.cli.weights import Wish, program_matrix, refuse_contradictions, refuse_spare
from hwctl.errors import BadInput
from hwctl.packages import need

if TYPE_CHECKING:
    from hwctl.crossbar import Crossbar
    from hwctl.crossbar.results import Floats
    from hwctl.devices.steps import StepModel
    from hwctl.programming.fine import Fine
    from hwctl.programming.modelbased import ModelBased
    from hwctl.protocol.packing import Region

ROUNDS = 40  # of a closed loop


def program(
    file: Annotated[
        Path | None, typer.Argument(metavar="[TARGETS.csv]", help="Conductances in uS: a line a row, no header.")
    ] = None,
    target: Target = DEFAULT_TARGET,
    row: Annotated[int, typer.Option("--row", help="First row of the region.")] = 0,
    col: Annotated[int, typer.Option("--col", help="First column of the region.")] = 0,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights", metavar="FILE", help="Instead of conductances: weights, .npy or .csv, rows x outputs."
        ),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(
            "--scale", metavar="uS", help="G+ - G- of a weight of 1; default the largest that the cells allow."
        ),
    ] = None,
    nearest: Annotated[
        bool,
        typer.Option(
            "--nearest",
            help="Set weights beyond their cells' ranges as near as they come, and list them; else refused.",
        ),
    ] = False,
    mapped: Annotated[
        bool, typer.Option("--map", help="Swap rows and outputs so that stuck cells do least harm; print the map.")
    ] = False,
    spare_rows: Annotated[
        int, typer.Option("--spare-rows", min=0, help="Rows behind those of the weights that --map may use, too.")
    ] = 0,
    spare_cols: Annotated[
        int, typer.Option("--spare-cols", min=0, help="Columns that it may use, too: two a pair.")
    ] = 0,
    residual: Annotated[
        bool,
        typer.Option("--residual", help="Correct the weights by a second matrix behind the first: twice the columns."),
    ] = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Closed loop: pulse until the readings are on target; so weights always are."),
    ] = False,
    tolerance: Annotated[
        float, typer.Option("--tolerance", metavar="uS", help="Distance from a target that a closed loop accepts.")
    ] = 1.0,
    rounds: Annotated[
        int | None, typer.Option("--rounds", min=1, help=f"Rounds of a reading and pulses; default 1, closed {ROUNDS}.")
    ] = None,
    averages: Averages = 4,
    precision: Annotated[
        float | None,
        typer.Option(
            "--precision", metavar="uS", help="Then a fine stage: readings are averaged to this standard error."
        ),
    ] = None,
    pause: Annotated[
        float,
        typer.Option("--pause", metavar="s", help="Between the parts of such a reading, to see slow noise (RTN)."),
    ] = 0.0,
    denoise: Annotated[
        int, typer.Option("--denoise", min=0, help="Small pulses that a noisy cell may get to quieten it.")
    ] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE.npy", help="Write the effective weights, as read.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE.html", help="Write a page of plots, and their values as CSV."),
    ] = None,
    device: Device = None,
    chip: Annotated[
        Path | None,
        typer.Option(
            "--chip",
            metavar="FILE.h5",
            help="Record of the chip, for --verify and --weights: how each cell steps, its range, and if it is stuck.",
        ),
    ] = None,
    allow_unreachable: Annotated[
        bool,
        typer.Option(
            "--allow-unreachable",
            help="With --verify --chip: leave cells alone whose conductance is beyond their range, and list them; else "
            "refused. Weights have --nearest.",
        ),
    ] = False,
    pulse_budget: CellBudget = None,
    record: Record = None,
    pulse_log: LogPulses = None,
    json: Json = None,
) -> None:
    """Send the pulses that the device's step curves ask for, and show how near it came.

    Nothing is verified, except with --verify and --weights: then readings decide the next pulses, and cells that do
    not follow are listed. Weights become pairs of cells, W = (G+ - G-) / scale, in neighbouring columns.
    """
    from hwctl.crossbar import Crossbar  # noqa: PLC0415  not needed for --help
    from hwctl.crossbar.pulsebudget import within_budget  # noqa: PLC0415

    of_weights = {"--scale": scale, "--nearest": nearest, "--out": out, "--map": mapped, "--residual": residual}
    refuse_contradictions(file, weights, of_weights, out)
    refuse_spare(mapped, spare_rows, spare_cols)
    loop = ClosedLoop(tolerance, rounds or ROUNDS, averages, precision, pause, denoise)
    _refuse_open(weights is not None or verify, {"--precision": precision, "--report": report, "--chip": chip})
    if report is not None:
        need("matplotlib", "--report", "leave it out")
    refuse_contradicted(chip, device, allow_unreachable, weights)
    known = known_of(chip)
    with watching(record, pulse_log) as wraps:
        if weights is not None:
            matrix = load_weights(weights)  # before the board is opened
            wish = Wish(
                weights, matrix, row, col, scale, nearest, known, device, mapped, spare_rows, spare_cols, residual
            )
            with Crossbar.open(target, wraps=wraps) as opened:
                crossbar = within_budget(opened, pulse_budget, "--pulse-budget")
                result = program_matrix(crossbar, wish, loop, out, report)
        else:
            assert file is not None
            wanted = load_csv(file, "conductances in uS") * 1e-6
            with Crossbar.open(target, wraps=wraps) as opened:
                crossbar = within_budget(opened, pulse_budget, "--pulse-budget")
                region = crossbar.region(slice(row, row + wanted.shape[0]), slice(col, col + wanted.shape[1]))
                model = model_of(crossbar, device, known)
                if verify:
                    method = loop.method(model, known)
                    result = _closed_loop(crossbar, region, wanted, method, allow_unreachable, report, file.name)
                else:
                    result = _open_loop(crossbar, region, model, wanted, rounds or 1, averages)
    if json is None:
        show(result)
    write_json(json, {"target": target, **result})


def _refuse_open(closed: bool, of_closed: Mapping[str, object]) -> None:
    """Raise BadInput where options are given that only a closed loop has, and it is none."""
    given = [name for name, value in of_closed.items() if value is not None]
    if given and not closed:
        raise BadInput(f"{', '.join(given)} is of a closed loop; add --verify")


def _open_loop(
    crossbar: "Crossbar", region: "Region", model: "StepModel", wanted: "Floats", rounds: int, averages: int
) -> dict[str, Any]:
    """Program a region to targets (rows, cols) in S open loop; return what is shown of it."""
    from hwctl.programming import openloop  # noqa: PLC0415

    done = openloop.program(crossbar, wanted, model, region, slice(None), rounds=rounds, averages=averages)
    return {
        "cells": int(wanted.size),
        "rounds": rounds,
        "pulses": int(done.pulses.sum()),
        "pulses_max_cell": int(done.pulses.max()),
        **errors(done.after, wanted),
    }


def _closed_loop(
    crossbar: "Crossbar",
    region: "Region",
    wanted: "Floats",
    method: "ModelBased | Fine",
    allow_unreachable: bool,
    report: Path | None,
    name: str,
) -> dict[str, Any]:
    """Program a region to targets (rows, cols) in S until readings are there; return what is shown of it."""
    done = method.program(crossbar, wanted, region, allow_unreachable=allow_unreachable)
    result = {
        "cells": int(wanted.size),
        "tolerance_microsiemens": method.tolerance * 1e6,
        **of_result(done, wanted, lambda i, j: (region.row0 + i, region.col0 + j)),
    }
    if report is not None:
        from hwctl.report import tables_of_cells, write_program_report  # noqa: PLC0415

        title = f"{name} on {crossbar.identity.device}"
        tables = tables_of_cells(done, wanted, region)
        result["report"] = str(write_program_report(report, title, tables, key_figures(result)))
    return result
