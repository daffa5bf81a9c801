"""`hwctl calibrate`: a record, its twin, and what happens when it is cut off."""

import json

import pytest

from hwctl.calibration import procedure
from hwctl.calibration.record import Record
from hwctl.cli import main
from hwctl.crossbar import Crossbar

TARGET = "emulator:?device=neurram&rows=8&cols=8&seed=1"


def run(capsys, *arguments):
    code = 0
    try:
        main([*arguments])
    except SystemExit as end:
        code = end.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_record_is_written_and_is_a_target(capsys, tmp_path):
    path = tmp_path / "chip.h5"
    code, said, _ = run(capsys, "calibrate", "-t", TARGET, "-o", str(path), "--chip", "seven", "--temperature", "21")
    assert code == 0
    assert "64 moving, 0 stuck-on" in said
    assert "a pooled step" in said
    record = Record.load(path)
    assert (record.attributes["chip"], record.attributes["temperature_celsius"]) == ("seven", 21.0)
    assert not path.with_name("chip.h5.partial").exists()
    code, said, _ = run(capsys, "read", "-t", f"emulator:{path}")
    assert "8 x 8 cells" in said


def test_json_has_the_figures(capsys, tmp_path):
    code, _, _ = run(capsys, "calibrate", "-t", TARGET, "-o", str(tmp_path / "chip.h5"), "--json", str(tmp_path / "j"))
    assert code == 0
    found = json.loads((tmp_path / "j").read_text())
    assert found["moving"] == found["g_min_reached"] == 64
    assert found["pulses_max_cell"] <= 60


def test_a_dry_run_sends_no_pulse(capsys, tmp_path):
    path = tmp_path / "chip.h5"
    code, said, _ = run(capsys, "calibrate", "-t", TARGET, "-o", str(path), "--dry-run")
    assert code == 0
    assert "a pooled step" in said
    assert not list(tmp_path.iterdir())


def test_two_records_are_compared(capsys, tmp_path):
    for name in ("a", "b"):
        run(capsys, "calibrate", "-t", TARGET, "-o", str(tmp_path / f"{name}.h5"))
    paths = [str(tmp_path / f"{name}.h5") for name in ("a", "b")]
    code, said, _ = run(capsys, "calibrate", "compare", *paths)
    assert code == 0
    assert "64 cells: 0 died, 0 move again" in said
    assert (tmp_path / "b-since-a.html").exists()
    code, said, _ = run(capsys, "calibrate", "compare", *paths, "--json", "-")
    assert json.loads(said)["died"] == []


def test_lifetime_counts_go_on_after_an_earlier_record(capsys, tmp_path):
    one, two = tmp_path / "a.h5", tmp_path / "b.h5"
    run(capsys, "calibrate", "-t", TARGET, "-o", str(one))
    code, said, _ = run(capsys, "calibrate", "-t", TARGET, "-o", str(two), "--after", str(one))
    assert code == 0
    assert "lifetime pulse counts go on" in said
    first, second = (Record.load(path).cells("lifetime_pulses") for path in (one, two))
    assert (second == first + Record.load(two).cells("pulses")).all()


def test_a_stage_that_does_not_exist_is_named(capsys, tmp_path):
    code, _, said = run(capsys, "calibrate", "-t", TARGET, "-o", str(tmp_path / "a.h5"), "--skip", "loads,wirs")
    assert code == 1
    assert "known: read-path, loads" in said


def test_a_record_is_not_overwritten(capsys, tmp_path):
    path = tmp_path / "chip.h5"
    path.write_text("mine")
    code, _, said = run(capsys, "calibrate", "-t", TARGET, "-o", str(path))
    assert code == 1
    assert "exists already" in said
    assert path.read_text() == "mine"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_what_was_read_is_kept_where_it_is_cut_off(capsys, tmp_path, monkeypatch, stop):
    path = tmp_path / "chip.h5"

    def cut(*arguments):
        raise stop

    monkeypatch.setattr(procedure, "walk", cut)
    if stop is OSError:
        with pytest.raises(OSError):
            main(["calibrate", "-t", TARGET, "-o", str(path)])
    else:
        code, _, said = run(capsys, "calibrate", "-t", TARGET, "-o", str(path))
        assert code == 130
        assert "the same command goes on" in said
    assert path.with_name("chip.h5.partial").exists()
    monkeypatch.undo()
    # The emulator was fabricated anew, and knows nothing of the pulses: going on would be wrong.
    code, _, said = run(capsys, "calibrate", "-t", TARGET, "-o", str(path))
    assert code == 1
    assert "begin a new one" in said
    assert not path.exists()


def test_a_chip_on_which_nothing_moves_is_named(capsys, tmp_path):
    code, _, said = run(capsys, "calibrate", "-t", TARGET + "&unformed=1", "-o", str(tmp_path / "chip.h5"))
    assert code == 1
    assert "none of 64 cells moves" in said
    assert "hwctl form" in said


def test_a_record_is_shown(capsys, tmp_path):
    path = tmp_path / "chip.h5"
    run(capsys, "calibrate", "-t", TARGET, "-o", str(path))
    code, said, _ = run(capsys, "calibrate", "show", str(path))
    assert code == 0
    assert "64 moving" in said
    assert path.with_suffix(".html").exists()
    assert (tmp_path / "chip" / "cells.csv").exists()


def test_what_is_no_record_is_named(capsys, tmp_path):
    code, _, said = run(capsys, "calibrate", "show", str(tmp_path / "none.h5"))
    assert code == 1
    assert "none.h5 does not exist" in said


def test_without_a_name_for_the_record_nothing_is_done(capsys):
    code, _, said = run(capsys, "calibrate", "-t", TARGET)
    assert code == 1
    assert "name the record" in said


def test_a_folder_that_cannot_be_written_is_named_before_a_pulse_is_sent(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(Crossbar, "pulse_levels", lambda *arguments: pytest.fail("a pulse was sent"))
    code, _, said = run(capsys, "calibrate", "-t", TARGET, "-o", str(tmp_path / "none" / "chip.h5"))
    assert code == 1
    assert "cannot write" in said
    assert "chip.h5" in said


def test_an_interrupt_at_any_time_has_the_exit_code_of_one(capsys, tmp_path, monkeypatch):
    def stop(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(Crossbar, "open", stop)
    assert run(capsys, "calibrate", "-t", TARGET, "-o", str(tmp_path / "chip.h5"))[0] == 130
