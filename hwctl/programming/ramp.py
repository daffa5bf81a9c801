"""Write-verify with one pulse a reading: constant amplitude, rising amplitudes or gates (ISPP), and NeuRRAM's way."""

import numpy as np
from numpy.typing import ArrayLike

from hwctl.crossbar import Crossbar, PulseShape
from hwctl.crossbar.driver import ALL
from hwctl.crossbar.levels import levels_of
from hwctl.crossbar.results import Lines
from hwctl.errors import LimitError
from hwctl.programming.loop import Loop, directions
from hwctl.programming.result import Result, checked_targets


def constant(
    crossbar: Crossbar,
    targets: ArrayLike,
    tolerance: float,
    rows: Lines = ALL,
    cols: Lines = ALL,
    *,
    set_shape: PulseShape,
    reset_shape: PulseShape,
    attempts: int = 100,
    averages: int = 1,
) -> Result:
    """Pulse each cell with one amplitude until it reads its target: the board's WRITE_VERIFY, or the host's.

    targets (rows, cols) and tolerance: S; attempts: pulses a cell. Raises LimitError; then nothing was pulsed.
    """
    return ispp(
        crossbar, targets, tolerance, rows, cols,
        set_shapes=[set_shape], reset_shapes=[reset_shape], attempts=attempts, averages=averages,
    )  # fmt: skip


def ispp(
    crossbar: Crossbar,
    targets: ArrayLike,
    tolerance: float,
    rows: Lines = ALL,
    cols: Lines = ALL,
    *,
    set_shapes: list[PulseShape] | None = None,
    reset_shapes: list[PulseShape] | None = None,
    attempts: int = 100,
    averages: int = 1,
) -> Result:
    """Incremental step pulse programming: a stronger pulse after each reading, the board's WRITE_VERIFY or the host's.

    targets (rows, cols) and tolerance: S; set_shapes, reset_shapes: ramps of amplitude or gate, weak to strong, by
    default every drive level; a ramp starts over where the polarity changes; attempts: pulses a cell. Raises
    LimitError; then nothing was pulsed.
    """
    region, wanted = checked_targets(crossbar, targets, rows, cols)
    known = levels_of(crossbar)
    done = crossbar.write_verify(
        wanted, tolerance, set_shapes or known[0], reset_shapes or known[1], region, attempts=attempts,
        averages=averages,
    )  # fmt: skip
    rounds = int((done.set_pulses + done.reset_pulses).max())
    return Result(done.reached, done.conductances, done.set_pulses, done.reset_pulses, done.reads * averages, rounds)


def alternating(
    crossbar: Crossbar,
    targets: ArrayLike,
    tolerance: float,
    rows: Lines = ALL,
    cols: Lines = ALL,
    *,
    iterations: int = 50,
    at_end: int = 30,
    averages: int = 1,
) -> Result:
    """Ramp RESET, then SET, and so on until a second reading confirms the target: NeuRRAM's published control code.

    One pulse a reading. Each ramp takes the drive levels from the weakest, one further after each pulse, and ends where
    the reading has passed the edge of the tolerance. A cell is given up after so many `iterations` (a RESET and a SET
    ramp each), or after `at_end` pulses in one ramp that had arrived at the strongest level. As `program_increment` in
    `wupdate_control.py` of github.com/weierwan/Neurram_48core.

    targets (rows, cols) and tolerance: S. Raises LimitError; then nothing was pulsed.
    """
    region, wanted = checked_targets(crossbar, targets, rows, cols)
    if iterations < 1 or at_end < 1:
        raise LimitError(f"{iterations} iterations, {at_end} pulses at the strongest level; give 1 or more of both")
    shapes = levels_of(crossbar)
    last = np.array([len(shapes[0]) - 1, len(shapes[1]) - 1])
    loop = Loop(crossbar, region, shapes)
    loop.read(averages=averages)
    level = np.zeros(region.shape, np.int64)
    ended = np.zeros(region.shape, np.int64)
    ramping = np.full(region.shape, 1)  # the polarity of the ramp that a cell is on: RESET comes first
    turns = np.zeros(region.shape, np.int64)
    while loop.open.any():
        arrived = loop.open & (np.abs(loop.reading - wanted) <= tolerance)
        loop.read(arrived, averages)
        within = np.abs(loop.reading - wanted) <= tolerance
        loop.close(arrived & within)
        away = loop.open & ~within
        refuted = away & arrived
        needed = np.where(directions(wanted - loop.reading) > 0, 0, 1)
        changes = away & (needed != ramping)
        turns += refuted | (changes & (needed == 1))  # a SET ramp is over, and with it an iteration
        level[changes | refuted], ended[changes | refuted] = 0, 0
        ramping = np.where(changes, needed, ramping)
        loop.open &= (turns <= iterations) & (ended < at_end)
        sent = loop.open & away
        loop.pulse(np.where(sent, 1 - 2 * ramping, 0), level)
        at_last = sent & (level >= last[ramping])
        ended += at_last
        level += sent & ~at_last
        loop.read(sent & loop.open, averages)
    return loop.result()
