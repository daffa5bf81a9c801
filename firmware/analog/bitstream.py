"""Builds the bitstream of a board file."""

import hashlib
from pathlib import Path

from firmware.analog.board import AnalogBoard, build_id, parameters_of
from firmware.analog.boardfile import BoardFile
from firmware.analog.fpgatop import AnalogTop
from firmware.analog.platform import fpga_board
from firmware.build import Built, made
from firmware.errors import BoardFileError

WAY_OUT = "give another fpga.seed, a lower board.clock_hz or fewer lines"
PLACING = "--router router2 --placer-heap-timingweight 40"
"""The other router may take an hour where all rows and columns meet; with the default of 10 paths come out too long."""


def build_board_file(path: Path) -> Built:
    """Build what a board file describes, for the FPGA board that it names.

    Raises BoardFileError where the gateware cannot drive the board, or the FPGA board has not what the file names;
    BuildError as `firmware.build.build` does.
    """
    board = BoardFile.load(path)
    try:
        platform, clock = fpga_board(board)
        parameters = parameters_of(board, clock.divisor)
    except BoardFileError as error:
        raise BoardFileError(f"{path}: {error}") from None
    identity = build_id(board, parameters)
    assert board.fpga is not None
    said = {
        "build": identity,
        "board": board.fpga.platform,
        "device": board.device.reference,
        "board_file": path.name,
        "seed": board.fpga.seed,
        "board_file_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    top = AnalogTop(AnalogBoard(board, parameters, build=identity), clock.pll)
    placing = f"{PLACING} --seed {board.fpga.seed}"
    return made(path.stem, platform, top, parameters, said, placing=placing, way_out=WAY_OUT)
