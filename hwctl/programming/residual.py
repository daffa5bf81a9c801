"""A second matrix of pairs that holds what the first one lacks, many times over: W = W1 + W2 / gain."""

from dataclasses import dataclass, replace

import numpy as np

from hwctl.crossbar import Crossbar
from hwctl.crossbar.results import Floats
from hwctl.programming.linemap import LineMap
from hwctl.programming.matrix import Method, Programmed, program_weights
from hwctl.programming.precise import MOST, read_precisely
from hwctl.programming.result import Mask
from hwctl.programming.weights import Bounds
from hwctl.protocol.packing import Region

GAINS = np.geomspace(1.0, 1000.0, 121)


@dataclass(frozen=True)
class Corrected:
    """A matrix with its residual. Arrays are (rows, outputs)."""

    first: Programmed
    second: Programmed
    """Its weights are those that the first one lacks, times the gain; its pulses are those of both passes."""
    gain: float
    """By which the sums of the second matrix are divided, or the inputs that it gets."""
    before: Floats
    """Effective weights of the first matrix alone, as read in the end."""
    effective: Floats
    """Effective weights of both together, as read in the end: before + those of the second / gain."""
    conversions: int
    """Of the readings between and after, beside those of both matrices."""


def best_gain(lacking: Floats, k: float, bounds: Bounds, sure: Mask) -> float:
    """Return the gain, 1 to 1000, with which the least squared error is to be expected of a residual.

    lacking: (rows, outputs), of the weights; k: S a unit weight; bounds: of the second matrix' cells. sure: pairs that
    were brought to their targets: they show how far off a pair ends. A larger gain divides that, but what is then
    beyond the second pair's reach stays. Outliers, as of stuck pairs, are so left alone where that is better for the
    others.
    """
    spread = float(np.sqrt((lacking[sure] ** 2).mean())) if sure.any() else 0.0
    costs = [
        float(((bounds.lacking(lacking * gain, k) / gain) ** 2).sum()) + lacking.size * (spread / gain) ** 2
        for gain in GAINS
    ]
    return float(GAINS[int(np.argmin(costs))])


def program_residual(
    crossbar: Crossbar, first: Programmed, region: Region, method: Method, bounds: Bounds, precision: float,
    *, most: int = MOST, pause: float = 0.0,
) -> Corrected:  # fmt: skip
    """Program what a programmed matrix lacks into a second one beside it.

    region: of the second one's cells, with the rows of the first one's region and two columns an output, in their
    order; its rows are the first one's, so that both get the same inputs. bounds: of its cells. Cells that do not
    follow count as stuck in a second pass, in which their partners make up for them. precision: S, the standard error
    to which all cells are read, between and in the end; most, pause: as of `read_precisely`. What is beyond the second
    matrix' reach is corrected as far as that goes: `second.expected` says how far. Raises LimitError.
    """
    line_map = LineMap(first.line_map.rows, np.arange(first.weights.shape[1]))
    seen, spent = _effective(crossbar, first, precision, most, pause)
    lacking = np.nan_to_num(first.weights - seen)
    reached = first.result.reached[:, 0::2] & first.result.reached[:, 1::2]
    known = bounds.part(line_map.rows, line_map.columns)
    gain = best_gain(lacking, first.k, known, reached)
    second = program_weights(crossbar, lacking * gain, first.k, region, method, bounds, line_map)
    failed = np.zeros(region.shape, np.bool_)
    at = np.ix_(line_map.rows, line_map.columns)
    failed[at] = ~second.result.reached & ~second.stuck & np.isfinite(second.result.reading)
    if failed.any():
        where = np.zeros(region.shape)
        where[at] = second.result.reading
        held = bounds.holding(failed, where)
        again = program_weights(crossbar, lacking * gain, first.k, region, method, held, line_map)
        second = replace(again, result=again.result.after(second.result))
    before, more = _effective(crossbar, first, precision, most, pause)
    correction, last = _effective(crossbar, second, precision, most, pause)
    return Corrected(first, second, gain, before, before + correction / gain, spent + more + last)


def _effective(crossbar: Crossbar, done: Programmed, precision: float, most: int, pause: float) -> tuple[Floats, int]:
    """Return effective weights (rows, outputs), read to a standard error of each cell in S, and the conversions."""
    rows, columns = np.meshgrid(done.line_map.rows, done.line_map.columns, indexing="ij")
    found = read_precisely(
        crossbar, rows.reshape(-1) + done.region.row0, columns.reshape(-1) + done.region.col0, precision, most=most,
        pause=pause,
    )  # fmt: skip
    seen = found.mean.reshape(rows.shape)
    return (seen[:, 0::2] - seen[:, 1::2]) / done.k, int(found.conversions.sum())
