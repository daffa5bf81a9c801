"""A board that goes away in the middle of a run: one line, exit code 1, and a run that can be gone on with."""

import json
import re
import time

import h5py
import pytest
from runs import progress, state, wait_for

BOARD = "emulator:?device=reram-es&rows=11&cols=26&seed=0{}"
TRAIN = ("train", "iris", "--no-report", "--epochs", "8", "--run", "run")
QUICK = "from hwctl.links import bytelink; bytelink.RECONNECT_TIMEOUT = 0.5"
IMPATIENT = "from hwctl.links import bytelink; bytelink.SILENCE_TIMEOUT = 5.0"
SLOWLY = "from hwctl.links import bytelink; bytelink.RECONNECT_TIMEOUT = 60.0"


@pytest.fixture
def serve(spawn, tmp_path):
    """Serve a board by `hwctl serve --pty` at the path `board`. Returns the process."""

    def call(lacks=""):
        process = spawn("serve", BOARD.format(lacks), "--pty")
        link = tmp_path / "board"
        link.unlink(missing_ok=True)
        link.symlink_to(process.stdout.readline().strip())
        return process

    return call


def vanish(board, tmp_path):
    """Kill a board. Its path goes first: the system gives the pseudo-terminal's number to the next one that is made."""
    (tmp_path / "board").unlink()
    board.kill()
    board.communicate()


def target(tmp_path):
    return f"serial:{tmp_path / 'board'}"


def result(folder):
    """Everything a run ends with but the time it took and the way that it went."""
    arrays, values = state(folder)
    for row in (values["totals"], *values["history"]):
        del row["link_bytes"]
    del values["config"]
    return arrays, values


def died(process):
    """Return the one line of a run whose link died."""
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.count("\n") == 1, err
    return err


@pytest.mark.slow  # up to half a minute and more
def test_a_board_that_vanishes_ends_the_run_in_one_line_and_resume_gives_the_bits_of_an_undisturbed_one(
    run, spawn, serve, tmp_path
):
    board = serve()
    process = spawn(*TRAIN, "--target", target(tmp_path), before=QUICK)
    wait_for(process, tmp_path / "run", 3)
    vanish(board, tmp_path)
    assert re.fullmatch(
        rf"hwctl: link closed: {tmp_path}/board vanished after command \d+ \([A-Z_]+[^)]*\); "
        r"reconnect and run 'hwctl train --resume run'\n",
        died(process),
    )
    assert 2 <= progress(tmp_path / "run")["epoch"] < 8
    serve()
    assert run("train", "--no-report", "--resume", "run")[0] == 0
    assert run(*TRAIN[:-1], "whole", "--target", BOARD.format(""))[0] == 0
    assert result(tmp_path / "run") == result(tmp_path / "whole")


def test_pulses_sent_since_the_checkpoint_count_on_a_board_that_cannot_go_back(run, spawn, serve, tmp_path):
    lacking = "&lacks=restore,counters"
    board = serve(lacking)
    process = spawn(*TRAIN, "--target", target(tmp_path), "--pulse-budget", 5000, before=QUICK)
    wait_for(process, tmp_path / "run", 3)
    time.sleep(0.3)  # into the next epoch
    vanish(board, tmp_path)
    died(process)
    with h5py.File(tmp_path / "run" / "checkpoint.h5") as file:
        sent, spent = file["layer0/sent"][:], file["layer0/spent"][:]
        counted = file["array0/pulses"][:].sum() + sum(
            (file[f"layer{n}/sent"][:] - file[f"layer{n}/spent"][:]).sum() for n in (0, 1)
        )
    assert (sent >= spent).all()
    assert sent.sum() > spent.sum()
    serve(lacking)
    code, out, _ = run("train", "--no-report", "--resume", "run")
    assert code == 0
    assert "cells were read back" in out
    with h5py.File(tmp_path / "run" / "checkpoint.h5") as file:
        assert (file["layer0/spent"][:] >= sent).all()
        assert file["layer0/spent"][:].max() <= 5000
        assert file["array0/pulses"][:].sum() == sum(file[f"layer{n}/spent"][:].sum() for n in (0, 1)) > counted


def test_a_board_that_is_reset_leaves_a_run_that_goes_on(run, spawn, serve, tmp_path):
    board = serve()
    process = spawn(*TRAIN, "--target", target(tmp_path), before=SLOWLY)
    wait_for(process, tmp_path / "run", 2)
    vanish(board, tmp_path)
    serve()  # before the run gives the port up
    said = died(process)
    assert re.search(r"was reset or taken over.*; reconnect and run 'hwctl train --resume run'", said)
    assert re.search(r"in doubt, count their pulses as executed: command \d+ \([A-Z_]+ ", said)
    assert run("train", "--no-report", "--resume", "run")[0] == 0
    assert run(*TRAIN[:-1], "whole", "--target", BOARD.format(""))[0] == 0
    assert result(tmp_path / "run") == result(tmp_path / "whole")


def test_a_board_that_falls_silent_ends_the_run_in_one_line(run, spawn, serve, tmp_path):
    board = serve()
    process = spawn(*TRAIN, "--target", target(tmp_path), before=IMPATIENT)
    wait_for(process, tmp_path / "run", 2)
    board.send_signal(19)  # SIGSTOP
    said = died(process)
    assert re.search(r"did not answer command \d+ \(.*\); reconnect and run 'hwctl train --resume run'", said)
    board.send_signal(18)
    assert run("train", "--no-report", "--resume", "run")[0] == 0


def test_a_run_goes_on_with_its_board_at_another_place(run, spawn, serve, tmp_path):
    board = serve()
    process = spawn(*TRAIN, "--target", target(tmp_path), before=QUICK)
    wait_for(process, tmp_path / "run", 2)
    vanish(board, tmp_path)
    died(process)
    other = BOARD.format("")
    assert run("train", "--no-report", "--resume", "run", "--target", other)[0] == 0
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["target"] == other
    assert run("train", "--no-report", "--resume", "run")[0] == 0
    code, _, err = run("train", "--no-report", "--resume", "run", "--target", other, "--target", other)
    assert (code, "2 targets for a run on 1" in err) == (1, True)


def test_a_run_without_a_checkpoint_is_started_again(run, tmp_path, monkeypatch):
    from hwctl.errors import LinkClosed
    from hwctl.training.trainer import Trainer

    def lost(_):
        raise LinkClosed("link closed", "open it again")

    monkeypatch.setattr(Trainer, "start", lost)
    code, _, err = run(*TRAIN)
    assert (code, err) == (
        1,
        "hwctl: link closed; reconnect and start the run again\n",
    )
