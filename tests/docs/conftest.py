"""The example of docs/your-board.md beside a scripted pyarc2: no instrument was at hand."""

import importlib
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACKAGE = Path(__file__).parents[2] / "docs" / "examples" / "hwctl-arc2"
SCRIPTED = Path(__file__).parent / "scripted"


@pytest.fixture
def paths(tmp_path):
    """Where the example's package, with the metadata that its pyproject.toml asks for, and the scripted pyarc2 are."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    info = tmp_path / "site" / "hwctl_arc2-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = "".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in named.items())
        for group, named in project["entry-points"].items()
    )
    (info / "entry_points.txt").write_text(points)
    (tmp_path / "efm03.bin").write_bytes(b"firmware")
    return [str(path) for path in (tmp_path / "site", PACKAGE, SCRIPTED)]


@pytest.fixture
def chip(paths, tmp_path, monkeypatch):
    """Install the example beside a scripted instrument and return the chip in that, with no call made yet."""
    for name in ("hwctl_arc2", "pyarc2"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for path in paths:
        monkeypatch.syspath_prepend(path)
    monkeypatch.chdir(tmp_path)
    yield importlib.import_module("pyarc2").chip
    for name in ("hwctl_arc2", "pyarc2"):
        sys.modules.pop(name, None)
