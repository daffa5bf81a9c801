"""Layers and movers on software boards of their own."""

from dataclasses import replace

import numpy as np
import pytest

from hwctl.crossbar import Crossbar
from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.devices.steps import StepModel
from hwctl.emulator.board import EmulatedBoard
from hwctl.links.inprocess import InProcessLink
from hwctl.protocol.cells import from_words
from hwctl.protocol.codes import Feature
from hwctl.training.mapping import PairedLayer
from hwctl.training.moves import Mover
from hwctl.training.placement import place

K = 20e-6  # S per unit weight


def open_board(device="linear", rows=8, cols=12, seed=1, change=None, lacks=Feature(0)):  # noqa: B008
    """Return the driver of a new board. device: a preset's name, or a device; change(cells): before power-up."""
    chip = fabricate(presets.get(device) if isinstance(device, str) else device, rows, cols, seed)
    if change:
        cells = chip.cells.copy()
        change(cells)
        chip = replace(chip, cells=cells)
    return Crossbar(InProcessLink(EmulatedBoard(chip, seed=seed, lacks=lacks), "test"))


def open_layer(device="linear", rows=8, outputs=6, k=K, arrays=None, **board):
    """Return a layer of (rows, outputs) weights on an array that just holds it, or tiled over `arrays`."""
    arrays = arrays or [(rows, 2 * outputs)]
    model = StepModel.of(presets.get(device) if isinstance(device, str) else device)
    crossbars = [open_board(device, *size, seed=n + 1, **board) for n, size in enumerate(arrays)]
    return PairedLayer(place([(rows, 2 * outputs)], arrays)[0], crossbars, model, k)


def open_mover(device="linear", policy="bidirectional", reread_share=10.0, averages=1, pulse_budget=None, **layer):
    """Return the mover of a layer that has been read once."""
    mover = Mover(
        open_layer(device, **layer),
        policy,
        reread_share=reread_share,
        averages=averages,
        pulse_budget=pulse_budget,
    )
    mover.layer.read(averages)
    return mover


def from_tiles(layer, of_crossbar):
    """Return the device matrix (rows, lines) of what `of_crossbar` gives for each array (rows, cols)."""
    found = [(placed, of_crossbar(placed.crossbar)) for placed in layer.tiles]
    matrix = np.empty((layer.rows, layer.lines), found[0][1].dtype)
    for placed, values in found:
        row0, row1, col0, col1 = placed.region
        matrix[placed.inputs, placed.lines] = values[row0:row1, col0:col1]
    return matrix


def states(crossbar):
    """Return the conductances in S that the cells of an emulated board have, without any noise."""
    cells = from_words(crossbar.dump().words).reshape(crossbar.rows, crossbar.cols)
    codes = cells["low"] + cells["state"] / 0x10000 * cells["span"]
    return codes * crossbar.identity.siemens_per_code


def true_matrix(layer):
    """Return what the layer's cells hold, in S."""
    return from_tiles(layer, states)


def true_weights(layer):
    """Return what the layer's weights are."""
    g = true_matrix(layer)
    return (g[:, 0::2] - g[:, 1::2]) / layer.k


def counted(layer):
    """Return the pulses that the boards have counted for each cell."""
    return from_tiles(layer, lambda crossbar: crossbar.pulse_counts())


def everywhere(layer):
    """Return (rows, lines) of all cells of the device matrix."""
    return tuple(grid.ravel() for grid in np.indices((layer.rows, layer.lines)))


@pytest.fixture(scope="session")
def lab():
    """Return what tests of training do with emulated boards."""
    return Lab


class Lab:
    """The functions above, for test modules: a conftest cannot be imported."""

    K = K
    board = staticmethod(open_board)
    layer = staticmethod(open_layer)
    mover = staticmethod(open_mover)
    true_matrix = staticmethod(true_matrix)
    true_weights = staticmethod(true_weights)
    counted = staticmethod(counted)
    everywhere = staticmethod(everywhere)
