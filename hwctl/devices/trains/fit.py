"""From measured pulse trains to a device of tables: range, step curves, c2c, d2d, noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwctl.devices import law
from hwctl.devices.device import DriveLevel, Floats
from hwctl.devices.tabulated import Spread, StepTable, TabulatedDevice
from hwctl.devices.trains.csvfile import Measured, Train
from hwctl.devices.trains.smoothing import held, smooth, smooth_squares
from hwctl.errors import DeviceError
from hwctl.protocol.codes import CURVE_ENTRIES, Polarity

ABRUPT = 0.8  # share of the range that a RESET of a one-way device takes from the top
NOISY = 0.1  # share of a step's variance that is noise of its two readings, above which its position is predicted
AVERAGED = 5  # readings about each, where noise would widen the range
QUIET = 0.01  # noise over the range below which it would not


@dataclass(frozen=True)
class Given:
    """What a user knows beside the trains; None: from the trains, or assumed."""

    g_min: float | None = None
    """S"""
    g_max: float | None = None
    """S"""
    read_noise: float | None = None
    """S, standard deviation of one reading."""

    def __post_init__(self) -> None:
        """Raise DeviceError on a value that is no conductance."""
        for what, value in (("lower bound", self.g_min), ("upper bound", self.g_max), ("read noise", self.read_noise)):
            if value is not None and not 0.0 <= value < 1.0:
                raise DeviceError(f"{what} {value * 1e6:g} uS; give 0 to below 1e+06 uS")


@dataclass(frozen=True)
class Fitted:
    """A device, and what it was made of."""

    device: TabulatedDevice
    cells: int
    trains: tuple[int, int]
    """Of SET and RESET."""
    steps: int
    visible_noise: float
    """S: standard deviation of a reading about the state, write noise and read noise together."""


@dataclass(frozen=True)
class _Bounds:
    """Bounds of every cell in S, (cells,) each."""

    low: Floats
    high: Floats

    def position(self, cell: NDArray[np.int64], g: Floats) -> Floats:
        """Return where conductances stand in their cells' ranges; noise beyond a bound is at the bound."""
        return np.clip((g - self.low[cell]) / (self.high - self.low)[cell], 0.0, 1.0)

    @property
    def span(self) -> float:
        """Nominal range in S."""
        return float(self.high.mean() - self.low.mean())


@dataclass(frozen=True)
class _Steps:
    """Every step of trains of one level, each array (steps,)."""

    cell: NDArray[np.int64]
    start: Floats
    """S: the reading before."""
    earlier: Floats
    """S: the reading before that one; NaN at the beginning of a train."""
    change: Floats
    """S a pulse, positive in the polarity's direction."""
    pulses: Floats
    """Between the two readings."""


@dataclass(frozen=True)
class _Level:
    """What the trains of one level show."""

    table: StepTable
    gain: Floats
    """(cells,) size of a cell's steps over the mean; NaN where it has none."""
    error: Floats
    """(cells,) variance of that by the noise of its steps."""
    notes: list[str]


def fit(measured: Measured, given: Given, name: str, source: str, assumed: Sequence[str] = ()) -> Fitted:
    """Return the device that measured trains show.

    assumed: what the caller assumed, to stand in the device beside what is assumed here. Raises DeviceError where a
    cell does not move, or a reading is outside the range that is given.
    """
    names = sorted({train.cell for train in measured.trains})
    noise = max(_visible_noise(measured.trains), given.read_noise or 0.0)
    bounds = _bounds(measured, names, given, noise)
    levels = {}
    for level in sorted({train.level for train in measured.trains}):
        steps = _steps([train for train in measured.trains if train.level == level], names)
        levels[level] = _fit_level(level, steps, bounds, noise)
    tables = sorted((found.table for found in levels.values()), key=_strength)
    one_way = _is_one_way(tables)
    notes = [*assumed, *_notes(given, len(names), noise), *(note for found in levels.values() for note in found.notes)]
    first = {train.cell: float(train.g[0]) for train in reversed(measured.trains)}
    start = bounds.position(np.arange(len(names)), np.array([first[cell] for cell in names]))
    read = given.read_noise or 0.0
    device = TabulatedDevice(
        name=name,
        title=f"{name}, from measured trains",
        source=source,
        assumed=(*notes, *(["one-way: a RESET goes to the bottom at once"] if one_way else [])),
        lowest=float(bounds.low.mean()),
        highest=float(bounds.high.mean()),
        tables=tuple(tables),
        spread=Spread(
            gain_set=_spread([found for level, found in levels.items() if level.polarity == Polarity.SET]),
            gain_reset=_spread([found for level, found in levels.items() if level.polarity == Polarity.RESET]),
            low=float(bounds.low.std()),
            high=float(bounds.high.std()),
        ),
        write_sigma=float(np.sqrt(max(noise**2 - read**2, 0.0))),
        read_sigma=read,
        start=float(start.mean()),
        one_way=one_way,
    )
    trains = len(measured.of(Polarity.SET)), len(measured.of(Polarity.RESET))
    return Fitted(device, len(names), trains, sum(len(train.g) - 1 for train in measured.trains), noise)


def _notes(given: Given, cells: int, noise: float) -> list[str]:
    notes = []
    if given.g_min is None or given.g_max is None:
        notes.append("bounds are the lowest and highest conductance that was reached")
    if given.read_noise is None:
        notes.append(f"read noise 0; {noise * 1e6:.3g} uS of noise on the readings are all write noise")
    notes.append("cells all alike" if cells == 1 else "no spread of thresholds, no stuck cells")
    return notes


def _visible_noise(trains: Sequence[Train]) -> float:
    """Return the noise of a reading about the state in S, 0 where it does not stand out.

    It raises one step and lowers the next, which c2c does not: with steps a, b, c in a row, a c - (a + c) b / 2 has the
    noise's variance as its mean, as far as the step's size is linear over the three.
    """
    found = []
    for train in trains:
        even = np.diff(train.pulses) == np.diff(train.pulses)[:1]
        if even.all() and len(train.g) > 3:
            a, b, c = (np.diff(train.g)[k : len(train.g) - 3 + k] for k in range(3))
            found.append(a * c - (a + c) * b / 2)
    values = np.concatenate(found) if found else np.zeros(1)
    error = 1.5 * values.std() / np.sqrt(values.size)  # neighbours share steps
    return float(np.sqrt(values.mean())) if values.mean() > 2 * error else 0.0


def _bounds(measured: Measured, names: Sequence[str], given: Given, noise: float) -> _Bounds:
    """Return each cell's bounds: as given, or the extremes of its readings, averaged where they are noisy."""
    everything = np.concatenate([train.g for train in measured.trains])
    width = AVERAGED if noise > QUIET * np.ptp(everything) else 1
    low, high = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    for train in measured.trains:
        cell, window = names.index(train.cell), min(width, len(train.g))
        averaged = np.convolve(train.g, np.full(window, 1.0 / window), "valid")
        low[cell], high[cell] = min(low[cell], averaged.min()), max(high[cell], averaged.max())
    for what, bound, beyond, found in (
        ("below --g-min", given.g_min, low.min(), low),
        ("above --g-max", given.g_max, high.max(), high),
    ):
        if bound is None:
            continue
        room = 3 * noise + QUIET * abs(float(high.max() - low.min()))
        if (bound - beyond if found is low else beyond - bound) > room:
            raise DeviceError(f"readings of {beyond * 1e6:.4g} uS are {what} {bound * 1e6:.4g} uS; correct one of them")
        found[:] = bound
    if not (high > low).all():
        raise DeviceError(f"cell '{names[int(np.argmin(high - low))]}' does not move; leave its rows out")
    return _Bounds(low, high)


def _steps(trains: Sequence[Train], names: Sequence[str]) -> _Steps:
    sign = 1.0 if trains[0].level.polarity == Polarity.SET else -1.0
    gaps = [np.diff(train.pulses) for train in trains]
    return _Steps(
        cell=np.concatenate([np.full(len(g), names.index(train.cell)) for train, g in zip(trains, gaps, strict=True)]),
        start=np.concatenate([train.g[:-1] for train in trains]),
        earlier=np.concatenate([[np.nan, *train.g[:-2]] for train in trains]),
        change=np.concatenate([sign * np.diff(train.g) / g for train, g in zip(trains, gaps, strict=True)]),
        pulses=np.concatenate(gaps).astype(np.float64),
    )


def _fit_level(level: DriveLevel, steps: _Steps, bounds: _Bounds, noise: float) -> _Level:
    sign = 1.0 if level.polarity == Polarity.SET else -1.0
    change = np.minimum(steps.change / bounds.span, 1.0)
    # Between two readings that are several pulses apart, the step is that of the middle.
    at = bounds.position(steps.cell, steps.start + sign * steps.change * (steps.pulses - 1) / 2)
    mean = smooth(at, change)
    if 2 * noise**2 > NOISY * float(np.var(steps.change * steps.pulses)):
        # A reading that noise has raised is followed by a smaller step: take the position from the one before it.
        earlier = bounds.position(steps.cell, np.where(np.isnan(steps.earlier), steps.start, steps.earlier))
        expected = steps.earlier + sign * bounds.span * _value(held(mean), earlier) * (1.5 * steps.pulses - 0.5)
        at = bounds.position(steps.cell, np.where(np.isnan(steps.earlier), steps.start, expected))
        mean = smooth(at, change)
    curve = held(mean)
    model = _value(curve, at)
    number = len(bounds.low)
    gone, due = (np.bincount(steps.cell, what * steps.pulses, number) for what in (change, model))
    with np.errstate(invalid="ignore", divide="ignore"):
        gain = np.where(due > 0, gone / due, np.nan)
    residual = change - np.nan_to_num(gain, nan=1.0)[steps.cell] * model
    relative = noise / bounds.span
    square = smooth_squares(at, residual**2 * steps.pulses - 2 * relative**2 / steps.pulses)
    sigma = np.sqrt(held(square))
    by_noise = np.bincount(steps.cell, _value(sigma, at) ** 2 * steps.pulses, number) + 2 * relative**2
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.where(due > 0, by_noise / due**2, np.nan)
    return _Level(StepTable(level, curve, sigma), gain, error, _held_notes(level, mean, steps.change > bounds.span))


def _held_notes(level: DriveLevel, mean: Floats, cut: NDArray[np.bool_]) -> list[str]:
    known = np.flatnonzero(np.isfinite(mean))
    where = f"{level.polarity.name} at {level.amplitude:g} V" + (f", gate {level.gate:g} V" if level.gate else "")
    notes = []
    if known[0] > 0:
        share = known[0] / CURVE_ENTRIES
        notes.append(f"{where}: below {share:.0%} of the range, never visited, steps are those at {share:.0%}")
    if known[-1] < CURVE_ENTRIES - 1:
        share = (known[-1] + 1) / CURVE_ENTRIES
        notes.append(f"{where}: above {share:.0%} of the range, never visited, steps are those at {share:.0%}")
    between = int(known[-1] - known[0] + 1 - known.size)
    if between:
        notes.append(f"{where}: {between} of {CURVE_ENTRIES} positions between visited ones are interpolated")
    if cut.any():
        notes.append(f"{where}: {int(cut.sum())} steps longer than the nominal range count as the whole range")
    return notes


def _value(curve: Floats, at: Floats) -> Floats:
    return np.interp(at, law.entry_centres(), curve)


def _spread(levels: Sequence[_Level]) -> float:
    """Return the standard deviation of cells' gains, less what the noise of their steps makes of it."""
    variances = []
    for level in levels:
        known = np.isfinite(level.gain)
        if known.sum() > 1:
            variances.append(level.gain[known].var(ddof=1) - level.error[known].mean())
    return float(np.sqrt(max(np.mean(variances), 0.0))) if variances else 0.0


def _strength(table: StepTable) -> tuple[int, float]:
    return int(table.level.polarity), float(table.mean.mean())


def _is_one_way(tables: Sequence[StepTable]) -> bool:
    return all(table.mean[-1] > ABRUPT for table in tables if table.level.polarity == Polarity.RESET)
