"""Finished runs stay, whatever cuts a sweep off; files of something else are named and left alone."""

import json

import pytest

from hwctl.errors import SweepError
from hwctl.sweeps.results import Results


def test_runs_come_back(tmp_path):
    path = tmp_path / "r.jsonl"
    Results(path).add("a", {"rate": 0.1}, {"test_accuracy": 0.5, "curves": {"train_loss": [1.0]}})
    Results(path).add("b", {}, {"test_accuracy": float("nan")})
    found = Results(path).runs
    assert set(found) == {"a", "b"}
    assert found["a"]["labels"] == {"rate": 0.1}
    assert found["a"]["curves"] == {"train_loss": [1.0]}


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_a_line_that_was_cut_off_does_not_count_and_the_next_one_is_whole(tmp_path, cut):
    path = tmp_path / "r.jsonl"
    results = Results(path)
    results.add("a", {}, {"x": 1})
    whole = path.read_bytes()
    results.add("b", {}, {"x": 2, "long": "y" * 50})
    path.write_bytes(path.read_bytes()[:-cut])
    again = Results(path)
    assert set(again.runs) == {"a"}
    assert path.read_bytes() == whole
    again.add("c", {}, {"x": 3})
    assert set(Results(path).runs) == {"a", "c"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"kind": "else"}\n', "no results file of a sweep"),
        ("[1]\n", "line 1 is damaged"),
        ("abc\n", "line 1 is damaged"),
        ('{"kind": "hwctl sweep", "format": 9, "hwctl": "0.0.1"}\n', "format 9 of hwctl 0.0.1"),
    ],
)
def test_a_file_of_something_else_is_named_and_left_alone(tmp_path, text, said):
    path = tmp_path / "r.jsonl"
    path.write_text(text)
    with pytest.raises(SweepError, match=said):
        Results(path)
    assert path.read_text() == text


def test_a_damaged_line_is_named(tmp_path):
    path = tmp_path / "r.jsonl"
    Results(path).add("a", {}, {})
    with path.open("a") as file:
        file.write(json.dumps({"x": 1}) + "\n")
    with pytest.raises(SweepError, match="line 3 is no run"):
        Results(path)


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(SweepError, match="cannot be written"):
        Results(tmp_path / "none" / "r.jsonl")
