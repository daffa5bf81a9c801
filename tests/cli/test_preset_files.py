"""A preset file does what a preset does: in commands, in runs, and on boards behind a line."""

import json

import pytest

from hwctl.devices import presets
from hwctl.devices.presetfile import load_device, save_device
from hwctl.devices.tabulated import tabulate

RUN = ("train", "iris", "--epochs", "2", "--no-report", "--run", "run")


@pytest.fixture
def mine(tmp_path):
    """A preset file in a folder whose name needs quoting in a URL."""
    path = tmp_path / "a+b & c" / "mine.toml"
    save_device(tabulate(presets.get("ecram"), "mine"), path)
    return path


def test_devices_shows_and_plots_a_file(run, mine, tmp_path):
    code, _, _ = run("devices", mine, "ecram", "--plot", "x.png", "--json", "x.json")
    assert code == 0
    found = json.loads((tmp_path / "x.json").read_text())["devices"]
    assert [item["name"] for item in found] == ["mine", "ecram"]
    assert found[0]["symmetry_point_siemens"] == pytest.approx(found[1]["symmetry_point_siemens"], rel=1e-3)
    assert (tmp_path / "x-mine-train.csv").is_file()
    assert "cells all alike" in run("devices", mine)[1]


def test_a_run_on_a_file_is_resumed_until_the_file_changes(run, mine, tmp_path):
    code, out, err = run(*RUN, "--device", mine)
    assert (code, err) == (0, "")
    digest = load_device(mine).digest
    assert f"iris 4-10-3 on mine@{digest}" in out
    assert f"@{digest}" in (tmp_path / "run" / "config.toml").read_text()
    config = tmp_path / "run" / "config.toml"
    assert run("train", "--resume", "run", "--no-report")[0] == 0
    before = config.read_bytes()
    mine.write_text(mine.read_text().replace("start = 0.5", "start = 0.6"))
    code, _, err = run("train", "--resume", "run", "--no-report")
    assert code == 1
    assert "has changed: its digest is" in err
    assert err.count("\n") == 1
    assert config.read_bytes() == before
    assert run(*RUN[:-1], "other", "--device", mine)[0] == 0


def test_program_takes_step_curves_from_the_file_of_the_target(run, mine, tmp_path):
    (tmp_path / "t.csv").write_text("40,60\n")
    (tmp_path / "mine.toml").write_text(mine.read_text())
    code, _, err = run(
        "program", "t.csv", "--rounds", "3", "--target", "emulator:?device=mine.toml", "--json", "x.json"
    )
    assert (code, err) == (0, "")
    assert json.loads((tmp_path / "x.json").read_text())["error_median_microsiemens"] < 0.5


def test_of_a_served_board_the_file_is_named_with_device(run, mine, served, tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text("40,60\n")
    (tmp_path / "mine.toml").write_text(mine.read_text())
    monkeypatch.chdir(tmp_path)
    url, _ = served("emulator:?device=mine.toml&rows=16&cols=20", "--pty")
    code, _, err = run("program", "t.csv", "--target", url)
    assert code == 1
    assert f"no device 'mine@{load_device(mine).digest}'" in err
    assert "with --device" in err
    assert err.count("\n") == 1
    code, _, err = run("program", "t.csv", "--target", url, "--device", mine)
    assert (code, err) == (0, "")
    code, _, err = run(*RUN, "--target", url, "--device", mine)
    assert (code, err) == (0, "")
    assert f"@{load_device(mine).digest}" in (tmp_path / "run" / "config.toml").read_text()


def test_a_file_that_is_no_preset_is_one_line(run, tmp_path):
    (tmp_path / "bad.toml").write_text("format = 1\n")
    for line in ("train wbc --device bad.toml", "devices bad.toml", "info --target emulator:?device=bad.toml"):
        code, _, err = run(*line.split())
        assert code == 1
        assert "bad.toml: name is missing; give it" in err
        assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()
