"""Cells walk through their range by trains of random polarity and drive level, read after each: step curves' data."""

import numpy as np
from numpy.typing import NDArray

from hwctl.calibration.probe import Ints, Probe, Stage
from hwctl.crossbar.results import Floats

EDGE = 0.05  # of the range: nearer to an end than that, a cell turns round
LONGEST = 32  # pulses of a train
SEEN = 2.0  # a train should move a cell by so many standard deviations of a reading
TURN_LEAST, TURN_MOST = 0.05, 0.5  # probability that a cell turns round within its range


def walk(
    probe: Probe, moves: NDArray[np.bool_], low: Floats, high: Floats, sigma: float, reserve: int,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Let cells walk until each has spent its budget but for `reserve` pulses; the trace holds what came of it.

    moves, low, high (cells,): the cells that walk, and their ranges in S. sigma: S, of what is seen at one reading.
    Every drive level is drawn equally often, so that each is seen all over the range. Trains are as long as it takes to
    see them.
    """
    upward = rng.random(probe.cells) < TURN_MOST
    length, turn = 1, TURN_MOST
    span = np.where(moves, high - low, 1.0)
    while (going := moves & np.isfinite(probe.present) & (probe.left >= length + reserve)).any():
        place = (probe.present - low) / span
        upward ^= rng.random(probe.cells) < turn
        upward = np.where(place < EDGE, True, np.where(place > 1 - EDGE, False, upward))
        levels = np.where(
            upward, rng.integers(0, probe.levels(0), probe.cells), rng.integers(0, probe.levels(1), probe.cells)
        )
        before = probe.present
        counts: Ints = np.where(going, np.where(upward, length, -length), 0)
        after = probe.pulse(Stage.WALK, counts, levels)
        length, turn = _pace(np.abs(after - before)[going], span[going], length, sigma)


def _pace(moved: Floats, spans: Floats, length: int, sigma: float) -> tuple[int, float]:
    """Return the length of the next train and the probability to turn, by what the last trains did."""
    step = float(np.nanmean(moved)) if np.isfinite(moved).any() else 0.0
    noise = sigma * np.sqrt(4.0 / np.pi)  # mean of what two readings of a still cell differ by
    if step <= SEEN * noise:
        return min(2 * length, LONGEST), TURN_LEAST
    share = step / float(np.nanmedian(spans))
    shorter = max(length // 2, 1) if step > 4 * SEEN * noise else length
    return shorter, float(np.clip(2 * share, TURN_LEAST, TURN_MOST))
