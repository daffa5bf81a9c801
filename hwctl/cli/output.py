"""What commands share: messages, JSON files, regions and quantities as text."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from hwctl.errors import BadInput
from hwctl.files import write_file

DEFAULT_TARGET = "emulator:"

Target = Annotated[
    str,
    typer.Option("--target", "-t", metavar="URL", help="Board, for example 'emulator:?device=ecram&rows=64&cols=64'."),
]
Device = Annotated[
    str | None,
    typer.Option("--device", help="Preset, or path of a preset file, of the array's cells; default what it names."),
]
Json = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the result for machines; - for stdout.")
]
Rows = Annotated[str, typer.Option("--rows", metavar="FIRST:END", help="Rows, for example 0:10; default all.")]
Cols = Annotated[str, typer.Option("--cols", metavar="FIRST:END", help="Columns, for example 0:20; default all.")]
CellBudget = Annotated[
    int | None, typer.Option("--pulse-budget", help="Pulses that one cell may take; a physical array demands it.")
]
Averages = Annotated[int, typer.Option("--averages", help="Conversions of one reading, a power of two.")]


def emulator_of(device: str | None) -> str:
    """Return the URL of the default emulator, with a preset or preset file where one is given."""
    return f"{DEFAULT_TARGET}?device={quote(device, safe='/@:,')}" if device else DEFAULT_TARGET


def fail(message: str) -> None:
    """Print an error as one line."""
    print("hwctl: " + " ".join(message.split()), file=sys.stderr)


def write_json(path: Path | None, result: Mapping[str, Any]) -> None:
    """Write a result as JSON where one is wanted: to a file, whole or not at all, or to stdout for '-'."""
    if path is None:
        return
    text = json.dumps(result, indent=2, allow_nan=True) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
    else:
        write_file(path, text.encode())


def lines(name: str, text: str) -> slice:
    """Return FIRST:END, or a single line's number, as a slice. Raises BadInput."""
    first, colon, end = text.partition(":")
    try:
        if not colon:
            return slice(int(first), int(first) + 1)
        return slice(int(first) if first else None, int(end) if end else None)
    except ValueError:
        raise BadInput(f"{name} '{text}'; give FIRST:END, for example 0:10, or one number") from None


def quantity(value: float, unit: str) -> str:
    """Return a value with the SI prefix that suits it: 2.5e-05 S is '25 uS'."""
    if value == 0:
        return f"0 {unit}"
    for factor, prefix in ((1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n")):
        if abs(value) >= factor:
            return f"{value / factor:.4g} {prefix}{unit}"
    return f"{value / 1e-12:.4g} p{unit}"
