"""Model-based write-verify: step curves say how many pulses to send at once, the residual decides the next batch."""

import numpy as np
from numpy.typing import ArrayLike

from hwctl.crossbar import Crossbar
from hwctl.crossbar.results import Lines
from hwctl.devices.steps import StepModel
from hwctl.errors import LimitError
from hwctl.programming.loop import Loop, shapes_of
from hwctl.programming.planner import Planner
from hwctl.programming.result import ALL, Result, checked_targets, refuse_outside

GUARD = 2.5  # standard deviations of read noise


def model_based(
    crossbar: Crossbar,
    targets: ArrayLike,
    tolerance: float,
    rows: Lines = ALL,
    cols: Lines = ALL,
    *,
    model: StepModel,
    guard: float = GUARD,
    pulse_cost: float = 0.2,
    rounds: int = 40,
    averages: int = 1,
) -> Result:
    """Bring each cell to its target in few moves; all cells of the region at once.

    For every open cell each drive level and number of pulses is weighed by what it costs and by what is to be expected
    after it, given the step's spread. What a cell's moves show of its own gain counts for its next ones. A cell that
    does not follow is given up: it has not reached its target then.

    model: step curves of the device. targets (rows, cols) and tolerance: S. guard: standard deviations of read noise by
    which the band is narrower in which a reading ends the loop, so that the cell itself is within the tolerance.
    pulse_cost: of a pulse in readings; lower gives fewer readings and more pulses. rounds: moves of a cell at most.
    averages: conversions of one reading, a power of two. Raises LimitError where a target is outside the model's
    range or noise leaves no band; then nothing was pulsed.
    """
    region, wanted = checked_targets(crossbar, targets, rows, cols)
    refuse_outside(wanted, model.g_min, model.g_max, region, "the device's range")
    noise = model.read_noise / np.sqrt(averages)
    band = tolerance - guard * noise
    if not band > 0 or not pulse_cost > 0 or rounds < 1:
        raise LimitError(
            f"tolerance {tolerance * 1e6:.4g} uS with {guard:g} times {noise * 1e6:.4g} uS of read noise, pulse cost "
            f"{pulse_cost:g}, {rounds} rounds; give a wider tolerance or more averages, and numbers above 0"
        )
    planner = Planner(model, band, noise, pulse_cost, region.shape)
    loop = Loop(crossbar, region, shapes_of(crossbar))
    loop.read(averages=averages)
    for _ in range(rounds):
        loop.close(loop.open & (np.abs(loop.reading - wanted) <= band))
        loop.open &= ~planner.hopeless(wanted - loop.reading)
        if not loop.open.any():
            break
        counts, levels = planner.plan(loop.open, loop.reading, wanted)
        before = loop.reading.copy()
        loop.pulse(counts, levels)
        loop.read(averages=averages)
        planner.learn(counts, levels, before, loop.reading)
    loop.close(loop.open & (np.abs(loop.reading - wanted) <= band))
    return loop.result()
