"""Moves of a cell: how many pulses of a drive level are worth a thought, and where they lead."""

import numpy as np

from hwctl.crossbar.results import Floats
from hwctl.devices.steps import GRID, StepModel
from hwctl.programming.result import Counts

AIMS = (0.5, 0.65, 0.8, 0.9, 1.0, 1.1)  # shares of the way at which the number of a train is aimed
LONGEST = 400  # pulses of one move: beyond it the step curve has changed under way
CHUNKS = 4  # of a train: the step curve is looked up again after each


def numbers(model: StepModel, polarity: int, levels: Counts, gain: Floats, start: Floats, target: Floats) -> Counts:
    """Return numbers of pulses (options, levels, cells) of one polarity that lead from `start` about to `target`, in S.

    levels (levels, cells or 1): as the cells see them; gain (cells,): factor of their steps.
    """
    halfway = gain * model.means[polarity][levels, model.index((start + target) / 2)]
    with np.errstate(divide="ignore", invalid="ignore"):
        aimed = np.nan_to_num((target - start) / halfway, posinf=LONGEST)
    shares = np.array(AIMS)[:, None, None]
    return np.clip(np.rint(shares * np.maximum(aimed, 0.0)), 1, LONGEST).astype(np.int64)


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
