"""Weights in differential pairs: W = (G+ - G-) / k, with G+ and G- of output j in the columns 2j and 2j + 1."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hwctl.crossbar.results import Floats
from hwctl.devices.steps import StepModel
from hwctl.errors import LimitError
from hwctl.programming.result import NAMED, Mask

ROUNDING = 1e-9  # of a pair's reach: what floating point makes of "just"


@dataclass(frozen=True)
class Bounds:
    """What each cell of a region can show; each array (rows, columns), an even number of columns."""

    low: Floats
    """S"""
    high: Floats
    """S; a stuck cell's is `low`."""
    stuck: Mask
    """The cell does not follow pulses: it stays where it is."""

    @classmethod
    def of(cls, model: StepModel, shape: tuple[int, int]) -> "Bounds":
        """Return those of a region whose cells are all taken for the device's."""
        return cls(np.full(shape, model.g_min), np.full(shape, model.g_max), np.zeros(shape, np.bool_))

    def holding(self, cells: Mask, at: Floats) -> "Bounds":
        """Return these bounds with some cells (rows, columns) stuck at conductances (rows, columns) in S."""
        return replace(
            self, low=np.where(cells, at, self.low), high=np.where(cells, at, self.high), stuck=self.stuck | cells
        )

    def part(self, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> "Bounds":
        """Return those of listed rows and columns, in their order."""
        at = np.ix_(rows, cols)
        return Bounds(self.low[at], self.high[at], self.stuck[at])

    @property
    def lowest(self) -> Floats:
        """Least G+ - G- of each pair in S (rows, pairs)."""
        return self.low[:, 0::2] - self.high[:, 1::2]

    @property
    def highest(self) -> Floats:
        """Largest G+ - G- of each pair in S (rows, pairs)."""
        return self.high[:, 0::2] - self.low[:, 1::2]

    @property
    def pairs_stuck(self) -> Mask:
        """Pairs (rows, pairs) of which one cell or both are stuck."""
        return self.stuck[:, 0::2] | self.stuck[:, 1::2]

    def nearest(self, weights: Floats, k: float) -> Floats:
        """Return the weights nearest to wanted ones (rows, pairs) that the pairs can show. k: S a unit weight."""
        return np.clip(weights * k, self.lowest, self.highest) / k

    def lacking(self, weights: Floats, k: float) -> Floats:
        """Return what the nearest weights (rows, outputs) lack of the wanted ones; 0 where pairs can show them."""
        wanted = weights * k
        return np.asarray((wanted - np.clip(wanted, self.lowest, self.highest)) / k)


def balanced(difference: Floats, low: Floats | float, high: Floats | float, one_way: bool) -> tuple[Floats, Floats]:
    """Return G+ and G- with a difference, all in S: about the middle of low to high, or from low up if one-way."""
    if one_way:
        return low + np.maximum(difference, 0.0), low + np.maximum(-difference, 0.0)
    middle = (low + high) / 2
    return middle + difference / 2, middle - difference / 2


def pair_targets(weights: Floats, k: float, bounds: Bounds, model: StepModel) -> Floats:
    """Return targets (rows, 2 * outputs) in S of weights (rows, outputs), each cell within its own bounds.

    k: S a unit weight. Both cells of a pair lie about the middle of the device's range, or one of them at the bottom on
    a one-way device, as in training; where a cell's own bounds forbid that, the pair is shifted, difference kept. A
    stuck cell's target is where it is, so that its partner makes up for it. Where no shift gives the difference, the
    pair comes as near as it can: `Bounds.nearest` says how near.
    """
    difference = np.clip(weights * k, bounds.lowest, bounds.highest)
    return shifted(balanced(difference, model.g_min, model.g_max, model.one_way)[0], difference, bounds)


def shifted(wished: Floats, difference: Floats, bounds: Bounds) -> Floats:
    """Return targets (rows, 2 * outputs) in S of pairs with G+ as near `wished` as both cells' bounds allow.

    wished, difference (rows, outputs): S, of G+ and of G+ - G-. A difference that a pair cannot show comes as near as
    it can.
    """
    difference = np.clip(difference, bounds.lowest, bounds.highest)
    low, high = (both[:, 0::2] for both in (bounds.low, bounds.high))
    low_minus, high_minus = (both[:, 1::2] for both in (bounds.low, bounds.high))
    plus = np.clip(wished, np.maximum(low, low_minus + difference), np.minimum(high, high_minus + difference))
    targets = np.empty(bounds.low.shape)
    targets[:, 0::2], targets[:, 1::2] = plus, plus - difference
    return np.clip(targets, bounds.low, bounds.high)  # what rounding has left outside


def largest_scale(weights: Floats, bounds: Bounds, margin: float = 0.0) -> tuple[float, tuple[int, int]]:
    """Return the largest k in S a unit weight with which all pairs of working cells can show their weights.

    margin: S that both cells keep from their bounds. The second result is row and output of the pair that limits it.
    Raises LimitError where no pair of working cells holds a weight, or the limiting one has no room for its own.
    """
    room = np.where(weights > 0, bounds.highest, -bounds.lowest) - 2 * margin
    counts = (weights != 0) & ~bounds.pairs_stuck
    if not counts.any():
        raise LimitError(
            "no pair of two working cells holds a weight that is not 0; give another region, or a --scale to let the "
            "working cell of each pair do what it can"
        )
    with np.errstate(divide="ignore"):
        scales = np.where(counts, room / np.abs(weights), np.inf)
    row, output = (int(i) for i in np.unravel_index(int(np.argmin(scales)), scales.shape))
    if not scales[row, output] > 0:
        raise LimitError(
            f"weight {weights[row, output]:.4g} of row {row}, output {output} has no room: its pair reaches "
            f"{_span(bounds, row, output)}, less a margin of {2 * margin * 1e6:.4g} uS; give a narrower tolerance, or "
            "a --scale with --nearest"
        )
    return float(scales[row, output]), (row, output)


def beyond(weights: Floats, k: float, bounds: Bounds) -> Mask:
    """Return which weights (rows, outputs) pairs of two working cells cannot show at k S a unit weight."""
    slack = ROUNDING * (np.abs(bounds.highest) + np.abs(bounds.lowest))
    outside = (weights * k > bounds.highest + slack) | (weights * k < bounds.lowest - slack)
    return np.asarray(outside & ~bounds.pairs_stuck)


def refuse_beyond(weights: Floats, k: float, bounds: Bounds) -> None:
    """Raise LimitError that names weights which pairs of working cells cannot show at k S a unit weight."""
    outside = np.argwhere(beyond(weights, k, bounds))
    if outside.size == 0:
        return
    row, output = outside[0]
    named = ", ".join(f"({r}, {c})" for r, c in outside[:NAMED].tolist())
    more = f" and {len(outside) - NAMED} more" if len(outside) > NAMED else ""
    raise LimitError(
        f"{len(outside)} weights are beyond what their cells can show, first {weights[row, output]:.4g}, which takes "
        f"{weights[row, output] * k * 1e6:.4g} uS where the pair reaches {_span(bounds, row, output)}: row and output "
        f"{named}{more}; give a smaller --scale, or --nearest to set them as near as they come; nothing was pulsed"
    )


def _span(bounds: Bounds, row: int, output: int) -> str:
    return f"{bounds.lowest[row, output] * 1e6:.4g} to {bounds.highest[row, output] * 1e6:.4g} uS"
