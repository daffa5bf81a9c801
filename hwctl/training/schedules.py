"""Schedules: wished weight changes in, pulse commands out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hwctl.errors import BadInput
from hwctl.programming.modelbased import GUARD, ModelBased
from hwctl.protocol.codes import MAX_SLOTS
from hwctl.training.kernels import BIDIRECTIONAL, FIXED_REFERENCE, MAX_REPEATS, SET_ONLY, outer_events
from hwctl.training.moves import Mover
from hwctl.training.replay import Replay

Floats = NDArray[np.float64]


VERIFY_SHARE = 0.005  # of the range: tolerance of schedule `verify`
VERIFY_ROUNDS = 4  # moves of a cell in one update: the next update goes on


class Schedule(ABC):
    """Carries out wished weight changes of all layers."""

    name: ClassVar[str]
    dense: ClassVar[bool] = True
    """False where it takes rank-1 events instead of an optimizer's dense changes."""

    def __init__(
        self,
        movers: Sequence[Mover],
        *,
        fire_threshold: float,
        rng: np.random.Generator,
        momentum: float = 0.0,
        replay: tuple[int, int] = (1, 0),
    ) -> None:
        """Take each layer's mover.

        fire_threshold: pulse quanta that must be due before a weight is touched (schedule `accumulate`).
        rng: draws of stochastic rounding. momentum, replay: of events of rank 1, see `Replay`: depth and draws.
        """
        self.movers = list(movers)
        self.replay = Replay([(m.layer.rows, m.layer.outputs) for m in movers], momentum, *replay)
        self.threshold = fire_threshold
        self.rng = rng
        #: What could not be carried out yet, in S; with the replay's, every schedule's only state.
        self.remainders = [np.zeros((m.layer.rows, m.layer.outputs)) for m in movers]

    @abstractmethod
    def apply(self, wishes: Sequence[Floats]) -> None:
        """Carry out wished changes of weights, one array (inputs + 1, outputs) a layer."""


class Accumulate(Schedule):
    """The host adds up changes, and fires where a set number of pulse quanta is due."""

    name = "accumulate"

    def apply(self, wishes: Sequence[Floats]) -> None:
        """Add the changes and fire what is due."""
        for n, mover in enumerate(self.movers):
            remainder = self.remainders[n]
            np.add(remainder, wishes[n] * mover.layer.k, out=remainder)
            due = np.abs(remainder) >= self.threshold * mover.layer.model.quantum
            rows, outputs = np.nonzero(due)
            if rows.size:
                wanted = remainder[rows, outputs]
                change = mover.move_weights(rows, outputs, wanted)
                # Where nothing could be done, as at a bound, the wish is dropped: it would be due for ever.
                remainder[rows, outputs] = np.where(change == 0.0, 0.0, wanted - change)


class Cell(Schedule):
    """Every update is carried out at once, in whole pulses for every cell, rounded at random without bias."""

    name = "cell"

    def apply(self, wishes: Sequence[Floats]) -> None:
        """Round each change to whole pulse quanta, up or down with the fraction as probability."""
        for mover, wish in zip(self.movers, wishes, strict=True):
            quantum = mover.layer.model.quantum
            wanted = wish * (mover.layer.k / quantum)
            whole = np.floor(wanted + self.rng.random(wanted.shape))
            rows, outputs = np.nonzero(whole)
            if rows.size:
                mover.move_weights(rows, outputs, whole[rows, outputs] * quantum, self.rng)


class Verify(Schedule):
    """Write-verify: where a change of a weight is due, its cells are read and pulsed until they have made it.

    Due is a change of twice the tolerance, which is a share of the range, or what noise leaves.
    """

    name = "verify"

    @cached_property
    def _methods(self) -> list[ModelBased]:
        return [_method(mover) for mover in self.movers]

    def apply(self, wishes: Sequence[Floats]) -> None:
        """Add the changes and verify what is due."""
        for n, (mover, method) in enumerate(zip(self.movers, self._methods, strict=True)):
            remainder = self.remainders[n]
            np.add(remainder, wishes[n] * mover.layer.k, out=remainder)
            rows, outputs = np.nonzero(np.abs(remainder) >= 2.0 * method.tolerance)
            if rows.size:
                wanted = remainder[rows, outputs]
                change = mover.verify_weights(rows, outputs, wanted, method)
                # What was not reached in so many rounds is not asked for again: it would be due for ever.
                far = np.abs(wanted - change) >= 2.0 * method.tolerance
                remainder[rows, outputs] = np.where(far, 0.0, wanted - change)


def _method(mover: Mover) -> ModelBased:
    """Return the write-verify of a layer's device."""
    model = mover.layer.model
    noise = model.read_noise / np.sqrt(mover.averages)
    tolerance = max(VERIFY_SHARE * (model.g_max - model.g_min), 2.0 * GUARD * noise, model.write_noise)
    return ModelBased(model, float(tolerance), rounds=VERIFY_ROUNDS, averages=mover.averages)


class Sign(Schedule):
    """Manhattan rule: one pulse in the direction of every change that stands out of its layer's."""

    name = "sign"

    def apply(self, wishes: Sequence[Floats]) -> None:
        """Pulse each weight whose change exceeds the layer's root mean square."""
        for mover, wish in zip(self.movers, wishes, strict=True):
            loudest = float(np.sqrt((wish**2).mean()))
            rows, outputs = np.nonzero(np.abs(wish) > loudest)
            if rows.size:
                mover.move_weights(rows, outputs, np.sign(wish[rows, outputs]) * mover.layer.model.quantum)


class Outer(Schedule):
    """Rank-1 events: each sample's update is sent as two vectors, and coincidences of bit streams pulse the cells.

    Nobody counts them cell by cell on the host, and stuck cells are pulsed as well: the board's counters know.
    """

    name = "outer"
    dense = False

    def apply(self, wishes: Sequence[Floats]) -> None:
        """Not for dense changes. Raises BadInput."""
        raise BadInput("schedule 'outer' sends events of rank 1; use optimizer sgd or momentum, or another schedule")

    def apply_events(self, inputs: Sequence[Floats], deltas: Sequence[Floats], rate: float) -> None:
        """Change each layer's weights by -rate * inputs^T deltas, event by event, and by replayed momentum.

        inputs: (events, inputs + 1) a layer; deltas: (events, outputs) a layer.
        """
        for n, (mover, own_x, own_delta) in enumerate(zip(self.movers, inputs, deltas, strict=True)):
            x, delta = self.replay.with_past(n, own_x, own_delta, self.rng)
            layer, pairs = mover.layer, _PAIRS[mover.policy]
            # Under `bidirectional` both cells of a pair move by half.
            cells = 0.5 if pairs == BIDIRECTIONAL else 1.0
            pulses = -cells * rate * layer.k / layer.model.quantum
            rows, lines, slots = outer_events(x, delta, pulses, pairs, layer.tiles[0].crossbar.event)
            if slots < 0:
                most = MAX_REPEATS * MAX_SLOTS
                raise BadInput(f"an update asks for more than {most} pulses of a cell; lower the learning rate")
            if slots:
                layer.outer(rows, lines, slots)
            mover.updates += 1


_PAIRS = MappingProxyType({"bidirectional": BIDIRECTIONAL, "fixed-reference": FIXED_REFERENCE, "set-only": SET_ONLY})

SCHEDULES: Mapping[str, type[Schedule]] = MappingProxyType(
    {kind.name: kind for kind in (Accumulate, Cell, Outer, Sign, Verify)}
)


def get(name: str) -> type[Schedule]:
    """Return a schedule by name. Raises BadInput that lists the names."""
    if name not in SCHEDULES:
        raise BadInput(f"no schedule '{name}'; known: {', '.join(SCHEDULES)}")
    return SCHEDULES[name]
