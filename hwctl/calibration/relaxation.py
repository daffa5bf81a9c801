"""What time does to programmed cells: read after longer and longer delays, without a pulse in between."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwctl.calibration.estimate import UNKNOWN, Estimate, bootstrap
from hwctl.calibration.probe import Ints, Probe, Stage
from hwctl.crossbar.results import Floats

DELAYS = (1.0, 10.0, 100.0, 1000.0)  # s after the last pulse
LARGE = 10.0  # standard deviations of a reading: what conducts less has no logarithm to speak of


@dataclass(frozen=True)
class Relaxation:
    """Arrays are (readings,) or (readings, cells); the first reading is the one behind the last pulse."""

    begun: float
    """s of `Probe.clock` at the last pulse."""
    ages: Floats
    """s between the last pulse and the end of a reading."""
    readings: Floats
    """S (readings, cells); NaN for cells that were not pulsed."""
    mean: Floats
    """Mean of ln G(t)/G(first)."""
    mean_error: Floats
    sigma: Floats
    """Its standard deviation over the cells, read noise subtracted."""
    sigma_error: Floats
    exponent: Estimate
    """nu of G ~ t**-nu, by the readings from 1 s on."""
    per_decade: Estimate
    """Growth of `sigma` by decade of time, from 1 s on."""


def relaxation(
    probe: Probe, moves: NDArray[np.bool_], sigma: float, longest: float, rng: np.random.Generator,
    say: Callable[[float], None] | None = None,
) -> Relaxation:  # fmt: skip
    """Program cells by one pulse, read them, and read them again after each delay up to `longest` s.

    moves (cells,): the cells that are pulsed. sigma: S, of one reading. say: called while time passes, with the s left.
    """
    pulsed = moves & np.isfinite(probe.present) & (probe.left >= 1)
    up = rng.random(probe.cells) < 0.5
    level = np.where(up, rng.integers(0, probe.levels(0), probe.cells), rng.integers(0, probe.levels(1), probe.cells))
    begun = probe.clock()
    counts: Ints = np.where(pulsed, np.where(up, 1, -1), 0)
    readings, times = [probe.pulse(Stage.RELAXATION, counts, level)], [probe.clock()]
    for delay in (d for d in DELAYS if d <= longest):
        probe.wait(begun + delay - times[-1], say)
        readings.append(probe.read())
        times.append(probe.clock())
    ages, found = np.array(times) - begun, np.where(pulsed, readings, np.nan)
    return _of(begun, ages, found, sigma, rng)


def _of(begun: float, ages: Floats, readings: Floats, sigma: float, rng: np.random.Generator) -> Relaxation:
    chosen = (np.where(np.isfinite(readings), readings, 0.0) > LARGE * sigma).all(axis=0)
    unknown = np.full(ages.size, np.nan)
    if len(ages) < 2 or chosen.sum() < 2:
        return Relaxation(begun, ages, readings, unknown, unknown, unknown, unknown, UNKNOWN, UNKNOWN)
    first = readings[0, chosen]
    change = np.log(readings[:, chosen] / first)
    by_noise = 2 * (sigma / first) ** 2

    def figures(drawn: Floats) -> Floats:
        number = drawn.sum()
        mean = change @ drawn / number
        variance = ((change - mean[:, None]) ** 2 - by_noise) @ drawn / number
        variance[0] = 0.0
        spread = np.sqrt(np.maximum(variance, 0.0))
        return np.concatenate([mean, spread, [_slope(np.log(ages), mean), _slope(np.log10(ages), spread)]])

    value, error = bootstrap(figures, int(chosen.sum()), rng)
    n = ages.size
    return Relaxation(
        begun, ages, readings, value[:n], error[:n], value[n : 2 * n], error[n : 2 * n],
        Estimate(-float(value[-2]), float(error[-2])), Estimate(float(value[-1]), float(error[-1])),
    )  # fmt: skip


def _slope(logs: Floats, values: Floats) -> float:
    """Return the slope from the second reading on: how long ago the first one was depends on the board's speed."""
    if logs.size < 3:
        return float("nan")
    x, y = logs[1:] - logs[1:].mean(), values[1:]
    return float(x @ y / (x @ x))
