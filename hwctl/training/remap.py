"""Which lines of a layer's device matrix hold which inputs and outputs, so that stuck cells do least harm.

The matrix may have spare lines. Network and optimizers see inputs + 1 and outputs alone; movers, schedules, checkpoints
and reports see the whole device matrix.
"""

import numpy as np
from numpy.typing import NDArray

from hwctl.packages import need
from hwctl.programming.linemap import BETTER, ROUNDS, STAY, LineMap
from hwctl.programming.weights import Bounds
from hwctl.training.mapping import PairedLayer
from hwctl.training.moves import Mover

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class MappedLayer:
    """Weights (inputs + 1, outputs) on some lines of a layer."""

    def __init__(self, layer: PairedLayer, rows: int, outputs: int) -> None:
        """Take a layer of at least so many rows and outputs; the first ones are used."""
        self.layer = layer
        self.rows, self.outputs = rows, outputs
        self.lines = LineMap.straight(rows, outputs)

    def forward(self, inputs: Floats, bound: float | None = None) -> Floats:
        """Return inputs W (batch, outputs); spare lines are at 0 V."""
        return self.layer.forward(self.on_rows(inputs), bound)[:, self.lines.pairs]

    def backward(self, deltas: Floats) -> Floats:
        """Return deltas W^T (batch, inputs + 1)."""
        return self.layer.backward(self.on_pairs(deltas))[:, self.lines.rows]

    def on_rows(self, inputs: Floats) -> Floats:
        """Return inputs (batch, inputs + 1) on the rows of the layer, 0 on the others."""
        found = np.zeros((len(inputs), self.layer.rows))
        found[:, self.lines.rows] = inputs
        return found

    def on_pairs(self, deltas: Floats) -> Floats:
        """Return deltas (batch, outputs) on the pairs of columns of the layer, 0 on the others."""
        found = np.zeros((len(deltas), self.layer.outputs))
        found[:, self.lines.pairs] = deltas
        return found

    def placed(self, weights: Floats) -> Floats:
        """Return weights (inputs + 1, outputs) where the layer has them, 0 elsewhere."""
        found = np.zeros((self.layer.rows, self.layer.outputs))
        found[np.ix_(self.lines.rows, self.lines.pairs)] = weights
        return found

    def taken(self, of_pairs: Mask) -> Mask:
        """Return what is said of the layer's pairs for those that hold a weight: (inputs + 1, outputs)."""
        return of_pairs[np.ix_(self.lines.rows, self.lines.pairs)]

    def remap(self, mover: Mover, importance: Floats) -> Mask:
        """Assign lines anew around the layer's frozen cells. Returns which cells hold another weight than before.

        importance: (inputs + 1,), see `best_lines`. Raises MissingPackage without scipy.
        """
        before, self.lines = self.lines, best_lines(harm(mover), importance, self.lines)
        moved = (self.lines.rows != before.rows)[:, None] | (self.lines.pairs != before.pairs)
        return np.repeat(self.placed(moved.astype(np.float64)) != 0.0, 2, axis=1)

    @property
    def moved(self) -> int:
        """Rows and outputs that are elsewhere than at the start."""
        straight = LineMap.straight(self.rows, self.outputs)
        return int((self.lines.rows != straight.rows).sum() + (self.lines.pairs != straight.pairs).sum())


def harm(mover: Mover) -> Floats:
    """Return how badly each pair (rows, outputs) of a mover's layer holds weights for its frozen cells.

    It is the mean square of what it lacks of the weights -b, 0 and b, with b half the largest weight.
    """
    layer, model = mover.layer, mover.layer.model
    bounds = Bounds.of(model, mover.frozen.shape).holding(mover.frozen, layer.tracker.mean)
    half = (model.g_max - model.g_min) / layer.k / 2
    wanted = (np.full((layer.rows, layer.outputs), weight) for weight in (-half, 0.0, half))
    return np.asarray(np.mean([bounds.lacking(weights, layer.k) ** 2 for weights in wanted], axis=0))


def best_lines(harm: Floats, importance: Floats, start: LineMap) -> LineMap:
    """Return the lines with the least sum of importance times harm that assigning rows and pairs in turns finds.

    harm: (rows, pairs) of the device matrix, as many as the weights or more. importance: (inputs + 1,), by what harm to
    an input's weights counts: an input that is always 0 may lie on a bad row. A line that gains nothing stays.
    """
    need("scipy", "assigning lines around stuck cells")
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415  missing on small boards

    def cost(lines: LineMap) -> float:
        return float(importance @ harm[np.ix_(lines.rows, lines.pairs)].sum(axis=1))

    best, least = start, cost(start)
    for _ in range(ROUNDS):
        of_rows = np.outer(importance, harm[:, best.pairs].sum(axis=1))
        rows = linear_sum_assignment(_staying(of_rows, best.rows))[1]
        of_pairs = np.tile(importance @ harm[rows], (len(best.pairs), 1))
        found = LineMap(rows, linear_sum_assignment(_staying(of_pairs, best.pairs))[1])
        now = cost(found)
        if not now < least * (1 - BETTER):
            break
        best, least = found, now
    return best


def _staying(costs: Floats, places: NDArray[np.int64]) -> Floats:
    """Return costs (lines, lines of the layer) of which, where equal, the present places' are the less."""
    costs[np.arange(len(places)), places] -= STAY * float(costs.max(initial=0.0))
    return costs
