"""What a record says of each cell comes back for any region of its board, and for no other board."""

from dataclasses import replace

import numpy as np
import pytest

from hwctl.devices import presets
from hwctl.devices.knownchip import CELLS, KnownChip, load_known
from hwctl.devices.steps import StepModel
from hwctl.devices.tabulated import tabulate
from hwctl.errors import DeviceError, LimitError
from hwctl.protocol.packing import Region

ROWS, COLS, ROW0, COL0 = 6, 5, 3, 2
BOARD = 16, 12


def known(board=BOARD):
    numbers = np.arange(ROWS * COLS, dtype=np.float64).reshape(ROWS, COLS)
    both = np.array([numbers, numbers + 0.5])
    return KnownChip(
        source="chip7.h5", measured_on="neurram", board=board, device=tabulate(presets.get("neurram"), "mine"),
        curve_errors=(np.full((29, 64), 0.001), np.full((29, 64), 0.002)), row0=ROW0, col0=COL0, low=numbers,
        high=numbers + 1, own=numbers > 3, gain=both, gain_error=both, offset=numbers.astype(int),
        flags=(numbers == 4).astype(int), last=numbers, pulses=numbers.astype(int),
    )  # fmt: skip


def test_a_region_has_its_own_cells():
    part = known().at(Region(4, 7, 3, 5), BOARD, "neurram")
    assert (part.row0, part.col0) == (4, 3)
    np.testing.assert_array_equal(part.low, known().low[1:4, 1:3])
    np.testing.assert_array_equal(part.gain, known().gain[:, 1:4, 1:3])
    assert all(getattr(part, name).shape[-2:] == (3, 2) for name in CELLS)


@pytest.mark.parametrize(("named", "board"), [("mine", (ROWS, COLS)), ("neurram", (ROWS, COLS))])
def test_on_its_twin_the_region_starts_at_the_first_cell(named, board):
    part = known().at(Region(1, 2, 0, 1), board, named)
    np.testing.assert_array_equal(part.low, known().low[1:2, 0:1])


@pytest.mark.parametrize(
    ("region", "board", "named", "error", "says"),
    [
        (Region(3, 9, 2, 7), BOARD, "ecram", DeviceError, "of a chip of neurram, the board has ecram"),
        (Region(3, 9, 2, 7), (16, 13), "neurram", DeviceError, "board of 16 x 12 cells, this one has 16 x 13"),
        (Region(2, 9, 2, 7), BOARD, "neurram", LimitError, "which holds rows 3:9, columns 2:7; calibrate them"),
        (Region(3, 9, 2, 8), BOARD, "neurram", LimitError, "rows 3:9, columns 2:8 are not all in chip7.h5"),
    ],
)
def test_another_board_and_cells_that_were_not_measured_are_named(region, board, named, error, says):
    with pytest.raises(error, match=says):
        known().at(region, board, named)


def test_a_record_that_kept_no_geometry_is_not_refused_for_it():
    assert known(board=None).at(Region(3, 9, 2, 7), (16, 13), "neurram").low.shape == (ROWS, COLS)


def test_what_has_no_range_does_not_move():
    chip = known()
    high = chip.high.copy()
    high[0, 0] = chip.low[0, 0]
    np.testing.assert_array_equal(np.argwhere(replace(chip, high=high).stuck), [[0, 0], [0, 4]])


def test_a_target_can_be_within_a_cells_own_bounds_or_else_the_chips_and_where_a_stuck_cell_was_read():
    own = np.ones((ROWS, COLS), np.bool_)
    own[1, 1] = False
    chip = replace(known(), own=own)
    low, high = chip.reach
    assert (low[1, 1], high[1, 1]) == (chip.device.lowest, chip.device.highest)
    assert (low[2, 2], high[2, 2]) == (chip.low[2, 2], chip.high[2, 2])
    assert chip.stuck[0, 4]
    np.testing.assert_array_equal((low[0, 4], high[0, 4]), (chip.last[0, 4],) * 2)


def test_what_is_not_known_of_a_curve_makes_its_steps_less_sure():
    chip = known()
    plain = StepModel.of(chip.device)
    span = plain.g_max - plain.g_min
    np.testing.assert_array_equal(chip.model.means[0], plain.means[0])
    for polarity, error in ((0, 0.001), (1, 0.002)):
        np.testing.assert_allclose(chip.model.sigmas[polarity] ** 2, plain.sigmas[polarity] ** 2 + (error * span) ** 2)


def test_what_is_no_record_is_named(tmp_path):
    with pytest.raises(DeviceError, match=r"none\.h5 does not exist"):
        load_known(tmp_path / "none.h5")
