"""`hwctl calibrate`: measure a chip, and keep what was found with its digital twin."""

import time
from datetime import datetime, timezone
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from hwctl.cli.output import DEFAULT_TARGET, Averages, Cols, Json, Rows, Target, lines, quantity, write_json
from hwctl.cli.watch import LogPulses, Record, watching
from hwctl.errors import BadInput, Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hwctl.calibration.forming import Ramp
    from hwctl.calibration.partial import Partial
    from hwctl.calibration.plan import Effect, Plan
    from hwctl.calibration.probe import Probe
    from hwctl.calibration.record import Record as ChipRecord
    from hwctl.crossbar import Crossbar
    from hwctl.protocol.packing import Region

KINDS = ("moving", "stuck-on", "stuck-off", "unformed")
SCALED = ("S", "ohm")  # units that take a prefix
BUDGET = 60  # pulses a cell
SAVE_EVERY = 10.0  # s between two saves of what is known so far


def show(
    file: Annotated[Path, typer.Argument(metavar="FILE.h5", help="A record that 'hwctl calibrate' wrote.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE.html", help="The page; default beside the record.")
    ] = None,
    json: Json = None,
) -> None:
    """Print what a record holds, and write its plots into one HTML file, their values into CSV files beside it."""
    from hwctl.calibration.record import Record as ChipRecord  # noqa: PLC0415
    from hwctl.report import write_chip_report  # noqa: PLC0415

    record = ChipRecord.load(file)
    summary = summarise(record)
    page = write_chip_report(out or file.with_suffix(".html"), record, _figures(summary))
    if json is None:
        _conclude(Console(), summary, file)
        Console().print(f"plots: {page}", highlight=False, soft_wrap=True)
    write_json(json, summary)


def calibrate(
    context: typer.Context,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE.h5", help="The record that is to be written.")
    ] = None,
    target: Target = DEFAULT_TARGET,
    rows: Rows = ":",
    cols: Cols = ":",
    budget: Annotated[
        int | None,
        typer.Option(
            "--budget",
            help=f"Pulses a cell may take: {BUDGET} for ranges and pooled curves, 400 for each cell's and all else. "
            f"Default {BUDGET}, but none for a physical array.",
        ),
    ] = None,
    skip: Annotated[
        str,
        typer.Option("--skip", metavar="NAMES", help="Left out: read-path, loads, symmetry, relaxation, read-disturb."),
    ] = "",
    longest: Annotated[
        float, typer.Option("--longest", min=0, help="Seconds after which relaxation is read for the last time.")
    ] = 1000.0,
    form: Annotated[
        bool, typer.Option("--form", help="Form unformed cells first, with the levels known, as 'hwctl form' does.")
    ] = False,
    stop: Annotated[
        float | None,
        typer.Option("--stop", help="Conductance in uS from which a cell is formed; default a quarter of its range."),
    ] = None,
    after: Annotated[
        Path | None,
        typer.Option("--after", metavar="OLD.h5", help="Last record of this chip: its lifetime pulse counts go on."),
    ] = None,
    averages: Averages = 16,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the order of pulses, and of the bootstrap.")] = 0,
    chip: Annotated[str, typer.Option("--chip", help="Name of the chip, for the record.")] = "",
    die: Annotated[str, typer.Option("--die", help="Wafer and die.")] = "",
    stack: Annotated[str, typer.Option("--stack", help="Materials of a cell.")] = "",
    history: Annotated[str, typer.Option("--history", help="How the cells were formed.")] = "",
    temperature: Annotated[float | None, typer.Option("--temperature", help="Of the chip, in degrees Celsius.")] = None,
    operator: Annotated[str, typer.Option("--operator", help="Who measures.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what the budget buys, and send no pulse.")] = False,
    record: Record = None,
    pulse_log: LogPulses = None,
    json: Json = None,
) -> None:
    """Find stuck cells, ranges, step curves and noise of a chip, each with its uncertainty.

    With 200 pulses a cell and more: also wires, half-select and read disturb, symmetry point and relaxation.

    Cut off, it goes on where the same command is given again. The record is a target: 'emulator:FILE.h5' is the chip's
    digital twin.
    """
    from hwctl.calibration.partial import Partial  # noqa: PLC0415  not needed for --help
    from hwctl.calibration.plan import Plan  # noqa: PLC0415
    from hwctl.calibration.probe import Probe  # noqa: PLC0415
    from hwctl.crossbar import Crossbar  # noqa: PLC0415
    from hwctl.crossbar.pulsebudget import demand_budget  # noqa: PLC0415
    from hwctl.packages import need  # noqa: PLC0415

    if context.invoked_subcommand is not None:
        return
    need("h5py", "the record of a chip")
    if out is None:
        raise BadInput("name the record that is to be written: --out chip7.h5")
    if out.exists():
        raise BadInput(f"{out} exists already; name another file, or move it away")
    plan = Plan.of(BUDGET if budget is None else budget, _skipped(skip), longest)
    about: dict[str, str | int | float | bool] = {
        "chip": chip, "die": die, "stack": stack, "forming_history": history, "operator": operator, "target": target,
        "averages": averages, "seed": seed, "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **({} if temperature is None else {"temperature_celsius": temperature}),
    }  # fmt: skip
    with watching(record, pulse_log) as wraps, Crossbar.open(target, wraps=wraps) as crossbar:
        demand_budget(crossbar, budget, "--budget")
        region = crossbar.region(lines("--rows", rows), lines("--cols", cols))
        same: dict[str, str | int | float | bool] = {
            "device": crossbar.identity.device, "build": crossbar.identity.build, "region": str(tuple(region)),
            "budget": plan.budget, "averages": averages, "seed": seed, "skip": skip, "longest": longest, "form": form,
        }  # fmt: skip
        partial = Partial.beside(out, same)
        known = partial.load()
        if after is not None and known is None:
            _carry_on(crossbar, region, after)
        probe = Probe(crossbar, region, averages, plan.budget, known)
        about |= {"device": same["device"], "build": same["build"], "row0": region.row0, "col0": region.col0}
        about |= {"board_rows": crossbar.rows, "board_cols": crossbar.cols}
        _promise(Console(), plan, probe)
        if dry_run:
            return
        found = _measure(probe, plan, seed, partial, about, _ramp(probe, stop) if form else None)
    found.save(out)
    partial.remove()
    summary = summarise(found)
    if json is None:
        _conclude(Console(), summary, out)
    write_json(json, summary)


def _skipped(names: str) -> "frozenset[Effect]":
    """Return the effects that a list with commas names. Raises BadInput."""
    from hwctl.calibration.plan import Effect  # noqa: PLC0415

    try:
        return frozenset(Effect(name.strip()) for name in names.split(",") if name.strip())
    except ValueError as error:
        known = ", ".join(effect.value for effect in Effect)
        raise BadInput(f"--skip: {error}; known: {known}") from None


def _carry_on(crossbar: "Crossbar", region: "Region", after: Path) -> None:
    """Let the lifetime counts of the chip's last record go on, and say so."""
    from hwctl.calibration.lifetime import carry_on  # noqa: PLC0415
    from hwctl.calibration.record import Record as ChipRecord  # noqa: PLC0415

    if carry_on(crossbar, region, ChipRecord.load(after)):
        Console().print(f"the board counted less than {after}: its lifetime pulse counts go on", soft_wrap=True)


def _ramp(probe: "Probe", stop: float | None) -> "Ramp":
    """Return the forming ramp that 'hwctl form' would use. Raises DeviceError where nothing is known."""
    from hwctl.calibration.forming import Ramp  # noqa: PLC0415
    from hwctl.cli.form import known_levels, usual_stop  # noqa: PLC0415

    shapes = known_levels(probe.crossbar, None)
    return Ramp(shapes, usual_stop(probe.crossbar, None) if stop is None else stop * 1e-6, len(shapes))


def _measure(
    probe: "Probe", plan: "Plan", seed: int, partial: "Partial", about: dict[str, str | int | float | bool],
    ramp: "Ramp | None",
) -> "ChipRecord":  # fmt: skip
    """Calibrate with a progress bar; whatever cuts it off, the readings so far are kept."""
    import numpy as np  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    from hwctl.calibration.procedure import calibrate as measure  # noqa: PLC0415
    from hwctl.calibration.record import Record as ChipRecord  # noqa: PLC0415
    from hwctl.calibration.twin import twin  # noqa: PLC0415

    console = Console()
    if probe.waiting:
        console.print(f"going on after {probe.waiting + 1} readings of {partial.path}", highlight=False, soft_wrap=True)
    partial.save(probe.known)  # before a pulse is sent: what cannot be kept is not to be measured
    columns = (
        TextColumn("{task.description:12}"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f} pulses"),
        TimeElapsedColumn(),
    )  # fmt: skip
    saved = time.monotonic()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("read noise", total=plan.budget)

        def tell(pulses: int) -> None:
            nonlocal saved
            bar.update(task, completed=pulses)
            if time.monotonic() - saved > SAVE_EVERY:
                partial.save(probe.known)
                saved = time.monotonic()

        probe.tell = tell
        try:
            rng = np.random.default_rng(seed)
            measured = measure(probe, plan, rng, lambda stage: bar.update(task, description=stage), ramp)
        except BaseException as error:
            partial.save(probe.known)
            if isinstance(error, KeyboardInterrupt):
                raise Interrupted(
                    f"calibration interrupted; the same command goes on with it ({partial.path})"
                ) from None
            raise
    crossbar, region = probe.crossbar, probe.region
    chip = twin(measured, crossbar.identity, probe.shapes, region.rows, region.cols, crossbar.read_voltage)
    return ChipRecord.of(measured, chip, {**about, "read_voltage": crossbar.read_voltage})


def _promise(console: Console, plan: "Plan", probe: "Probe") -> None:
    """Say what the budget buys, before a pulse is sent."""
    import numpy as np  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from hwctl.calibration.outlook import ASSUMED_C2C, Chip, expected  # noqa: PLC0415
    from hwctl.calibration.plan import Effect  # noqa: PLC0415

    crossbar, region, levels = probe.crossbar, probe.region, (probe.levels(0), probe.levels(1))
    readings = np.array([crossbar.read(region, averages=probe.averages, over_range="nan") for _ in range(4)])
    sigma = float(np.sqrt(np.nanmean(readings.var(axis=0, ddof=1))))
    chip = Chip(region.rows, region.cols, levels, sigma, float(np.nanmean(readings)), crossbar.read_voltage)
    waits = f"; {plan.longest:g} s pass between readings" if Effect.RELAXATION in plan.effects and plan.longest else ""
    console.print(
        f"{probe.cells} cells, {levels[0]} SET and {levels[1]} RESET levels, at most {plan.budget} pulses a cell"
        f"{waits}",
        highlight=False,
        soft_wrap=True,
    )
    table = Table("figure", "standard error", "half of it would take", box=None, pad_edge=False)
    for figure in expected(plan, chip):
        error = quantity(figure.error, figure.unit) if figure.unit in SCALED else f"{figure.error:.2g} {figure.unit}"
        more = f"{figure.pulses_for_half} pulses a cell" if figure.pulses_for_half else "4 times the averages"
        table.add_row(figure.name, error, more)
    console.print(table)
    console.print(f"(expected; a c2c of {ASSUMED_C2C:.0%} of a step assumed)", highlight=False)


def summarise(record: "ChipRecord") -> dict[str, object]:
    """Return the figures of a record, with their standard errors."""
    import numpy as np  # noqa: PLC0415

    from hwctl.calibration.effects import FIGURES  # noqa: PLC0415
    from hwctl.calibration.response import counts_of  # noqa: PLC0415

    flags, attributes = record.cells("flags"), record.attributes
    result: dict[str, object] = {
        "device": str(attributes["device"]), "cells": int(flags.size), "pulses": int(record.cells("pulses").sum()),
        "pulses_max_cell": int(record.cells("pulses").max()), **counts_of(flags),
        "read_noise_siemens": float(record.arrays["noise/pooled_read_noise"][0]),
        "read_noise_error_siemens": float(record.arrays["noise/pooled_read_noise_error"][0]),
        "write_noise_siemens": float(attributes["write_noise"]),
        "write_noise_error_siemens": float(attributes["write_noise_error"]),
        "emulated": str(attributes.get("emulated", "")),
    }  # fmt: skip
    if "cells/forming_pulses" in record.arrays:
        taken, formed = record.cells("forming_pulses") > 0, record.cells("forming_formed")
        result |= {"formed_now": int((formed & taken).sum()), "forming_failed": int((~formed).sum())}
    for name in ("g_min", "g_max"):
        reached = record.cells(f"{name}_reached")
        known = record.cells(name)[reached]
        result |= {
            f"{name}_reached": int(reached.sum()),
            f"{name}_median_siemens": float(np.median(known)) if known.size else None,
            f"{name}_spread_siemens": float(known.std()) if known.size else None,
        }
    for name in ("set", "reset"):
        result[f"gain_{name}_spread"] = float(attributes[f"gain_{name}_spread"])
    for name in (n for n in FIGURES if n in attributes):
        result |= {name: float(attributes[name]), f"{name}_error": float(attributes[f"{name}_error"])}
    return result


def _said(summary: dict[str, object]) -> dict[str, str]:
    """Return the conductances of a summary as texts, by their names without the unit."""
    suffix = "_siemens"
    return {
        name.removesuffix(suffix): "not reached" if value is None else quantity(float(value), "S")  # type: ignore[arg-type]
        for name, value in summary.items()
        if name.endswith(suffix)
    }


def _effects(summary: dict[str, object]) -> "Iterator[tuple[str, str]]":
    """Yield name and value of what was found beside ranges and curves, each with its standard error."""
    from hwctl.calibration.effects import FIGURES, LABELS  # noqa: PLC0415

    for name, unit in FIGURES.items():
        if name not in summary:
            continue
        value, error = float(summary[name]), float(summary[f"{name}_error"])  # type: ignore[arg-type]
        said = f"{value:.3g} ± {error:.2g}{'' if unit == '1' else ' ' + unit}" if isfinite(value) else "not reached"
        yield LABELS[name], said


def _figures(summary: dict[str, object]) -> list[tuple[str, str, str]]:
    """Return the key figures of a page: label, value, note."""
    cells, said = summary["cells"], _said(summary)
    return [
        ("Cells that move", f"{summary['moving']} of {cells}", ""),
        *((f"Cells {kind}", str(summary[kind]), f"of {cells}") for kind in KINDS[1:]),
        ("G_min", said["g_min_median"], f"median; reached by {summary['g_min_reached']} of {cells}"),
        ("G_max", said["g_max_median"], f"median; reached by {summary['g_max_reached']} of {cells}"),
        ("Read noise", said["read_noise"], "of one conversion"),
        ("Write noise", said["write_noise"], f"standard error {said['write_noise_error']}"),
        ("Pulses", f"{summary['pulses']:,}", f"at most {summary['pulses_max_cell']} a cell"),
        *((label, value, "") for label, value in _effects(summary)),
    ]


def _conclude(console: Console, summary: dict[str, object], out: Path) -> None:
    """Print what was found."""
    if "formed_now" in summary:
        console.print(f"{summary['formed_now']} cells were formed, {summary['forming_failed']} failed", highlight=False)
    effects = "".join(f"{label}: {value}\n" for label, value in _effects(summary))
    options = str(summary["emulated"])
    said, kinds = _said(summary), ", ".join(f"{summary[kind]} {kind}" for kind in KINDS)
    console.print(
        f"{summary['cells']} cells: {kinds}; at most {summary['pulses_max_cell']} pulses a cell\n"
        f"G_min {said['g_min_median']} (reached by {summary['g_min_reached']}), "
        f"G_max {said['g_max_median']} ({summary['g_max_reached']}); "
        f"read noise {said['read_noise']}, write noise {said['write_noise']}\n"
        f"{effects}record: {out}   twin: --target emulator:{out}"
        + (f"   with its analog effects: 'emulator:{out}?{options}'" if options else ""),
        highlight=False,
        soft_wrap=True,
    )
