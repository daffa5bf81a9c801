"""Momentum for events of rank 1: a momentum matrix is not of rank 1, but a sum of the last outer products is.

m = b m + x^T d is the sum of b^k x_k^T d_k over all k updates that went before. The last `depth` of them are kept and
sent again with every update, so that traffic grows by `depth` and not to that of a matrix; what is older would weigh
b^depth and less. Of Polyak's heavy ball (see `optimizers.Momentum`), cut off there.

Cheaper still, `draws` of them are sent, drawn with probabilities of b^k, each with the weight of all over `draws`: on
average the same sum, with the traffic of `draws` updates.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hwctl.errors import BadInput

Floats = NDArray[np.float64]
PARTS = ("inputs", "deltas", "ages")


class Replay:
    """The last events of every layer."""

    def __init__(self, shapes: Sequence[tuple[int, int]], momentum: float, depth: int, draws: int = 0) -> None:
        """Begin empty.

        shapes: inputs + 1 and outputs of each layer; momentum: b, 0 to below 1; depth: updates; draws: of them sent
        with each update, 0 for all.
        """
        if depth < 1 or draws < 0:
            raise BadInput(f"replay of {depth} updates, {draws} draws; give 1 or more, and 0 or more")
        self.momentum, self.depth, self.draws = momentum, depth, draws
        self._past = [(np.zeros((0, rows)), np.zeros((0, outputs)), np.zeros(0)) for rows, outputs in shapes]

    def with_past(self, layer: int, inputs: Floats, deltas: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Return the events that are to be sent with an update, and keep its own.

        inputs: (events, inputs + 1); deltas: (events, outputs). Returned deltas are scaled by what they weigh. rng:
        draws ages.
        """
        if self.momentum == 0.0 or self.depth == 1:
            return inputs, deltas
        x, d, ages = self._past[layer]
        kept = ages + 1 < self.depth
        x, d = np.concatenate([x[kept], inputs]), np.concatenate([d[kept], deltas])
        ages = np.concatenate([ages[kept] + 1, np.zeros(len(inputs))])
        self._past[layer] = x, d, ages
        weights = self.momentum**ages
        if self.draws:
            present = np.unique(ages)
            share = self.momentum**present
            chosen = rng.choice(present, self.draws, p=share / share.sum())
            times = (chosen[:, None] == ages).sum(axis=0)
            sent, weights = times > 0, times * share.sum() / self.draws
            x, d, weights = x[sent], d[sent], weights[sent]
        return x, d * weights[:, None]

    def state(self) -> dict[str, Floats]:
        """Return what is kept, for a checkpoint."""
        return {
            f"{part}/{n}": array for n, past in enumerate(self._past) for part, array in zip(PARTS, past, strict=True)
        }

    def restore(self, state: Mapping[str, Floats]) -> None:
        """Go back to what `state` returned. Raises KeyError where a part is missing."""
        for n in range(len(self._past)):
            x, d, ages = (state[f"{part}/{n}"] for part in PARTS)
            self._past[n] = x, d, ages
