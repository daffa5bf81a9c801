"""How many pulses, and at which drive level, a wished conductance change takes."""

import numpy as np
from numpy.typing import NDArray

from hwctl.devices.steps import StepModel

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

MAX_TRAIN = 400  # pulses of one cell in one move: beyond it the step curve has changed under way


def plan(model: StepModel, g: Floats, wish: Floats) -> tuple[Counts, Counts, Floats]:
    """Choose pulses for cells at conductances g (cells,) in S and wished changes (cells,) in S.

    Returns signed counts, drive levels, and the expected changes in S. A device with one level gets the nearest number
    of pulses; with several, the level and number that come nearest, fewest pulses first.
    """
    at = model.index(g)
    counts = np.zeros(g.shape, np.int64)
    levels = np.zeros(g.shape, np.int64)
    change = np.zeros(g.shape)
    for polarity, chosen in enumerate((wish > 0, wish < 0)):
        if not chosen.any():
            continue
        steps = model.means[polarity][:, at[chosen]]
        picked = _nearest(steps, wish[chosen])
        counts[chosen] = picked[0] if polarity == 0 else -picked[0]
        levels[chosen], change[chosen] = picked[1], picked[2]
    return counts, levels, change


def _nearest(steps: Floats, wish: Floats) -> tuple[Counts, Counts, Floats]:
    """Return number, level and expected change for steps (levels, cells) that all have the wish's sign or are 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        number = np.rint(np.where(steps != 0, wish / steps, 0.0))
    number = np.clip(np.nan_to_num(number), 0, MAX_TRAIN)
    moved = number * steps
    # The second term prefers few pulses where two levels come equally near.
    error = np.abs(wish - moved) + 1e-3 * np.abs(wish) * number / MAX_TRAIN
    level = error.argmin(axis=0) if len(steps) > 1 else np.zeros(wish.shape, np.int64)
    cells = np.arange(wish.size)
    return number[level, cells].astype(np.int64), level.astype(np.int64), moved[level, cells]
