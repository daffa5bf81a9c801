"""`train --chip`: a run with the record of its array, to the bit where it is resumed, and on no other record."""

import json
import shutil

import h5py
import numpy as np
import pytest
from runs import progress, state, wait_for

from hwctl.cli import main
from hwctl.devices.knownchip import load_known
from hwctl.training.config import TrainConfig

BOARD = "emulator:?device=neurram&rows=16&cols=20&seed=3&stuck=0.15"
TRAIN = ("train", "iris", "--no-report", "--target", BOARD, "--chip", "chip.h5")


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Return the record of BOARD's chip."""
    path = tmp_path_factory.mktemp("records") / "chip.h5"
    with pytest.raises(SystemExit) as end:
        main(["calibrate", "--target", BOARD, "--budget", "60", "--seed", "1", "-o", str(path)])
    assert not end.value.code
    return path


@pytest.fixture
def chip(record, tmp_path):
    """Put the record where a run starts."""
    return shutil.copy(record, tmp_path / "chip.h5")


def test_a_run_with_a_record_learns_and_gives_stuck_cells_no_pulse(run, chip, tmp_path):
    code, out, err = run(*TRAIN, "--run", "run", "--pulse-log", "log.h5", "--json", "result.json")
    assert (code, err) == (0, "")
    known = load_known(chip)
    used = np.zeros((16, 20), bool)
    used[:5], used[5:, :6] = True, True  # 4-10-3, with bias rows and paired columns
    stuck = int((known.stuck & used).sum())
    assert stuck > 10
    assert f"{stuck} of {int(used.sum())} cells stuck" in out
    found = json.loads((tmp_path / "result.json").read_text())
    assert found["test_accuracy"] > 0.85
    assert found["stuck_cells"] >= stuck
    config = TrainConfig.from_toml((tmp_path / "run" / "config.toml").read_text(), tmp_path)
    assert config.chip == config.device == f"{chip}@{known.device.digest}"
    with h5py.File(tmp_path / "log.h5") as log:
        pulsed = np.zeros((16, 20), bool)
        pulsed[log["row"][()], log["col"][()]] = True
    assert not pulsed[known.stuck].any()
    assert pulsed[used & ~known.stuck].mean() > 0.9


@pytest.mark.parametrize("schedule", ["accumulate", pytest.param("verify", marks=pytest.mark.slow)])
def test_a_killed_run_resumes_to_the_bits_of_an_uninterrupted_one(run, spawn, chip, tmp_path, schedule):
    arguments = (*TRAIN, "--epochs", "8", "--schedule", schedule)
    killed = spawn(*arguments, "--run", "killed")
    wait_for(killed, tmp_path / "killed", 2)
    killed.kill()
    killed.communicate()
    assert 1 <= progress(tmp_path / "killed")["epoch"] < 8
    code, _, err = run("train", "--no-report", "--resume", "killed")
    assert (code, err) == (0, "")
    assert run(*arguments, "--run", "whole")[0] == 0
    assert state(tmp_path / "killed") == state(tmp_path / "whole")


def test_a_record_that_has_changed_since_is_refused_and_the_run_left_as_it_is(run, chip, tmp_path):
    assert run(*TRAIN, "--epochs", "1", "--run", "run")[0] == 0
    before = state(tmp_path / "run")
    with chip.open("ab") as file:
        file.write(b"\0")
    code, _, err = run("train", "--no-report", "--resume", "run")
    assert (code, err.count("\n")) == (1, 1)
    assert "chip.h5 has changed: its digest is" in err
    assert state(tmp_path / "run") == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--target", BOARD.replace("neurram", "ecram")), "is the record of a chip of neurram"),
        (("--target", BOARD.replace("rows=16", "rows=18")), "of a board of 16 x 20 cells, this one has 18 x 20"),
        (("--target", BOARD, "--target", BOARD), "--chip is the record of one array, the run is on 2"),
        (("--target", BOARD, "--device", "neurram"), "--chip says what its cells are; leave --device out"),
        (("--target", BOARD, "--chip", "none.h5"), "none.h5 does not exist"),
        (("--target", BOARD, "--chip", "log.toml"), "log.toml"),
    ],
    ids=["device", "board", "targets", "contradiction", "missing", "no-record"],
)
def test_a_record_that_cannot_be_the_arrays_is_refused_in_one_line(run, chip, tmp_path, options, says):
    (tmp_path / "log.toml").write_text("a = 1\n")
    more = options if "--chip" in options else (*options, "--chip", "chip.h5")
    code, _, err = run("train", "iris", "--no-report", "--run", "run", *more)
    assert (code, err.count("\n")) == (1, 1)
    assert says in err
    assert not (tmp_path / "run").exists()
