"""Proportional-integral write-verify: the drive grows with the distance from the target and with its sum so far."""

import numpy as np
from numpy.typing import ArrayLike

from hwctl.crossbar import Crossbar
from hwctl.crossbar.driver import ALL
from hwctl.crossbar.levels import levels_of
from hwctl.crossbar.results import Lines
from hwctl.errors import LimitError
from hwctl.programming.loop import Loop
from hwctl.programming.result import Result, checked_targets


def proportional_integral(
    crossbar: Crossbar,
    targets: ArrayLike,
    tolerance: float,
    rows: Lines = ALL,
    cols: Lines = ALL,
    *,
    level: int,
    pulses_per_tolerance: float,
    gain: float = 14.0 / 20.0,
    integral_gain: float = 6.0 / 20.0,
    windup: float = 100.0,
    iterations: int = 100,
    raise_every: int = 20,
    averages: int = 1,
) -> Result:
    """Drive each cell in proportion to its error and the sum of its errors, as OpenMENA's published loop does.

    The sign of gain * e + integral_gain * sum(e) is the polarity and its size the duration of the drive, here a number
    of pulses of one width. Every `raise_every` iterations the amplitude rises by a level. From
    `gradual_biasing_memristor_main.py` of github.com/ali20480/OpenMENA (arXiv:2511.03747): 7 and 3 as gains of twice
    the error, the sum kept within 3000 where the dead zone is 15 (so within 100 tolerances), 100 iterations, a higher
    voltage every 20, one reading an iteration, and a cell is done where it reads within the dead zone. Open there, as
    the board has its own units: level, the drive level to begin with, and pulses_per_tolerance, the pulses for an
    error of one tolerance (in the first iteration, where both terms see the same error: the gains sum to 1).

    targets (rows, cols) and tolerance: S. Raises LimitError; then nothing was pulsed.
    """
    region, wanted = checked_targets(crossbar, targets, rows, cols)
    shapes = levels_of(crossbar)
    last = min(len(each) for each in shapes) - 1
    if not 0 <= level <= last or not pulses_per_tolerance > 0 or iterations < 1 or raise_every < 1:
        raise LimitError(
            f"level {level}, {pulses_per_tolerance} pulses a tolerance, {iterations} iterations, a rise every "
            f"{raise_every}; give a level from 0 to {last} and numbers above 0"
        )
    loop = Loop(crossbar, region, shapes)
    total = np.zeros(region.shape)
    for iteration in range(iterations):
        loop.read(averages=averages)
        # A reading that saturated says only that the cell is too high.
        error = np.nan_to_num((wanted - loop.reading) / tolerance, nan=-windup)
        loop.close(loop.open & (np.abs(error) <= 1.0))
        if iteration == iterations - 1 or not loop.open.any():
            break  # a pulse that no reading follows would tell nothing
        total = np.clip(total + error, -windup, windup)
        drive = pulses_per_tolerance * (gain * error + integral_gain * total)
        counts = np.sign(drive) * np.maximum(np.rint(np.abs(drive)), 1)
        now = min(level + iteration // raise_every, last)
        loop.pulse(np.where(loop.open, counts, 0).astype(np.int64), np.full(region.shape, now))
    return loop.result()
