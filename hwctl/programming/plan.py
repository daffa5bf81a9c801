"""How many pulses, and at which drive level, a wished conductance change takes."""

import numpy as np
from numpy.typing import NDArray

from hwctl.devices.cellsteps import Steps
from hwctl.devices.steps import moved_by

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

MAX_TRAIN = 400  # pulses of one cell in one move: beyond it the step curve has changed under way


def plan(
    model: Steps, g: Floats, wish: Floats, rng: np.random.Generator | None = None
) -> tuple[Counts, Counts, Floats]:
    """Choose pulses for cells at conductances g (cells,) in S and wished changes (cells,) in S.

    Returns signed counts, drive levels, and the expected changes in S. A device with one level gets the nearest number
    of pulses; with several, the level and number that come nearest, fewest pulses first. rng: round at random instead,
    so that the expected change is the wish on average. model: pooled, or of these very cells, which are then not moved
    beyond their own bounds.
    """
    wish = model.within(g, wish)
    at = model.index(g)
    counts = np.zeros(g.shape, np.int64)
    levels = np.zeros(g.shape, np.int64)
    change = np.zeros(g.shape)
    for polarity, chosen in enumerate((wish > 0, wish < 0)):
        if not chosen.any():
            continue
        number, level, moved = _nearest(*model.at(chosen).curves(polarity, at[chosen]), wish[chosen], rng)
        counts[chosen] = number if polarity == 0 else -number
        levels[chosen], change[chosen] = level, moved
    return counts, levels, change


def _nearest(
    steps: Floats, ends: Floats, wish: Floats, rng: np.random.Generator | None
) -> tuple[Counts, Counts, Floats]:
    """Return number, level and expected change for wishes of one polarity, each (cells,).

    steps, ends (levels, cells) in S: of one pulse, and how far trains of any length lead.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = np.nan_to_num(np.where(wish * steps > 0, wish / steps, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        enough = np.where(steps != 0, np.ceil(ends / steps - 1e-9), 0.0)
    most = np.clip(enough, 0, MAX_TRAIN)  # more would do nothing, or come from another step curve
    number = np.clip(np.rint(exact), 0, most)
    if len(steps) == 1:
        level = np.zeros(wish.shape, np.int64)
    else:
        moved = moved_by(steps, ends, number)
        # The second term prefers few pulses where two levels come equally near.
        error = np.abs(wish - moved) + 1e-3 * np.abs(wish) * number / MAX_TRAIN
        level = error.argmin(axis=0)
    cells = np.arange(wish.size)
    if rng is not None:
        number = np.clip(np.floor(exact + rng.random(wish.size)), 0, most)
    taken = number[level, cells].astype(np.int64)
    return taken, level.astype(np.int64), moved_by(steps[level, cells], ends[level, cells], taken)
