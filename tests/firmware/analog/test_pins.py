"""Pins of a board file's parts."""

import pytest
from amaranth.sim import Simulator

from firmware.analog.board import AnalogBoard, parameters_of
from firmware.analog.boardfile import BoardFile
from firmware.analog.pins import driven_pins, pins_of
from tests.firmware.analog.board_files import PASSIVE, TRANSISTORS


@pytest.mark.parametrize("path", [TRANSISTORS, PASSIVE], ids=lambda path: path.stem)
def test_outputs_are_at_rest_before_the_first_clock(path):
    board = BoardFile.load(path)
    gateware = AnalogBoard(board, parameters_of(board, 16), build="x")
    signals = {name: getattr(gateware, name) for name in driven_pins(board)}
    found = {}

    async def look(ctx):
        found.update({name: ctx.get(signal) for name, signal in signals.items()})

    simulator = Simulator(gateware)
    simulator.add_clock(1 / board.clock)
    simulator.add_testbench(look)
    simulator.run_until(0.1 / board.clock)
    rest = {name: (pins_of(board)[name].init or 0) & (1 << len(signal)) - 1 for name, signal in signals.items()}
    assert found == {**rest, "range_pins": board.codes.ranges[0].pins}
    assert found["enable_n"] == (1 << len(board.chains)) - 1
