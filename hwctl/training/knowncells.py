"""What a record of the array's chip says of the cells of a layer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hwctl.devices.cellsteps import NARROWEST, CellSteps
from hwctl.devices.knownchip import KnownChip
from hwctl.programming.calibrated import at_board, bounds_of
from hwctl.programming.weights import Bounds

if TYPE_CHECKING:
    from hwctl.training.mapping import Placed


def known_cells(known: KnownChip, tiles: Sequence["Placed"], shape: tuple[int, int]) -> tuple[Bounds, CellSteps]:
    """Return what cells of a device matrix (rows, lines) can show, and what a pulse does to each of them.

    Raises DeviceError where the record is another chip's, LimitError where it lacks cells of the layer.
    """
    bounds = Bounds(np.empty(shape), np.empty(shape), np.empty(shape, np.bool_))
    low, high, gain, error = np.empty(shape), np.empty(shape), np.empty((2, *shape)), np.empty((2, *shape))
    offset = np.empty(shape, np.int64)
    for placed in tiles:
        where = placed.inputs, placed.lines
        cells = at_board(known, placed.crossbar, placed.region)
        shown = bounds_of(known, placed.crossbar, placed.region)
        bounds.low[where], bounds.high[where], bounds.stuck[where] = shown.low, shown.high, shown.stuck
        low[where], high[where], offset[where] = cells.low, cells.high, cells.offset
        gain[:, where[0], where[1]], error[:, where[0], where[1]] = cells.gain, cells.gain_error
    model = known.model
    stretch = (model.g_max - model.g_min) / np.maximum(high - low, NARROWEST)
    return bounds, CellSteps(model, bounds.low, bounds.high, low, stretch, gain, error, offset)
