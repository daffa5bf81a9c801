"""A measured figure with its standard error, and the bootstrap over cells that finds it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hwctl.crossbar.results import Floats

DRAWS = 60
SURE = 3.0  # standard errors from which on something is there


class Estimate(NamedTuple):
    """A figure in SI units; NaN where it could not be measured."""

    value: float
    error: float
    """Standard error."""

    @property
    def found(self) -> bool:
        """Return whether it differs from 0 by more than chance."""
        return bool(abs(self.value) > SURE * self.error)


UNKNOWN = Estimate(np.nan, np.nan)


def bootstrap(figures: Callable[[Floats], Floats], cells: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return figures of all cells, and their standard errors by drawing cells anew (Efron, Ann. Statist. 7 (1979) 1).

    figures: of a weight for each cell (cells,), how often it was drawn.
    """
    found = figures(np.ones(cells))
    drawn = [figures(rng.multinomial(cells, np.full(cells, 1.0 / cells)).astype(np.float64)) for _ in range(DRAWS)]
    return found, np.nanstd(drawn, axis=0)


def shrunk(values: Floats, errors: Floats) -> Floats:
    """Return values (n,) drawn towards 0 by as much as their errors say that they are chance.

    Empirical Bayes with a normal prior about 0: Efron and Morris, JASA 70 (1975) 311.
    """
    known = np.isfinite(values) & np.isfinite(errors)
    if not known.any():
        return np.zeros(values.shape)
    between = max(float(np.mean(values[known] ** 2 - errors[known] ** 2)), 0.0)
    return np.where(known, values * between / (between + errors**2 + 1e-300), 0.0)
