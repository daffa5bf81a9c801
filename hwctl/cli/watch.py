"""Options with which a command records its links or logs its pulses."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hwctl.links.watched import Wrap

Record = Annotated[
    Path | None,
    typer.Option("--record", metavar="FILE", help="Record commands and replies; --target replay:FILE plays them back."),
]
LogPulses = Annotated[
    Path | None, typer.Option("--pulse-log", metavar="FILE", help="Append every executed pulse to an HDF5 file.")
]


@contextmanager
def watching(record: Path | None, pulse_log: Path | None = None) -> Iterator[list["Wrap"]]:
    """Open what is asked for, give what to wrap each link in, and close it. Raises RunError."""
    with ExitStack() as opened:
        wraps: list[Wrap] = []
        if record is not None:
            from hwctl.links.recording import Recording  # noqa: PLC0415  numpy is not needed for --help

            wraps.append(opened.enter_context(Recording(record)).wrap)
        if pulse_log is not None:
            from hwctl.crossbar.pulselog import PulseLog  # noqa: PLC0415

            wraps.append(opened.enter_context(PulseLog(pulse_log)).wrap)
        yield wraps
