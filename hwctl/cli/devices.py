"""`hwctl devices`: the device presets, and plots of how they answer pulses."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hwctl.cli.output import Json, quantity, write_json
from hwctl.packages import need

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwctl.devices.device import Device
    from hwctl.devices.steps import StepModel


def devices(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Presets, paths of preset files; default all presets."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Plot SET and RESET response into a .png or .svg, with CSV files."),
    ] = None,
    json: Json = None,
) -> None:
    """List the device presets with their sources and what is assumed; plot their response to pulses."""
    from hwctl.devices import presets  # noqa: PLC0415  numpy is not needed for --help
    from hwctl.devices.steps import StepModel  # noqa: PLC0415

    if plot is not None:
        need("matplotlib", "--plot", "make it on a PC")
    chosen = [presets.get(name) for name in names or presets.PRESETS]
    models = [StepModel.of(device) for device in chosen]
    if json is None:
        _show(chosen, models)
    if plot is not None:
        from hwctl.devices.response import respond  # noqa: PLC0415
        from hwctl.report import plot_device_response  # noqa: PLC0415

        written = plot_device_response([respond(device) for device in chosen], plot)
        typer.echo(f"plot: {written[0]}, and {len(written) - 1} CSV files beside it", err=json is not None)
    rows: list[dict[str, Any]] = [
        {
            "name": device.name,
            "title": device.title,
            "source": device.source,
            "assumed": list(device.assumed),
            "g_min_siemens": model.g_min,
            "g_max_siemens": model.g_max,
            "symmetry_point_siemens": model.symmetry_point,
            "one_way": model.one_way,
            "set_levels": len(model.levels[0]),
            "reset_levels": len(model.levels[1]),
        }
        for device, model in zip(chosen, models, strict=True)
    ]
    write_json(json, {"devices": rows})


def _show(chosen: "Sequence[Device]", models: "Sequence[StepModel]") -> None:
    console = Console(highlight=False)
    table = Table(title="Device presets")
    for column in ("device", "what it is", "range", "levels", "symmetry"):
        table.add_column(column)
    for device, model in zip(chosen, models, strict=True):
        symmetry = "-" if model.symmetry_point is None else quantity(model.symmetry_point, "S")
        bounds = f"{quantity(model.g_min, 'S')} - {quantity(model.g_max, 'S')}"
        table.add_row(device.name, device.title, bounds, " + ".join(str(len(kind)) for kind in model.levels), symmetry)
    console.print(table)
    for device in chosen:
        assumed = "; ".join(device.assumed) or "nothing"
        console.print(f"[bold]{device.name}[/bold]: {device.source or 'no source'}. Assumed: {assumed}.")
