"""What converters and the curvature of the I-V characteristic make of a conductance. No pulse is sent.

At a read voltage V, a converter with offset current o and gain g shows G (1 + alpha V^2) g + o / V of a cell. So
readings at several voltages tell offset and alpha apart (alpha: `hwctl.devices.conduction`). Gains of columns among one
another follow from reading each cell twice, by its column and by its row, where a board senses rows: a gain that all
converters share would take a reference resistor.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hwctl.calibration.estimate import UNKNOWN, Estimate, bootstrap, shrunk
from hwctl.calibration.probe import Probe
from hwctl.crossbar import Crossbar
from hwctl.crossbar.driver import FULL_SCALE
from hwctl.crossbar.results import Floats
from hwctl.protocol.codes import Feature

SHARES = (0.5, 0.75, 1.0, 1.5, 2.0, 2.5)  # of the usual read voltage, as far as the board allows
SATURATED = 0.2  # of the cells: a voltage at which more do is not used
READINGS = 4  # at each voltage
REPEATS = 8  # products by which a cell is read from the other side
CLIPPED = 4.0  # standard deviations of a conversion above 0
LARGE = 20.0  # standard deviations of a reading: what conducts less says nothing of a gain
ALPHA_STEPS = 6  # of Newton's method; the model is nearly linear in alpha


@dataclass(frozen=True)
class ReadPath:
    """Errors of the converters, and the I-V curve."""

    alpha: Estimate
    """1/V^2 of I = G V (1 + alpha V^2)."""
    voltages: Floats
    """V (voltages,) at which it was read."""
    curve: Floats
    """(voltages,) mean conductance over that at the usual voltage."""
    offset: Floats
    """S (cols,) that a column's converter adds at the usual read voltage."""
    offset_error: Floats
    gain: Floats
    """(cols,) of a column's converter over the mean of all; NaN where the board senses no rows."""
    gain_error: Floats
    row_gain: Floats
    """(rows,) of a row's converter over the columns' mean; NaN as above."""

    def correct(self, probe: Probe) -> None:
        """Let a probe take out of its readings what is known for sure."""
        rows = probe.region.rows
        gain = 1.0 + shrunk(self.gain - 1.0, self.gain_error)
        probe.offset, probe.gain = np.tile(shrunk(self.offset, self.offset_error), rows), np.tile(gain, rows)


def read_path(probe: Probe, sigma: float, single: float, rng: np.random.Generator) -> ReadPath:
    """Read every cell at several voltages, and by rows too where the board can.

    sigma, single: standard deviation in S of a reading, and of one conversion.
    """
    usual = probe.crossbar.read_voltage
    voltages, readings = _at_voltages(probe, usual)
    # A converter does not go below 0: what conducts next to nothing reads too high on average.
    readings[:, ~(readings * (voltages / usual)[:, None] > CLIPPED * single).all(axis=0)] = np.nan
    shape = (len(voltages), probe.region.rows, probe.region.cols)
    alpha, offset = _fit(readings.reshape(shape), voltages, usual, rng)
    cols, rows = np.full(shape[2], np.nan), np.full(shape[1], np.nan)
    gain, gain_error, row_gain = cols, cols, rows
    if probe.crossbar.has(Feature.VMM_T):
        gain, gain_error, row_gain = _gains(probe, offset[0], sigma)
    sound = np.isfinite(readings).all(axis=0)
    total = readings[:, sound].sum(axis=1)
    usual_at = int(np.abs(voltages - usual).argmin())
    return ReadPath(
        alpha, voltages, total / total[usual_at] if sound.any() else np.full(len(voltages), np.nan),
        *offset, gain, gain_error, row_gain,
    )  # fmt: skip


def _at_voltages(probe: Probe, usual: float) -> tuple[Floats, Floats]:
    """Return voltages in V and the mean readings (voltages, cells) in S; NaN where a cell once saturated.

    Voltages at which many cells saturate are left out: the converter's range is one of currents.
    """
    identity = probe.crossbar.identity
    step, highest = identity.volts_per_code, identity.max_read
    codes = sorted({min(max(round(share * usual / step), 1), highest) for share in SHARES})
    voltages = np.array(codes) * step
    found = np.array(
        [np.mean([probe.take(_reading_at(probe, float(v), usual)) for _ in range(READINGS)], axis=0) for v in voltages]
    )
    beyond = np.isnan(found).mean(axis=1)
    kept = beyond <= beyond[0] + SATURATED
    return voltages[kept], found[kept]


def _reading_at(probe: Probe, volts: float, usual: float) -> Callable[[], Floats]:
    """Return a function that reads at a voltage and leaves the usual one set."""

    def measure() -> Floats:
        crossbar: Crossbar = probe.crossbar
        crossbar.configure_read(volts)
        try:
            return crossbar.read(probe.region, averages=probe.averages, over_range="nan")
        finally:
            crossbar.configure_read(usual)

    return measure


def _fit(
    readings: Floats, voltages: Floats, usual: float, rng: np.random.Generator
) -> tuple[Estimate, tuple[Floats, Floats]]:
    """Return alpha, and the columns' offsets in S with their errors, of readings (voltages, rows, cols) in S."""
    sound = np.isfinite(readings).all(axis=0)
    if len(voltages) < 3 or not sound.any():
        unknown = np.full(readings.shape[2], np.nan)
        return UNKNOWN, (unknown, unknown)
    known = np.where(sound, readings, 0.0)

    def figures(weight: Floats) -> Floats:
        kept = weight.reshape(sound.shape) * sound
        return _alpha_and_offsets((known * kept).sum(axis=1), kept.sum(axis=0), voltages, usual)

    found, error = bootstrap(figures, sound.size, rng)
    return Estimate(float(found[0]), float(error[0])), (found[1:], error[1:])


def _alpha_and_offsets(sums: Floats, number: Floats, voltages: Floats, usual: float) -> Floats:
    """Return alpha and offsets (1 + cols,) by least squares.

    sums: S (voltages, cols) of `number` (cols,) cells each. With u = V / usual, a column's sum is
    total (1 + alpha V^2) / (1 + alpha usual^2) + number offset / u: linear in total and offset where alpha is known.
    """
    used = number > 0
    scaled, inverse = sums[:, used] / number[used], (usual / voltages)[:, None]
    alpha = 0.0
    for _ in range(ALPHA_STEPS):
        bend = ((1 + alpha * voltages**2) / (1 + alpha * usual**2))[:, None]
        design = np.hstack([bend, inverse])
        total, offset = np.linalg.lstsq(design, scaled, rcond=None)[0]
        slope = (voltages**2 - usual**2) / (1 + alpha * usual**2) ** 2  # of `bend` by alpha
        # Freed of what total and offset take up, the rest is alpha's (Golub and Pereyra's variable projection).
        free = slope - design @ np.linalg.lstsq(design, slope, rcond=None)[0]
        rest = scaled - design @ np.array([total, offset])
        alpha += float((total * (free @ rest)).sum() / (total**2 * (free @ free)).sum())
    offsets = np.full(number.shape, np.nan)
    offsets[used] = offset
    return np.concatenate([[alpha], offsets])


def _gains(probe: Probe, offset: Floats, sigma: float) -> tuple[Floats, Floats, Floats]:
    """Return the columns' gains over their mean with their errors, and the rows' gains."""
    shape = probe.region.shape
    by_col = np.mean([probe.raw() for _ in range(READINGS)], axis=0).reshape(shape) - offset
    by_row = np.array([probe.take(_by_rows(probe)) for _ in range(REPEATS)]).reshape(REPEATS, *shape)
    noise = float(np.nanmedian(by_row.std(axis=0, ddof=1))) / np.sqrt(REPEATS)
    other = by_row.mean(axis=0)
    weight = np.where(np.minimum(by_col, other) > LARGE * sigma, by_col**2, 0.0)  # a logarithm's error is 1 / G
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(weight > 0, np.log(by_col / other), 0.0)
    return _two_way(ratio, np.nan_to_num(weight), float(np.hypot(sigma / np.sqrt(READINGS), noise)))


def _by_rows(probe: Probe) -> Callable[[], Floats]:
    """Return a function that reads each cell by its row: one column after the other driven either way."""

    def measure() -> Floats:
        drive = np.eye(probe.region.cols) * probe.crossbar.read_voltage * FULL_SCALE
        up, down = (probe.crossbar.vmm_t(sign * drive, probe.region, over_range="nan") for sign in (1.0, -1.0))
        return ((up - down) / (2 * drive.max())).T

    return measure


def _two_way(ratio: Floats, weight: Floats, noise: float) -> tuple[Floats, Floats, Floats]:
    """Return factors of columns with errors, and of rows, of logarithms (rows, cols) = column - row + noise.

    weight: squares of conductances; noise: S, of a difference. NaN for lines without a cell that says anything.
    """
    rows, cols = ratio.shape
    normal = np.zeros((cols + rows, cols + rows))
    normal[:cols, :cols], normal[cols:, cols:] = np.diag(weight.sum(axis=0)), np.diag(weight.sum(axis=1))
    normal[:cols, cols:], normal[cols:, :cols] = -weight.T, -weight
    right = np.concatenate([(weight * ratio).sum(axis=0), -(weight * ratio).sum(axis=1)])
    inverse = np.linalg.pinv(normal, hermitian=True)
    found, error = inverse @ right, noise * np.sqrt(np.maximum(np.diag(inverse), 0.0))
    known = np.diag(normal) > 0
    found = np.where(known, found, np.nan)
    if known[:cols].any():
        found -= np.nanmean(found[:cols])
    gain = np.exp(found)
    return gain[:cols], np.where(known, error, np.nan)[:cols], gain[cols:]
