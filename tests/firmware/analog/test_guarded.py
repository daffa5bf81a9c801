"""A board file's guard lets through what its drive levels need, and nothing that its limits forbid."""

from dataclasses import replace
from pathlib import Path

import pytest
from amaranth.back import rtlil

from firmware.analog.boardfile import BoardFile
from firmware.analog.bounds import Kind
from firmware.analog.guard import Guard
from firmware.analog.guarded import guard_of
from firmware.errors import BoardFileError
from hwctl.protocol.codes import Polarity

FILES = sorted((Path(__file__).parents[3] / "firmware" / "boards").glob("*.toml"))
KINDS = {Polarity.SET: Kind.PULSE, Polarity.RESET: Kind.PULSE, Polarity.FORM: Kind.FORM}


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def board(request):
    return BoardFile.load(request.param)


def test_every_drive_level_passes_on_every_line_that_it_drives(board):
    parameters = guard_of(board)
    channels = dict(zip(board.lines, parameters.channels, strict=True))
    seen = 0
    for polarity, pulse in board.pulses.items():
        for level in pulse.levels:
            for line in board.rows if pulse.side == "row" else board.cols:
                low, high = channels[line].windows()[KINDS[polarity]]
                assert low <= line.transfer.code_at(level.amplitude_code) <= high
                seen += 1
            for line in board.gates:
                low, high = channels[line].windows()[KINDS[polarity]]
                assert low <= line.transfer.code_at(level.gate_steps) <= high
            widest = parameters.widths().get(KINDS[polarity], parameters.width)
            assert level.width_ticks <= widest
    assert seen > 2 * len(board.rows)


def test_no_voltage_beyond_a_limit_passes(board):
    parameters, limits = guard_of(board), board.limits
    for line, channel in zip(board.lines, parameters.channels, strict=True):
        highest = {
            "gate": limits.gate or 0.0,
        }.get(line.side, max(limits.amplitude, limits.form_amplitude or 0.0))
        for kind, window in channel.windows().items():
            most = limits.read if kind == Kind.READ and line.side != "gate" else highest
            if kind == Kind.PULSE and line.side != "gate":
                most = limits.amplitude
            assert all(abs(float(line.transfer.volts_of(code))) <= most for code in window)
        assert line.transfer.volts_of(channel.rest) == 0


def test_a_board_that_does_not_form_has_no_limits_of_forming():
    forming = {path.stem: guard_of(BoardFile.load(path)).form_width is not None for path in FILES}
    assert forming == {path.stem: BoardFile.load(path).forms for path in FILES}
    assert set(forming.values()) == {False, True}


def test_the_guard_of_a_board_can_be_made(board):
    assert "trips" in rtlil.convert(Guard(guard_of(board)))


def test_a_rest_that_takes_longer_than_promised_is_refused(board):
    needed = guard_of(board).rest_clocks
    hasty = replace(board, watchdog=replace(board.watchdog, rest_clocks=needed - 1))
    with pytest.raises(BoardFileError, match=rf"rest_clocks {needed - 1}, but .* take {needed} clocks"):
        guard_of(hasty)
    assert guard_of(replace(board, watchdog=replace(board.watchdog, rest_clocks=needed))).rest_clocks == needed
