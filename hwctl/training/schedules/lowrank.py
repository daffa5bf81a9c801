"""Updates of low rank: the host adds up dense changes, and sends the few events that come nearest to their sum."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hwctl.training.config import TrainConfig
from hwctl.training.kernels import UNIT
from hwctl.training.moves import Mover
from hwctl.training.schedules.base import Dense
from hwctl.training.schedules.events import Events, encoded, send

Floats = NDArray[np.float64]


class LowRank(Dense):
    """Every `hold` updates, what is due is sent as `rank` events; what they lack stays due.

    Any optimizer, with the traffic of vectors: Vogels et al., "PowerSGD", NeurIPS 2019, algorithm 1 (one step of a
    power iteration that starts from the last factors, with error feedback), for pulses: the host knows where each cell
    stands, so that what a step there lacks or has too much is due as well.
    """

    name = "low-rank"
    single_cells = False

    def __init__(
        self, movers: Sequence[Mover], config: TrainConfig, rng: np.random.Generator, beside: Sequence[Mover] = ()
    ) -> None:
        """Take each layer's mover; see Schedule."""
        super().__init__(movers, config, rng, beside)
        self._ranks = [min(config.rank, m.layer.rows, m.layer.outputs) for m in movers]
        self._factors = [rng.standard_normal((m.layer.outputs, r)) for m, r in zip(movers, self._ranks, strict=True)]
        self._held = 0

    def apply(self, wishes: Sequence[Floats]) -> None:
        """Add the changes, and send what is due when it is time."""
        for n, mover in enumerate(self.movers):
            self.remainders[n] += wishes[n] * mover.layer.k
        self._held += 1
        if self._held < self.config.hold:
            return
        self._held = 0
        for n, mover in enumerate(self.movers):
            due = self.remainders[n] / mover.layer.k
            if due.any():
                x, self._factors[n] = factors(due, self._factors[n])
                events = encoded(mover, x.T, self._factors[n].T, 1.0)
                self._take(n, *expected(mover, events))
                send(mover, events, counted=True)

    def _take(self, n: int, pulses: Floats, change: Floats) -> None:
        """Take from what is due on a layer what events change on average; see `expected`."""
        # Where nothing can be done, as at a bound, the wish is dropped: it would be due for ever.
        self.remainders[n] = np.where((pulses > 0.0) & (change == 0.0), 0.0, self.remainders[n] - change)

    def state(self) -> dict[str, Floats]:
        """Return the factors from which the next iteration starts."""
        held = {"held": np.array([float(self._held)])}
        return held | {f"factors/{n}": factor for n, factor in enumerate(self._factors)}

    def restore(self, state: dict[str, Floats]) -> None:
        """Go back to what `state` returned."""
        self._held = int(state["held"][0])
        self._factors = [state[f"factors/{n}"] for n in range(len(self._factors))]


def factors(matrix: Floats, start: Floats) -> tuple[Floats, Floats]:
    """Return P (rows, rank) of orthonormal columns and Q (outputs, rank) with P Q^T near a matrix (rows, outputs).

    start: (outputs, rank), the Q of a similar matrix. No other matrix of that rank with the same P is nearer.
    """
    p, _ = np.linalg.qr(matrix @ start)
    return p, matrix.T @ p


def expected(mover: Mover, events: Events) -> tuple[Floats, Floats]:
    """Return pulses that events give pairs on average, and by how much they change G+ - G- in S, where cells stand now.

    (inputs + 1, outputs) each. How bit streams fall is left to chance: what it adds is as if the gradient were noisier,
    while taken from what is due it would have to be sent, and is of no low rank.
    """
    layer, own, stands = mover.layer, mover.layer.steps, mover.layer.tracker.mean
    x, lines = events.rows.astype(np.float64), events.lines.astype(np.float64)
    share = events.slots / UNIT**2
    net, every = share * (x.T @ lines), share * (np.abs(x).T @ np.abs(lines))
    at, change = own.index(stands), np.zeros(net.shape)
    for polarity, number in enumerate(((every + net) / 2, (every - net) / 2)):
        change += own.trains(polarity, np.asarray(layer.model.usual[polarity]), at, number)[0]
    change = np.clip(change, own.g_min - stands, own.g_max - stands)
    change[mover.frozen] = 0.0
    return every[:, 0::2] + every[:, 1::2], change[:, 0::2] - change[:, 1::2]
