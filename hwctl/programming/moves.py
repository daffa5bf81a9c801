"""Moves of a cell: which are worth a thought, how many pulses of a drive level, and where they lead."""

from enum import IntEnum

import numpy as np

from hwctl.crossbar.results import Floats
from hwctl.devices.steps import GRID, StepModel
from hwctl.programming.result import Counts

AT_ONCE = 0.7  # of the way to the bottom: a RESET that leads further is no gradual one
AIMS = (0.5, 0.65, 0.8, 0.9, 1.0, 1.1)  # shares of the way at which the number of a train is aimed
LONGEST = 400  # pulses of one move: beyond it the step curve has changed under way
CHUNKS = 4  # of a train: the step curve is looked up again after each


class Way(IntEnum):
    """What a move sends to a cell before it is read again; the first two are the polarities."""

    SET = 0
    RESET = 1
    AGAIN = 2
    """One RESET, then SET pulses: on a one-way device the bottom is known, and need not be read."""

    @property
    def polarity(self) -> int:
        """Polarity of the pulses whose number is chosen."""
        return 1 if self is Way.RESET else 0


def ways(model: StepModel, polarity: int, band: float) -> tuple[Way, ...]:
    """Return the ways for cells that have to go in the direction of a polarity, to within `band` in S.

    Where one pulse scatters by more than it moves, and than the band, one of the other polarity may hit it as well.
    """
    found = [Way.SET, Way.RESET] if scattering(model, band) else [Way(polarity)]
    if falls(model):
        found = [way for way in found if way is Way.SET] + [Way.AGAIN]
    return tuple(found)


def scattering(model: StepModel, band: float) -> bool:
    """Return whether one pulse of the usual SET level scatters by more than its mean and the band, as a rule."""
    level = model.usual[0]
    return bool(np.median(model.sigmas[0][level] - np.maximum(np.abs(model.means[0][level]), band)) > 0)


def falls(model: StepModel) -> bool:
    """Return whether one RESET of the usual level leads to the bottom from everywhere in the upper half."""
    upper = np.arange(GRID) >= GRID // 2
    height = np.linspace(0.0, model.g_max - model.g_min, GRID)[upper]
    return bool((-model.means[1][model.usual[1]][upper] >= AT_ONCE * height).all())


def bottom(model: StepModel, level: Counts, start: Floats, gain: Floats) -> tuple[Floats, Floats]:
    """Return where one RESET leads from conductances (cells,) in S, and the variance of it in S^2.

    level, gain (cells,): as the cells see that pulse.
    """
    moved, variance = train(model, 1, level, start, np.ones(1), gain)
    return np.clip(start + moved, model.g_min, model.g_max), variance


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
