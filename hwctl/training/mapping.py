"""One layer of weights on crossbar tiles: W = (G+ - G-) / k, in differential pairs of neighbouring columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwctl.crossbar import Crossbar, PulseShape
from hwctl.crossbar.driver import FULL_SCALE
from hwctl.devices.cellsteps import Steps
from hwctl.devices.knownchip import KnownChip
from hwctl.devices.steps import StepModel
from hwctl.errors import RunError
from hwctl.programming.modelbased import ModelBased
from hwctl.programming.weights import Bounds
from hwctl.protocol.codes import MAX_PULSES, Feature, Polarity
from hwctl.protocol.packing import Region
from hwctl.training.kernels import pair_differences, paired_lines
from hwctl.training.knowncells import known_cells
from hwctl.training.placement import Tile
from hwctl.training.tracking import Tracker

Floats = NDArray[np.float64]
Cells = tuple[NDArray[np.int64], ...]


@dataclass
class Placed:
    """A tile and what it takes to address it."""

    tile: Tile
    crossbar: Crossbar
    region: Region
    inputs: slice
    """Rows of the layer's device matrix."""
    lines: slice
    """Columns of the layer's device matrix."""
    shapes: tuple[list[PulseShape], list[PulseShape]]
    """Pulse shapes of SET and RESET, one a drive level."""
    usual: tuple[PulseShape, PulseShape]
    """Those of the drive levels that single-level schedules use."""


class PairedLayer:
    """Weights (inputs + 1, outputs) on one or more tiles; the last row is the bias.

    The device matrix has the columns G+ and G- of output j at 2j and 2j + 1. `tracker` holds what the host believes
    about it.
    """

    def __init__(
        self, tiles: Sequence[Tile], crossbars: Sequence[Crossbar], model: StepModel, siemens_per_weight: float,
        known: KnownChip | None = None,
    ) -> None:  # fmt: skip
        """Take placed tiles; siemens_per_weight: k in S; known: the array's calibrated cells, with `model` its own.

        Raises as `KnownChip.at`.
        """
        self.model = model
        self.k = siemens_per_weight
        self.rows = max(t.first_input + t.rows for t in tiles)
        self.lines = max(t.first_line + t.cols for t in tiles)
        self.outputs = self.lines // 2
        self.tiles = [self._placed(tile, crossbars[tile.array]) for tile in tiles]
        self.known = known
        shape = self.rows, self.lines
        self.bounds: Bounds | None = None
        """What each cell can show; None: what the device can."""
        self.steps: Steps = model
        """What a pulse does to each cell (rows, lines): pooled curves, or what is known of it."""
        if known is not None:
            self.bounds, self.steps = known_cells(known, self.tiles, shape)
        self.tracker = Tracker(model, shape, self.steps)
        self._whole = len(tiles) == 1
        self.uncounted = False
        """Whether pulses were sent since the last reading that nobody counted cell by cell."""
        # Where a board has no transposed VMM, errors go back through what is known of the cells.
        self.transposes = all(t.crossbar.has(Feature.VMM_T) for t in self.tiles)

    def _placed(self, tile: Tile, crossbar: Crossbar) -> Placed:
        shapes = crossbar.drive_levels(Polarity.SET), crossbar.drive_levels(Polarity.RESET)
        region = crossbar.region(slice(tile.row, tile.row + tile.rows), slice(tile.col, tile.col + tile.cols))
        return Placed(
            tile,
            crossbar,
            region,
            slice(tile.first_input, tile.first_input + tile.rows),
            slice(tile.first_line, tile.first_line + tile.cols),
            shapes,
            (shapes[0][self.model.usual[0]], shapes[1][self.model.usual[1]]),
        )

    # -- signals -------------------------------------------------------------------------------------------------

    def forward(self, inputs: Floats, bound: float | None = None) -> Floats:
        """Return x W (batch, outputs) of inputs (batch, inputs + 1), bias input included: a VMM on the array.

        bound: largest size of an input, where it is known. Inputs beyond 1 are scaled down to the converter's range,
        and the sums back up.
        """
        if bound is None:
            bound = float(np.abs(inputs).max())
            if not np.isfinite(bound):
                raise RunError("an activation is no number any more, so the loss is none; lower the learning rate")
        share = FULL_SCALE / max(bound, 1.0)
        if self._whole:
            return self._forward_tile(self.tiles[0], inputs, share)
        found = np.zeros((len(inputs), self.outputs))
        for placed in self.tiles:
            outputs = slice(placed.lines.start // 2, placed.lines.stop // 2)
            found[:, outputs] += self._forward_tile(placed, inputs[:, placed.inputs], share)
        return found

    def _forward_tile(self, placed: Placed, inputs: Floats, share: float) -> Floats:
        volts = share * placed.crossbar.read_voltage
        currents = placed.crossbar.vmm(inputs * volts, placed.region, g_max=self.model.g_max)
        return pair_differences(currents, 1.0 / (volts * self.k))

    def backward(self, deltas: Floats) -> Floats:
        """Return deltas W^T (batch, inputs + 1) of deltas (batch, outputs): a transposed VMM.

        Each vector is scaled to the converter's full range, and its sums back.
        """
        if not self.transposes:
            return deltas @ self.weights().T
        lines, scale = paired_lines(deltas, FULL_SCALE)
        if self._whole:
            return self._backward_tile(self.tiles[0], lines, scale)
        found = np.zeros((len(deltas), self.rows))
        for placed in self.tiles:
            found[:, placed.inputs] += self._backward_tile(placed, lines[:, placed.lines], scale)
        return found

    def _backward_tile(self, placed: Placed, lines: Floats, scale: Floats) -> Floats:
        volts = placed.crossbar.read_voltage
        currents = placed.crossbar.vmm_t(lines * volts, placed.region, g_max=self.model.g_max)
        return currents * (scale * (1.0 / (FULL_SCALE * volts * self.k)))

    # -- weights -------------------------------------------------------------------------------------------------

    def plus(self) -> Floats:
        """Return the estimated G+ (inputs + 1, outputs) in S."""
        return self.tracker.mean[:, 0::2]

    def minus(self) -> Floats:
        """Return the estimated G- (inputs + 1, outputs) in S."""
        return self.tracker.mean[:, 1::2]

    def weights(self) -> Floats:
        """Return the estimated weights (inputs + 1, outputs)."""
        return (self.plus() - self.minus()) / self.k

    def read(self, averages: int = 1) -> Floats:
        """Read every cell, let the tracker know, and return the device matrix in S, NaN where saturated."""
        if self.uncounted:
            self.tracker.forget()
            self.uncounted = False
        found = np.empty((self.rows, self.lines))
        for placed in self.tiles:
            found[placed.inputs, placed.lines] = placed.crossbar.read(
                placed.region, averages=averages, over_range="nan"
            )
        self.tracker.observe((slice(None), slice(None)), found, averages)
        return found

    def differences(self, row: int, averages: int = 1) -> Floats:
        """Read a row of cells and return G+ - G- (outputs,) in S, NaN where saturated; the tracker is not told."""
        found = np.empty(self.lines)
        for placed in self.tiles:
            if placed.inputs.start <= row < placed.inputs.stop:
                i = row - placed.inputs.start + placed.region.row0
                lines = slice(placed.region.col0, placed.region.col0 + placed.tile.cols)
                found[placed.lines] = placed.crossbar.read(i, lines, averages=averages, over_range="nan")[0]
        return found[0::2] - found[1::2]

    def read_cells(self, cells: Cells, averages: int = 1) -> None:
        """Read given cells, one row of a tile at a time from the first to the last of them, for the tracker."""
        rows, lines = cells
        for placed in self.tiles:
            inside = (rows >= placed.inputs.start) & (rows < placed.inputs.stop)
            inside &= (lines >= placed.lines.start) & (lines < placed.lines.stop)
            for row in np.unique(rows[inside]).tolist():
                chosen = lines[inside & (rows == row)]
                first, last = int(chosen.min()), int(chosen.max()) + 1
                i = row - placed.inputs.start + placed.region.row0
                j = placed.region.col0 - placed.lines.start
                found = placed.crossbar.read(i, slice(first + j, last + j), averages=averages, over_range="nan")
                self.tracker.observe((slice(row, row + 1), slice(first, last)), found, averages)

    def pulse(self, cells: Cells, counts: NDArray[np.int64], levels: NDArray[np.int64]) -> int:
        """Send signed counts to cells (rows, columns of the device matrix) at drive levels, each (cells,).

        Trains longer than a command holds are sent in several. Returns the pulses sent.
        """
        sent = 0
        while counts.size:
            now = np.clip(counts, -MAX_PULSES, MAX_PULSES)
            self.tracker.predict(cells, now, levels)
            for placed in self.tiles:
                sent += self._pulse_tile(placed, cells, now, levels)
            left = counts != now
            cells, counts, levels = (cells[0][left], cells[1][left]), (counts - now)[left], levels[left]
        return sent

    def _pulse_tile(self, placed: Placed, cells: Cells, counts: NDArray[np.int64], levels: NDArray[np.int64]) -> int:
        rows, lines = cells
        if not self._whole:
            inside = (rows >= placed.inputs.start) & (rows < placed.inputs.stop)
            inside &= (lines >= placed.lines.start) & (lines < placed.lines.stop)
            rows, lines, counts, levels = rows[inside], lines[inside], counts[inside], levels[inside]
        sent = 0
        # A sparse command has one shape for each polarity.
        codes = levels * 2 + (counts < 0)
        for code in np.unique(codes).tolist():
            chosen = codes == code
            shape = placed.shapes[code % 2][code // 2]
            sent += self._send(placed, rows[chosen], lines[chosen], counts[chosen], shape)
        return sent

    def _send(
        self,
        placed: Placed,
        rows: NDArray[np.int64],
        lines: NDArray[np.int64],
        counts: NDArray[np.int64],
        shape: PulseShape,
    ) -> int:
        sets = shape if shape.polarity == Polarity.SET else placed.shapes[0][0]
        resets = shape if shape.polarity == Polarity.RESET else placed.shapes[1][0]
        return sum(
            placed.crossbar.pulse_cells(
                rows - placed.inputs.start + placed.region.row0,
                lines - placed.lines.start + placed.region.col0,
                counts, sets, resets,
            )
        )  # fmt: skip

    def verify(
        self, targets: Floats, chosen: NDArray[np.bool_], method: ModelBased, limit: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Bring chosen cells to targets in S by write-verify; the tracker takes their last readings.

        targets, chosen, limit (pulses that a cell may take): (rows, lines). Returns pulses and which cells reached
        their targets, (rows, lines) each.
        """
        pulses, reached = np.zeros(chosen.shape, np.int64), np.zeros(chosen.shape, np.bool_)
        for placed in self.tiles:
            where = placed.inputs, placed.lines
            if not chosen[where].any():
                continue
            most = None if limit is None else limit[where]
            done = method.program(
                placed.crossbar, targets[where], placed.region, chosen=chosen[where], pulse_limit=most,
                allow_unreachable=True,
            )  # fmt: skip
            pulses[where], reached[where] = done.pulses, done.reached
            rows, lines = np.nonzero(chosen[where])
            cells = rows + placed.inputs.start, lines + placed.lines.start
            self.tracker.renew(cells, done.reading[rows, lines], method.averages)
        return pulses, reached

    def outer(self, x: NDArray[np.int8], d: NDArray[np.int8], slots: int) -> None:
        """Send events x (events, inputs + 1) and d (events, lines) in coincidence mode; what is known ages."""
        for placed in self.tiles:
            sets, resets = placed.usual
            rows = x if self._whole else np.ascontiguousarray(x[:, placed.inputs])
            lines = d if self._whole else np.ascontiguousarray(d[:, placed.lines])
            placed.crossbar.outer(rows, lines, sets, resets, placed.region, slots=slots)
        self.uncounted = True
        if not self.transposes:
            self.read()  # errors go back through these values

    def outer_counted(
        self, x: NDArray[np.int8], d: NDArray[np.int8], slots: int, still: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Send events as `outer`, and count what each cell gets: it takes the host some times longer than sending.

        still: (rows, lines), cells that pulses do not move. Returns the pulses that each cell took, (rows, lines).
        """
        pulses = np.zeros((self.rows, self.lines), np.int64)
        for placed in self.tiles:
            sets, resets = placed.usual
            rows = x if self._whole else np.ascontiguousarray(x[:, placed.inputs])
            lines = d if self._whole else np.ascontiguousarray(d[:, placed.lines])
            each = placed.crossbar.outer_counts(rows, lines, placed.region, slots=slots)
            placed.crossbar.outer(rows, lines, sets, resets, placed.region, slots=slots)
            where = placed.inputs, placed.lines
            for counts in each:
                pulses[where] += np.abs(counts)
                cells = np.nonzero(np.where(still[where], 0, counts))
                levels = np.array(self.model.usual)[(counts[cells] < 0).astype(np.int64)]
                at = cells[0] + placed.inputs.start, cells[1] + placed.lines.start
                self.tracker.predict(at, counts[cells], levels)
        return pulses
