"""`hwctl fit-device`: from pulse trains in a CSV to a preset file."""

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from hwctl.cli.output import Json, quantity, write_json
from hwctl.errors import BadInput
from hwctl.packages import installed, need

if TYPE_CHECKING:
    from hwctl.devices.trains.csvfile import Measured
    from hwctl.devices.trains.fit import Fitted

MicroSiemens = float | None


def fit_device(
    file: Annotated[Path, typer.Argument(metavar="TRAINS.csv", help="Pulse trains; columns: docs/your-device.md.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Preset file; default TRAINS.toml.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the device; default the file's.")] = None,
    source: Annotated[str, typer.Option(help="Where the trains come from.")] = "",
    set_volts: Annotated[float | None, typer.Option(help="SET amplitude in V, where no column has it.")] = None,
    reset_volts: Annotated[float | None, typer.Option(help="RESET amplitude in V, where no column has it.")] = None,
    width: Annotated[float | None, typer.Option(help="Pulse width in s, where no column has it.")] = None,
    gate: Annotated[float, typer.Option(help="Gate voltage in V, where no column has it.")] = 0.0,
    g_min: Annotated[MicroSiemens, typer.Option(help="Lower bound in uS; default the lowest reading.")] = None,
    g_max: Annotated[MicroSiemens, typer.Option(help="Upper bound in uS; default the highest reading.")] = None,
    read_noise: Annotated[MicroSiemens, typer.Option(help="Standard deviation of one reading in uS.")] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Picture of trains and model; default beside --out.")
    ] = None,
    json: Json = None,
) -> None:
    """Make a preset file from measured pulse trains, and show how far the model is like them."""
    from hwctl.devices import presetfile  # noqa: PLC0415  numpy is not needed for --help
    from hwctl.devices.tabulated import NAME_LENGTH  # noqa: PLC0415
    from hwctl.devices.trains.csvfile import Drive, read_trains  # noqa: PLC0415
    from hwctl.devices.trains.fit import Given, fit  # noqa: PLC0415
    from hwctl.report.files import slug  # noqa: PLC0415

    out = out or file.with_suffix(presetfile.SUFFIX)
    if plot is not None:
        need("matplotlib", "--plot", "leave it out")
    if not presetfile.is_path(str(out)):
        raise BadInput(f"preset file '{out}'; give a name that ends in {presetfile.SUFFIX}, by which devices are found")
    if out.exists():
        raise BadInput(f"{out} exists, and runs may need it; name another file with --out, or remove it")
    own = Drive()
    drive = Drive(
        own.set_amplitude if set_volts is None else set_volts,
        own.reset_amplitude if reset_volts is None else reset_volts,
        own.width if width is None else width,
        gate,
    )
    measured = read_trains(file, drive)
    given = Given(*(None if value is None else value * 1e-6 for value in (g_min, g_max, read_noise)))
    assumed = _assumed(measured.columns, drive, {"set": set_volts, "reset": reset_volts, "width": width})
    found = fit(
        measured, given, name or slug(out.stem)[:NAME_LENGTH], source or f"pulse trains in {file.name}", assumed
    )
    presetfile.save_device(found.device, out)
    result = _result(found)
    if json is None:
        _show(result, out)
    if plot is not None or installed("matplotlib"):
        written = _plot(found, measured, plot or out.with_suffix(".png"))
        typer.echo(f"plot: {written[0]}, and {len(written) - 1} CSV files beside it", err=json is not None)
    write_json(json, {"preset": str(out), **result})


def _assumed(columns: tuple[str, ...], drive: Any, given: dict[str, float | None]) -> list[str]:
    said = []
    if "amplitude_V" not in columns:
        if given["set"] is None:
            said.append(f"SET pulses of {drive.set_amplitude:g} V")
        if given["reset"] is None:
            said.append(f"RESET pulses of {drive.reset_amplitude:g} V")
    if "width_s" not in columns and given["width"] is None:
        said.append(f"pulses of {quantity(drive.width, 's')}")
    if "polarity" not in columns:
        said.append("a train that rises is one of SET pulses, one that falls of RESET")
    return said


def _result(found: "Fitted") -> dict[str, Any]:
    import numpy as np  # noqa: PLC0415

    from hwctl.devices.response import MAX_TRAIN, traverse_pulses  # noqa: PLC0415
    from hwctl.devices.steps import StepModel  # noqa: PLC0415
    from hwctl.protocol.codes import Polarity  # noqa: PLC0415

    device, model = found.device, StepModel.of(found.device)
    numbers = [traverse_pulses(model, polarity) for polarity in (Polarity.SET, Polarity.RESET)]
    usual = [(np.abs(model.means[p][model.usual[p]]), model.sigmas[p][model.usual[p]]) for p in (0, 1)]
    return {
        "name": device.name,
        "cells": found.cells,
        "set_trains": found.trains[0],
        "reset_trains": found.trains[1],
        "steps": found.steps,
        "set_levels": len(model.levels[0]),
        "reset_levels": len(model.levels[1]),
        "g_min_siemens": device.g_min,
        "g_max_siemens": device.g_max,
        "set_pulses_traverse": numbers[0] if numbers[0] < MAX_TRAIN else None,
        "reset_pulses_traverse": numbers[1] if numbers[1] < MAX_TRAIN else None,
        "set_step_siemens": float(usual[0][0].mean()),
        "reset_step_siemens": float(usual[1][0].mean()),
        "set_c2c": float(usual[0][1].mean() / max(usual[0][0].mean(), 1e-30)),
        "reset_c2c": float(usual[1][1].mean() / max(usual[1][0].mean(), 1e-30)),
        "set_d2d": device.spread.gain_set,
        "reset_d2d": device.spread.gain_reset,
        "asymmetry": float(usual[1][0].mean() / max(usual[0][0].mean(), 1e-30)),
        "symmetry_point_siemens": model.symmetry_point,
        "noise_siemens": found.visible_noise,
        "one_way": device.one_way,
        "assumed": list(device.assumed),
    }


def _show(result: dict[str, Any], out: Path) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"trains     {result['set_trains']} SET and {result['reset_trains']} RESET, {result['steps']} steps; "
        f"cells: {result['cells']}; drive levels: {result['set_levels']} and {result['reset_levels']}"
    )
    console.print(f"range      {quantity(result['g_min_siemens'], 'S')} to {quantity(result['g_max_siemens'], 'S')}")
    for name in ("set", "reset"):
        number = result[f"{name}_pulses_traverse"]
        through = "does not get through 90% of it" if number is None else f"{number} pulses through 90% of it"
        console.print(
            f"{name.upper():5}      {quantity(result[f'{name}_step_siemens'], 'S')} a pulse, {through}; "
            f"c2c {result[f'{name}_c2c']:.0%}, d2d {result[f'{name}_d2d']:.0%} of the step"
        )
    symmetry = result["symmetry_point_siemens"]
    console.print(
        f"asymmetry  RESET steps are {result['asymmetry']:.3g} times as long as SET steps; symmetry point "
        f"{'none' if symmetry is None else quantity(symmetry, 'S')}"
    )
    console.print(f"noise      {quantity(result['noise_siemens'], 'S')} of a reading")
    for line in result["assumed"]:
        console.print(f"assumed    {line}")
    console.print(f"preset     {out}; use it: hwctl train wbc --device {quote(str(out))}")


def _plot(found: "Fitted", measured: "Measured", path: Path) -> list[Path]:
    """Draw the trains of the drive levels that schedules use, and the model's of the same length."""
    import numpy as np  # noqa: PLC0415

    from hwctl.devices.response import respond  # noqa: PLC0415
    from hwctl.devices.steps import StepModel  # noqa: PLC0415
    from hwctl.protocol.codes import Polarity  # noqa: PLC0415
    from hwctl.report import plot_measured  # noqa: PLC0415

    device, model = found.device, StepModel.of(found.device)
    trains, starts = [], []
    for polarity in (Polarity.SET, Polarity.RESET):
        level = model.levels[polarity][model.usual[polarity]]
        trains.append([(t.pulses - t.pulses[0], t.g) for t in measured.of(polarity) if t.level == level])
        first = float(np.median([g[0] for _, g in trains[-1]]))
        starts.append(min(max((first - device.g_min) / (device.g_max - device.g_min), 0.0), 1.0))
    longest = [max(int(pulses[-1]) for pulses, _ in kind) for kind in trains]
    response = respond(device, pulses=(longest[0], longest[1]), starts=(starts[0], starts[1]))
    return plot_measured(response, (trains[0], trains[1]), path)
