"""`hwctl load`: the digital twin of a chip into a board that emulates one."""

from pathlib import Path
from typing import Annotated

import typer


def load(
    file: Annotated[Path, typer.Argument(metavar="FILE.h5", help="Record of 'hwctl calibrate'.")],
    target: Annotated[
        str,
        typer.Option("--target", "-t", metavar="URL", help="Board, for example '/dev/ttyUSB0?baud=3000000'."),
    ],
    seed: Annotated[int, typer.Option(min=0, help="Of the noise, as in 'emulator:FILE.h5?seed=N'.")] = 0,
) -> None:
    """Put the digital twin of a calibrated chip into a board that emulates its array, as an FPGA with hwctl's gateware.

    The board must have the chip's geometry, drive levels and scales. Its noise parameters and its name stay its own.
    """
    from hwctl.crossbar.emulated import load_chip  # noqa: PLC0415  not needed for --help
    from hwctl.crossbar.port import Port  # noqa: PLC0415
    from hwctl.devices import chipfile  # noqa: PLC0415
    from hwctl.devices.chip import noise_key  # noqa: PLC0415
    from hwctl.links import open_link  # noqa: PLC0415

    chip = chipfile.load_chip(file)
    link = open_link(target)
    try:
        port = Port(link)
        load_chip(port, chip, noise_key(seed))
        named = port.identity.device
    finally:
        link.close()
    own = "" if named == chip.device.reference else f"; read and write noise stay those of the board's {named}"
    typer.echo(
        f"{target}: the twin of {file}, {chip.rows} x {chip.cols} cells, seed {seed}{own}; "
        f"its step curves: --device {file}"
    )
