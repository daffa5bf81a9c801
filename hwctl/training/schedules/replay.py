"""Momentum for events of rank 1: a momentum matrix is not of rank 1, but a sum of the last outer products is.

m = b m + x^T d is the sum of b^k x_k^T d_k over all k updates that went before. The last `depth` of them are kept and
sent again with every update, so that traffic grows by `depth` and not to that of a matrix; what is older would weigh
b^depth and less. Of Polyak's heavy ball (see `optimizers.Momentum`), cut off there.

Cheaper still, some of them are drawn, each the likelier the more it weighs and the larger its outer product is, and
sent the larger the less likely it was: on average the same sum. Drawing by size has the least variance of all ways to
draw (Alain et al., "Variance reduction in SGD by distributed importance sampling", arXiv 1511.06481).
"""

from collections.abc import Mapping, Sequence
from math import inf

import numpy as np
from numpy.typing import NDArray

from hwctl.errors import BadInput

Floats = NDArray[np.float64]
PARTS = ("inputs", "deltas", "ages")
SHORTEST = 1000.0  # updates over which the usual size of events is averaged, once there were so many


class Replay:
    """The last events of every layer."""

    def __init__(self, shapes: Sequence[tuple[int, int]], momentum: float, depth: int, draws: float = 0.0) -> None:
        """Begin empty.

        shapes: inputs + 1 and outputs of each layer; momentum: b, 0 to below 1; depth: updates; draws: events of a
        layer that are sent with each update on average, 0 for all.
        """
        if depth < 1 or not 0.0 <= draws < inf:
            raise BadInput(f"replay of {depth} updates, {draws} draws; give 1 or more, and 0 or more")
        self.momentum, self.depth, self.draws = momentum, depth, draws
        self._past = [(np.zeros((0, rows)), np.zeros((0, outputs)), np.zeros(0)) for rows, outputs in shapes]
        self._usual = np.zeros(len(shapes))
        """Mean size of what was to be sent with an update, (layers,),"""
        self._seen = np.zeros(len(shapes))
        """over so many updates."""

    def with_past(self, layer: int, inputs: Floats, deltas: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Return the events that are to be sent with an update, and keep its own.

        inputs: (events, inputs + 1); deltas: (events, outputs). Returned deltas are scaled by what they weigh. rng:
        draws events.
        """
        if self.momentum > 0.0 and self.depth > 1:
            x, d, ages = self._past[layer]
            kept = ages + 1 < self.depth
            x, d = np.concatenate([x[kept], inputs]), np.concatenate([d[kept], deltas])
            ages = np.concatenate([ages[kept] + 1, np.zeros(len(inputs))])
            self._past[layer] = x, d, ages
            inputs, deltas = x, d * (self.momentum**ages)[:, None]
        return self._drawn(layer, inputs, deltas, rng) if self.draws else (inputs, deltas)

    def _drawn(self, layer: int, x: Floats, d: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Return some of the events, scaled so that their sum is that of all on average."""
        sizes = np.linalg.norm(x, axis=1) * np.linalg.norm(d, axis=1)
        total = float(sizes.sum())
        self._seen[layer] += 1
        self._usual[layer] += (total - self._usual[layer]) / min(self._seen[layer], SHORTEST)
        if total == 0.0:
            return x[:0], d[:0]
        each = self._usual[layer] / self.draws
        number = int(total / each + rng.random())
        times = np.bincount(rng.choice(len(x), number, p=sizes / total), minlength=len(x))
        sent = times > 0
        return x[sent], d[sent] * (times[sent] * each / sizes[sent])[:, None]

    def state(self) -> dict[str, Floats]:
        """Return what is kept, for a checkpoint."""
        past = {
            f"{part}/{n}": array for n, past in enumerate(self._past) for part, array in zip(PARTS, past, strict=True)
        }
        return past | {"usual": self._usual, "seen": self._seen}

    def restore(self, state: Mapping[str, Floats]) -> None:
        """Go back to what `state` returned. Raises KeyError where a part is missing."""
        for n in range(len(self._past)):
            x, d, ages = (state[f"{part}/{n}"] for part in PARTS)
            self._past[n] = x, d, ages
        self._usual, self._seen = state["usual"].copy(), state["seen"].copy()
