"""`hwctl limits`: what a board takes, shown and narrowed; a served board keeps it for whoever comes next."""

import json

import pytest

BOARD = "emulator:?device=hfox-1t1r&rows=4&cols=4"


def found(run, *arguments):
    code, out, err = run("limits", *arguments, "--json", "-")
    assert code == 0, err
    return json.loads(out)


def refused(run, *arguments):
    code, _, err = run("limits", *arguments)
    assert code == 1
    return err


def test_it_shows_the_limits_in_units(run):
    code, output, _ = run("limits", "--target", BOARD)
    assert code == 0
    for name, text in (("amplitude", "2.5 V"), ("gate", "5 V"), ("width", "10 ms"), ("pulse rate", "no limit")):
        assert any(name in line and text in line for line in output.splitlines()), output
    assert "before" not in output


def test_a_board_that_keeps_no_limits_says_so_and_takes_none(run):
    target = BOARD + "&lacks=limits"
    code, output, _ = run("limits", "--target", target)
    assert code == 0
    assert "not said" in output
    assert "keeps no limits but those it was built with" in refused(run, "--target", target, "--amplitude", "1")


def test_narrowed_limits_hold_for_the_next_host(run, served):
    url, _ = served(BOARD, "--tcp", "0")
    code, output, err = run(
        "limits", "--target", url, "--amplitude", "2", "--pulse-rate", "1000", "--pulses", "5000000"
    )
    assert code == 0, err
    for name, *texts in (("amplitude", "2 V", "2.5 V"), ("pulse rate", "1,000", "no limit"), ("pulses", "5,000,000")):
        assert any(name in line and all(text in line for text in texts) for line in output.splitlines()), output
    holds = found(run, "--target", url, "--gate", "4.5")
    assert holds["narrowed"] == ["gate"]
    assert holds["limits"]["amplitude"] == pytest.approx(2.0)
    assert holds["limits"]["gate"] == pytest.approx(4.5)
    assert holds["limits"]["pulse_rate"] == pytest.approx(1000)
    err = refused(run, "--target", url, "--amplitude", "2.2", "--gate", "3")
    assert "amplitude 2.2; " in err
    assert "2 holds, and limits can only be narrowed" in err
    assert found(run, "--target", url)["limits"] == holds["limits"]
