"""Cells behind a simulated front end: what arrives at one decides what becomes of it."""

import numpy as np
import pytest

from firmware.analog.boardfile import BoardFile
from firmware.simulation.chips import ChipError
from firmware.simulation.floatcells import FloatCells
from firmware.simulation.physical import Applied
from hwctl.protocol.codes import Polarity
from tests.firmware.analog.board_files import TRANSISTORS
from tests.firmware.simulation.analog_boards import board_file


@pytest.fixture
def board(tmp_path):
    return BoardFile.load(board_file("ideal", tmp_path))


def applied(board, polarity, *, level=-1, row=2, col=3, volts=1.0, width=1.0, gate=1.0):
    """Return a pulse of a drive level, or of shares of its amounts."""
    pulse, one = board.pulses[polarity], board.levels(polarity)[level]
    sign = 1 if pulse.side == "row" else -1
    return Applied(row, col, sign * volts * one.amplitude, gate * one.gate, round(width * one.width_ticks))


def test_set_and_reset_move_their_own_cell_and_no_other_by_the_step_of_its_device(board):
    cells = FloatCells(board, 1)
    for polarity, sign in ((Polarity.SET, 1), (Polarity.RESET, -1)):
        before = cells.g.copy()
        cells.respond(applied(board, polarity))
        moved = cells.g - before
        level = board.device.levels_of(polarity)[-1]
        mean, _ = board.device.curve(level, np.array([0.5]))
        span = cells.high[2, 3] - cells.low[2, 3]
        assert moved[2, 3] == pytest.approx(sign * mean[0] * span, rel=0.2)
        moved[2, 3] = 0.0
        assert not moved.any()
    assert cells.pulses[:, 2, 3].tolist() == [1, 1, 0]


def test_a_pulse_that_was_cut_moves_by_its_share(board):
    whole, half = FloatCells(board, 1), FloatCells(board, 1)
    start = whole.g[2, 3]
    whole.respond(applied(board, Polarity.SET))
    half.respond(applied(board, Polarity.SET, width=0.5))
    assert half.g[2, 3] - start == pytest.approx((whole.g[2, 3] - start) / 2)


@pytest.mark.parametrize("share", [0.5, 1 / 3, -1 / 3])
def test_half_selects_and_readings_move_nothing(board, share):
    cells = FloatCells(board, 1)
    before = cells.g.copy()
    cells.respond(applied(board, Polarity.SET, volts=share))
    cells.respond(Applied(2, 3, board.sense.read, board.sense.gate, 5000))
    np.testing.assert_array_equal(cells.g, before)
    assert not cells.pulses.any()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"volts": 1.1}, "no drive level"), ({"gate": 0.9}, "no drive level"), ({"width": 1.1}, "clocks of a pulse of")],
)
def test_what_no_drive_level_explains_is_an_error_of_the_front_end(board, wrong, says):
    with pytest.raises(ChipError, match=says):
        FloatCells(board, 1).respond(applied(board, Polarity.SET, **wrong))


def test_an_unformed_cell_forms_at_its_own_voltage_and_only_then_moves():
    board = BoardFile.load(TRANSISTORS)
    cells = FloatCells(board, 1, unformed=1.0)
    row, col = np.argwhere(cells.unformed)[0]
    assert cells.g[row, col] == 0.0
    cells.respond(applied(board, Polarity.SET, row=row, col=col))
    assert cells.g[row, col] == 0.0
    cells.respond(applied(board, Polarity.FORM, row=row, col=col))
    assert cells.g[row, col] > 0.0
    with pytest.raises(ChipError, match="would be destroyed"):
        cells.respond(applied(board, Polarity.FORM, row=row, col=col))


def test_wires_take_their_share_of_the_current(board):
    volts = np.full(len(board.rows), board.sense.read)
    ideal, wired = (FloatCells(board, 1, segment_ohm=ohm).currents(volts) for ohm in (0.0, 200.0))
    assert (wired < 0.95 * ideal).all()
    assert (wired > 0.2 * ideal).all()


def test_conversions_are_as_noisy_as_the_device_says():
    board = BoardFile.load(TRANSISTORS)
    cells, volts = FloatCells(board, 1), np.zeros(len(board.rows))
    volts[0] = board.sense.read
    spread = np.std([cells.currents(volts) for _ in range(400)], axis=0) / board.sense.read
    np.testing.assert_allclose(spread, board.device.read_noise, rtol=0.25)
