"""What the gateware of a physical array adds, in clocks: exact, so that a clock more is seen."""

import pytest

from benchmarks.board_files import without_readback
from benchmarks.front_end import measure
from firmware.analog.boardfile import BoardFile
from tests.firmware.analog.board_files import PASSIVE, TRANSISTORS
from tests.firmware.simulation.analog_boards import board_file

MOST = {
    "SET, one pulse a cell": 19,
    "SET, each further pulse of a cell": 0,
    "RESET, one pulse a cell": 19,
    "RESET, each further pulse of a cell": 0,
    "READ, a row of all columns": 100,
    "VMM, a vector of all rows": 127,
}
"""Clocks beyond what the board asks for."""


@pytest.mark.slow  # a model is compiled
def test_the_gateware_adds_no_clock_to_what_the_board_asks_for_but_these(tmp_path):
    added = {row.what: row.taken - row.needed for row in measure(board_file("ideal", tmp_path))}
    assert added.keys() == MOST.keys()
    assert {what: clocks for what, clocks in added.items() if not 0 <= clocks <= MOST[what]} == {}


@pytest.mark.parametrize("source", [TRANSISTORS, PASSIVE], ids=lambda path: path.stem)
def test_a_board_file_without_readback_is_whole(tmp_path, source):
    board = BoardFile.load(without_readback(source, tmp_path / "board.toml"))
    assert not board.readback
    assert (board.fpga is None) == (BoardFile.load(source).fpga is None)
