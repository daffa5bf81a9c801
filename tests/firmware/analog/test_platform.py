"""A board file is held against the FPGA board that it names: its connectors, its clocks."""

import pytest

from firmware.analog.boardfile import BoardFile
from firmware.analog.platform import fpga_board
from firmware.errors import BoardFileError
from firmware.platforms import BUILDS
from tests.firmware.analog.board_files import PASSIVE, TRANSISTORS, loaded


def test_the_clock_of_the_pll_is_taken():
    _, clock = fpga_board(BoardFile.load(TRANSISTORS))
    assert (clock.hz, clock.divisor, clock.pll) == (48_000_000, 16, BUILDS["ulx3s-85f"].pll)


def test_the_boards_own_clock_is_taken_without_a_pll(tmp_path):
    _, clock = fpga_board(loaded(TRANSISTORS, {"board.clock_hz": 25e6}, tmp_path))
    assert (clock.hz, clock.divisor, clock.pll) == (25_000_000, 25, None)


def test_a_board_without_settings_of_its_own_has_its_clock_alone(tmp_path):
    with pytest.raises(BoardFileError, match=r"ulx3s-45f has 2.5e\+07 Hz; give that"):
        fpga_board(loaded(TRANSISTORS, {"fpga.platform": "ulx3s-45f"}, tmp_path))


ERRORS = [
    ({"fpga.platform": "ulx4s"}, "fpga.platform = 'ulx4s': no board with an ECP5, a UART and tools from PyPI; known: "),
    ({"fpga.platform": "icebreaker"}, "fpga.platform = 'icebreaker': no board with an ECP5"),
    ({"board.clock_hz": 50e6}, "board.clock_hz = 5e+07, but ulx3s-85f has 2.5e+07 or 4.8e+07 Hz; give that"),
    ({"fpga.connector": "gpio:1"}, "fpga.pins.dac_sclk[0] = 'gpio:1:0+', but ulx3s-85f has the connectors gpio:0; "),
    ({"fpga.pins.ds.4": "28+"}, "fpga.pins.ds[4] = 'gpio:0:28+', but gpio:0 has 0+, 0-, "),
]


@pytest.mark.parametrize(("changes", "message"), ERRORS, ids=[message[:50] for _, message in ERRORS])
def test_what_the_board_has_not_ends_in_one_line(changes, message, tmp_path):
    board = loaded(TRANSISTORS, changes, tmp_path)
    with pytest.raises(BoardFileError) as raised:
        fpga_board(board)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_ball_that_the_uart_has_is_refused(tmp_path, monkeypatch):
    board = BoardFile.load(TRANSISTORS)
    platform, _ = fpga_board(board)
    monkeypatch.setitem(platform.connectors["gpio", 0].mapping, "4-", "L4")  # of all platforms: of the class
    with pytest.raises(BoardFileError, match=r"fpga.pins.adc_sdo\[0\] = 'gpio:0:4-' is L4 of the FPGA, as is the "):
        fpga_board(board)


def test_a_file_without_fpga_is_refused():
    with pytest.raises(BoardFileError, match=r"\[fpga\] is missing"):
        fpga_board(BoardFile.load(PASSIVE))
