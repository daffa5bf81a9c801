"""A matrix of weights on cells of an array: targets of pairs, write-verify, and what came of it."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from hwctl.crossbar import Crossbar
from hwctl.crossbar.results import Floats
from hwctl.devices.steps import StepModel
from hwctl.programming.linemap import LineMap
from hwctl.programming.result import Mask, Result
from hwctl.programming.weights import Bounds, pair_targets
from hwctl.protocol.packing import Region

STUCK_AVERAGES = 64  # conversions of a cell that is not pulsed


class Method(Protocol):
    """A write-verify method with its parameters, such as `modelbased.ModelBased`."""

    @property
    def model(self) -> StepModel:
        """Step curves of the device."""

    def program(self, crossbar: Crossbar, targets: Floats, rows: Region, *, chosen: Mask | None = None) -> Result:
        """Bring chosen cells of a region to targets (rows, cols) in S."""


@dataclass(frozen=True)
class Programmed:
    """A programmed matrix: arrays over weights (rows, outputs), over cells (rows, 2 * outputs), in its own order."""

    weights: Floats
    """Wanted."""
    k: float
    """S a unit weight."""
    region: Region
    """Lines of the array that the matrix may use; those of `line_map` are counted from its corner."""
    line_map: LineMap
    bounds: Bounds
    """Of the region's cells, as they are known in the end."""
    targets: Floats
    """S"""
    result: Result
    """Of the last pass, over the matrix' cells; pulses and conversions are those of all passes."""
    abandoned_pulses: int
    """Pulses of cells that an earlier pass used and this map does not."""

    @property
    def expected(self) -> Floats:
        """Weights that the cells can show at best, by what is known of them in the end."""
        return self.bounds.part(self.line_map.rows, self.line_map.columns).nearest(self.weights, self.k)

    @property
    def effective(self) -> Floats:
        """Weights as they were read last: (G+ - G-) / k, NaN where a converter saturated."""
        return (self.result.reading[:, 0::2] - self.result.reading[:, 1::2]) / self.k

    @property
    def stuck(self) -> Mask:
        """Cells that do not follow."""
        return self.bounds.part(self.line_map.rows, self.line_map.columns).stuck

    def address(self, row: int, column: int) -> tuple[int, int]:
        """Return row and column on the array of a cell of the matrix."""
        rows, columns = self.line_map.rows, self.line_map.columns
        return self.region.row0 + int(rows[row]), self.region.col0 + int(columns[column])


def program_weights(
    crossbar: Crossbar, weights: Floats, k: float, region: Region, method: Method, bounds: Bounds, line_map: LineMap
) -> Programmed:
    """Program weights (rows, outputs) once, on the lines of a map, and leave all other cells of the region alone.

    k: S a unit weight; bounds: of the region's cells. Stuck cells get no pulse: their partners make up for them. Raises
    LimitError as the method does; then nothing was pulsed.
    """
    at = np.ix_(line_map.rows, line_map.columns)
    known = bounds.part(line_map.rows, line_map.columns)
    targets = pair_targets(weights, k, known, method.model)
    wanted, chosen = np.full(region.shape, method.model.g_min), np.zeros(region.shape, np.bool_)
    wanted[at], chosen[at] = targets, ~known.stuck
    done = method.program(crossbar, wanted, region, chosen=chosen)
    # Where a cell is stuck, the record or the pass before says where: one reading more says where it is now.
    rows, cols = np.nonzero(~chosen[at])
    mine = done.part(at)
    reading, reads = mine.reading.copy(), mine.reads.copy()
    if rows.size:
        places = region.row0 + line_map.rows[rows], region.col0 + line_map.columns[cols]
        reading[rows, cols] = crossbar.read_cells(*places, averages=STUCK_AVERAGES)
        reads[rows, cols] += STUCK_AVERAGES
    mine = replace(mine, reading=reading, reads=reads)
    return Programmed(weights, k, region, line_map, bounds, targets, mine, 0)
