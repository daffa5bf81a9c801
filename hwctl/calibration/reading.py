"""Read disturb: what many readings do to the cells that are read. No pulse is sent."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwctl.calibration.estimate import UNKNOWN, Estimate, bootstrap
from hwctl.calibration.probe import Probe
from hwctl.calibration.relaxation import Relaxation
from hwctl.crossbar.results import Floats

BURSTS = 4
CONVERSIONS = 4096  # of each cell in a burst, which is one reading of so many averages


@dataclass(frozen=True)
class ReadDisturb:
    """Per conversion of a cell."""

    change: Estimate
    """S: mean change of the conductance."""
    share: Estimate
    """Of the way to the bound that it moves towards: the upper one where positive, the lower one where negative."""
    conversions: int
    """By which it was measured."""


def read_disturb(
    probe: Probe, moves: NDArray[np.bool_], low: Floats, high: Floats, relaxed: Relaxation | None,
    rng: np.random.Generator,
) -> ReadDisturb:  # fmt: skip
    """Read a region by BURSTS of CONVERSIONS.

    moves, low, high (cells,): cells that count, and their ranges in S. relaxed: the drift that readings take time for.
    """
    bursts, times = np.empty((BURSTS, probe.cells)), np.empty(BURSTS)
    for n in range(BURSTS):
        bursts[n], times[n] = probe.read(CONVERSIONS), probe.clock()
    if relaxed is not None and relaxed.exponent.found:
        ages = times - relaxed.begun
        bursts *= ((ages / ages[0]) ** relaxed.exponent.value)[:, None]
    chosen = moves & np.isfinite(bursts).all(axis=0)
    between = (BURSTS - 1) * CONVERSIONS
    if chosen.sum() < 2:
        return ReadDisturb(UNKNOWN, UNKNOWN, BURSTS * CONVERSIONS)
    # Weights of a straight line's slope over the bursts: the first and last ones alone would leave the others unused.
    number = np.arange(BURSTS) - (BURSTS - 1) / 2
    change = (number @ bursts[:, chosen]) / (number @ number) * (BURSTS - 1)
    up, down = np.maximum(high - bursts[0], 0.0)[chosen], np.maximum(bursts[0] - low, 0.0)[chosen]

    def figures(drawn: Floats) -> Floats:
        mean = change @ drawn / drawn.sum()
        way = up if mean > 0 else down
        return np.array([mean, (drawn * way) @ change / max((drawn * way) @ way, 1e-300)]) / between

    value, error = bootstrap(figures, int(chosen.sum()), rng)
    mean, share = (Estimate(float(v), float(e)) for v, e in zip(value, error, strict=True))
    return ReadDisturb(mean, share, BURSTS * CONVERSIONS)
