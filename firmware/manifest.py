"""`bitstreams/manifest.toml`: what each committed bitstream or design is, and how it came about."""

import sys
from pathlib import Path
from typing import Any

import tomli_w

from firmware.build import Built
from firmware.zynq.build import ZynqBuilt
from hwctl.files import write_file

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parents[1] / "bitstreams"
MANIFEST = "manifest.toml"
NOTE = "Built with `python -m firmware build BOARD`. No board was at hand: pins come from amaranth-boards."
BITSTREAM, DESIGN = "bitstream", "design"
"""Tables: of what was built here, and of what Vivado builds."""


def read(folder: Path = FOLDER, table: str = BITSTREAM) -> dict[str, Any]:
    """Return the entries of a table by board; none where there is no manifest."""
    return dict(_whole(folder).get(table, {}))


def store(name: str, built: Built, folder: Path = FOLDER) -> Path:
    """Write a bitstream and its entry. Returns the path. Raises RunError where that is impossible."""
    path = folder / f"{name}{built.suffix}"
    write_file(path, built.bitstream)
    _enter(BITSTREAM, name, built.entry, folder)
    return path


def store_design(name: str, built: ZynqBuilt, folder: Path = FOLDER) -> Path:
    """Write what Vivado needs, and its entry. Returns the folder of the files; errors as of `store`."""
    own = folder / name
    own.mkdir(parents=True, exist_ok=True)
    for file, content in built.files.items():
        write_file(own / file, content)
    _enter(DESIGN, name, built.entry, folder)
    return own


def _whole(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    return tomllib.loads(path.read_text()) if path.exists() else {}


def _enter(table: str, name: str, entry: dict[str, Any], folder: Path) -> None:
    tables = _whole(folder)
    tables.setdefault(table, {})[name] = entry
    content = {known: dict(sorted(tables[known].items())) for known in (BITSTREAM, DESIGN) if known in tables}
    write_file(folder / MANIFEST, tomli_w.dumps({"note": NOTE, **content}).encode())
