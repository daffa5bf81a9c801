"""What a budget of pulses is spent on, and what it buys."""

from dataclasses import dataclass

import numpy as np

from hwctl.errors import LimitError
from hwctl.protocol.codes import CURVE_ENTRIES

LEAST = 40  # pulses a cell
ASSUMED_C2C = 0.5  # of a step, until it is measured
WITHIN = 6.0  # entries of a step curve that one fitted entry draws on (`smooth.BANDWIDTH`)


@dataclass(frozen=True)
class Plan:
    """How many pulses of a cell each stage may take."""

    budget: int
    response: int
    bounds: int
    """Towards either end."""

    @classmethod
    def of(cls, budget: int) -> "Plan":
        """Share out a budget. Raises LimitError where it is too small for a range."""
        if budget < LEAST:
            raise LimitError(f"a budget of {budget} pulses a cell finds no range; give at least {LEAST}")
        return cls(budget, response=min(budget // 6, 28), bounds=int(0.3 * budget))


@dataclass(frozen=True)
class Expected:
    """Standard errors that a budget should lead to, before a pulse is sent. Steps: relative to a step itself."""

    bound: float
    """S, of a cell's G_min or G_max."""
    pooled_step: float
    """Of a pooled curve, at one of 64 positions and one drive level."""
    gain: float
    """Of one cell's gain."""
    pulses: int
    """Of the walk, a cell."""

    def pulses_for(self, wanted: float) -> int:
        """Return the walk's pulses a cell with which a cell's gain has the relative standard error `wanted`."""
        return int(np.ceil(self.pulses * (self.gain / wanted) ** 2))


def expected(plan: Plan, cells: int, levels: tuple[int, int], sigma: float) -> Expected:
    """Return what a plan buys. sigma: S, of one reading. A c2c of ASSUMED_C2C of a step is assumed."""
    pulses = max(plan.budget - plan.response - 2 * plan.bounds, 1)
    at_once = cells * pulses * WITHIN / (sum(levels) * CURVE_ENTRIES)  # trains that one fitted entry is made of
    return Expected(
        bound=sigma / np.sqrt(3.0),
        pooled_step=ASSUMED_C2C / np.sqrt(max(at_once, 1.0)),
        gain=ASSUMED_C2C / np.sqrt(pulses / 2),
        pulses=pulses,
    )
