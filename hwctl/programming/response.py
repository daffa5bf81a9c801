"""How cells answer to pulses: the pooled step curves, and what each cell's moves have shown of its own d2d."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwctl.crossbar.results import Floats
from hwctl.devices.steps import GRID, StepModel
from hwctl.programming.result import Counts

CHUNKS = 4  # of a train: the step curve is looked up again after each
MANY = 8  # drive levels from which d2d is taken for an offset of levels: a threshold spread; below, for a gain
GAINS = 17  # hypotheses of a gain
WIDEST = 3.2  # of all hypotheses, in standard deviations
MOST_OFFSET = 12  # levels
STUCK_PRIOR = 0.01
FORGET = 0.01  # share of the prior that every observation mixes in: a cell may change
OTHER = 0.7  # what a move says of the other polarity: most d2d is common to both
OUTLIER = 1e-4  # share of moves that no hypothesis explains


def train(
    model: StepModel, polarity: int, levels: Counts, start: Floats, number: Floats | Counts, gain: Floats
) -> tuple[Floats, Floats]:
    """Predict trains of pulses of one polarity from conductances `start` in S; arguments broadcast.

    gain: factor of the cell's steps. Returns mean change in S (signed) and its variance in S^2: c2c alone.
    """
    shape = np.broadcast_shapes(np.shape(levels), np.shape(start), np.shape(number), np.shape(gain))
    here, variance = np.broadcast_to(start, shape).copy(), np.zeros(shape)
    slopes = np.gradient(model.means[polarity], (model.g_max - model.g_min) / (GRID - 1), axis=1)
    chunks = np.clip(number, 1, CHUNKS)
    pulses = number / chunks
    for n in range(int(np.max(chunks))):
        at = model.index(here)
        now = np.where(n < chunks, pulses, 0.0)
        here += now * gain * model.means[polarity][levels, at]
        slope = np.maximum(1.0 + now * gain * slopes[levels, at], 0.0)
        variance = variance * slope**2 + now * (gain * model.sigmas[polarity][levels, at]) ** 2
    return here - start, variance


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


class Belief:
    """Weights of the hypotheses for every cell, SET and RESET apart."""

    def __init__(self, model: StepModel, cells: int) -> None:
        """Start from the device's spread."""
        self._model = model
        self.hypotheses = Hypotheses.of(model, 0), Hypotheses.of(model, 1)
        self._weights = [np.repeat(h.prior[None, :], cells, axis=0) for h in self.hypotheses]
        self._common = self._weights[0].shape == self._weights[1].shape

    def stuck(self, polarity: int) -> Floats:
        """Return the probability (cells,) that pulses of a polarity move a cell no more."""
        return self._weights[polarity][:, -1]

    def weights(self, polarity: int, cells: NDArray[np.int64]) -> Floats:
        """Return weights (cells, hypotheses without the last) of cells, given that they are not stuck."""
        found = self._weights[polarity][cells, :-1]
        return found / found.sum(axis=1, keepdims=True)

    def observe(
        self, polarity: int, cells: NDArray[np.int64], levels: Counts, number: Counts, moved: Floats, start: Floats,
        noise: float,
    ) -> None:  # fmt: skip
        """Learn from trains of one polarity, each array (cells,).

        moved: S, read change from `start` in S; noise: S, standard deviation of that reading of change.
        """
        model, tried = self._model, self.hypotheses[polarity]
        seen = np.clip(levels[:, None] + tried.offsets, 0, len(model.levels[polarity]) - 1)
        expected, variance = train(model, polarity, seen, start[:, None], number[:, None], tried.gains)
        variance += noise**2 + (1e-3 * (model.g_max - model.g_min)) ** 2  # of what the curves do not say
        likelihood = np.exp(-0.5 * (moved[:, None] - expected) ** 2 / variance) / np.sqrt(variance)
        likelihood += OUTLIER * likelihood.max(axis=1, keepdims=True) + 1e-300
        for own, share in ((polarity, 1.0), (1 - polarity, OTHER if self._common else 0.0)):
            weights = self._weights[own][cells] * likelihood**share if share else self._weights[own][cells]
            weights = weights / weights.sum(axis=1, keepdims=True)
            self._weights[own][cells] = (1.0 - FORGET) * weights + FORGET * self.hypotheses[own].prior
