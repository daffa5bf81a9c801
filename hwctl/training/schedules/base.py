"""What every schedule is: wished weight changes in, pulse commands out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hwctl.errors import BadInput
from hwctl.training.config import TrainConfig
from hwctl.training.moves import Mover

Floats = NDArray[np.float64]


class Schedule(ABC):
    """Carries out wished weight changes of all layers."""

    name: ClassVar[str]
    takes_events: ClassVar[bool] = False
    """True where it takes the vectors of each sample's rank-1 update, not an optimizer's dense changes."""
    single_cells: ClassVar[bool] = True
    """False where its pulses go to whole lines: no cell can be left out, or read because it is about to move."""
    arrays: ClassVar[int] = 1
    """Device matrices that it needs for each layer."""
    optimizers: ClassVar[tuple[str, ...]] = ()
    """Those that it can carry out; none: all."""

    def __init__(
        self,
        movers: Sequence[Mover],
        config: TrainConfig,
        rng: np.random.Generator,
        beside: Sequence[Mover] = (),
    ) -> None:
        """Take each layer's mover, and those of a second array where it needs one.

        config: each schedule looks at its own options. rng: draws of roundings.
        """
        self.movers, self.beside = list(movers), list(beside)
        self.config = config
        self.rng = rng
        #: What could not be carried out yet, in S.
        self.remainders = [np.zeros((m.layer.rows, m.layer.outputs)) for m in movers]

    def prepare(self) -> None:
        """Bring a second array to where it starts; most schedules have none."""

    def apply(self, wishes: Sequence[Floats]) -> None:
        """Carry out wished changes of weights, one array (inputs + 1, outputs) a layer."""
        raise BadInput(f"schedule '{self.name}' takes events of rank 1, no dense changes")

    def apply_events(self, inputs: Sequence[Floats], deltas: Sequence[Floats], rate: float) -> None:
        """Change each layer's weights by -rate * inputs^T deltas.

        inputs: (events, inputs + 1) a layer; deltas: (events, outputs) a layer.
        """
        raise BadInput(f"schedule '{self.name}' takes dense changes, no events")

    def fire(self, n: int, rows: NDArray[np.int64], outputs: NDArray[np.int64]) -> None:
        """Carry out what is due on weights (rows, outputs) of layer n, each (weights,)."""
        wanted = self.remainders[n][rows, outputs]
        change = self.movers[n].move_weights(rows, outputs, wanted)
        # Where nothing could be done, as at a bound, the wish is dropped: it would be due for ever.
        self.remainders[n][rows, outputs] = np.where(change == 0.0, 0.0, wanted - change)

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Return what a checkpoint has to keep beside the remainders."""
        return {}

    def restore(self, state: dict[str, NDArray[np.float64]]) -> None:
        """Go back to what `state` returned. Raises KeyError where a part is missing."""


class Dense(Schedule):
    """A schedule of dense changes."""

    @abstractmethod
    def apply(self, wishes: Sequence[Floats]) -> None:
        """Carry out wished changes of weights, one array (inputs + 1, outputs) a layer."""
