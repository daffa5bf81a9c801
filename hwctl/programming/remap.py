"""Programming around stuck cells: those of a record, and those that a pass of programming finds."""

from dataclasses import dataclass, replace

import numpy as np

from hwctl.crossbar import Crossbar
from hwctl.crossbar.results import Floats
from hwctl.programming.linemap import LineMap, best_map
from hwctl.programming.matrix import STUCK_AVERAGES, Method, Programmed, program_weights
from hwctl.programming.result import Mask
from hwctl.programming.weights import Bounds, largest_scale, refuse_beyond
from hwctl.protocol.codes import NO_READING
from hwctl.protocol.packing import Region

PASSES = 4  # of programming; each but the last may find cells that do not follow, around which the next one maps


@dataclass(frozen=True)
class Remapped:
    """A matrix that was programmed around stuck cells."""

    done: Programmed
    """Of the last pass; its pulses and conversions are those of all passes."""
    passes: int
    error_before: float
    """Sum of squared errors of the weights at best with all lines in their order, by what is known in the end."""
    error_after: float
    """The same with the map."""


def mapped_scale(
    weights: Floats, bounds: Bounds, whole: Bounds, margin: float, rng: np.random.Generator
) -> tuple[float, tuple[int, int] | None]:
    """Return k in S a unit weight for weights (rows, outputs) that are going to be mapped.

    bounds: of the region's cells, whole: the device's range for each of them. The range sets the scale; where a pair of
    working cells is too weak for it even after mapping, the weakest does, and its row and output come second. margin: S
    that cells keep from their bounds. Raises LimitError where a pair has no room at all.
    """
    rows, outputs = weights.shape
    k, _ = largest_scale(weights, whole.part(np.arange(rows), np.arange(2 * outputs)), margin)
    line_map = best_map(weights, k, bounds, rng)
    allowed, place = largest_scale(weights, bounds.part(line_map.rows, line_map.columns), margin)
    return (k, None) if allowed >= k else (allowed, place)


def program_mapped(
    crossbar: Crossbar,
    weights: Floats,
    k: float,
    region: Region,
    method: Method,
    bounds: Bounds,
    rng: np.random.Generator,
    *,
    nearest: bool = False,
) -> Remapped:
    """Program weights (rows, outputs) on those lines of a region where stuck cells do least harm.

    k: S a unit weight. bounds: of the region's cells, as far as they are known. A cell that does not follow counts as
    stuck from then on, and the matrix is mapped anew, PASSES times at most. nearest: weights beyond what working cells
    show are set as near as they come. Raises LimitError where they are not to be, before a pulse of that pass.
    """
    spent = np.zeros((3, *region.shape), np.int64)
    for number in range(1, PASSES + 1):
        line_map = best_map(weights, k, bounds, rng)
        if number == 1 and not nearest:
            refuse_beyond(weights, k, bounds.part(line_map.rows, line_map.columns))
        done = program_weights(crossbar, weights, k, region, method, bounds, line_map)
        at = np.ix_(line_map.rows, line_map.columns)
        spent[0][at] += done.result.set_pulses
        spent[1][at] += done.result.reset_pulses
        spent[2][at] += done.result.reads
        failed = np.zeros(region.shape, np.bool_)
        failed[at] = ~done.result.reached & ~done.stuck
        if number == PASSES or not failed.any():
            break
        bounds = bounds.holding(failed, _where(crossbar, region, failed))
        spent[2] += STUCK_AVERAGES * failed
    result = replace(done.result, set_pulses=spent[0][at], reset_pulses=spent[1][at], reads=spent[2][at])
    abandoned = int(spent[:2].sum() - result.pulses.sum())
    straight = LineMap.straight(*weights.shape)
    return Remapped(
        replace(done, result=result, abandoned_pulses=abandoned), number, straight.error(weights, k, done.bounds),
        done.line_map.error(weights, k, done.bounds),
    )  # fmt: skip


def _where(crossbar: Crossbar, region: Region, cells: Mask) -> Floats:
    """Return where cells (rows, cols) of a region are in S; at the converter's end where it saturates."""
    rows, cols = np.nonzero(cells)
    found = np.zeros(region.shape)
    readings = crossbar.read_cells(rows + region.row0, cols + region.col0, averages=STUCK_AVERAGES)
    found[rows, cols] = np.nan_to_num(readings, nan=(NO_READING - 1) * crossbar.units.siemens_per_reading)
    return found
