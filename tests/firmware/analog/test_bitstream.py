"""`python -m firmware build --board-file FILE`, up to the tools: they take minutes, and are run by hand."""

import hashlib
import sys

import pytest

from firmware import manifest
from firmware.__main__ import main
from firmware.analog import bitstream
from firmware.analog.board import build_id, parameters_of
from firmware.analog.boardfile import BoardFile
from firmware.build import Built
from firmware.platforms import BUILDS
from tests.firmware.analog.board_files import TRANSISTORS, changed, smaller

SMALL = smaller(2, 2)


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["firmware", "build", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_file_and_manifest_go_to_the_folder(tmp_path, monkeypatch, capsys):
    asked = {}

    def made(name, platform, top, parameters, said, *, placing, way_out):
        assert "fpga.seed" in way_out
        asked.update(placing=placing, parameters=parameters, device=platform.device, top=top)
        return Built(b"bits", ".bit", {**said, "rows": 2, "cols": 2, "fmax_hz": 5e7, "clock_hz": 48e6, "resources": {}})

    monkeypatch.setattr(bitstream, "made", made)
    monkeypatch.setattr(bitstream, "AnalogBoard", lambda board, parameters, build: build)
    monkeypatch.setattr(bitstream, "AnalogTop", lambda board, pll: (board, pll))
    path, out = changed(TRANSISTORS, SMALL | {"fpga.seed": 7}, tmp_path), tmp_path / "out"
    assert run(monkeypatch, "--board-file", path, "--out", out) == 0
    board = BoardFile.load(path)
    name = build_id(board, parameters_of(board, 16))
    assert asked == {
        "parameters": parameters_of(board, 16), "device": "LFE5U-85F", "top": (name, BUILDS["ulx3s-85f"].pll),
        "placing": f"{bitstream.PLACING} --seed 7",
    }  # fmt: skip
    assert (out / "board.bit").read_bytes() == b"bits"
    entry = manifest.read(out)["board"]
    assert (entry["build"], entry["seed"]) == (name, 7)
    assert (entry["board"], entry["board_file"]) == ("ulx3s-85f", "board.toml")
    assert entry["board_file_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert "50.0 MHz reached for 48 MHz" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say what to build"),
        (["--board-file", TRANSISTORS], "give --out FOLDER"),
        (["ulx3s-85f", "--board-file", TRANSISTORS, "--out", "x"], "a board file says what is built"),
        (["--board-file", TRANSISTORS, "--rows", "4", "--out", "x"], "a board file says what is built"),
        (["--board-file", TRANSISTORS, "--check"], "a board file says what is built"),
        (["--board-file", "none.toml", "--out", "x"], "none.toml cannot be read"),
    ],
)
def test_what_does_not_go_together_ends_in_one_line(arguments, message, monkeypatch, capsys):
    assert run(monkeypatch, *arguments) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_wrong_pin_ends_before_anything_is_built(tmp_path, monkeypatch, capsys):
    path = changed(TRANSISTORS, {**SMALL, "fpga.pins.ds.0": "99+"}, tmp_path)
    assert run(monkeypatch, "--board-file", path, "--out", tmp_path / "out") == 1
    assert f"{path}: fpga.pins.ds[0] = 'gpio:0:99+', but gpio:0 has 0+, " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
