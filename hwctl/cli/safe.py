"""`hwctl safe`: every line of a board to rest, and what has tripped acknowledged."""

from typing import Any

import typer

from hwctl.cli.output import DEFAULT_TARGET, Json, Target, write_json
from hwctl.cli.watch import Record, watching
from hwctl.errors import BoardError


def safe(target: Target = DEFAULT_TARGET, record: Record = None, json: Json = None) -> None:
    """Drive every line to rest. A physical board that has tripped says by what, and drives lines again after it."""
    from hwctl.crossbar import Crossbar  # noqa: PLC0415  numpy is not needed for --help
    from hwctl.crossbar.trips import named, said  # noqa: PLC0415

    with watching(record) as wraps, Crossbar.open(target, wraps=wraps) as crossbar:
        tripped = crossbar.status().trips
        crossbar.safe()
        left = crossbar.status().trips
    result: dict[str, Any] = {"target": target, "tripped": list(named(tripped))}
    if json is None:
        typer.echo(f"{target}: at rest" + (f"; had tripped by {said(tripped)}: acknowledged" if tripped else ""))
    write_json(json, result)
    if left:
        raise BoardError(f"{target} trips again by {said(left)}; see to the cause")
