"""What runs with paired seeds say: times to a target with runs that never reach it, and differences with intervals."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DRAWS = 10_000  # of a bootstrap
LEVEL = 0.95


class Interval(NamedTuple):
    """An estimate with its 95% interval."""

    value: float
    low: float
    high: float


def time_to(losses: Sequence[float], target: float, times: Sequence[float] | None = None) -> float:
    """Return when a loss first is at or below a target; infinite where it never is (censored).

    losses: of each epoch; times: cumulative, of each epoch, default its number. Between two epochs the time is
    interpolated; before the end of the first one nothing is known, so it is never shorter than that.
    """
    values = np.asarray(losses, np.float64)
    clock = np.arange(1, values.size + 1, dtype=np.float64) if times is None else np.asarray(times, np.float64)
    reached = np.flatnonzero(values <= target)
    if reached.size == 0:
        return float("inf")
    i = int(reached[0])
    if i == 0:
        return float(clock[0])
    share = (values[i - 1] - target) / (values[i - 1] - values[i])
    return float(clock[i - 1] + share * (clock[i] - clock[i - 1]))


def median_of(times: Floats) -> float:
    """Return the median with censored runs (infinite) as the longest; infinite where half of them are."""
    ordered = np.sort(times)
    low, high = ordered[(times.size - 1) // 2], ordered[times.size // 2]
    return float(low) if low == high else float(low / 2 + high / 2)


def ratio_of_medians(slow: Floats, fast: Floats, rng: np.random.Generator) -> Interval:
    """Return median(slow) / median(fast) of paired runs, (seeds,) each, with a percentile bootstrap over pairs."""
    return _paired(lambda i: _quotient(median_of(slow[i]), median_of(fast[i])), slow.size, rng)


def mean_difference(one: Floats, other: Floats, rng: np.random.Generator) -> Interval:
    """Return mean(one - other) of paired runs, (seeds,) each, with a percentile bootstrap over pairs."""
    difference = one - other
    return _paired(lambda i: float(difference[i].mean()), one.size, rng)


def _quotient(above: float, below: float) -> float:
    if np.isinf(below):
        return 0.0 if np.isfinite(above) else 1.0
    return above / below


def _paired(figure: Callable[[NDArray[np.int64]], float], pairs: int, rng: np.random.Generator) -> Interval:
    drawn = np.array([figure(rng.integers(0, pairs, pairs)) for _ in range(DRAWS)])
    # Percentiles by rank: between an infinite value and another there is nothing.
    ordered = np.sort(drawn)
    tail = (1.0 - LEVEL) / 2
    low, high = ordered[int(tail * DRAWS)], ordered[min(int((1 - tail) * DRAWS), DRAWS - 1)]
    return Interval(figure(np.arange(pairs)), float(low), float(high))
