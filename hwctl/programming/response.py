"""How cells answer to pulses: the pooled step curves, and what each cell's moves have shown of its own d2d."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwctl.crossbar.results import Floats
from hwctl.devices.knownchip import KnownChip
from hwctl.devices.steps import GRID, StepModel
from hwctl.programming.moves import train
from hwctl.programming.result import Counts

MANY = 8  # drive levels from which d2d is taken for an offset of levels: a threshold spread; below, for a gain
GAINS = 17  # hypotheses of a gain
WIDEST = 3.2  # of all hypotheses, in standard deviations
MOST_OFFSET = 12  # levels
STUCK_PRIOR = 0.01
FORGET = 0.01  # share of the prior that every observation mixes in: a cell may change
OTHER = 0.7  # what a move says of the other polarity: most d2d is common to both
NEAR = 5  # hypotheses of a measured gain
SUREST = 0.01  # relative: no gain is known better
FAR = (-1.6, -0.8, -0.3, 0.3, 0.8, 1.6)  # logarithms of the factor of a gain that is another than was measured
CHANGED = 0.03  # share of cells of which one is: as they wear, or where an offset was taken for another
MOVED_PRIOR = 0.001  # probability that a cell is stuck that moved when it was measured
OUTLIER = 1e-4  # share of moves that no hypothesis explains


@dataclass(frozen=True)
class Hypotheses:
    """How a cell may differ from the pool, for one polarity: each array (hypotheses,), the last one: it is stuck."""

    offsets: Counts
    """Drive levels by which it sees a pulse stronger (+) or weaker (-)."""
    gains: Floats
    """Factor of its steps."""
    prior: Floats

    @classmethod
    def of(cls, model: StepModel, polarity: int) -> "Hypotheses":
        """Take them from the spread of the device's steps."""
        wide = float(np.sqrt(np.log1p(model.gain_spread[polarity] ** 2)))
        many = len(model.levels[polarity]) >= MANY
        if many:
            sigma = max(wide / _log_ratio(model, polarity), 0.3)
            most = min(int(np.ceil(WIDEST * sigma)), MOST_OFFSET)
            offsets = np.arange(-most, most + 1)
            gains, deviations = np.ones(offsets.size), offsets / sigma
        else:
            deviations = np.linspace(-WIDEST, WIDEST, GAINS)
            offsets, gains = np.zeros(GAINS, np.int64), np.exp(wide * deviations)
        weights = np.exp(-0.5 * deviations**2)
        prior = np.append((1.0 - STUCK_PRIOR) * weights / weights.sum(), STUCK_PRIOR)
        return cls(np.append(offsets, 0), np.append(gains, 0.0), prior)

    @property
    def shifted(self) -> bool:
        """Return whether cells differ by offsets of levels."""
        return bool(self.offsets.any())


def _log_ratio(model: StepModel, polarity: int) -> float:
    """Return by how much the logarithm of the mid-range step grows from level to level, around the usual one."""
    usual = model.usual[polarity]
    steps = np.abs(model.means[polarity][max(usual - 2, 0) : usual + 3, GRID // 2])
    return float(np.log(max(steps[-1], 1e-30) / max(steps[0], 1e-30)) / (len(steps) - 1)) if steps[0] > 0 else 1.0


@dataclass(frozen=True)
class Prior:
    """What is held of cells before their moves say more; pairs are of SET and RESET."""

    hypotheses: tuple[Hypotheses, Hypotheses]
    """How a cell may differ from what is known of it."""
    weights: tuple[Floats, Floats]
    """(cells, hypotheses)"""
    gains: tuple[Floats, Floats]
    """(cells,): known factor of steps."""
    offsets: Counts
    """(cells,): known drive levels by which a cell sees pulses stronger (+) or weaker (-)."""
    common: bool
    """Whether what a cell's SET shows of it is true of its RESET, too."""

    @classmethod
    def of_pool(cls, model: StepModel, cells: int) -> "Prior":
        """Return that of any chip of a device: nothing is known but its spread."""
        hypotheses = Hypotheses.of(model, 0), Hypotheses.of(model, 1)
        first, second = (np.repeat(h.prior[None, :], cells, axis=0) for h in hypotheses)
        one = np.ones(cells)
        return cls(hypotheses, (first, second), (one, one), np.zeros(cells, np.int64), first.shape == second.shape)

    @classmethod
    def of_chip(cls, known: KnownChip) -> "Prior":
        """Return that of a calibrated region: each cell's gains, as sure as they were measured, and its offset."""
        gains = [gain.reshape(-1) for gain in known.gain]
        spreads = [np.maximum(e.reshape(-1) / g, SUREST) for e, g in zip(known.gain_error, gains, strict=True)]
        found = [_around(spread) for spread in spreads]
        hypotheses, weights = zip(*found, strict=True)
        return cls(hypotheses, weights, (gains[0], gains[1]), known.offset.reshape(-1), False)


def _around(spread: Floats) -> tuple[Hypotheses, Floats]:
    """Return hypotheses of gains and weights (cells, hypotheses), given the standard errors (cells,) of known gains.

    Some weight is left to gains far away: a cell may have changed since it was measured.
    """
    near = np.linspace(-2.0, 2.0, NEAR) * float(spread.max())
    logs = np.concatenate([near, FAR])
    close = np.exp(-0.5 * (near / spread[:, None]) ** 2)
    close *= (1.0 - MOVED_PRIOR - CHANGED) / close.sum(axis=1, keepdims=True)
    far = np.full((spread.size, len(FAR)), CHANGED / len(FAR))
    stuck = np.full((spread.size, 1), MOVED_PRIOR)
    weights = np.concatenate([close, far, stuck], axis=1)
    none = np.zeros(logs.size + 1, np.int64)
    return Hypotheses(none, np.append(np.exp(logs), 0.0), weights.mean(axis=0)), weights


class Belief:
    """Weights of the hypotheses for every cell, SET and RESET apart."""

    def __init__(self, model: StepModel, prior: Prior) -> None:
        """Start from what is known before."""
        self._model = model
        self._prior = prior
        self.hypotheses = prior.hypotheses
        self._weights = [weights.copy() for weights in prior.weights]

    def stuck(self, polarity: int) -> Floats:
        """Return the probability (cells,) that pulses of a polarity move a cell no more."""
        return self._weights[polarity][:, -1]

    def weights(self, polarity: int, cells: NDArray[np.int64]) -> Floats:
        """Return weights (cells, hypotheses without the last) of cells, given that they are not stuck."""
        found = self._weights[polarity][cells, :-1]
        return found / found.sum(axis=1, keepdims=True)

    def gains(self, polarity: int, cells: NDArray[np.int64]) -> Floats:
        """Return the known factor (cells,) of steps, which hypotheses multiply."""
        return self._prior.gains[polarity][cells]

    def offsets(self, cells: NDArray[np.int64]) -> Counts:
        """Return the known offset (cells,) in drive levels, to which hypotheses add."""
        return self._prior.offsets[cells]

    def observe(
        self, polarity: int, cells: NDArray[np.int64], levels: Counts, number: Counts, moved: Floats, start: Floats,
        noise: Floats, still: Floats | float = 0.0,
    ) -> None:  # fmt: skip
        """Learn from trains of one polarity, each array (cells,).

        moved: S, read change from `start` in S; noise: S, standard deviation of that reading of change; still: S,
        what a cell that did not move at all shows, where it was believed to start elsewhere.
        """
        model, tried = self._model, self.hypotheses[polarity]
        offsets = self.offsets(cells)[:, None] + tried.offsets
        seen = np.clip(levels[:, None] + offsets, 0, len(model.levels[polarity]) - 1)
        gains = self.gains(polarity, cells)[:, None] * tried.gains
        expected, variance = train(model, polarity, seen, start[:, None], number[:, None], gains)
        expected[:, -1] = still
        variance += noise[:, None] ** 2 + (1e-3 * (model.g_max - model.g_min)) ** 2  # of what the curves do not say
        likelihood = np.exp(-0.5 * (moved[:, None] - expected) ** 2 / variance) / np.sqrt(variance)
        likelihood += OUTLIER * likelihood.max(axis=1, keepdims=True) + 1e-300
        for own, share in ((polarity, 1.0), (1 - polarity, OTHER if self._prior.common else 0.0)):
            weights = self._weights[own][cells] * likelihood**share if share else self._weights[own][cells]
            weights = weights / weights.sum(axis=1, keepdims=True)
            self._weights[own][cells] = (1.0 - FORGET) * weights + FORGET * self._prior.weights[own][cells]
