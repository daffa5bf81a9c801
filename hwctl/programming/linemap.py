"""Which lines of an array hold which lines of a matrix, so that stuck cells do least harm."""

from dataclasses import dataclass, replace

import numpy as np

from hwctl.crossbar.results import Floats
from hwctl.packages import need
from hwctl.programming.result import Counts
from hwctl.programming.weights import Bounds

STARTS = 8  # orders of the lines that the search begins from, the straight one first
ROUNDS = 50  # of assigning rows and outputs in turns; it ends by itself after a few
BETTER = 1e-9  # relative: by what an error has to fall to count as less
WORTH = 0.01  # the same for another order of all lines, which moves them all
STAY = 1e-12  # of the sum of squared weights: what a line costs more on another place than where it is


@dataclass(frozen=True)
class LineMap:
    """Places of a matrix' lines on a region, counted from its corner; an output's pair stays together."""

    rows: Counts
    """(rows,): row of the region that holds each row of the matrix."""
    pairs: Counts
    """(outputs,): pair of neighbouring columns that holds each output; pair p is the columns 2p and 2p + 1."""

    @classmethod
    def straight(cls, rows: int, outputs: int) -> "LineMap":
        """Return the map that leaves all lines in their order."""
        return cls(np.arange(rows), np.arange(outputs))

    @property
    def columns(self) -> Counts:
        """(2 * outputs,): column of the region that holds each column of the matrix."""
        return np.stack([2 * self.pairs, 2 * self.pairs + 1], axis=1).reshape(-1)

    def error(self, weights: Floats, k: float, bounds: Bounds) -> float:
        """Return the sum of squared errors that weights (rows, outputs) have at best. k: S a unit weight."""
        return float((bounds.part(self.rows, self.columns).lacking(weights, k) ** 2).sum())


def best_map(weights: Floats, k: float, bounds: Bounds, rng: np.random.Generator) -> LineMap:
    """Return the map of a matrix onto a region with the least sum of squared errors that a search finds.

    weights (rows, outputs); k: S a unit weight; bounds: of the region's cells, as many as the matrix has or more.
    Rows are assigned at the least cost with the outputs where they are, then outputs, in turns until nothing improves
    (linear sum assignment); so from several orders of the outputs, drawn from rng. Not proven to be the least of all
    maps: that problem is a quadratic one. Where nothing improves, lines stay in their order. Raises MissingPackage
    without scipy.
    """
    need("scipy", "assigning lines around stuck cells")
    straight = LineMap.straight(*weights.shape)
    best, least = straight, straight.error(weights, k, bounds)
    for start in range(STARTS):
        if least == 0.0:
            break
        pairs = straight.pairs if start == 0 else rng.permutation(bounds.low.shape[1] // 2)[: weights.shape[1]]
        found, error = _improved(LineMap(straight.rows, pairs), weights, k, bounds)
        if error < least * (1 - (WORTH if start else BETTER)):
            best, least = found, error
    return best


def _improved(line_map: LineMap, weights: Floats, k: float, bounds: Bounds) -> tuple[LineMap, float]:
    """Assign rows and outputs in turns until that improves nothing; return the map and its error."""
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415  missing on small boards

    least, highest = bounds.lowest / k, bounds.highest / k
    error = line_map.error(weights, k, bounds)
    for _ in range(ROUNDS):
        low, high = least[:, line_map.pairs], highest[:, line_map.pairs]
        rows = linear_sum_assignment(_costs(weights, low, high, line_map.rows))[1]
        low, high = least[rows], highest[rows]
        pairs = linear_sum_assignment(_costs(weights.T, low.T, high.T, line_map.pairs))[1]
        found = replace(line_map, rows=rows, pairs=pairs)
        now = found.error(weights, k, bounds)
        if not now < error * (1 - BETTER):
            break
        line_map, error = found, now
    return line_map, error


def _costs(weights: Floats, low: Floats, high: Floats, places: Counts) -> Floats:
    """Return what each line of a matrix costs on each line of a region: (lines, lines of the region).

    weights (lines, others) on pairs that reach low to high (lines of the region, others), in weights. places (lines,):
    where the lines are; of equal costs that place is the less.
    """
    costs = np.empty((len(weights), len(low)))
    for line, wanted in enumerate(weights):
        costs[line] = ((wanted - np.clip(wanted, low, high)) ** 2).sum(axis=1)
    costs += STAY * float((weights**2).sum())
    costs[np.arange(len(weights)), places] -= STAY * float((weights**2).sum())
    return costs
