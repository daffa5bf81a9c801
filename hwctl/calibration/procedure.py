"""The stages of a calibration, one after the other, each with what the ones before have found."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwctl.calibration.bounds import Bound, bound
from hwctl.calibration.effects import Effects, effects
from hwctl.calibration.fit import Cells, Curves, fit, observations
from hwctl.calibration.forming import Forming, Ramp, forming
from hwctl.calibration.noise import ReadNoise, read_noise
from hwctl.calibration.plan import Effect, Plan
from hwctl.calibration.probe import Ints, Probe, Stage
from hwctl.calibration.readpath import read_path
from hwctl.calibration.response import Response, response
from hwctl.calibration.still import WriteNoise, write_noise
from hwctl.calibration.walk import walk
from hwctl.crossbar.results import Floats
from hwctl.errors import DeviceError

BEYOND = 4.0  # standard deviations of a reading that are no sign of a wider range
POOL = (0.5, 99.5)  # percentiles of all readings: the range of cells whose own bounds were not reached


@dataclass(frozen=True)
class Ranges:
    """Range of each cell in which its steps are placed, each array (cells,)."""

    low: Floats
    """S"""
    high: Floats
    """S"""
    own: NDArray[np.bool_]
    """Whether both are the cell's own bounds; else they are what was seen of the chip, or of the cell."""


@dataclass(frozen=True)
class Measured:
    """All that a calibration found. Arrays over cells are numbered row by row within the region."""

    plan: Plan
    noise: ReadNoise
    response: Response
    write_noise: WriteNoise
    lower: Bound
    upper: Bound
    ranges: Ranges
    curves: tuple[Curves, Curves]
    cells: Cells
    gain_spread: tuple[float, float]
    """Standard deviation of cells' SET and RESET gains."""
    effects: Effects
    forming: Forming | None
    """None where nothing was to be formed."""
    last: Floats
    """S: the last reading of each cell."""
    spent: Ints
    """Pulses that each cell took."""
    lifetime: Ints
    """Pulses that each cell has taken in its life, as far as the board knows."""
    trace: NDArray[np.void]
    """All trains in their order, of dtype `probe.STEP`."""

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Return which cells the curves are made of: those that move, in a range."""
        return _usable(self.response, self.ranges)


def calibrate(
    probe: Probe, plan: Plan, rng: np.random.Generator, begin: Callable[[str], None], ramp: Ramp | None = None
) -> Measured:
    """Measure what a probe reaches. begin: called with the name of each stage; ramp: with which cells are formed first.

    Raises DeviceError where no cell moves.
    """
    formed = None
    if ramp is not None:
        begin("forming")
        formed = forming(probe, ramp)
        probe.present = probe.read()
    begin("read noise")
    noise = read_noise(probe)
    sigma = noise.of(probe.averages)
    path = None
    if Effect.READ_PATH in plan.effects:
        begin("read path")
        path = read_path(probe, sigma, noise.of(1), rng)
        path.correct(probe)
        probe.present = probe.read()
    begin("who moves")
    answer = response(probe, sigma, plan.response)
    if not answer.moves.any():
        raise DeviceError(
            f"none of {probe.cells} cells moves by {answer.least * 1e6:.3g} uS in {plan.response} of the strongest "
            "pulses; form them ('hwctl form'), or give a larger budget"
        )
    begin("write noise")
    still = write_noise(probe, answer.moves, sigma, rng)
    shown = float(np.hypot(sigma, still.sigma))
    begin("lower bound")
    lower = bound(probe, -1, answer.moves, shown, plan.bounds)
    begin("upper bound")
    upper = bound(probe, 1, answer.moves, shown, plan.bounds)
    found = _ranges(probe, answer.moves, lower, upper)
    answer = answer.between(found.low, found.high)
    begin("steps")
    walk(probe, _usable(answer, found), found.low, found.high, shown, plan.reserve, rng)
    trace = probe.trace()
    found = _widened(found, trace, shown)
    usable = _usable(answer, found)
    seen = tuple(observations(trace, p, found.low, found.high, usable, shown) for p in (0, 1))
    curves, cells, spread = fit((seen[0], seen[1]), (probe.levels(0), probe.levels(1)), found.own, rng)
    if path is not None and not np.isfinite(path.alpha.value):
        begin("read path")  # as fabricated, cells conducted too little
        path = read_path(probe, sigma, noise.of(1), rng)
    more = effects(probe, plan, path, usable, found.low, found.high, curves, sigma, rng, begin)
    return Measured(
        plan, noise, answer, still, lower, upper, found, curves, cells, spread, more, formed, probe.present,
        probe.spent, probe.lifetime(), probe.trace(),
    )  # fmt: skip


def _usable(answer: Response, ranges: Ranges) -> NDArray[np.bool_]:
    return answer.moves & (ranges.high > ranges.low)


def _widened(ranges: Ranges, trace: NDArray[np.void], sigma: float) -> Ranges:
    """Return ranges that hold what was seen: the end that pulses lead to is not the end where each leads elsewhere."""
    walked = trace[trace["stage"] == Stage.WALK]
    low, high = ranges.low.copy(), ranges.high.copy()
    after = walked["after"]
    known = np.isfinite(after)
    np.fmin.at(low, walked["cell"][known], after[known] + BEYOND * sigma)
    np.fmax.at(high, walked["cell"][known], after[known] - BEYOND * sigma)
    return Ranges(low, high, ranges.own)


def _ranges(probe: Probe, moves: NDArray[np.bool_], lower: Bound, upper: Bound) -> Ranges:
    """Return the ranges in which steps are placed: own bounds, or the chip's where hardly a cell reached both."""
    own = lower.reached & upper.reached
    low = np.where(lower.reached, lower.found, lower.furthest)
    high = np.where(upper.reached, upper.found, upper.furthest)
    if 2 * own.sum() >= moves.sum():
        return Ranges(low, high, own)
    trace = probe.trace()
    seen = np.concatenate([trace["before"], trace["after"]])[np.tile(moves[trace["cell"]], 2)]
    bottom, top = np.nanpercentile(seen, POOL)
    return Ranges(np.full(low.shape, bottom), np.full(high.shape, top), np.zeros(own.shape, np.bool_))
