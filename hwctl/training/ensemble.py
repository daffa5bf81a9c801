"""Layers that are held several times: signals are averaged over the copies, so that one copy's faults weigh 1/N.

Layer ensemble averaging: Yousuf et al., "Layer ensemble averaging for fault tolerance in memristive neural networks",
Nature Communications 16 (2025), doi 10.1038/s41467-025-56319-6, there for weights that were trained elsewhere. Here the
copies are trained in situ: each gets the same wished change, and carries it out by what is known of its own cells.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hwctl.training.moves import Mover
from hwctl.training.network import Products

Floats = NDArray[np.float64]
Thing = TypeVar("Thing")


class Averaged:
    """One layer whose signals are the means of its copies'."""

    def __init__(self, copies: Sequence[Products]) -> None:
        """Take copies of one size."""
        self.copies = list(copies)
        self.rows, self.outputs = copies[0].rows, copies[0].outputs

    def forward(self, inputs: Floats, bound: float | None = None) -> Floats:
        """Return the mean of the copies' inputs W (batch, outputs); see `Products.forward`."""
        return np.asarray(np.mean([copy.forward(inputs, bound) for copy in self.copies], axis=0))

    def backward(self, deltas: Floats) -> Floats:
        """Return the mean of the copies' deltas W^T (batch, rows)."""
        return np.asarray(np.mean([copy.backward(deltas) for copy in self.copies], axis=0))


class Copies:
    """The movers of all copies of all layers: those of one layer stand together, in the order of the layers."""

    def __init__(self, movers: Sequence[Mover], replicas: int = 1) -> None:
        """Take movers, `replicas` of each layer."""
        self.movers = list(movers)
        self.replicas = replicas

    def of_layers(self) -> Iterator[list[Mover]]:
        """Yield the movers of each layer's copies."""
        for first in range(0, len(self.movers), self.replicas):
            yield self.movers[first : first + self.replicas]

    def products(self) -> list[Products]:
        """Return what the network sees: each layer once."""
        return [
            copies[0].layer if len(copies) == 1 else Averaged([mover.layer for mover in copies])
            for copies in self.of_layers()
        ]

    def name(self, number: int) -> str:
        """Return how a mover is called in reports: the sizes of its layer, and which copy of it."""
        layer = self.movers[number].layer
        copy = f", copy {number % self.replicas + 1}" if self.replicas > 1 else ""
        return f"{layer.rows - 1} to {layer.outputs}{copy}"

    def each(self, things: Sequence[Thing]) -> list[Thing]:
        """Return what belongs to each mover of one thing a layer."""
        return [thing for thing in things for _ in range(self.replicas)]

    def wishes(self, changes: Sequence[Floats]) -> list[Floats]:
        """Return each mover's part of wished changes of weights (inputs + 1, outputs), one array a layer.

        A copy whose pair is frozen as a whole gets none of a weight's change, and the others that much more, so that
        the mean over the copies changes as wished.
        """
        if self.replicas == 1:
            return list(changes)
        return [part for copies, wish in zip(self.of_layers(), changes, strict=True) for part in _shares(copies, wish)]


def _shares(copies: Sequence[Mover], wish: Floats) -> list[Floats]:
    able = [~(mover.frozen[:, 0::2] & mover.frozen[:, 1::2]) for mover in copies]
    if all(each.all() for each in able):
        return [wish] * len(copies)
    more = wish * (len(copies) / np.maximum(sum(each.astype(np.int64) for each in able), 1))
    return [np.where(each, more, 0.0) for each in able]
