import csv
import json

import numpy as np
import pytest

from hwctl.devices import presets
from hwctl.training.tasks import TASKS


def results(path):
    return json.loads(path.read_text())


def test_info_tells_geometry_and_limits_in_si_units(run, tmp_path):
    code, _, _ = run("info", "--target", "emulator:?device=hfox-1t1r&rows=12&cols=7", "--json", "info.json")
    found = results(tmp_path / "info.json")
    assert code == 0
    assert (found["rows"], found["cols"], found["device"]) == (12, 7, "hfox-1t1r")
    assert found["max_pulse_volts"] == pytest.approx(2.5)
    assert found["max_read_volts"] == pytest.approx(0.5)
    gates = [level["gate_volts"] for level in found["drive_levels"] if level["polarity"] == "SET"]
    assert (len(gates), gates[0], gates[-1]) == (32, pytest.approx(0.7), pytest.approx(2.0))
    code, out, _ = run("info")
    assert code == 0
    assert "64" in out


def test_read_writes_what_it_shows(run, tmp_path):
    arguments = ("read", "--target", "emulator:?device=linear&rows=6&cols=5", "--rows", "1:4", "--cols", "2")
    code, out, _ = run(*arguments, "--csv", "g.csv", "--json", "g.json")
    assert code == 0
    rows = list(csv.reader((tmp_path / "g.csv").read_text().splitlines()))
    values = np.array(rows, float)
    assert values.shape == (3, 1)
    found = results(tmp_path / "g.json")
    np.testing.assert_allclose(np.array(found["conductances_siemens"]) * 1e6, values, rtol=1e-4)
    np.testing.assert_allclose(values, 50.0, atol=0.1)  # a linear device starts in its middle
    assert (found["rows"], found["cols"], found["saturated"]) == ([1, 4], [2, 3], 0)
    _, out, _ = run(*arguments)
    assert "50.0" in out


def test_json_to_stdout_is_json_alone(run):
    code, out, _ = run("tasks", "--json", "-")
    assert code == 0
    assert [task["name"] for task in json.loads(out)["tasks"]] == list(TASKS)


def test_program_comes_near_its_targets_on_an_ideal_device(run, tmp_path):
    (tmp_path / "targets.csv").write_text("20,30,40\n50,60.5,80\n")
    code, out, _ = run("program", "targets.csv", "--target", "emulator:?device=linear&rows=8&cols=8", "--row", "2",
                       "--col", "3", "--json", "done.json")  # fmt: skip
    found = results(tmp_path / "done.json")
    assert (code, found["cells"]) == (0, 6)
    assert found["error_median_microsiemens"] < 0.06  # half a step
    np.testing.assert_allclose(np.array(found["after_siemens"]), [[20e-6, 30e-6, 40e-6], [50e-6, 60.5e-6, 80e-6]],
                               atol=0.2e-6)  # fmt: skip
    code, out, _ = run("program", "targets.csv", "--target", "emulator:?device=linear")
    assert "6 cells" in out


NEURRAM = "emulator:?device=neurram&rows=16&cols=16&seed=4&stuck=0.1"


def test_program_verify_reaches_its_targets_and_lists_cells_that_do_not_move(run, tmp_path):
    wanted = np.random.default_rng(1).uniform(4, 36, (12, 10))
    np.savetxt(tmp_path / "targets.csv", wanted, delimiter=",", fmt="%.3f")
    asked = ("program", "targets.csv", "--verify", "--target", NEURRAM, "--row", "2", "--col", "3", "--averages", "1")
    code, out, _ = run(*asked, "--json", "done.json")
    found = results(tmp_path / "done.json")
    assert code == 0
    assert found["reached"] + len(found["not_reached"]) == found["cells"] == 120
    assert 100 <= found["reached"] < 120
    assert found["reads"] < 6 * 120
    assert found["pulses"] < 7 * 120
    for cell in found["not_reached"]:
        i, j = cell["row"] - 2, cell["col"] - 3
        assert cell["target_siemens"] == pytest.approx(wanted[i, j] * 1e-6, abs=1e-9)
        assert cell["reading_siemens"] == found["after_siemens"][i][j]
        assert abs(cell["reading_siemens"] - cell["target_siemens"]) > 0.5e-6
    code, out, _ = run(*asked)
    assert f"{found['reached']} cells" in out
    assert out.count("not reached: row") == len(found["not_reached"])


@pytest.fixture
def chip(run):
    """Calibrate a board in the folder of the test. Returns its URL and the options that name targets and record."""
    board = "emulator:?device=neurram&rows=6&cols=8&seed=4&stuck=0.1"
    assert run("calibrate", "-t", board, "-o", "chip.h5")[0] == 0
    return board, ("program", "targets.csv", "--verify", "--chip", "chip.h5", "--row", "1", "--col", "1")


def test_program_verify_leaves_cells_alone_that_the_record_calls_stuck(run, chip, tmp_path):
    board, asked = chip
    np.savetxt(tmp_path / "targets.csv", np.random.default_rng(1).uniform(4, 36, (5, 7)), delimiter=",", fmt="%.3f")
    code, _, _ = run(*asked, "--target", board, "--json", "done.json")
    found = results(tmp_path / "done.json")
    assert code == 0
    assert found["unreachable"] == len(found["not_reached"]) > 0
    assert found["reached"] + found["unreachable"] == found["cells"] == 35
    code, out, _ = run(*asked, "--target", board)
    assert out.count("left alone: row") == found["unreachable"]


def test_program_verify_refuses_what_a_cell_of_the_record_does_not_reach(run, chip, tmp_path):
    board, asked = chip
    (tmp_path / "targets.csv").write_text("45,20\n20,20\n")
    code, _, err = run(*asked, "--target", board)
    assert (code, err.count("\n")) == (1, 1)
    assert "their cells' own ranges in chip.h5" in err
    assert "correct cells (1, 1), or allow unreachable cells; nothing was pulsed" in err
    code, out, _ = run(*asked, "--target", board, "--allow-unreachable")
    assert code == 0
    assert "left alone: row 1, column 1" in out


def test_program_precision_leaves_cells_alone_that_the_record_calls_stuck(run, chip, tmp_path):
    board, asked = chip
    np.savetxt(tmp_path / "targets.csv", np.full((5, 7), 20.0), delimiter=",", fmt="%.3f")
    more = ("--tolerance", "0.1", "--precision", "0.02", "--target", board, "--report", "page.html")
    assert run(*asked, *more, "--json", "done.json")[0] == 0
    found = results(tmp_path / "done.json")
    assert found["reached"] + found["unreachable"] == found["cells"] == 35
    assert all(cell["unreachable"] for cell in found["not_reached"])
    with (tmp_path / "page" / "cells.csv").open() as file:
        alone = [row for row in csv.DictReader(file) if row["unreachable"] == "1"]
    assert len(alone) == found["unreachable"] > 0
    assert {(row["pulses"], row["reads"]) for row in alone} == {("0", "0")}


def test_program_verify_lists_as_many_unreachable_cells_as_a_terminal_shows(run, chip, tmp_path):
    board, asked = chip
    (tmp_path / "targets.csv").write_text("45,45,45,45,45,45,45\n" * 5)
    out = run(*asked, "--target", board, "--allow-unreachable")[1]
    assert out.count("left alone: row") == 20
    assert "and 15 more: --json lists them all" in out


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("emulator:?device=ecram&rows=6&cols=8", "chip.h5 is the record of a chip of neurram"),
        ("emulator:?device=neurram&rows=8&cols=8", "record of a board of 6 x 8 cells, this one has 8 x 8"),
    ],
)
def test_program_verify_names_the_record_of_another_board(run, chip, tmp_path, target, says):
    (tmp_path / "targets.csv").write_text("20,20\n")
    code, _, err = run(*chip[1], "--target", target)
    assert (code, err.count("\n")) == (1, 1)
    assert says in err


@pytest.mark.parametrize("options", [("--chip", "chip.h5"), ("--verify", "--allow-unreachable")])
def test_a_record_goes_with_the_closed_loop(run, tmp_path, options):
    (tmp_path / "targets.csv").write_text("20,20\n")
    code, _, err = run("program", "targets.csv", *options)
    assert code == 1
    assert "; add --" in err


def test_program_verify_takes_a_wider_tolerance_with_fewer_pulses(run, tmp_path):
    (tmp_path / "targets.csv").write_text("20,30,35\n10,15,25\n")
    pulses = []
    for tolerance in ("0.5", "4"):
        code, _, _ = run("program", "targets.csv", "--verify", "--tolerance", tolerance, "--json", "done.json",
                         "--target", "emulator:?device=neurram&rows=4&cols=4")  # fmt: skip
        assert code == 0
        pulses.append(results(tmp_path / "done.json")["pulses"])
    assert pulses[0] > pulses[1]


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        ("41,20\n", (), "1 targets are outside the device's range, first 41 uS where it is 1 to 40 uS; correct cells"),
        ("10,20\n", ("--tolerance", "0.05"), "give a wider tolerance or more averages"),
    ],
)
def test_program_verify_refuses_what_it_cannot_reach_in_one_line(run, tmp_path, content, options, says):
    (tmp_path / "targets.csv").write_text(content)
    code, _, err = run("program", "targets.csv", "--verify", "--target", NEURRAM, *options)
    assert code == 1
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("50,x\n", "line 1"),
        ("50,51\n50\n", "line 2"),
        ("50,nan\n", "line 1"),
        ("", "is empty"),
        (None, "cannot be read"),
        ("50,500\n", "outside 30 to 70 uS; nothing was pulsed"),
        (",".join(["50"] * 65) + "\n", "columns 0:65 of an array with 64"),
    ],
)
def test_program_refuses_bad_targets_in_one_line(run, tmp_path, content, says):
    if content is not None:
        (tmp_path / "targets.csv").write_text(content)
    code, _, err = run("program", "targets.csv", "--json", "done.json")
    assert code == 1
    assert says in err
    assert err.count("\n") == 1
    assert not (tmp_path / "done.json").exists()


def test_devices_lists_and_plots_every_preset(run, tmp_path):
    code, out, _ = run("devices", "--plot", "response.png", "--json", "devices.json")
    assert code == 0
    assert [device["name"] for device in results(tmp_path / "devices.json")["devices"]] == list(presets.PRESETS)
    assert (tmp_path / "response.png").read_bytes().startswith(b"\x89PNG")
    assert len(list(tmp_path.glob("response*.csv"))) >= len(presets.PRESETS)
    code, out, _ = run("devices", "pcm")
    assert "pcm" in out
    assert "Assumed" in out
    assert "linear" not in out


def test_a_result_that_cannot_be_written_is_named(run, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = run("tasks", "--json", tmp_path / "file" / "x.json")
    assert code == 1
    assert "cannot write" in err
