"""The committed bitstreams are those that the manifest describes, and those of these sources."""

import hashlib

import pytest

from firmware import manifest
from firmware.board import build_id
from firmware.build import contents_of
from firmware.platforms import build_of

ENTRIES = manifest.read()


def test_the_icebreaker_is_there():
    assert ENTRIES["icebreaker"]["rows"] * ENTRIES["icebreaker"]["cols"] >= 512


@pytest.mark.parametrize("board", ENTRIES)
def test_a_bitstream_is_the_one_of_the_manifest(board):
    entry = ENTRIES[board]
    content = (manifest.FOLDER / entry["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == entry["sha256"]
    assert entry["fmax_hz"] >= entry["clock_hz"]


@pytest.mark.slow
@pytest.mark.parametrize("board", ENTRIES)
def test_a_bitstream_is_built_of_these_sources(board):
    entry, parameters = ENTRIES[board], build_of(board, {}).parameters
    assert (entry["rows"], entry["cols"], entry["lanes"]) == (parameters.rows, parameters.cols, parameters.lanes)
    chip, key, initial = contents_of(parameters)
    found = build_id(parameters, chip, key, initial=initial)
    assert entry["build"] == found, f"build it anew: python -m firmware build {board}"
