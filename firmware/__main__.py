"""`python -m firmware`: simulate the gateware, build bitstreams, or check the description of an analog board."""

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwctl.errors import HwctlError

if TYPE_CHECKING:
    from firmware.build import Built
    from hwctl.devices.chip import Chip

app = typer.Typer(
    name="firmware", help="Gateware of hwctl: simulate it, build bitstreams.", no_args_is_help=True,
    add_completion=False, pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)  # fmt: skip

RecordOfChip = Annotated[
    Path | None,
    typer.Option("--chip", metavar="FILE.h5", help="Record of 'hwctl calibrate': the board holds its digital twin."),
]


@app.callback()
def options() -> None:
    """Take no options before a command."""


@app.command()
def simulate(
    pty: Annotated[bool, typer.Option("--pty", help="Behind a pseudo-terminal; its path is the first line.")] = False,
    rows: Annotated[int | None, typer.Option(help="Rows of the array; default 64.")] = None,
    cols: Annotated[int | None, typer.Option(help="Columns of the array; default 64.")] = None,
    device: Annotated[
        str | None, typer.Option(help="Device preset, as 'hwctl devices' lists them; default reram-es.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of chip and noise, as in 'emulator:?seed=N'.")] = 0,
    unformed: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Share of cells that need forming; default 0.")
    ] = None,
    chip: RecordOfChip = None,
    lanes: Annotated[int, typer.Option(help="Cells a clock; a power of two that divides the columns.")] = 1,
    compact: Annotated[bool, typer.Option(help="Engine and array as programs, as on small FPGAs.")] = False,
    board: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Board file: models of its parts, and a physical array.")
    ] = None,
    wires: Annotated[float, typer.Option(min=0.0, help="Ohm of wire from cell to cell; with --board.")] = 0.0,
    vcd: Annotated[Path | None, typer.Option(metavar="FILE", help="Write waveforms.")] = None,
) -> None:
    """Run the real gateware, Verilated, until its standard input ends or it is interrupted.

    The first call for a size builds the model (a minute); later ones take it from the cache.
    """
    from firmware.errors import BuildError  # noqa: PLC0415  not needed for --help
    from firmware.simulation.board import simulated, simulated_chip  # noqa: PLC0415
    from hwctl.devices.chipfile import load_chip  # noqa: PLC0415

    if not pty:
        raise BuildError("say where to put it: --pty")
    if board is not None:
        if (rows, cols, device, chip, lanes, compact) != (None, None, None, None, 1, False):
            raise BuildError("a board file says what the array is; give --seed, --unformed, --wires and --vcd alone")
        _simulate_analog(board, seed, unformed or 0.0, wires, vcd)
        return
    if wires:
        raise BuildError("an emulated array has no wires; give --board FILE.toml as well")
    if chip is None:
        size = 64 if rows is None else rows, 64 if cols is None else cols
        name, raw = device or "reram-es", unformed or 0.0
        started = simulated(name, *size, seed, raw, lanes=lanes, compact=compact, vcd=vcd)
    elif (rows, cols, device, unformed) != (None,) * 4:
        raise BuildError("a record says what the chip is; leave --rows, --cols, --device and --unformed out")
    else:
        started = simulated_chip(load_chip(chip), seed, lanes=lanes, compact=compact, vcd=vcd)
    with started as simulation:
        typer.echo(simulation.path)
        _end_by_signal()
        while sys.stdin.buffer.read(1):
            pass


def _end_by_signal() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))


def _simulate_analog(file: Path, seed: int, unformed: float, wires: float, vcd: Path | None) -> None:
    from firmware.analog.boardfile import BoardFile  # noqa: PLC0415  not needed for --help
    from firmware.simulation.analogboard import AnalogSimulation  # noqa: PLC0415
    from firmware.simulation.analogpty import AnalogPty  # noqa: PLC0415

    simulation = AnalogSimulation(BoardFile.load(file), seed, unformed=unformed, segment_ohm=wires, vcd=vcd)
    served = AnalogPty(simulation)
    try:
        typer.echo(served.path)
        _end_by_signal()
        served.serve()
    finally:
        served.close()
        simulation.close()


@app.command()
def load(
    target: Annotated[str, typer.Argument(help="Board with an emulated array: /dev/ttyUSB0?baud=1000000")],
    device: Annotated[str, typer.Option(help="Device preset; the board must have its drive levels.")] = "reram-es",
    seed: Annotated[int, typer.Option(min=0, help="Seed of chip and noise, as in 'emulator:?seed=N'.")] = 0,
    unformed: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of cells that need forming.")] = 0.0,
) -> None:
    """Put an emulated chip into a board: the one of 'emulator:' with the same options.

    Boards whose cells are in single-port RAM, such as the iCEBreaker, have none from power-up until this is done.
    """
    from hwctl.crossbar.emulated import load_chip  # noqa: PLC0415  not needed for --help
    from hwctl.crossbar.port import Port  # noqa: PLC0415
    from hwctl.devices import presets  # noqa: PLC0415
    from hwctl.devices.chip import fabricate, noise_key  # noqa: PLC0415
    from hwctl.links import open_link  # noqa: PLC0415

    link = open_link(target)
    try:
        port = Port(link)
        rows, cols = port.identity.rows, port.identity.cols
        load_chip(port, fabricate(presets.get(device), rows, cols, seed, unformed), noise_key(seed))
    finally:
        link.close()
    typer.echo(f"{target}: {device}, {rows} x {cols} cells, seed {seed}")


@app.command()
def boards() -> None:
    """List the boards that can be built for; those with a star have settings of their own."""
    from firmware.platforms import BUILDS, platforms  # noqa: PLC0415
    from firmware.zynq.design import DESIGNS  # noqa: PLC0415

    for name in platforms():
        typer.echo(f"{name} *" if name in BUILDS else name)
    for name in DESIGNS:
        typer.echo(f"{name} (Vivado makes its bitstream)")


@app.command()
def build(
    board: Annotated[str | None, typer.Argument(help="Board, as 'python -m firmware boards' lists them.")] = None,
    board_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE.toml", help="Build for a physical array: the file names FPGA board and pins."),
    ] = None,
    rows: Annotated[int | None, typer.Option(help="Rows of the array, instead of the board's default.")] = None,
    cols: Annotated[int | None, typer.Option(help="Columns of the array.")] = None,
    lanes: Annotated[int | None, typer.Option(help="Cells a clock.")] = None,
    chip: RecordOfChip = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where bitstream and manifest go; default bitstreams/.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Compare with the committed one, write nothing.")] = False,
) -> None:
    """Build a bitstream with the tools from PyPI. The same sources and tools give the same bytes.

    For a Zynq, write what Vivado builds its bitstream of: Verilog, Tcl and the HWH.
    For a physical array, give its board file in the place of BOARD: build --board-file FILE.toml --out FOLDER.
    """
    from firmware import manifest  # noqa: PLC0415
    from firmware.build import build as run  # noqa: PLC0415
    from firmware.errors import BuildError  # noqa: PLC0415
    from firmware.platforms import build_of  # noqa: PLC0415
    from firmware.zynq.design import DESIGNS  # noqa: PLC0415

    if board_file is not None:
        if (board, rows, cols, lanes, chip, check) != (None, None, None, None, None, False):
            raise BuildError("a board file says what is built, and for which board; give --out FOLDER alone")
        _build_board_file(board_file, out)
        return
    if board is None:
        raise BuildError("say what to build: a board of 'python -m firmware boards', or --board-file FILE")
    changes = {name: value for name, value in (("rows", rows), ("cols", cols), ("lanes", lanes)) if value is not None}
    twin = None if chip is None else _twin(chip, changes, out)
    if board in DESIGNS:
        _build_zynq(board, changes, out or manifest.FOLDER, check, twin)
        return
    built = run(board, build_of(board, changes), twin)
    if check:
        _compare(board, manifest.read().get(board, {}).get("sha256"), built.entry["sha256"])
        return
    _keep(board, built, out or manifest.FOLDER)


def _build_board_file(file: Path, out: Path | None) -> None:
    from firmware.analog.bitstream import build_board_file  # noqa: PLC0415
    from firmware.errors import BuildError  # noqa: PLC0415

    if out is None:
        raise BuildError("bitstreams/ holds boards with an emulated array; give --out FOLDER")
    _keep(file.stem, build_board_file(file), out)


def _keep(name: str, built: "Built", folder: Path) -> None:
    from firmware import manifest  # noqa: PLC0415

    path, entry = manifest.store(name, built, folder), built.entry
    typer.echo(
        f"{path}: {entry['rows']} x {entry['cols']}, {entry['fmax_hz'] / 1e6:.1f} MHz reached for "
        f"{entry['clock_hz'] / 1e6:g} MHz, {entry['resources']}"
    )


def _twin(file: Path, changes: dict[str, int], out: Path | None) -> "Chip":
    """Return the chip of a record, and take its geometry over. Raises BuildError where another one is asked for."""
    from firmware.errors import BuildError  # noqa: PLC0415
    from hwctl.devices.chipfile import load_chip  # noqa: PLC0415

    if {"rows", "cols"} & set(changes):
        raise BuildError("a record says how many cells the chip has; leave --rows and --cols out")
    if out is None:
        raise BuildError("bitstreams/ holds boards without a chip of yours; give --out FOLDER")
    chip = load_chip(file)
    changes |= {"rows": chip.rows, "cols": chip.cols}
    return chip


def _build_zynq(board: str, changes: dict[str, int], folder: Path, check: bool, twin: "Chip | None") -> None:
    from firmware import manifest  # noqa: PLC0415
    from firmware.zynq.build import build_zynq  # noqa: PLC0415
    from firmware.zynq.design import design_of  # noqa: PLC0415

    built = build_zynq(board, design_of(board, changes), twin)
    if check:
        _compare(board, manifest.read(table=manifest.DESIGN).get(board, {}).get("sha256"), built.entry["sha256"])
        return
    path = manifest.store_design(board, built, folder)
    entry = built.entry
    typer.echo(f"{path}: {entry['rows']} x {entry['cols']}, {entry['estimate']}; {entry['note']}")


def _compare(board: str, known: object, found: object) -> None:
    from firmware.errors import BuildError  # noqa: PLC0415

    if known != found:
        raise BuildError(f"{board}: {found} was built, the manifest has {known}; build it anew")
    typer.echo(f"{board}: {known}, as committed")


@app.command("board")
def board_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Board file, such as firmware/boards/NAME.toml.")],
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write it for machines.")] = None,
) -> None:
    """Check the description of an analog board, and print what to look at before powering it up.

    Each line with its channels, switches and polarity, limits and drive levels in codes, times, what holds at power-up.
    """
    from firmware.analog.boardfile import BoardFile  # noqa: PLC0415  not needed for --help
    from firmware.analog.document import document  # noqa: PLC0415
    from firmware.analog.sheet import text  # noqa: PLC0415
    from hwctl.files import write_file  # noqa: PLC0415

    found = BoardFile.load(file)
    if json_file is not None:
        write_file(json_file, (json.dumps(document(found), indent=2) + "\n").encode())
    typer.echo(text(found), nl=False)


@app.command()
def registers() -> None:
    """Print docs/registers.md: the register map of a board on a bus."""
    from firmware.mailbox.document import page  # noqa: PLC0415
    from hwctl.protocol.sizes import REFUSED_BYTES  # noqa: PLC0415

    typer.echo(page(REFUSED_BYTES), nl=False)


def main() -> None:
    """Run a command; an error that the user can cause is one line and exit code 1."""
    try:
        app()
    except HwctlError as error:
        typer.echo(f"firmware: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
