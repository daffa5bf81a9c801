"""The top of a board file asks for the pins of the file."""

import re
import warnings

import pytest

from firmware.analog.board import AnalogBoard, parameters_of
from firmware.analog.fpgatop import AnalogTop
from firmware.analog.platform import fpga_board
from tests.firmware.analog.board_files import TRANSISTORS, loaded, smaller


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    board = loaded(TRANSISTORS, smaller(2, 2), tmp_path_factory.mktemp("board"))
    platform, clock = fpga_board(board)
    top = AnalogTop(AnalogBoard(board, parameters_of(board, clock.divisor), build="x"), clock.pll)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of `platform.request` for the UART, as in all builds
        return platform.prepare(top, "top")


def test_signals_are_at_the_balls_of_their_pins(plan):
    balls = dict(re.findall(r'LOCATE COMP "analog_0__(\S+)" SITE "(\w+)"', plan.files["top.lpf"]))
    assert len(balls) == 34
    assert len(set(balls.values())) == 34
    assert balls["dac_sclk__io"] == "B11"
    assert balls["dac_sync_n__io[2]"] == "A9"
    assert balls["adc_sdo__io"] == "A8"
    assert balls["enable_n__io[0]"] == "P16"
    assert balls["enable_n__io[4]"] == "C17"
    assert balls["range_pins__io[1]"] == "B8"


def test_pins_have_the_standard_and_a_part_that_is_not_there_reads_zeros(plan):
    modes = dict(re.findall(r'IOBUF PORT "analog_0__(\S+)" (.*);', plan.files["top.lpf"]))
    answers = [modes.pop(name) for name in ("adc_sdo__io", *(f"dac_sdo__io[{n}]" for n in range(3)))]
    assert set(answers) == {"IO_TYPE=LVCMOS33 PULLMODE=DOWN"}
    assert set(modes.values()) == {"IO_TYPE=LVCMOS33"}


def test_the_clock_comes_from_the_pll_and_reset_is_left_in_step_with_it(plan):
    assert "cell \\EHXPLLL" in plan.files["top.il"]
    assert plan.files["top.il"].count("cell $adff") == 2
