"""What time does to a programmed cell: drift, relaxation and random telegraph noise.

Every value is a function of (seed, cell, pulse count, time): reading a cell again at the same virtual time, or the
cells in another order, gives the same conductances. Parameters are the caller's; there are no typical values here. Each
effect is a factor on the conductance, so effects commute and no conductance turns negative.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwctl.devices import draws
from hwctl.errors import DeviceError

Floats = NDArray[np.float64]

DRIFT, RELAXATION, RTN_MEMBER, RTN_PHASE, RTN_STATE = range(5)
"""Streams of draws, so that one seed serves all effects."""
LAST_WINDOW = 2.0**52
"""RTN windows that float64 still tells apart."""


@dataclass(frozen=True)
class PowerLawDrift:
    """G(t) = G0 (t / t0)^-nu after t0, with an exponent nu of each cell's own.

    The law of structural relaxation in phase-change memory: Ielmini et al., IEDM 2007, 939. That the exponents are
    normal over the cells, and do not depend on the state nor change when a cell is programmed again, is assumed.
    """

    exponent_mean: float
    """Mean of nu, 0 for none, positive where the conductance falls."""
    exponent_sigma: float
    """Standard deviation of nu over the cells (d2d), 0 or more. Draws are not truncated: some may be negative."""
    t0_s: float
    """s after programming at which the conductance was G0, above 0; there is no drift before."""

    def __post_init__(self) -> None:
        """Refuse parameters that are no numbers or out of range."""
        _finite(self, "exponent_mean")
        _finite(self, "exponent_sigma", low=0.0)
        _finite(self, "t0_s", above=0.0)

    def exponents(self, seed: int, cell: ArrayLike) -> Floats:
        """Return nu of each cell, in the shape of `cell`."""
        return self.exponent_mean + self.exponent_sigma * draws.normal(seed, DRIFT, cell)

    def factor(self, seed: int, cell: ArrayLike, age_s: ArrayLike) -> Floats:
        """Return G(t) / G0 for ages in s since programming; the shapes broadcast."""
        elapsed = np.maximum(_positive(age_s, "age_s") / self.t0_s, 1.0)
        return np.asarray(elapsed ** -self.exponents(seed, cell), dtype=np.float64)


@dataclass(frozen=True)
class Relaxation:
    """Conductance relaxation of filamentary RRAM after programming, drawn anew after each pulse.

    ln(G / G0) = (bias + sigma xi) * min(log10(1 + t / t0), decades), xi standard normal. Programmed cells spread and
    their mean shifts, fast at first: Wan et al., Nature 608 (2022) 504 (NeuRRAM). Mean and spread that go with log t:
    Falcone et al., arXiv:2502.04524. Assumed: the logarithm of G instead of G (the same for small moves, and it never
    turns negative), one xi for the whole course, no dependence on the state, and the end after `decades`.
    """

    sigma: float
    """Standard deviation of ln G per decade of time, 0 or more."""
    bias: float
    """Mean of ln G per decade of time; negative where the conductance falls."""
    t0_s: float
    """s at which relaxation sets in, above 0."""
    decades: float
    """Decades of t / t0 after which nothing more moves, above 0."""

    def __post_init__(self) -> None:
        """Refuse parameters that are no numbers or out of range."""
        _finite(self, "sigma", low=0.0)
        _finite(self, "bias")
        _finite(self, "t0_s", above=0.0)
        _finite(self, "decades", above=0.0)

    def factor(self, seed: int, cell: ArrayLike, count: ArrayLike, age_s: ArrayLike) -> Floats:
        """Return G(t) / G0 for cells with so many pulses behind them and ages in s; the shapes broadcast."""
        course = np.log1p(_positive(age_s, "age_s") / self.t0_s) / np.log(10.0)
        slope = self.bias + self.sigma * draws.normal(seed, RELAXATION, cell, count)
        return np.asarray(np.exp(slope * np.minimum(course, self.decades)), dtype=np.float64)


@dataclass(frozen=True)
class Rtn:
    """Two-level random telegraph noise: a trapped charge lowers the conductance of some cells for a while.

    Time is cut into windows, and each cell draws its state in each window afresh, so that the state at any time needs
    no history. Dwell times are then geometric, in whole windows, instead of exponential; the window is chosen so that
    the mean dwell time of *both* states is exact. Windows of different cells are shifted against each other. Amplitude
    and dwell times in RRAM: Ielmini, Nardi and Cagli, APL 96 (2010) 053503. Assumed: the same amplitude and dwell times
    for all noisy cells, and independence of state and pulses.
    """

    amplitude: float
    """Share of the conductance that is missing in the low state, 0 to below 1."""
    fraction: float
    """Share of the cells that have a trap, 0 to 1."""
    tau_high_s: float
    """s: mean dwell time in the high state (trap empty), above 0."""
    tau_low_s: float
    """s: mean dwell time in the low state (trap filled), above 0."""

    def __post_init__(self) -> None:
        """Refuse parameters that are no numbers or out of range."""
        _finite(self, "amplitude", low=0.0)
        _finite(self, "fraction", low=0.0)
        _finite(self, "tau_high_s", above=0.0)
        _finite(self, "tau_low_s", above=0.0)
        if self.amplitude >= 1.0 or self.fraction > 1.0:
            raise DeviceError(f"{self!r}: give an amplitude below 1 and a fraction up to 1")

    @property
    def window_s(self) -> float:
        """Length of a window in s."""
        # A state with probability p per window lasts window / (1 - p) on average. With p_low = tau_low / (tau_low +
        # tau_high), this length makes it tau_low for the low state and tau_high for the high one.
        return self.tau_high_s / (self.tau_high_s + self.tau_low_s) * self.tau_low_s

    def noisy(self, seed: int, cell: ArrayLike) -> NDArray[np.bool_]:
        """Return which cells have a trap, in the shape of `cell`."""
        return np.asarray(draws.uniform(seed, RTN_MEMBER, cell) < self.fraction)

    def low(self, seed: int, cell: ArrayLike, now_s: float) -> NDArray[np.bool_]:
        """Return which cells are in the low state at `now_s` (virtual time in s, 0 or more), in the shape of `cell`."""
        if not 0.0 <= now_s < self.window_s * LAST_WINDOW:
            raise DeviceError(f"now_s is {now_s!r}: give 0 or more s, below {self.window_s * LAST_WINDOW:.3g} s")
        window = np.floor(now_s / self.window_s + draws.uniform(seed, RTN_PHASE, cell)).astype(np.int64)
        share = self.tau_low_s / (self.tau_low_s + self.tau_high_s)
        return np.asarray(self.noisy(seed, cell) & (draws.uniform(seed, RTN_STATE, cell, window) < share))

    def factor(self, seed: int, cell: ArrayLike, now_s: float) -> Floats:
        """Return 1 - amplitude for cells in the low state and 1 for the others, in the shape of `cell`."""
        return np.where(self.low(seed, cell, now_s), 1.0 - self.amplitude, 1.0)


@dataclass(frozen=True)
class Retention:
    """The effects together; one that is None is left out."""

    seed: int
    """0 to 2**64 - 1: which chip this is."""
    drift: PowerLawDrift | None = None
    relaxation: Relaxation | None = None
    rtn: Rtn | None = None

    def __post_init__(self) -> None:
        """Refuse a seed that the draws cannot take."""
        if not 0 <= self.seed < 2**64:
            raise DeviceError(f"seed is {self.seed!r}: give an integer from 0 to 2**64 - 1")

    def visible(self, G: ArrayLike, cell: ArrayLike, count: ArrayLike, age_s: ArrayLike, now_s: float) -> Floats:
        """Return the conductances in S that a noiseless read sees at virtual time `now_s` in s, shape (n,).

        Each of shape (n,): `G` in S as programmed, 0 or more; `cell` the index in the array and `count` the pulses that
        the cell has had, integers from 0 on; `age_s` the s since it was last programmed, 0 or more. Raise DeviceError
        on other shapes and values.
        """
        seen, ages = _positive(G, "G").copy(), _positive(age_s, "age_s")
        shapes = {seen.shape, np.shape(cell), np.shape(count), ages.shape}
        if len(shapes) != 1 or seen.ndim != 1:
            raise DeviceError(f"G, cell, count and age_s have shapes {shapes}: give one value of each for each cell")
        if self.relaxation is not None:
            seen *= self.relaxation.factor(self.seed, cell, count, ages)
        if self.drift is not None:
            seen *= self.drift.factor(self.seed, cell, ages)
        if self.rtn is not None:
            seen *= self.rtn.factor(self.seed, cell, now_s)
        return seen


def _positive(values: ArrayLike, name: str) -> Floats:
    """Return `values` as floats, refused unless all are finite and 0 or more."""
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all() or (array < 0.0).any():
        raise DeviceError(f"{name} holds NaN, infinite or negative values: give SI values, 0 or more")
    return array


def _finite(owner: object, name: str, low: float = -np.inf, above: float = -np.inf) -> None:
    """Raise DeviceError unless a field is a finite number, at least `low` and above `above`."""
    value = getattr(owner, name)
    if not (np.isfinite(value) and value >= low and value > above):
        bound = f", {low:g} or more" if low > -np.inf else f", above {above:g}" if above > -np.inf else ""
        raise DeviceError(f"{type(owner).__name__}.{name} is {value!r}: give a finite number{bound}")
