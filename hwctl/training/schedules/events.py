"""Schedules that send vectors, and leave the products to the board: traffic of n + m and not of n * m.

An event is one for a whole array: what a record of the chip says of single cells decides nothing of it.
"""

from collections.abc import Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwctl.errors import BadInput
from hwctl.protocol.codes import MAX_SLOTS
from hwctl.training.config import TrainConfig
from hwctl.training.kernels import BIDIRECTIONAL, FIXED_REFERENCE, MAX_REPEATS, SET_ONLY, outer_events
from hwctl.training.moves import Mover
from hwctl.training.schedules.base import Schedule
from hwctl.training.schedules.replay import Replay

Floats = NDArray[np.float64]
Codes = NDArray[np.int8]

PAIRS = MappingProxyType({"bidirectional": BIDIRECTIONAL, "fixed-reference": FIXED_REFERENCE, "set-only": SET_ONLY})


class Events(NamedTuple):
    """Events as they are sent, int8."""

    rows: Codes
    """(events, inputs + 1)"""
    lines: Codes
    """(events, device columns)"""
    slots: int
    """Lengths of the bit streams; 0 where there is nothing to send."""


def encoded(mover: Mover, x: Floats, d: Floats, change: float) -> Events:
    """Return events that change a layer's weights by change * x^T d on average, by coincidences of bit streams.

    x: (events, inputs + 1); d: (events, outputs); change: of a weight for x_i * d_j = 1. Steps are taken as those of
    mid-range everywhere. Raises BadInput where a cell would take more pulses than a command can hold.
    """
    layer, pairs = mover.layer, PAIRS[mover.policy]
    # Under `bidirectional` both cells of a pair move by half.
    cells = 0.5 if pairs == BIDIRECTIONAL else 1.0
    pulses = cells * change * layer.k / layer.model.quantum
    events = Events(*outer_events(x, d, pulses, pairs, layer.tiles[0].crossbar.event))
    if events.slots < 0:
        raise BadInput(
            f"an update asks for more than {MAX_REPEATS * MAX_SLOTS} pulses of a cell; lower the learning rate"
        )
    return events


def send(mover: Mover, events: Events, *, counted: bool) -> None:
    """Carry events out on a layer.

    counted: the host works out what each cell gets, so that nobody has to read it; else it costs no time.
    """
    if events.slots and counted:
        mover.spent += mover.layer.outer_counted(*events, mover.frozen)
    elif events.slots:
        mover.layer.outer(*events)
    mover.updates += 1


class Outer(Schedule):
    """Rank-1 events: each sample's update is sent as two vectors, and coincidences of bit streams pulse the cells.

    Whole lines are pulsed, stuck cells among them, and each step is taken for that of mid-range.
    """

    name = "outer"
    takes_events = True
    single_cells = False
    optimizers = ("sgd", "momentum")

    def __init__(
        self, movers: Sequence[Mover], config: TrainConfig, rng: np.random.Generator, beside: Sequence[Mover] = ()
    ) -> None:
        """Take each layer's mover; see Schedule."""
        super().__init__(movers, config, rng, beside)
        shapes = [(m.layer.rows, m.layer.outputs) for m in movers]
        momentum = config.momentum if config.optimizer == "momentum" else 0.0
        self.replay = Replay(shapes, momentum, config.replay, config.replay_draws)

    def apply_events(self, inputs: Sequence[Floats], deltas: Sequence[Floats], rate: float) -> None:
        """Change each layer's weights by -rate * inputs^T deltas, event by event, and by replayed momentum."""
        for n, (mover, own_x, own_delta) in enumerate(zip(self.movers, inputs, deltas, strict=True)):
            x, delta = self.replay.with_past(n, own_x, own_delta, self.rng)
            # Where few events are sent, readings would be most of the traffic.
            send(mover, encoded(mover, x, delta, -rate), counted=self.replay.draws > 0)

    def state(self) -> dict[str, Floats]:
        """Return the events that are replayed."""
        return self.replay.state()

    def restore(self, state: dict[str, Floats]) -> None:
        """Go back to what `state` returned."""
        self.replay.restore(state)
