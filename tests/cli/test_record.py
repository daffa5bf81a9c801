import csv
import json

import h5py
import numpy as np
import pytest

TRAIN = ("train", "iris", "--epochs", "1", "--no-report")


def metrics(folder):
    """Return the rows of a run's metrics.csv without the time it took."""
    rows = list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))
    for row in rows:
        del row["host_seconds"]
    return rows


def test_a_recorded_run_is_played_back_and_another_one_is_not(run, tmp_path):
    assert run(*TRAIN, "--record", "x.rec", "--run", "a")[0] == 0
    code, _, err = run(*TRAIN, "--target", "replay:x.rec", "--run", "b")
    assert (code, err) == (0, "")
    assert metrics(tmp_path / "a") == metrics(tmp_path / "b")
    code, _, err = run(*TRAIN, "--target", "replay:x.rec", "--run", "c", "--seed", "1")
    assert code == 1
    assert err.count("\n") == 1
    assert "when it was recorded, now" in err
    code, _, err = run(*TRAIN, "--record", "x.rec", "--run", "d")
    assert (code, err) == (1, "hwctl: x.rec exists; name another file for the recording, or remove it\n")


def test_a_run_on_two_arrays_is_recorded_and_logged_in_one_file_each(run, tmp_path):
    two = [part for seed in (1, 2) for part in ("--target", f"emulator:?rows=11&cols=20&seed={seed}")]
    assert run(*TRAIN, *two, "--record", "x.rec", "--pulse-log", "x.h5", "--run", "a")[0] == 0
    again = ("--target", "replay:x.rec", "--target", "replay:x.rec?link=1")
    assert run(*TRAIN, *again, "--pulse-log", "y.h5", "--run", "b")[0] == 0
    found = metrics(tmp_path / "a")
    assert found == metrics(tmp_path / "b")
    with h5py.File(tmp_path / "x.h5") as first, h5py.File(tmp_path / "y.h5") as second:
        assert set(first["array"][:].tolist()) == {0, 1}
        for name in ("row", "col", "count", "polarity", "amplitude", "width", "command", "array"):
            assert (first[name][:] == second[name][:]).all()
        pulses = np.abs(first["count"][:].astype(int)).sum()
    assert pulses == int(found[0]["pulses_set"]) + int(found[0]["pulses_reset"])


def test_program_is_logged_and_recorded(run, tmp_path):
    (tmp_path / "t.csv").write_text("35,40\n50,60\n")
    arguments = ("program", "t.csv", "--json", "-")
    code, out, _ = run(*arguments, "--record", "x.rec", "--pulse-log", "x.h5")
    assert code == 0
    first = json.loads(out)
    code, out, _ = run(*arguments, "--target", "replay:x.rec", "--pulse-log", "x.h5")
    assert code == 0
    second = json.loads(out)
    assert (first.pop("target"), second.pop("target")) == ("emulator:", "replay:x.rec")
    assert first == second
    with h5py.File(tmp_path / "x.h5") as file:
        assert np.abs(file["count"][:].astype(int)).sum() == 2 * first["pulses"]
        assert len(file.attrs["sessions"]) == 2


@pytest.mark.parametrize("command", [("read", "--rows", "0:4", "--cols", "0:4"), ("info",)])
def test_read_and_info_are_recorded(run, command):
    code, out, _ = run(*command, "--record", "x.rec", "--json", "-")
    assert code == 0
    code, again, _ = run(*command, "--target", "replay:x.rec", "--json", "-")
    assert code == 0
    assert json.loads(again) == {**json.loads(out), "target": "replay:x.rec"}


def test_a_target_that_cannot_be_opened_leaves_no_recording(run, tmp_path):
    assert run("read", "--target", "emulator:?device=nothing", "--record", "x.rec")[0] == 1
    assert not (tmp_path / "x.rec").exists()
