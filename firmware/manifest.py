"""`bitstreams/manifest.toml`: what each committed bitstream is, and how it came about."""

import sys
from pathlib import Path
from typing import Any

import tomli_w

from firmware.build import Built
from hwctl.files import write_file

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parents[1] / "bitstreams"
MANIFEST = "manifest.toml"
NOTE = "Built with `python -m firmware build BOARD`. No board was at hand: pins come from amaranth-boards."


def read(folder: Path = FOLDER) -> dict[str, Any]:
    """Return the manifest's entries by board; none where there is no manifest."""
    path = folder / MANIFEST
    if not path.exists():
        return {}
    return dict(tomllib.loads(path.read_text()).get("bitstream", {}))


def store(name: str, built: Built, folder: Path = FOLDER) -> Path:
    """Write a bitstream and its entry. Returns the path. Raises RunError where that is impossible."""
    path = folder / f"{name}{built.suffix}"
    write_file(path, built.bitstream)
    entries = {**read(folder), name: built.entry}
    content = tomli_w.dumps({"note": NOTE, "bitstream": dict(sorted(entries.items()))})
    write_file(folder / MANIFEST, content.encode())
    return path
