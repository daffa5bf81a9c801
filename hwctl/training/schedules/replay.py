"""Momentum for events of rank 1: a momentum matrix is not of rank 1, but a sum of the last outer products is.

m = b m + x^T d is the sum of b^k x_k^T d_k over all k updates that went before. The last `depth` of them are kept and
sent again with every update, so that traffic grows by `depth` and not to that of a matrix; what is older would weigh
b^depth and less. Of Polyak's heavy ball (see `optimizers.Momentum`), cut off there.

Cheaper still, each event is sent once, late: by k updates with a probability of b^k, and with the weight of all that
it would have been sent with. On average it is the same sum. Where fewer than all are to be sent, the larger ones are
the likelier, and a small one is sent as if it were larger, so that the sum is the same again; drawing by size has the
least variance of all ways to draw (Alain et al., "Variance reduction in SGD by distributed importance sampling", arXiv
1511.06481).
"""

from collections.abc import Mapping, Sequence
from math import inf

import numpy as np
from numpy.typing import NDArray

from hwctl.errors import BadInput

Floats = NDArray[np.float64]
PARTS = ("inputs", "deltas", "left")
SHORTEST = 1000.0  # updates over which the usual size of events is averaged, once there were so many
TINY = 1e-300  # instead of a usual size of 0


class Replay:
    """The last events of every layer."""

    def __init__(self, shapes: Sequence[tuple[int, int]], momentum: float, depth: int, draws: float = 0.0) -> None:
        """Begin empty.

        shapes: inputs + 1 and outputs of each layer; momentum: b, 0 to below 1; depth: updates; draws: events of a
        layer that are sent with each update on average, late; 0: all of the last `depth` updates, each time.
        """
        if depth < 1 or not 0.0 <= draws < inf:
            raise BadInput(f"replay of {depth} updates, {draws} draws; give 1 or more, and 0 or more")
        self.momentum, self.depth, self.draws = momentum, depth, draws
        self._kept = [(np.zeros((0, rows)), np.zeros((0, outputs)), np.zeros(0)) for rows, outputs in shapes]
        """Events of each layer, and in how many updates they are sent, or with `draws` 0 forgotten."""
        self._usual = np.zeros(len(shapes))
        """Mean size of an update's events, (layers,),"""
        self._seen = np.zeros(len(shapes))
        """over so many updates."""

    def with_past(self, layer: int, inputs: Floats, deltas: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Return the events that are to be sent with an update, and keep its own.

        inputs: (events, inputs + 1); deltas: (events, outputs). Returned deltas are scaled by what they weigh. rng:
        draws events and when they are sent.
        """
        if self.draws:
            return self._late(layer, *self._drawn(layer, inputs, deltas, rng), rng)
        if self.momentum == 0.0 or self.depth == 1:
            return inputs, deltas
        x, d, left = self._joined(layer, inputs, deltas, np.full(len(inputs), float(self.depth)))
        stays = left > 1
        self._kept[layer] = x[stays], d[stays], left[stays] - 1
        return x, d * (self.momentum ** (self.depth - left))[:, None]

    def _joined(self, layer: int, x: Floats, d: Floats, left: Floats) -> tuple[Floats, Floats, Floats]:
        """Return what is kept of a layer with more behind it."""
        kept = self._kept[layer]
        return np.concatenate([kept[0], x]), np.concatenate([kept[1], d]), np.concatenate([kept[2], left])

    def _drawn(self, layer: int, x: Floats, d: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Return some of the events, scaled so that their sum is that of all on average."""
        sizes = np.linalg.norm(x, axis=1) * np.linalg.norm(d, axis=1)
        self._seen[layer] += 1
        self._usual[layer] += (float(sizes.sum()) - self._usual[layer]) / min(self._seen[layer], SHORTEST)
        share = np.minimum(sizes * self.draws / max(self._usual[layer], TINY), 1.0)
        sent = rng.random(len(x)) < share
        return x[sent], d[sent] / share[sent, None]

    def _late(self, layer: int, x: Floats, d: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Keep events for as long as momentum would spread them over, and return those whose turn it is."""
        weights = self.momentum ** np.arange(self.depth)
        late = rng.choice(self.depth, len(x), p=weights / weights.sum())
        x, d, left = self._joined(layer, x, d * weights.sum(), late.astype(np.float64))
        now = left == 0
        self._kept[layer] = x[~now], d[~now], left[~now] - 1
        return x[now], d[now]

    def state(self) -> dict[str, Floats]:
        """Return what is kept, for a checkpoint."""
        kept = {
            f"{part}/{n}": array for n, kept in enumerate(self._kept) for part, array in zip(PARTS, kept, strict=True)
        }
        return kept | {"usual": self._usual, "seen": self._seen}

    def restore(self, state: Mapping[str, Floats]) -> None:
        """Go back to what `state` returned. Raises KeyError where a part is missing."""
        for n in range(len(self._kept)):
            x, d, left = (state[f"{part}/{n}"] for part in PARTS)
            self._kept[n] = x, d, left
        self._usual, self._seen = state["usual"].copy(), state["seen"].copy()
