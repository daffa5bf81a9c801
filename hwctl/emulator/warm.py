"""Compiles what commands need before a host waits for it: behind a line, that time is silence."""

from collections.abc import Iterator
from copy import deepcopy

import numpy as np

from hwctl.emulator.array import MATMUL_BATCH
from hwctl.emulator.board import EmulatedBoard
from hwctl.protocol import commands
from hwctl.protocol.codes import MAX_READ_RANGE, OuterMode, Polarity, ShapePer
from hwctl.protocol.commands import Command
from hwctl.protocol.packing import Ramp, Region

_CELL = Region(0, 1, 0, 1)
_SET, _RESET = 0, 1  # numbers of pulse shapes


def compile_kernels(board: EmulatedBoard) -> None:
    """Execute a command of each kind on a copy of a board; the board stays as it is."""
    copy = deepcopy(board)
    for command in _one_of_each(board):
        copy.execute(command)  # what it refuses needs nothing compiled


def _one_of_each(board: EmulatedBoard) -> Iterator[Command]:
    chip = board.chip
    for number, polarity in ((_SET, Polarity.SET), (_RESET, Polarity.RESET)):
        level, scales = chip.levels[polarity][0], chip.scales
        amplitude, width = round(level.amplitude / scales.volts), round(level.width / scales.seconds)
        yield commands.ConfigureShape(number, polarity, amplitude, width, round(level.gate / scales.volts), 0)
    one, shapes = np.ones((1, 1), np.int8), (np.array([number], np.uint8) for number in (_SET, _RESET))
    yield commands.Pulse(_CELL, one, ShapePer.COMMAND, *shapes)
    yield commands.PulseSparse(np.zeros(1, np.uint16), np.zeros(1, np.uint16), one[0], _SET, _RESET)
    for mode in OuterMode:
        yield commands.Outer(_CELL, one, one, mode, 8, 0, 0, _SET, _RESET)
    yield commands.Read(_CELL, 0, MAX_READ_RANGE, 0)
    for dtype in (np.int8, np.int16):
        for batch in (1, MATMUL_BATCH):
            yield commands.Vmm(_CELL, np.ones((batch, 1), dtype), 0, 0)
        yield commands.VmmT(_CELL, one.astype(dtype), 0, 0)
    target = np.full((1, 1), 2**15, np.uint16)
    ramps = Ramp(_SET, _SET, 1), Ramp(_RESET, _RESET, 1)
    yield commands.WriteVerify(_CELL, target, 0, 1, 0, *ramps, 0)
