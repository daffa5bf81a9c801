"""A chip goes into a board that emulates one of its kind, and into no other."""

from dataclasses import replace

import numpy as np
import pytest

from hwctl.crossbar.emulated import load_chip
from hwctl.crossbar.port import Port
from hwctl.devices import presets
from hwctl.devices.chip import Scales, fabricate, noise_key
from hwctl.devices.tabulated import tabulate
from hwctl.errors import LimitError, Unsupported
from hwctl.links import open_link
from hwctl.protocol import commands, replies
from hwctl.protocol.packing import Region

ROWS, COLS = 4, 3
ALL = Region(0, ROWS, 0, COLS)


def port(device="neurram", seed=1, **options):
    text = "".join(f"&{name}={value}" for name, value in options.items())
    return Port(open_link(f"emulator:?device={device}&rows={ROWS}&cols={COLS}&seed={seed}{text}"))


def answers(board):
    """Return the cells of a board and a reading of them, with its noise."""
    words = board.ask(commands.Dump(ALL), replies.Dumped).words
    return words, board.ask(commands.Read(ALL, 2, 4, 7), replies.Readings).readings


def test_a_board_with_a_loaded_chip_is_the_board_of_that_chip():
    board, wanted = port(), port(seed=5)
    assert not np.array_equal(answers(board)[0], answers(wanted)[0])
    load_chip(board, fabricate(presets.get("neurram"), ROWS, COLS, 5), noise_key(5))
    np.testing.assert_equal(answers(board), answers(wanted))


def strongest_missing(device):
    table = tabulate(device, "short")
    last = max(n for n, level in enumerate(table.tables) if level.level.polarity == 0)
    return replace(table, tables=(*table.tables[:last], *table.tables[last + 1 :]))


def at_other_volts(device):
    table = tabulate(device, "other")
    first = table.tables[0]
    moved = replace(first, level=first.level._replace(amplitude=first.level.amplitude + 0.013))
    return replace(table, tables=(moved, *table.tables[1:]))


NEURRAM = presets.get("neurram")


def of_tables(device):
    """Return a chip in the scales of the board."""
    return replace(fabricate(device, ROWS, COLS, 5), scales=fabricate(NEURRAM, ROWS, COLS, 5).scales)


@pytest.mark.parametrize(
    ("chip", "options", "error", "says"),
    [
        (fabricate(NEURRAM, ROWS, COLS, 5), {"lacks": "emulated"}, Unsupported, "does not emulate its array"),
        (fabricate(NEURRAM, ROWS, COLS + 1, 5), {}, LimitError, "4 x 3 cells, neurram has 4 x 4"),
        (replace(fabricate(NEURRAM, ROWS, COLS, 5), scales=Scales(1e-9)), {}, LimitError, "one of neurram 1e-09 S"),
        (of_tables(strongest_missing(NEURRAM)), {}, LimitError, "SET levels, short has"),
        (of_tables(at_other_volts(NEURRAM)), {}, LimitError, "SET level 0 of emulator:"),
    ],
    ids=["physical", "geometry", "scale", "too few levels", "other levels"],
)
def test_what_does_not_fit_is_named_and_nothing_is_loaded(chip, options, error, says):
    board = port(**options)
    before = board.ask(commands.Read(ALL, 2, 4, 7), replies.Readings).readings
    with pytest.raises(error, match=says) as caught:
        load_chip(board, chip, 0)
    assert str(caught.value).endswith("nothing was loaded")
    np.testing.assert_array_equal(board.ask(commands.Read(ALL, 2, 4, 7), replies.Readings).readings, before)
