"""The commands together, and how errors reach the user: one line and an exit code."""

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Annotated, Any

import typer

from hwctl import __version__
from hwctl.cli import (
    calibrate,
    compare,
    devices,
    fit_device,
    form,
    info,
    limits,
    load,
    program,
    read,
    safe,
    serve,
    sweep,
    tasks,
    train,
)
from hwctl.cli.output import fail
from hwctl.errors import HwctlError, Interrupted

EXIT_ERROR = 1
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="hwctl",
    help="Train neural networks on memristor crossbar arrays with the hardware in the loop.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hwctl {__version__}")
        raise typer.Exit


@app.callback()
def options(
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def _interruptible(command: Callable[..., None]) -> Callable[..., None]:
    """Give Ctrl-C our exit code; typer would say 1."""

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except KeyboardInterrupt:
            raise Interrupted("interrupted") from None

    return run


for command in (
    train.train,
    sweep.sweep,
    read.read,
    form.form,
    program.program,
    info.info,
    limits.limits,
    safe.safe,
    devices.devices,
    fit_device.fit_device,
    tasks.tasks,
    serve.serve,
    load.load,
):
    app.command(command.__name__.replace("_", "-"))(_interruptible(command))

calibration = typer.Typer(invoke_without_command=True, no_args_is_help=True)
calibration.callback()(_interruptible(calibrate.calibrate))
calibration.command()(_interruptible(calibrate.show))
calibration.command()(_interruptible(compare.compare))
app.add_typer(calibration, name="calibrate")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 a named error, 2 usage, 130 interrupted."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    debug = "--debug" in given
    # --debug may stand before or behind the command.
    given = [*(["--debug"] if debug else []), *(argument for argument in given if argument != "--debug")]
    try:
        app(given)  # exits by itself, with 2 on wrong usage
    except Interrupted as error:
        fail(str(error))
        sys.exit(EXIT_INTERRUPTED)
    except HwctlError as error:
        if debug:
            raise
        fail(str(error))
        sys.exit(EXIT_ERROR)
    except BrokenPipeError:
        # The reader of our output left, as `head` does.
        sys.stderr.close()
        sys.exit(EXIT_ERROR)
