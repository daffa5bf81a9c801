"""Step curves, spreads and noise of a chip, from its raw trace.

What a train of `c` pulses does to a cell of range `span` is, in fractions of the range,
`x = step / c = gain * mean[level + offset](place) + noise`: the cell law (docs/cell-law.md), fitted by turns:
curves of all cells given each cell's gain and offset, then those given the curves. Gains are shrunk towards the pool
by as much as their own scatter says, offsets by a normal prior whose width is found on the way (empirical Bayes:
Efron and Morris, JASA 70 (1975) 311).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwctl.calibration.probe import Ints, Stage
from hwctl.calibration.smooth import FEWEST, fitted, fitted_variance, held, independent, seen
from hwctl.crossbar.results import Floats
from hwctl.devices import law
from hwctl.protocol.codes import CURVE_ENTRIES

TURNS = 4
MOST_OFFSET = 8  # drive levels
DRAWS = 60  # of the bootstrap over cells
NOISY = 0.1  # share of noise in what trains do, from which on places are taken in the middle
FIRST_SPREAD, LEAST_SPREAD = 0.2, 0.02  # of gains, until it is known
LEAST_GAIN, MOST_GAIN = 0.1, 10.0
AT_ONCE = 0.7  # of the way to the bottom: a RESET that leads further, from every place, is no gradual one


@dataclass(frozen=True)
class Observations:
    """Trains of cells whose range is known, of one polarity, each array (n,)."""

    cell: Ints
    level: Ints
    count: Floats
    place: Floats
    """0 to 1: where in its range the cell was."""
    step: Floats
    """Signed step of one pulse over the range, positive in the polarity's direction."""
    noise: Floats
    """Variance of `step` by its two readings."""

    @property
    def entry(self) -> Ints:
        """Entry of the step curve."""
        return np.clip(self.place * CURVE_ENTRIES, 0, CURVE_ENTRIES - 1).astype(np.int64)


@dataclass(frozen=True)
class Curves:
    """Step curves of one polarity, (levels, 64) each, in fractions of a cell's range."""

    mean: Floats
    sigma: Floats
    """Standard deviation of one pulse's step: c2c."""
    mean_error: Floats
    sigma_error: Floats
    observed: NDArray[np.bool_]
    """Whether enough trains were seen there; elsewhere the nearest observed entry's values stand."""
    pooled: Floats
    """Mean step over the cells that reached both bounds, whatever their gains and offsets."""
    pooled_error: Floats

    @property
    def at_once(self) -> bool:
        """Return whether every level leads most of the way down from every place in the upper half."""
        centres = law.entry_centres()
        upper = centres > 0.5
        return bool((self.mean[:, upper] >= AT_ONCE * centres[upper]).all())


@dataclass(frozen=True)
class Cells:
    """What sets cells apart; (polarities, cells) but for `offset` (cells,)."""

    gain: Floats
    gain_error: Floats
    offset: Ints


def observations(
    trace: NDArray[np.void], polarity: int, low: Floats, high: Floats, usable: NDArray[np.bool_], sigma: float
) -> Observations:
    """Return the trains of one polarity of the walk on `usable` cells (cells,).

    low, high: S (cells,); sigma: S, of what is seen at one reading. Only the walk's trains were sent whatever came
    before: others would favour what they were chosen for.
    """
    chosen = trace[(trace["stage"] == Stage.WALK) & (trace["polarity"] == polarity) & usable[trace["cell"]]]
    chosen = chosen[np.isfinite(chosen["before"]) & np.isfinite(chosen["after"])]
    cell, count = chosen["cell"].astype(np.int64), chosen["count"].astype(np.float64)
    span = (high - low)[cell]
    sign = 1.0 if polarity == 0 else -1.0
    # One pulse begins where the cell was read. In the middle of a train, or of two noisy readings, the noise of the
    # place has nothing to do with that of the step.
    moved = chosen["after"] - chosen["before"]
    noisy = 2 * sigma**2 > NOISY * float(np.mean(moved**2)) if moved.size else False
    at = np.where((count > 1) | noisy, chosen["before"] + moved / 2, chosen["before"])
    return Observations(
        cell=cell,
        level=chosen["level"].astype(np.int64),
        count=count,
        place=(at - low[cell]) / span,
        step=sign * moved / (count * span),
        noise=2.0 * (sigma / (count * span)) ** 2,
    )


def fit(
    seen_of: tuple[Observations, Observations], levels: tuple[int, int], own: NDArray[np.bool_],
    rng: np.random.Generator,
) -> tuple[tuple[Curves, Curves], Cells, tuple[float, float]]:  # fmt: skip
    """Return the curves of both polarities, what sets cells apart, and the standard deviations of gains.

    own (cells,): which cells are placed between bounds of their own; of others, places are less sure.
    """
    cells = own.size
    offset = np.zeros(cells, np.int64)
    gain = np.ones((2, cells))
    prior = 2.0
    spread = (FIRST_SPREAD, FIRST_SPREAD)
    for _ in range(TURNS):
        tables = [_tables(o, n, gain[p], offset)[:2] for p, (o, n) in enumerate(zip(seen_of, levels, strict=True))]
        if max(levels) > 1:
            offset, prior = _offsets(seen_of, tables, cells, prior, spread)
        found = [_gains(o, table[0], table[1], offset, cells) for o, table in zip(seen_of, tables, strict=True)]
        gain, spread = np.array([of_cells for of_cells, _, _ in found]), (found[0][2], found[1][2])
    curves = [
        _with_errors(o, n, gain[p], offset, own, rng) for p, (o, n) in enumerate(zip(seen_of, levels, strict=True))
    ]
    errors = np.array([error for _, error, _ in found])
    return (curves[0], curves[1]), Cells(gain, errors, offset), spread


def _tables(
    o: Observations, levels: int, gain: Floats, offset: Ints, weight: Floats | None = None
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return mean and standard deviation of steps (levels, entries), and where that is an upper bound.

    weight (cells,): of the bootstrap.
    """
    place = np.clip(o.level + offset[o.cell], 0, levels - 1) * CURVE_ENTRIES + o.entry
    own, counted = gain[o.cell], o.count if weight is None else o.count * weight[o.cell]

    def binned(values: Floats) -> Floats:
        return np.bincount(place, values, levels * CURVE_ENTRIES).reshape(levels, CURVE_ENTRIES).astype(np.float64)

    mean = fitted(binned(counted * own**2), binned(counted * own * o.step))
    rest = o.step - own * mean.reshape(-1)[place]
    variance, bound = fitted_variance(binned(counted), binned(counted * o.count * (rest**2 - o.noise)))
    return mean, np.sqrt(variance), bound


def _with_errors(
    o: Observations, levels: int, gain: Floats, offset: Ints, own: NDArray[np.bool_], rng: np.random.Generator
) -> Curves:
    """Return curves with standard errors by a bootstrap over cells."""
    cells, sure = own.size, own.astype(np.float64) if own.any() else np.ones(own.size)
    mean, sigma, bound = _tables(o, levels, gain, offset)
    same = np.ones(cells), np.zeros(cells, np.int64)
    drawn, pooled = [], []
    for _ in range(DRAWS):
        weight = rng.poisson(1.0, cells).astype(np.float64)
        drawn.append(_tables(o, levels, gain, offset, weight))
        pooled.append(_tables(o, levels, *same, weight * sure)[0])
    place = np.clip(o.level + offset[o.cell], 0, levels - 1) * CURVE_ENTRIES + o.entry
    number, noise = (
        np.bincount(place, weight, levels * CURVE_ENTRIES).reshape(levels, CURVE_ENTRIES).astype(np.float64)
        for weight in (np.ones(place.size), o.count * o.noise)
    )
    # Drawn from few trains, a spread that came out small by chance has a small error too: no less than that of so many
    # normal ones, read noise included; and it is distributed as Student's t, wider than a normal one.
    noise = held(np.divide(noise, number, out=np.zeros_like(noise), where=number > 0), number > 0)
    alike = np.maximum(independent(number), FEWEST / 2)
    least = (sigma**2 + noise) / np.maximum(sigma * np.sqrt(2.0 * alike), 1e-12)
    of_sigma = np.maximum(np.std([s for _, s, _ in drawn], axis=0), least) * np.sqrt(alike / (alike - 2.0))
    of_sigma = np.where(bound, np.maximum(of_sigma, sigma / 2), of_sigma)  # from 0 to the bound: two errors
    return Curves(
        mean, sigma, np.std([m for m, *_ in drawn], axis=0), of_sigma,
        seen(number) >= FEWEST, _tables(o, levels, *same, sure)[0], np.std(pooled, axis=0),
    )  # fmt: skip


def _offsets(
    seen_of: tuple[Observations, Observations], tables: Sequence[tuple[Floats, Floats]], cells: int, prior: float,
    spread: tuple[float, float],
) -> tuple[Ints, float]:  # fmt: skip
    """Return the most likely offset (cells,) and the width of the prior that the cells suggest, in drive levels.

    prior: of offsets; spread: of gains, over which the likelihood of each offset is integrated.
    """
    tried = np.arange(-MOST_OFFSET, MOST_OFFSET + 1)
    likely = -0.5 * (tried[:, None] / prior) ** 2 * np.ones(cells)
    for (o, (mean, sigma)), of_gains in zip(zip(seen_of, tables, strict=True), spread, strict=True):
        if len(mean) == 1:
            continue
        for n, shift in enumerate(tried):
            at = np.clip(o.level + shift, 0, len(mean) - 1)
            likely[n] += _evidence(o, mean[at, o.entry], sigma[at, o.entry], cells, max(of_gains, LEAST_SPREAD))
    chance = np.exp(likely - likely.max(axis=0))
    chance /= chance.sum(axis=0)
    centre = float((tried @ chance).mean())  # the levels' own numbering is the pool's
    width = float(np.sqrt((((tried[:, None] - centre) ** 2) * chance).sum(axis=0).mean()))
    return (tried[likely.argmax(axis=0)] - round(centre)).astype(np.int64), max(width, 0.3)


def _evidence(o: Observations, mean: Floats, sigma: Floats, cells: int, spread: float) -> Floats:
    """Return the logarithm of the likelihood of each cell's trains (cells,), whatever its gain.

    mean, sigma: of each train's steps; spread: standard deviation of gains about 1.
    """
    variance = sigma**2 / o.count + o.noise

    def summed(values: Floats) -> Floats:
        return np.bincount(o.cell, values / variance, cells).astype(np.float64)

    prior = spread**-2
    squared, crossed, rest = summed(mean**2) + prior, summed(mean * o.step) + prior, summed(o.step**2) + prior
    logs: Floats = np.bincount(o.cell, np.log(variance), cells).astype(np.float64)
    return -0.5 * (rest - crossed**2 / squared + np.log(squared / prior) + logs)


def _gains(o: Observations, mean: Floats, sigma: Floats, offset: Ints, cells: int) -> tuple[Floats, Floats, float]:
    """Return shrunk gains (cells,), their standard errors, and the standard deviation of gains over cells."""
    at = np.clip(o.level + offset[o.cell], 0, len(mean) - 1)
    expected, variance = mean[at, o.entry], sigma[at, o.entry] ** 2 / o.count + o.noise
    weight = 1.0 / np.maximum(variance, 1e-12)
    denominator = np.bincount(o.cell, weight * expected**2, cells)
    known = denominator > 0
    raw = np.where(known, np.bincount(o.cell, weight * expected * o.step, cells), 1.0) / np.where(known, denominator, 1)
    own = 1.0 / np.where(known, denominator, np.inf)  # variance of a gain by noise alone
    usual = float(np.average(raw[known], weights=1.0 / (own[known] + 0.01))) if known.any() else 1.0
    between = max(float(np.var(raw[known] / usual) - own[known].mean()), 0.0) if known.sum() > 1 else 0.0
    share = np.where(known, between / (between + own + 1e-12), 0.0)
    gain = np.clip(1.0 + share * (raw / usual - 1.0), LEAST_GAIN, MOST_GAIN)
    return gain, np.sqrt(np.where(known, share * own, between)), float(np.sqrt(between))
