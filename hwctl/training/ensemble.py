"""Layers that are held several times: signals are averaged over the copies, so that one copy's faults weigh 1/N.

Layer ensemble averaging: Yousuf et al., "Layer ensemble averaging for fault tolerance in memristive neural networks",
Nature Communications 16 (2025), doi 10.1038/s41467-025-56319-6, there for weights that were trained elsewhere. Here the
copies are trained in situ: each gets the same wished change, and carries it out by what is known of its own cells.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hwctl.programming.linemap import LineMap
from hwctl.training.mapping import PairedLayer
from hwctl.training.moves import Mover
from hwctl.training.network import Products
from hwctl.training.remap import MappedLayer

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

    def __init__(self, movers: Sequence[Mover], replicas: int = 1, sizes: Sequence[int] = ()) -> None:
        """Take movers, `replicas` of each layer.

        sizes: numbers of neurons, input to output, where lines may be assigned anew or are spare.
        """
        self.movers = list(movers)
        self.replicas = replicas
        shapes = self.each([(inputs + 1, outputs) for inputs, outputs in pairwise(sizes)])
        #: One a mover, or none where every line stays in its place.
        self.mapped = [MappedLayer(m.layer, *shape) for m, shape in zip(self.movers, shapes, strict=bool(shapes))]

    def of_layers(self) -> Iterator[list[int]]:
        """Yield the numbers of the movers of each layer's copies."""
        for first in range(0, len(self.movers), self.replicas):
            yield list(range(first, first + self.replicas))

    @property
    def layers(self) -> Sequence[MappedLayer | PairedLayer]:
        """What holds the weights (inputs + 1, outputs) of each copy."""
        return self.mapped or [mover.layer for mover in self.movers]

    def products(self) -> list[Products]:
        """Return what the network sees: each layer once."""
        return [
            self.layers[numbers[0]] if len(numbers) == 1 else Averaged([self.layers[n] for n in numbers])
            for numbers in self.of_layers()
        ]

    def name(self, number: int) -> str:
        """Return how a mover is called in reports: the sizes of its layer, and which copy of it."""
        layer = self.layers[number]
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
        parts = list(changes) if self.replicas == 1 else self._shares(changes)
        return [layer.placed(part) for layer, part in zip(self.mapped, parts, strict=True)] if self.mapped else parts

    def _shares(self, changes: Sequence[Floats]) -> list[Floats]:
        found = []
        for numbers, wish in zip(self.of_layers(), changes, strict=True):
            able = [self._able(n) for n in numbers]
            if all(each.all() for each in able):
                found += [wish] * len(able)
                continue
            more = wish * (len(able) / np.maximum(sum(each.astype(np.int64) for each in able), 1))
            found += [np.where(each, more, 0.0) for each in able]
        return found

    def _able(self, number: int) -> NDArray[np.bool_]:
        """Return which weights (inputs + 1, outputs) a copy can change: a cell of the pair is not frozen."""
        frozen = self.movers[number].frozen
        able = ~(frozen[:, 0::2] & frozen[:, 1::2])
        return self.mapped[number].taken(able) if self.mapped else able

    def events(self, inputs: Sequence[Floats], deltas: Sequence[Floats]) -> tuple[list[Floats], list[Floats]]:
        """Return each mover's events (events, rows), (events, outputs) of those of each layer."""
        x, d = self.each(inputs), self.each(deltas)
        if not self.mapped:
            return x, d
        return (
            [layer.on_rows(own) for layer, own in zip(self.mapped, x, strict=True)],
            [layer.on_pairs(own) for layer, own in zip(self.mapped, d, strict=True)],
        )

    # -- lines ---------------------------------------------------------------------------------------------------

    def placed(self, number: int, weights: Floats) -> Floats:
        """Return weights (inputs + 1, outputs) where a copy's layer has them, (rows, outputs) of its device matrix."""
        return self.mapped[number].placed(weights) if self.mapped else weights

    def moved_lines(self) -> int:
        """Return how many rows and outputs are elsewhere than in the order of the network."""
        return sum(layer.moved for layer in self.mapped)

    def state(self) -> dict[str, NDArray[np.int64]]:
        """Return where lines are, for a checkpoint."""
        lines = [layer.lines for layer in self.mapped]
        return {f"lines{n}/{part}": getattr(own, part) for n, own in enumerate(lines) for part in ("rows", "pairs")}

    def restore(self, state: Mapping[str, NDArray[np.int64]]) -> None:
        """Go back to what `state` returned. Raises KeyError where a part is missing."""
        for n, layer in enumerate(self.mapped):
            layer.lines = LineMap(state[f"lines{n}/rows"], state[f"lines{n}/pairs"])
