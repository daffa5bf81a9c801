import csv
import json
import re
import signal

import numpy as np
import pytest
from runs import progress, state, wait_for

FIELDS = {
    "task", "layers", "device", "optimizer", "schedule", "seed", "epochs", "samples", "train_loss", "train_accuracy",
    "test_accuracy", "pulses_set", "pulses_reset", "pulses_max_cell", "reads", "array_seconds", "link_bytes",
    "host_seconds", "samples_per_second", "target",
}  # fmt: skip
QUICK = ("train", "iris", "--no-report", "--epochs", "3", "--run", "run")


def test_a_run_leaves_a_folder_with_all_that_belongs_to_it(run, tmp_path):
    code, out, err = run(*QUICK, "--report", "--json", "result.json")
    folder = tmp_path / "run"
    assert (code, err) == (0, "")
    assert {path.name for path in folder.iterdir()} == {
        "config.toml", "metrics.csv", "checkpoint.h5", "report.html", "plots", "summary.json", "training.png",
    }  # fmt: skip
    found = json.loads((tmp_path / "result.json").read_text())
    assert set(found) >= FIELDS
    assert json.loads((folder / "summary.json").read_text()) == found
    rows = list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    last = rows[-1]
    for name in ("pulses_set", "pulses_reset", "pulses_max_cell", "reads", "test_accuracy", "train_loss"):
        assert float(last[name]) == pytest.approx(found[name])
    assert (found["samples"], found["epochs"], found["layers"], found["link_bytes"]) == (360, 3, [4, 10, 3], 0)
    assert found["pulses_set"] > 0
    assert "120 train / 30 test rows, stratified split by seed 0" in out
    assert f"test accuracy {100 * found['test_accuracy']:.2f}%" in out


def test_every_copy_of_a_layer_is_in_the_report(run, tmp_path):
    assert run(*QUICK, "--report", "--replicas", "2", "--remap", "--spare", "1")[0] == 0
    tables = {path.name for path in (tmp_path / "run" / "plots").glob("*.csv")}
    for number, name in enumerate(("4-to-10-copy-1", "4-to-10-copy-2", "10-to-3-copy-1", "10-to-3-copy-2"), 1):
        assert any(table.startswith(f"layer{number}-{name}") for table in tables), tables


def test_folders_are_numbered_and_never_overwritten(run, tmp_path):
    arguments = ("train", "iris", "--no-report", "--epochs", "1")
    assert run(*arguments)[0] == 0
    assert run(*arguments)[0] == 0
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"iris-1", "iris-2"}
    code, _, err = run(*arguments, "--run", "runs/iris-1")
    assert code == 1
    assert "holds a run already" in err


def test_the_same_seed_gives_the_same_bits_and_another_one_does_not(run, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert run("train", "iris", "--no-report", "--epochs", "1", "--seed", seed, "--run", name)[0] == 0
    assert state(tmp_path / "a")[0] == state(tmp_path / "b")[0]
    assert state(tmp_path / "a")[0] != state(tmp_path / "c")[0]


def test_train_with_write_verify_learns(run):
    code, out, _ = run("train", "wbc", "--schedule", "verify", "--epochs", "1", "--no-report", "--run", "r",
                       "--json", "-")  # fmt: skip
    assert code == 0
    found = json.loads(out[out.index("{") :])
    assert found["schedule"] == "verify"
    assert found["test_accuracy"] > 0.9


@pytest.mark.parametrize(
    "options", [(), ("--optimizer", "sgd", "--schedule", "outer"), ("--optimizer", "adam", "--schedule", "cell")],
    ids=["defaults", "outer", "adam-cell"],
)  # fmt: skip
def test_a_killed_run_resumes_to_the_bits_of_an_uninterrupted_one(run, spawn, tmp_path, options):
    arguments = ("train", "iris", "--no-report", "--epochs", "12", *options)
    killed = spawn(*arguments, "--run", "killed")
    wait_for(killed, tmp_path / "killed", 2)  # its checkpoint follows: the first epoch's is there
    killed.kill()
    killed.communicate()
    assert 1 <= progress(tmp_path / "killed")["epoch"] < 12
    code, _, err = run("train", "--no-report", "--resume", "killed")
    assert (code, err) == (0, "")
    assert run(*arguments, "--run", "whole")[0] == 0
    assert state(tmp_path / "killed") == state(tmp_path / "whole")


def test_ctrl_c_saves_a_checkpoint_and_exits_with_130_and_resume_goes_on(run, spawn, tmp_path):
    arguments = ("train", "iris", "--no-report", "--epochs", "12")
    process = spawn(*arguments, "--run", "stopped")
    wait_for(process, tmp_path / "stopped", 1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.count("\n") == 1
    samples = int(re.search(r"interrupted after (\d+) samples; checkpoint written, board SAFE", err).group(1))
    assert "hwctl train --resume stopped" in err
    assert progress(tmp_path / "stopped")["samples"] == samples
    assert run("train", "--no-report", "--resume", "stopped")[0] == 0
    assert run(*arguments, "--run", "whole")[0] == 0
    assert state(tmp_path / "stopped") == state(tmp_path / "whole")


def test_a_finished_run_resumes_to_itself(run, tmp_path):
    assert run(*QUICK)[0] == 0
    before = state(tmp_path / "run")
    assert run("train", "--no-report", "--resume", "run")[0] == 0
    assert state(tmp_path / "run") == before


def test_a_board_that_cannot_restore_is_read_back_and_it_is_said(run, tmp_path):
    target = "emulator:?rows=16&cols=20&lacks=restore"
    assert run(*QUICK, "--target", target)[0] == 0
    code, out, _ = run("train", "--no-report", "--resume", "run")
    assert code == 0
    assert "cells were read back" in out


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: (folder / "checkpoint.h5").unlink(), "does not exist"),
        (lambda folder: (folder / "checkpoint.h5").write_bytes(b"nothing"), "no readable checkpoint"),
        (lambda folder: cut(folder / "checkpoint.h5"), "no readable checkpoint"),
        (lambda folder: edit(folder / "config.toml", 'optimizer = "momentum"', 'optimizer = "adam"'), "another run"),
        (lambda folder: edit(folder / "config.toml", "epochs = 3", "epochs = "), "config.toml"),
        (lambda folder: edit(folder / "config.toml", "epochs = 3", "epoch = 3"), "unknown entries epoch"),
        (lambda folder: (folder / "config.toml").unlink(), "holds no run"),
    ],
    ids=["missing", "garbage", "cut", "other optimizer", "no TOML", "unknown entry", "no configuration"],
)
def test_a_damaged_run_is_named_in_one_line_and_left_as_it_is(run, tmp_path, damage, says):
    assert run(*QUICK)[0] == 0
    folder = tmp_path / "run"
    damage(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    code, _, err = run("train", "--no-report", "--resume", "run")
    assert code == 1
    assert says in err
    assert err.count("\n") == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_network_on_several_small_arrays_trains(run, tmp_path):
    targets = [f"emulator:?rows=8&cols=8&seed={n}" for n in range(8)]
    arguments = [part for target in targets for part in ("--target", target)]
    code, _, err = run("train", "iris", "--no-report", "--epochs", "15", *arguments, "--json", "result.json")
    assert (code, err) == (0, "")
    assert json.loads((tmp_path / "result.json").read_text())["test_accuracy"] > 0.8


@pytest.mark.parametrize("device", ["linear", "ecram", "pcm", "hfox-1t1r", "tiox-passive", "neurram"])
def test_every_kind_of_device_trains(run, tmp_path, device):
    code, _, err = run("train", "iris", "--no-report", "--device", device, "--epochs", "20", "--json", "result.json")
    assert (code, err) == (0, "")
    found = json.loads((tmp_path / "result.json").read_text())
    assert found["device"] == device
    assert found["test_accuracy"] > 0.7
    assert np.isfinite(found["train_loss"])


WITHOUT = "import sys; sys.modules['{}'] = None"


@pytest.mark.parametrize(
    ("package", "says"),
    [
        ("h5py", "the checkpoint of a run needs h5py, which is not installed; 'pip install h5py', or run hwctl on"),
        ("matplotlib", "the report needs matplotlib, which is not installed; 'pip install matplotlib', or add --no-"),
    ],
)
def test_a_package_that_is_needed_at_the_end_is_missed_at_the_start(spawn, tmp_path, package, says):
    process = spawn("train", "iris", before=WITHOUT.format(package))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert says in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_without_a_report_no_matplotlib_is_needed(spawn):
    process = spawn("train", "iris", "--no-report", "--epochs", "1", before=WITHOUT.format("matplotlib"))
    assert process.communicate(timeout=120)[1] == ""
    assert process.returncode == 0
