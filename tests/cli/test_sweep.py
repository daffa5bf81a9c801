"""`hwctl sweep`: a table of what was varied, and a second call that has nothing left to do."""

import json

import pytest

from hwctl.cli import main

SWEEP = '[run]\ntask = "iris"\nepochs = 1\n[vary]\ndevice = ["linear", "ecram"]\n'


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    captured = capsys.readouterr()
    return end.value.code, captured.out, captured.err


def test_a_sweep_is_run_and_not_run_again(capsys, tmp_path):
    file = tmp_path / "sweep.toml"
    file.write_text(SWEEP + "")
    code, said, _ = run(capsys, "sweep", str(file), "--dry-run")
    assert (code, said) == (0, "2 runs\n")
    code, said, _ = run(capsys, "sweep", str(file), "--workers", "1")
    assert code == 0
    assert "2 runs, 2 of them to do" in said
    assert "ecram" in said
    code, said, _ = run(capsys, "sweep", str(file), "--json", str(tmp_path / "j"))
    assert "0 of them to do" in said
    table = json.loads((tmp_path / "j").read_text())["table"]
    assert [row["device"] for row in table] == ["linear", "ecram"]
    assert all(0 < row["test_accuracy"] <= 1 for row in table)


def test_a_sweep_file_that_is_wrong_is_one_line(capsys, tmp_path):
    file = tmp_path / "sweep.toml"
    file.write_text("[run]\ntasks = 3\n")
    code, _, said = run(capsys, "sweep", str(file))
    assert code == 1
    assert said.count("\n") == 1
    assert "unknown entry of run 'tasks'" in said
