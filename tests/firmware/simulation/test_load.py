"""`python -m firmware load` puts the chip of an emulator into a board."""

import numpy as np
import pytest
from typer.testing import CliRunner

from firmware.__main__ import app
from firmware.simulation.board import simulated
from hwctl.links import open_link
from hwctl.protocol import commands
from hwctl.protocol.packing import Region
from tests.firmware.simulation.geometry import COLS, LANES, ROWS

pytestmark = pytest.mark.slow  # a model is compiled


def cells(target):
    link = open_link(target)
    try:
        rows, cols = (getattr(link.execute(commands.Identify()), name) for name in ("rows", "cols"))
        return link.execute(commands.Dump(Region(0, rows, 0, cols))).words
    finally:
        link.close()


def test_the_chip_of_an_emulator_is_loaded_into_a_board():
    expected = cells(f"emulator:?rows={ROWS}&cols={COLS}&seed=5")
    with simulated("reram-es", ROWS, COLS, 2, 0.0, lanes=LANES["reram-es"]) as board:
        assert not np.array_equal(cells(board.path), expected)
        done = CliRunner().invoke(app, ["load", board.path, "--seed", "5"])
        assert done.exit_code == 0, done.output
        assert f"{ROWS} x {COLS} cells, seed 5" in done.output
        np.testing.assert_array_equal(cells(board.path), expected)
