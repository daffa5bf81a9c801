"""Builds the Verilator model of a board once for the same sources, parameters and tools."""

import hashlib
import pickle
from pathlib import Path

from amaranth.back import rtlil

import hwctl.devices
import hwctl.protocol
from firmware import tools
from firmware.board import TOP, Board, build_id
from firmware.parameters import Parameters
from firmware.simulation.top import CORE, SimulationTop
from firmware.simulation.verilated import build_model, toolchain
from hwctl.devices.chip import Chip

HARNESS = Path(__file__).with_name("harness.cpp")
PROGRAM = "board"


def program_of(parameters: Parameters, chip: Chip, *, trace: bool = False) -> Path:
    """Return the program that simulates a board for a chip's device, built where the cache has none.

    The chip's cells and curves are not in it: they are loaded. trace: it can write waveforms. Raises BuildError.
    """
    device = (chip.device, chip.levels, chip.scales, chip.write_code, chip.read_code)
    folder = tools.cache_folder() / f"model-{digest_of(HARNESS, (parameters, device, trace))}"
    if not folder.exists():
        build = build_id(parameters, chip, 0, initial=False)
        board = Board(parameters, chip, 0, build=build, initial=False, core=CORE)
        il = rtlil.convert(SimulationTop(board), name=TOP, emit_src=False)
        defines = {"HWCTL_DIVISOR": parameters.divisor}
        build_model(il, TOP, HARNESS, folder, PROGRAM, defines=defines, trace=trace)
    return folder / PROGRAM


def digest_of(harness: Path, what: object) -> str:
    """Name everything that a model is made of: sources are quicker to hash than Verilog is to make.

    what: beside sources and tools, as its pickle.
    """
    folders = (Path(__file__).parents[1], *(Path(package.__path__[0]) for package in (hwctl.protocol, hwctl.devices)))
    here = Path(__file__).parent
    sources = [path for folder in folders for path in sorted(folder.rglob("*.py")) if path.parent != here]
    sources += sorted(here.glob("*top.py"))  # of what drives a model, not what is in it
    digest = hashlib.sha256(repr(toolchain()).encode() + pickle.dumps(what))
    for path in (*sources, harness, *sorted(harness.parent.glob("*.hpp"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:20]
