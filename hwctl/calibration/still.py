"""Write noise: what a cell shows changes with every pulse, even one that hardly moves it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwctl.calibration.probe import Probe, Stage

PULSES = 6
DRAWS = 100  # of the bootstrap over cells
SURE = 3.0  # standard errors from which on there is write noise


@dataclass(frozen=True)
class WriteNoise:
    """Scatter of the visible conductance about the state, drawn anew by each pulse."""

    sigma: float
    """S; 0 where none was found."""
    error: float
    """S: standard error; where none was found, what would just have been seen."""


def write_noise(probe: Probe, moves: NDArray[np.bool_], sigma: float, rng: np.random.Generator) -> WriteNoise:
    """Send PULSES of the weakest SET pulses, one at a time.

    moves (cells,): the others are left alone. sigma: S, of one reading. Steps of one train share the cell's own speed,
    so that successive ones and those one further apart correlate alike, but for what two of them have in common: the
    reading between them, with the noise of its pulse, once with either sign.
    """
    counts, level = moves.astype(np.int64), np.zeros(probe.cells, np.int64)
    readings = np.array([probe.present, *(probe.pulse(Stage.STILL, counts, level) for _ in range(PULSES))])
    steps = np.diff(readings[:, moves], axis=0)
    steps = steps[:, np.isfinite(steps).all(axis=0)]
    if steps.shape[1] < 2:
        return WriteNoise(0.0, np.inf)
    steps = steps - steps.mean(axis=1, keepdims=True)
    beside = (steps[1:] * steps[:-1]).mean(axis=0)
    apart = (steps[2:] * steps[:-2]).mean(axis=0)
    own = apart - beside - sigma**2  # each cell's estimate of the variance
    drawn = [own[rng.integers(0, own.size, own.size)].mean() for _ in range(DRAWS)]
    variance, error = float(own.mean()), float(np.std(drawn))
    if variance < SURE * error:
        return WriteNoise(0.0, float(np.sqrt(SURE * error)))
    return WriteNoise(float(np.sqrt(variance)), error / (2.0 * float(np.sqrt(variance))))
