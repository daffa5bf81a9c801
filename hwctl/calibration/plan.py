"""What a budget of pulses is spent on."""

from dataclasses import dataclass
from enum import Enum

from hwctl.errors import LimitError

LEAST = 40  # pulses a cell
FULL = 200  # from which on there are pulses for what cells do to one another, and for their points of rest
LOADS = 20
SYMMETRY = 0.15  # of a full budget


class Effect(str, Enum):
    """What may be left out of a calibration; ranges and step curves may not."""

    READ_PATH = "read-path"
    LOADS = "loads"
    SYMMETRY = "symmetry"
    RELAXATION = "relaxation"
    READ_DISTURB = "read-disturb"


@dataclass(frozen=True)
class Plan:
    """How many pulses of a cell each stage may take."""

    budget: int
    response: int
    bounds: int
    """Towards either end."""
    loads: int
    symmetry: int
    relaxation: int
    effects: frozenset[Effect]
    """What is measured beside ranges and step curves."""
    longest: float
    """s after which relaxation is read for the last time."""

    @classmethod
    def of(cls, budget: int, skip: frozenset[Effect] = frozenset(), longest: float = 1000.0) -> "Plan":
        """Share out a budget. Below FULL pulses a cell, only what takes none is measured beside ranges and curves.

        Raises LimitError where the budget is too small for a range.
        """
        if budget < LEAST:
            raise LimitError(f"a budget of {budget} pulses a cell finds no range; give at least {LEAST}")
        effects = (frozenset(Effect) if budget >= FULL else frozenset({Effect.READ_PATH})) - skip
        return cls(
            budget,
            response=min(budget // 6, 28),
            bounds=int(0.3 * budget),
            loads=LOADS if Effect.LOADS in effects else 0,
            symmetry=int(SYMMETRY * budget) if Effect.SYMMETRY in effects else 0,
            relaxation=1 if Effect.RELAXATION in effects else 0,
            effects=effects,
            longest=longest,
        )

    @property
    def reserve(self) -> int:
        """Pulses of a cell that step curves have to leave."""
        return self.loads + self.symmetry + self.relaxation
