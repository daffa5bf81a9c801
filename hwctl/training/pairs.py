"""Differential pairs: how a wished change of a weight is shared between G+ and G-, and when a pair is lowered.

All arrays are of one shape; G+ and G- in siemens; a wish is a change of G+ - G-. `of_plus` and `of_minus` say how the
cells G+ and G- step: what is known of these very cells, or for both the pooled model.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from hwctl.devices.cellsteps import Steps
from hwctl.devices.steps import StepModel
from hwctl.programming import weights

Floats = NDArray[np.float64]
Policy = Callable[[Floats, Floats, Floats, Steps, Steps], tuple[Floats, Floats]]

#: A pair is rebalanced where both of its cells are within this share of the range of the same bound.
NEAR_BOUND = 0.1
AT_BOUND = 0.02  # of the range


def bidirectional(wish: Floats, plus: Floats, minus: Floats, of_plus: Steps, of_minus: Steps) -> tuple[Floats, Floats]:
    """Share by headroom: the cell with more room in its direction takes more."""
    rising = wish > 0
    room_plus = np.where(rising, of_plus.g_max - plus, plus - of_plus.g_min)
    room_minus = np.where(rising, minus - of_minus.g_min, of_minus.g_max - minus)
    room_plus, room_minus = np.maximum(room_plus, 0.0), np.maximum(room_minus, 0.0)
    share = room_plus / np.maximum(room_plus + room_minus, 1e-12)
    return share * wish, (share - 1.0) * wish


def set_only(wish: Floats, plus: Floats, minus: Floats, of_plus: Steps, of_minus: Steps) -> tuple[Floats, Floats]:
    """Raise G+ for a positive change and G- for a negative one: for one-way devices."""
    return np.maximum(wish, 0.0), np.maximum(-wish, 0.0)


def fixed_reference(
    wish: Floats, plus: Floats, minus: Floats, of_plus: Steps, of_minus: Steps
) -> tuple[Floats, Floats]:
    """Change G+ alone; G- stays at the symmetry point."""
    return wish, np.zeros_like(wish)


POLICIES: Mapping[str, Policy] = MappingProxyType(
    {"bidirectional": bidirectional, "set-only": set_only, "fixed-reference": fixed_reference}
)


def needs_rebalance(plus: Floats, minus: Floats, of_plus: Steps, of_minus: Steps) -> NDArray[np.bool_]:
    """Return which pairs have both cells near the upper bound, or both near the lower one.

    On a one-way device the lower bound is where cells start, and is no reason.
    """
    high = _high(plus, of_plus, NEAR_BOUND) & _high(minus, of_minus, NEAR_BOUND)
    if of_plus.one_way:
        return high
    return high | (_low(plus, of_plus, NEAR_BOUND) & _low(minus, of_minus, NEAR_BOUND))


def balanced(plus: Floats, minus: Floats, of_plus: Steps, of_minus: Steps) -> tuple[Floats, Floats]:
    """Return targets of both cells with the same difference: about the middle, or from the bottom if one-way.

    The middle is that of all places where both cells of the pair can have it.
    """
    difference = plus - minus
    if isinstance(of_plus, StepModel) or isinstance(of_minus, StepModel):
        return weights.balanced(difference, of_plus.g_min, of_plus.g_max, of_plus.one_way)
    lowest = np.maximum(of_plus.g_min, of_minus.g_min + difference)
    highest = np.minimum(of_plus.g_max, of_minus.g_max + difference)
    target = lowest if of_plus.one_way else (lowest + highest) / 2
    return target, target - difference


def near_bound(g: Floats, own: Steps) -> NDArray[np.bool_]:
    """Return which cells are at either bound."""
    return _high(g, own, AT_BOUND) | _low(g, own, AT_BOUND)


def clipped(plus: Floats, minus: Floats, of_plus: Steps, of_minus: Steps) -> NDArray[np.bool_]:
    """Return which weights are as large as their pair can make them: one cell at either bound."""
    rises = _high(plus, of_plus, AT_BOUND) & _low(minus, of_minus, AT_BOUND)
    return rises | (_low(plus, of_plus, AT_BOUND) & _high(minus, of_minus, AT_BOUND))


def _high(g: Floats, own: Steps, share: float) -> NDArray[np.bool_]:
    """Return which cells are within a share of the range of their upper bound."""
    return np.asarray(g > own.g_max - share * (own.g_max - own.g_min))


def _low(g: Floats, own: Steps, share: float) -> NDArray[np.bool_]:
    return np.asarray(g < own.g_min + share * (own.g_max - own.g_min))
