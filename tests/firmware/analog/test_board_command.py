"""`python -m firmware board FILE`: what a bench engineer reads before powering a board up."""

import json
import re
import sys

import pytest
from typer.testing import CliRunner

from firmware.__main__ import app, main
from firmware.analog.boardfile import BoardFile
from tests.firmware.analog.board_files import PASSIVE, TRANSISTORS, changed

BOTH = pytest.mark.parametrize("path", [TRANSISTORS, PASSIVE], ids=lambda path: path.stem)


def sheet(path, *options):
    done = CliRunner().invoke(app, ["board", str(path), *options])
    assert done.exit_code == 0, done.output
    return done.output


@BOTH
def test_every_line_stands_there_with_its_channels_and_polarity(path):
    board, rows = BoardFile.load(path), sheet(path).splitlines()
    for line in board.lines:
        (row,) = (text.split() for text in rows if text.startswith(f"{line.side} {line.index} "))
        assert {str(channel) for channel in line.channels.values()} <= set(row)
        assert row[3] == ("+" if line.transfer.polarity > 0 else "-")


@BOTH
def test_columns_are_aligned(path):
    head, *rows = (text for text in sheet(path).splitlines() if re.match(r"line |(row|col|gate) \d+ ", text))
    starts = [found.start() for found in re.finditer(r"(?<=  )\S|^\S", head)]
    assert len(starts) == (12 if path == TRANSISTORS else 11)
    for start in starts[1:]:
        assert {row[start - 2 : start] for row in rows} == {"  "}
        assert all(row[start] != " " for row in rows)


def test_levels_limits_and_times_stand_there_in_codes():
    text = sheet(TRANSISTORS)
    assert "SET: the cell's row is driven, its column grounded" in text
    assert "RESET: the cell's column is driven, its row grounded" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["31", "2.5", "1600", "2112", "1", "48", "2", "1280", "1280"] in rows
    assert ["0", "1.75", "1120", "1632", "1", "48", "5", "3200", "3200"] in rows
    assert ["amplitude_V", "2.6", "1664", "3.3"] in rows
    assert ["dac_settle_s", "10", "480"] in rows
    assert ["ground", "closed", "closed"] in rows
    assert "watchdog: 0.5 s (24000000 ticks) of silence" in text


def test_the_bias_of_unselected_lines_stands_beside_each_level_of_a_passive_array():
    set_levels, reset_levels = sheet(PASSIVE).split("unselected lines have steps")[1:]
    assert set_levels.splitlines()[1].split()[-8:-4] == ["V_HALF", "rows", "V_HALF", "columns"]
    for text, third in ((set_levels, ["502", "1004"]), (reset_levels, ["1004", "502"])):
        assert text.splitlines()[2].split()[-4:] == ["753", "753", *third]
    assert "V_HALF rows" not in sheet(TRANSISTORS)


def test_a_board_without_a_limiter_says_that_it_does_not_form():
    assert "FORM is refused: there is no limiter" in sheet(PASSIVE)
    assert "FORM is refused" not in sheet(TRANSISTORS)


@BOTH
def test_json_holds_the_same(path, tmp_path):
    board, out = BoardFile.load(path), tmp_path / "board.json"
    sheet(path, "--json", str(out))
    found = json.loads(out.read_text())
    assert [item["line"] for item in found["lines"]] == [f"{line.side} {line.index}" for line in board.lines]
    assert [item["dac"] for item in found["lines"]] == [str(line.dac) for line in board.lines]
    assert found["assignments"] == {str(channel): key for channel, key in board.assignments.items()}
    assert found["limits"]["amplitude_V"]["code"] == board.codes.max_amplitude
    assert found["forms"] == board.forms
    level, first = found["levels"]["RESET"]["levels"][0], board.cols[0].transfer
    assert level["amplitude"] == pytest.approx(float(first.volts_of(level["dac"][0])), abs=float(first.step) / 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"limits.amplitude_V": 9.0}, "limits.amplitude_V = 9"), ({"dac.0.part": "X"}, "no such part")],
)
def test_a_bad_file_ends_in_one_line_and_code_1(changes, message, tmp_path, monkeypatch, capsys):
    path, out = changed(TRANSISTORS, changes, tmp_path), tmp_path / "board.json"
    monkeypatch.setattr(sys, "argv", ["firmware", "board", str(path), "--json", str(out)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"firmware: {path}: ")
    assert message in said.err
    assert said.err.count("\n") == 1
    assert not out.exists()
