"""Board files that benchmarks run on: the 1T1R example, and copies of board files with something changed."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tomli_w

import firmware

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EXAMPLE = Path(firmware.__file__).parent / "boards" / "example-1t1r-16x16.toml"


def changed(source: Path, path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Write a copy of a board file to a path, and return that. change: changes the tables that were read."""
    found = tomllib.loads(source.read_text())
    change(found)
    path.write_text(tomli_w.dumps(found))
    return path


def without_readback(source: Path, path: Path) -> Path:
    """Write a copy of a board file whose DACs are not read back."""

    def change(found: dict[str, Any]) -> None:
        for dac in found["dac"]:
            dac["readback"] = False
        found.get("fpga", {}).get("pins", {}).pop("dac_sdo", None)

    return changed(source, path, change)
