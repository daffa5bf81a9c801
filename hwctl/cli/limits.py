"""`hwctl limits`: what a board takes at most, and narrower limits for it."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hwctl.cli.output import DEFAULT_TARGET, Json, Target, quantity, write_json
from hwctl.cli.watch import Record, watching
from hwctl.errors import BadInput

MEANINGS = {
    "read_voltage": ("V", "across a cell that is read"),
    "amplitude": ("V", "of a SET or RESET pulse"),
    "width": ("s", "of a SET or RESET pulse"),
    "form_amplitude": ("V", "of a FORM pulse"),
    "form_width": ("s", "of a FORM pulse"),
    "pulses": ("", "of a cell in all"),
    "gate": ("V", "in a SET or RESET pulse"),
    "form_gate": ("V", "in a FORM pulse"),
    "compliance": ("A", "of a cell that forms"),
    "pulse_rate": ("", "of a cell in a second"),
}
"""Unit, or none for a number, and meaning of each limit."""
OF_THIS_PROCESS = ("emulator", "sim", "replay")


def _option(name: str, metavar: str, text: str) -> Any:
    return typer.Option(f"--{name}", metavar=metavar, help=text, show_default=False)


def limits(
    target: Target = DEFAULT_TARGET,
    read_voltage: Annotated[float | None, _option("read-voltage", "V", "Highest voltage across a cell.")] = None,
    amplitude: Annotated[float | None, _option("amplitude", "V", "Highest SET or RESET pulse.")] = None,
    width: Annotated[float | None, _option("width", "S", "Longest SET or RESET pulse, in s.")] = None,
    gate: Annotated[float | None, _option("gate", "V", "Highest gate in a SET or RESET pulse.")] = None,
    form_amplitude: Annotated[float | None, _option("form-amplitude", "V", "Highest FORM pulse.")] = None,
    form_width: Annotated[float | None, _option("form-width", "S", "Longest FORM pulse, in s.")] = None,
    form_gate: Annotated[float | None, _option("form-gate", "V", "Highest gate in a FORM pulse.")] = None,
    compliance: Annotated[float | None, _option("compliance", "A", "Highest current of a cell that forms.")] = None,
    pulses: Annotated[int | None, _option("pulses", "N", "Pulses of a cell in all, those before included.")] = None,
    pulse_rate: Annotated[float | None, _option("pulse-rate", "N", "Pulses of a cell in a second.")] = None,
    record: Record = None,
    json: Json = None,
) -> None:
    """Show what a board takes at most; with options, narrow it until the board loses its power."""
    from dataclasses import asdict  # noqa: PLC0415

    from hwctl.crossbar import Crossbar  # noqa: PLC0415  numpy is not needed for --help
    from hwctl.protocol.codes import Feature  # noqa: PLC0415

    given = {
        "read_voltage": read_voltage, "amplitude": amplitude, "width": width, "gate": gate,
        "form_amplitude": form_amplitude, "form_width": form_width, "form_gate": form_gate, "compliance": compliance,
        "pulses": pulses, "pulse_rate": pulse_rate,
    }  # fmt: skip
    wanted: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    with watching(record) as wraps, Crossbar.open(target, wraps=wraps) as crossbar:
        keeps = crossbar.has(Feature.LIMITS)
        if wanted and not keeps:
            raise BadInput(
                f"{target} keeps no limits but those it was built with; Crossbar.narrow_limits keeps them in a program"
            )
        before = asdict(crossbar.limits)
        holds = asdict(crossbar.narrow_limits(**wanted)) if wanted else before
    if json is None:
        Console().print(_table(target, [holds, before] if wanted else [holds], "no limit" if keeps else "not said"))
        if wanted and target.partition(":")[0] in OF_THIS_PROCESS:
            typer.echo("This board ends with this command, and its limits with it.")
        elif wanted:
            typer.echo("These hold for every host until the board loses its power.")
    write_json(json, {"target": target, "keeps_limits": keeps, "limits": holds, "narrowed": list(wanted)})


def _table(target: str, columns: list[dict[str, Any]], missing: str) -> Table:
    """Return limits that hold and, where there is a second column, those before; missing: what stands for None."""
    table = Table(title=f"Limits of {target}")
    table.add_column("limit")
    for title, _ in zip(("at most", "before"), columns, strict=False):
        table.add_column(title, justify="right")
    table.add_column("")
    for name, (unit, meaning) in MEANINGS.items():
        values = [missing if column[name] is None else _text(column[name], unit) for column in columns]
        table.add_row(name.replace("_", " "), *values, meaning)
    return table


def _text(value: float, unit: str) -> str:
    if unit:
        return quantity(value, unit)
    return f"{value:,.6g}" if value < 1e6 else f"{value:,.0f}"
