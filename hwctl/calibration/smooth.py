"""Local-linear regression over the 64 entries of a step curve."""

import numpy as np
from numpy.typing import NDArray

from hwctl.crossbar.results import Floats
from hwctl.protocol.codes import CURVE_ENTRIES

BANDWIDTH = 2.5  # entries: standard deviation of the kernel
FEWEST = 12.0  # observations that a fitted entry needs within its kernel
LEAST_SHARE = 0.1  # a line through variances may fall below 0 at an end of the range

_FAR = np.arange(CURVE_ENTRIES)[None, :] - np.arange(CURVE_ENTRIES)[:, None]
_KERNEL = np.exp(-0.5 * (_FAR / BANDWIDTH) ** 2)


def seen(weights: Floats) -> Floats:
    """Return how many observations lie within the kernel of each entry. weights: (levels, entries) of counts."""
    return weights @ _KERNEL


def independent(weights: Floats) -> Floats:
    """Return how many equally weighted observations would tell as much about each entry. weights: as in `seen`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num((weights @ _KERNEL) ** 2 / (weights @ _KERNEL**2))


def fitted(weights: Floats, sums: Floats) -> Floats:
    """Return the local-linear fit at every entry, (levels, entries).

    weights: sum of the observations' weights in each entry; sums: that of their weighted values. Where a kernel holds
    nothing, the nearest fitted entry's value stands: a curve is never extrapolated along a slope.
    """
    s0, s1, s2 = weights @ _KERNEL, weights @ (_KERNEL * -_FAR), weights @ (_KERNEL * _FAR**2)
    t0, t1 = sums @ _KERNEL, sums @ (_KERNEL * -_FAR)
    spread = s0 * s2 - s1**2
    with np.errstate(divide="ignore", invalid="ignore"):
        straight, flat = (s2 * t0 - s1 * t1) / spread, t0 / s0
    # With all observations in one place there is no slope to be had.
    found = np.where(spread > 0.05 * s0**2, straight, flat)
    return held(found, s0 >= 1e-3)


def fitted_variance(weights: Floats, sums: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the fit of values that cannot be negative, no less than a share of their mean, and where it is just that.

    There the fit itself was lower: the value is an upper bound.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        flat = held((sums @ _KERNEL) / (weights @ _KERNEL), weights @ _KERNEL >= 1e-3)
    straight, least = fitted(weights, sums), LEAST_SHARE * np.maximum(flat, 0.0)
    return np.maximum(straight, least), np.asarray(straight <= least)


def held(values: Floats, known: NDArray[np.bool_]) -> Floats:
    """Return values (levels, entries) with those of the nearest known entry where one is not known; 0 where none is."""
    result = np.zeros(values.shape)
    for level, (line, there) in enumerate(zip(values, known, strict=True)):
        places = np.flatnonzero(there)
        if places.size:
            nearest = np.abs(np.arange(line.size)[:, None] - places).argmin(axis=1)
            result[level] = line[places[nearest]]
    return result
