"""Tiki-Taka, version 2: gradients are added up on a second array, and reach the weights through readings of it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hwctl.errors import BadInput
from hwctl.training.config import TrainConfig
from hwctl.training.moves import Mover
from hwctl.training.schedules.base import Schedule
from hwctl.training.schedules.events import encoded, send

Floats = NDArray[np.float64]

ZERO_READINGS = 16  # of the second array over the last half of its zero-shifting


class TikiTaka(Schedule):
    """Gokmen, "Enabling training of neural networks on noisy hardware", Front. Artif. Intell. 4 (2021) 699148.

    Events pulse a second array A, whose asymmetric cells forget what they were told and drift to their symmetry point:
    it holds a moving average of the gradient, as momentum does. One row of A is read at a time and added to what is
    due on the weights (the H of the paper), which are pulsed when a pulse is due.

    Zero-shifting (Kim et al., arXiv 1907.10228) brings A's cells to their symmetry points before training. The paper
    keeps these in a reference array; here the host reads A anyway and subtracts what it read there.
    """

    name = "tiki-taka"
    takes_events = True
    single_cells = False
    arrays = 2
    optimizers = ("sgd",)

    def __init__(
        self, movers: Sequence[Mover], config: TrainConfig, rng: np.random.Generator, beside: Sequence[Mover] = ()
    ) -> None:
        """Take each layer's mover and that of its second array; see Schedule."""
        super().__init__(movers, config, rng, beside)
        if movers[0].layer.model.symmetry_point is None:
            raise BadInput(
                "schedule 'tiki-taka' needs cells whose SET and RESET steps cancel somewhere within their range, which "
                "those of this device do not; take another schedule"
            )
        self._zeros = [np.zeros((m.layer.rows, m.layer.outputs)) for m in movers]
        self._updates = 0

    def prepare(self) -> None:
        """Zero-shift the second array."""
        self._zeros = [zero_shift(mover, self.config.zero_shift) for mover in self.beside]

    def apply_events(self, inputs: Sequence[Floats], deltas: Sequence[Floats], rate: float) -> None:
        """Send the events to the second array; now and then, read a row of it and move the weights."""
        for mover, x, delta in zip(self.beside, inputs, deltas, strict=True):
            send(mover, encoded(mover, x, delta, -rate), counted=False)
        self._updates += 1
        if self._updates % self.config.transfer_every == 0:
            for n in range(len(self.movers)):
                self._transfer(n)

    def _transfer(self, n: int) -> None:
        layer, remainder = self.beside[n].layer, self.remainders[n]
        row = self._updates // self.config.transfer_every % layer.rows
        read = layer.differences(row, self.beside[n].averages) - self._zeros[n][row]
        # What saturated says nothing.
        remainder[row] += self.config.transfer_rate * np.nan_to_num(read)
        (outputs,) = np.nonzero(np.abs(remainder[row]) >= self.movers[n].layer.model.quantum)
        if outputs.size:
            self.fire(n, np.full(outputs.size, row), outputs)

    def state(self) -> dict[str, Floats]:
        """Return the symmetry points, and how often was updated."""
        updates = {"updates": np.array([float(self._updates)])}
        return updates | {f"zeros/{n}": zeros for n, zeros in enumerate(self._zeros)}

    def restore(self, state: dict[str, Floats]) -> None:
        """Go back to what `state` returned."""
        self._updates = int(state["updates"][0])
        self._zeros = [state[f"zeros/{n}"] for n in range(len(self._zeros))]


def zero_shift(mover: Mover, pairs: int) -> Floats:
    """Bring all cells of a layer to their symmetry points by pairs of a SET and a RESET.

    Returns G+ - G- there in S, (inputs + 1, outputs): the mean of readings during the last half, as the c2c noise of
    single pulses stays on a cell for many of them.
    """
    layer = mover.layer
    rows, lines = (grid.ravel() for grid in np.indices((layer.rows, layer.lines)))
    ones = np.ones(rows.size, np.int64)
    every, found = max(pairs // (2 * ZERO_READINGS), 1), []
    for pair in range(pairs):
        for polarity, level in enumerate(layer.model.usual):
            layer.pulse((rows, lines), ones if polarity == 0 else -ones, ones * level)
        if (pair >= pairs // 2 and (pair - pairs // 2) % every == 0) or pair == pairs - 1:
            read = layer.read(mover.averages)
            found.append(read[:, 0::2] - read[:, 1::2])
    return np.asarray(np.nan_to_num(np.nanmean(found, axis=0)))
