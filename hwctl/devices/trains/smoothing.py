"""A curve through noisy samples at positions 0 to 1, at the entries of a step curve."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwctl.devices import law
from hwctl.devices.device import Floats
from hwctl.protocol.codes import CURVE_ENTRIES

BINS = 1024  # that samples are gathered in first, so that their number does not matter
WIDTHS = (0.5, 1.0, 2.0, 4.0, 6.0)  # of the kernel, standard deviations in entries: the first that is sure enough
WIDTHS_OF_SQUARES = WIDTHS[2:]
ENOUGH = 4.0  # samples under the kernel
SURE = 0.05  # standard error over the value
SURE_OF_SMALL = 0.02  # standard error over the mean size of all values, where the value itself vanishes


@dataclass(frozen=True)
class _Sums:
    """Sums over samples in each bin: of 1, of the value and of its square, (BINS,) each."""

    number: Floats
    value: Floats
    square: Floats

    @classmethod
    def of(cls, position: Floats, value: Floats) -> "_Sums":
        place = np.minimum((position * BINS).astype(np.int64), BINS - 1)
        weights = np.ones(place.size), value, value**2
        return cls(*(np.bincount(place, weight, BINS).astype(np.float64) for weight in weights))


_BIN_CENTRES = (np.arange(BINS) + 0.5) / BINS


def visited(position: Floats) -> NDArray[np.bool_]:
    """Return which entries (64,) of a step curve have a sample within an entry's width of their centre."""
    entries = np.unique(np.minimum((position * 2 * CURVE_ENTRIES).astype(np.int64), 2 * CURVE_ENTRIES - 1))
    near = np.zeros(2 * CURVE_ENTRIES + 4, np.bool_)  # halves of entries, two more at either end
    near[entries + 2] = True
    return np.array([near[2 * entry + 1 : 2 * entry + 5].any() for entry in range(CURVE_ENTRIES)])


def smooth(position: Floats, value: Floats) -> Floats:
    """Return the mean (64,) of values at positions (samples,) by local lines under a Gaussian kernel.

    Each entry takes the narrowest kernel under which its mean is sure, NaN where no sample is near.
    """
    sums, overall = _Sums.of(position, value), float(np.abs(value).mean())
    found = np.full(CURVE_ENTRIES, np.nan)
    for entry in np.flatnonzero(visited(position)):
        for width in WIDTHS:
            mean, error, samples = _local_line(sums, law.entry_centres()[entry], width / CURVE_ENTRIES)
            if samples >= ENOUGH and error <= max(SURE * abs(mean), SURE_OF_SMALL * overall):
                break
        found[entry] = mean
    # A line leads nowhere that no sample was.
    return np.clip(found, value.min(), value.max())


def _local_line(sums: _Sums, centre: float, width: float) -> tuple[float, float, float]:
    """Return the value at `centre`, its standard error, and the samples that count."""
    away = _BIN_CENTRES - centre
    kernel = np.exp(-0.5 * (away / width) ** 2)
    weight = kernel * sums.number
    s0, s1, s2 = weight.sum(), (weight * away).sum(), (weight * away**2).sum()
    if s0 <= 0.0:  # samples lie at the far edge of a narrow kernel
        return 0.0, np.inf, 0.0
    t0, t1 = (kernel * sums.value).sum(), (kernel * sums.value * away).sum()
    mean = t0 / s0
    samples = float(s0**2 / (kernel**2 * sums.number).sum())
    variance = max(float((kernel * sums.square).sum() / s0 - mean**2), 0.0)
    spread, apart = s2 / s0 - (s1 / s0) ** 2, abs(s1 / s0)
    if spread > (0.2 * width) ** 2 and apart < 1.5 * width:
        slope = (t1 / s0 - mean * s1 / s0) / spread
        variance = max(variance - slope**2 * spread, 0.0)
        mean -= slope * s1 / s0
    return float(mean), float(np.sqrt(variance / max(samples - 1.0, 0.5))), samples


def smooth_squares(position: Floats, square: Floats) -> Floats:
    """Return the mean (64,) of squared residuals about a smooth curve, 0 or more, NaN where no sample is near."""
    sums, found = _Sums.of(position, square), np.full(CURVE_ENTRIES, np.nan)
    for entry in np.flatnonzero(visited(position)):
        for width in WIDTHS_OF_SQUARES:
            away = _BIN_CENTRES - law.entry_centres()[entry]
            kernel = np.exp(-0.5 * (away * CURVE_ENTRIES / width) ** 2)
            total = (kernel * sums.number).sum()
            samples = total**2 / (kernel**2 * sums.number).sum()
            if samples >= 50.0 * ENOUGH:
                break
        # A line through the same samples took two of their degrees of freedom.
        found[entry] = (kernel * sums.value).sum() / total * samples / max(samples - 2.0, 1.0)
    return np.maximum(found, 0.0)


def held(values: Floats) -> Floats:
    """Return a curve (64,) without NaN: between known entries a line, beyond them the nearest one's value."""
    known = np.flatnonzero(np.isfinite(values))
    return np.interp(np.arange(CURVE_ENTRIES), known, values[known])
