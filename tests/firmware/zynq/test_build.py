"""What Vivado is given: the committed files are those of the manifest and of these sources."""

import hashlib

import pytest

from firmware import manifest
from firmware.errors import BuildError
from firmware.zynq.build import core_name, estimate
from firmware.zynq.design import DESIGNS, design_of
from firmware.zynq.hwh import hwh
from firmware.zynq.tcl import tcl

ENTRIES = manifest.read(table=manifest.DESIGN)


def test_the_pynq_z2_is_there():
    assert "pynq-z2" in ENTRIES


@pytest.mark.parametrize("board", ENTRIES)
def test_the_files_are_those_of_the_manifest(board):
    folder, entry = manifest.FOLDER / board, ENTRIES[board]
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    assert found == entry["sha256"]
    assert entry["note"].startswith("not built here")
    assert not list(manifest.FOLDER.rglob(f"{board}/*.bit"))


@pytest.mark.slow
@pytest.mark.parametrize("board", ENTRIES)
def test_the_files_are_those_of_these_sources(board):
    folder, entry, design = manifest.FOLDER / board, ENTRIES[board], DESIGNS[board]
    assert (folder / "crossbar.hwh").read_text() == hwh(design)
    assert (folder / "crossbar.tcl").read_text() == tcl(board, design)
    assert entry["build"] == core_name(design), f"write it anew: python -m firmware build {board}"


def test_memories_in_luts_count_as_luts():
    cells = {"LUT2": 3, "LUT6": 5, "SRL16E": 1, "RAM64M": 2, "FDRE": 7, "RAMB36E1": 4, "RAMB18E1": 3, "CARRY4": 9}
    assert estimate(cells) == {"LUT": "17 / 53200", "FF": "7 / 106400", "RAMB36": "6 / 140", "DSP48": "0 / 220"}


def test_a_design_that_cannot_be_is_refused():
    with pytest.raises(BuildError, match="pynq-z2: 3 lanes for 64 columns"):
        design_of("pynq-z2", {"lanes": 3})
