"""Differential pairs: how a wished change of a weight is shared between G+ and G-, and when a pair is lowered.

All arrays are of one shape; G+ and G- in siemens; a wish is a change of G+ - G-.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from hwctl.devices.steps import StepModel
from hwctl.programming import weights

Floats = NDArray[np.float64]
Policy = Callable[[Floats, Floats, Floats, StepModel], tuple[Floats, Floats]]

#: A pair is rebalanced where both of its cells are within this share of the range of the same bound.
NEAR_BOUND = 0.1
AT_BOUND = 0.02  # of the range


def bidirectional(wish: Floats, plus: Floats, minus: Floats, model: StepModel) -> tuple[Floats, Floats]:
    """Share by headroom: the cell with more room in its direction takes more."""
    rising = wish > 0
    room_plus = np.where(rising, model.g_max - plus, plus - model.g_min)
    room_minus = np.where(rising, minus - model.g_min, model.g_max - minus)
    room_plus, room_minus = np.maximum(room_plus, 0.0), np.maximum(room_minus, 0.0)
    share = room_plus / np.maximum(room_plus + room_minus, 1e-12)
    return share * wish, (share - 1.0) * wish


def set_only(wish: Floats, plus: Floats, minus: Floats, model: StepModel) -> tuple[Floats, Floats]:
    """Raise G+ for a positive change and G- for a negative one: for one-way devices."""
    return np.maximum(wish, 0.0), np.maximum(-wish, 0.0)


def fixed_reference(wish: Floats, plus: Floats, minus: Floats, model: StepModel) -> tuple[Floats, Floats]:
    """Change G+ alone; G- stays at the symmetry point."""
    return wish, np.zeros_like(wish)


POLICIES: Mapping[str, Policy] = MappingProxyType(
    {"bidirectional": bidirectional, "set-only": set_only, "fixed-reference": fixed_reference}
)


def needs_rebalance(plus: Floats, minus: Floats, model: StepModel) -> NDArray[np.bool_]:
    """Return which pairs have both cells near the upper bound, or both near the lower one.

    On a one-way device the lower bound is where cells start, and is no reason.
    """
    margin = NEAR_BOUND * (model.g_max - model.g_min)
    high = np.minimum(plus, minus) > model.g_max - margin
    if model.one_way:
        return high
    return high | (np.maximum(plus, minus) < model.g_min + margin)


def balanced(plus: Floats, minus: Floats, model: StepModel) -> tuple[Floats, Floats]:
    """Return targets of both cells with the same difference: about the middle, or from the bottom if one-way."""
    return weights.balanced(plus - minus, model.g_min, model.g_max, model.one_way)


def near_bound(g: Floats, model: StepModel) -> NDArray[np.bool_]:
    """Return which cells are at either bound."""
    margin = AT_BOUND * (model.g_max - model.g_min)
    return (g > model.g_max - margin) | (g < model.g_min + margin)


def clipped(plus: Floats, minus: Floats, model: StepModel) -> NDArray[np.bool_]:
    """Return which weights are as large as their pair can make them: one cell at either bound."""
    margin = AT_BOUND * (model.g_max - model.g_min)
    return (np.maximum(plus, minus) > model.g_max - margin) & (np.minimum(plus, minus) < model.g_min + margin)
