"""`hwctl form`: which cells it forms, and what it says of those that it cannot."""

import json

import h5py
import numpy as np
import pytest

from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.protocol.codes import CellFlag

TARGET = "emulator:?device=linear&rows=12&cols=10&seed=3&unformed=0.3"
UNFORMED = (fabricate(presets.get("linear"), 12, 10, 3, 0.3).cells["flags"] & CellFlag.UNFORMED) != 0


def formed(run, *arguments):
    code, out, err = run("form", "--target", TARGET, "--json", "-", *arguments)
    return code, json.loads(out), err


def test_every_unformed_cell_is_formed_and_no_other_is_pulsed(run, tmp_path):
    code, found, err = formed(run, "--pulse-log", "x.h5")
    assert (code, err) == (0, "")
    assert 20 < UNFORMED.sum() < 50
    assert (found["formed"], found["already_formed"]) == (UNFORMED.sum(), (~UNFORMED).sum())
    assert (found["failed"], found["failed_cells"]) == (0, [])
    with h5py.File(tmp_path / "x.h5") as file:
        pulsed = np.zeros(UNFORMED.shape, int)
        np.add.at(pulsed, (file["row"][:], file["col"][:]), np.abs(file["count"][:].astype(int)))
    assert ((pulsed > 0) == UNFORMED).all()
    assert (found["pulses"], found["pulses_max_cell"]) == (pulsed.sum(), pulsed.max())
    code, out, _ = run("form", "--target", TARGET)
    assert code == 0
    assert f"120 cells: {UNFORMED.sum()} formed, {(~UNFORMED).sum()} were formed already, 0 failed;" in out


def test_a_region_alone_is_formed(run):
    _, found, _ = formed(run, "--rows", "2:6", "--cols", "3:9")
    part = UNFORMED[2:6, 3:9]
    assert (found["cells"], found["formed"]) == (24, part.sum())
    assert (found["rows"], found["cols"]) == ([2, 6], [3, 9])


def test_cells_that_fail_are_listed_by_row_and_column(run):
    code, found, _ = formed(run, "--attempts", "8", "--rows", "4:12")
    cells = fabricate(presets.get("linear"), 12, 10, 3, 0.3).cells
    failed = UNFORMED & (cells["form_level"] > 7)
    failed[:4] = False
    assert code == 0
    assert found["failed_cells"] == np.argwhere(failed).tolist()
    assert 0 < found["failed"] < UNFORMED[4:].sum()
    _, out, _ = run("form", "--target", TARGET, "--attempts", "8", "--rows", "4:12")
    assert "failed, as (row, column): ({}, {})".format(*found["failed_cells"][0]) in out


def test_a_chip_on_which_nothing_forms_is_named(run):
    code, found, err = formed(run, "--attempts", "1")
    assert code == 1
    assert found["failed"] == UNFORMED.sum()
    assert f"none of {UNFORMED.sum()} unformed cells formed with up to 1 pulses of 3 to 5 V" in err
    assert err.count("\n") == 1


def test_a_ramp_of_ones_own_is_used(run):
    code, found, _ = formed(run, "--ramp", "4.2:5:0.133333")
    assert code == 0
    assert found["failed"] == 0
    assert found["pulses_max_cell"] < 8


def test_a_session_is_recorded_and_played_back(run):
    _, first, _ = formed(run, "--record", "x.rec")
    code, out, _ = run("form", "--target", "replay:x.rec", "--json", "-")
    assert code == 0
    assert json.loads(out) | {"target": ""} == first | {"target": ""}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--ramp 3:5", "ramp '3:5'; give FIRST:LAST:STEP in V"),
        ("--ramp 5:3:0.1", "give 1 to 128, rising"),
        ("--ramp 3:5:0", "ramp '3:5:0'; give FIRST:LAST:STEP"),
        ("--ramp 4:5:0.5", "no FORM level of amplitude 4000"),
        ("--stop nan", "stop conductance"),
        ("--stop 1e6", "stop conductance"),
        ("--rows 5:99", "rows 5:99 of an array with 12"),
        ("--attempts 5000", "5000"),
        ("--device nothing", "no device 'nothing'"),
    ],
)
def test_it_refuses_in_one_line(run, arguments, says):
    code, _, err = run("form", "--target", TARGET, *arguments.split())
    assert code == 1
    assert says in err
    assert err.count("\n") == 1


def test_a_board_without_form_is_said(run):
    code, _, err = run("form", "--target", TARGET + "&lacks=form")
    assert code == 1
    assert "has no FORM" in err


@pytest.mark.parametrize("command", ["form", "program", "train", "calibrate"])
def test_a_physical_array_gets_no_pulse_without_a_budget(run, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "targets.csv").write_text("20,21\n")
    target = ("--target", "emulator:?device=neurram&rows=21&cols=20&unformed=0.1&lacks=emulated")
    arguments = {
        "form": (), "program": ("targets.csv",), "train": ("wbc",), "calibrate": ("--out", "chip.h5"),
    }[command]  # fmt: skip
    code, _, err = run(command, *arguments, *target)
    option = "--budget" if command == "calibrate" else "--pulse-budget"
    assert code == 1
    assert f"physical array, whose cells wear out: say with {option} how many" in err
    assert len(err.strip().splitlines()) == 1


def test_forming_within_a_budget_goes_on_a_physical_array(run):
    target = ("--target", "emulator:?device=neurram&rows=4&cols=4&unformed=0.5&lacks=emulated")
    assert run("form", *target, "--pulse-budget", "40")[0] == 0
    code, _, err = run("form", *target, "--pulse-budget", "1")
    assert code == 1
    assert "its budget is 1; the command was not sent" in err
