"""A device whose step curves are tables, as measured: of a chip, or from pulse trains."""

import re
from dataclasses import dataclass, field

import numpy as np

from hwctl.devices import law
from hwctl.devices.device import Cells, Device, DriveLevel, Floats, uniform_cells
from hwctl.devices.identity import LONGEST_PULSE
from hwctl.errors import DeviceError
from hwctl.protocol.codes import CURVE_ENTRIES, MAX_LEVELS, Polarity

NAME_LENGTH = 48  # leaves room for a digest within the 64 bytes of IDENTIFY
NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{NAME_LENGTH - 1}}}")
MAX_STEP = 1.0  # of the range: what an entry of the cell law's tables holds
MAX_SIGMA = 2.0
MAX_VOLTS = 65.535  # V: 16 bits of millivolts
SHORTEST_PULSE = 1e-8  # s: one code


@dataclass(frozen=True, eq=False)
class StepTable:
    """Step curve of one drive level at 64 positions, the centres of equal parts of the range (`law.entry_centres`)."""

    level: DriveLevel
    mean: Floats
    """(64,) mean step of a pulse as a fraction of the nominal range, -1 to 1, positive in the polarity's direction."""
    sigma: Floats
    """(64,) its standard deviation from pulse to pulse (c2c), 0 to 2."""


@dataclass(frozen=True)
class Spread:
    """How cells differ (d2d): standard deviations, 0 where they are alike."""

    gain_set: float = 0.0
    """Of the size of SET steps, relative."""
    gain_reset: float = 0.0
    """Of the size of RESET steps, relative."""
    low: float = 0.0
    """S, of the lower bound."""
    high: float = 0.0
    """S, of the upper bound."""
    offset: float = 0.0
    """Of the threshold, in drive levels."""
    stuck_on: float = 0.0
    """Share 0 to 1 of cells that stay at their upper bound."""
    stuck_off: float = 0.0
    """Share 0 to 1 of cells that stay at their lower bound."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TabulatedDevice(Device):
    """A device of tables. Raises DeviceError that names the value where one is not usable."""

    name: str
    """1 to 48 letters, digits, dots, dashes and underscores."""
    title: str = ""
    source: str = ""
    """Where the tables come from."""
    assumed: tuple[str, ...] = ()
    """What was not measured."""
    lowest: float
    """Nominal lower bound in S, 0 or more."""
    highest: float
    """Nominal upper bound in S."""
    tables: tuple[StepTable, ...]
    """1 to 32 drive levels of SET and of RESET, those of one polarity from weak to strong."""
    spread: Spread = field(default_factory=Spread)
    write_sigma: float = 0.0
    """S: standard deviation of the visible conductance about the state, drawn anew by each pulse."""
    read_sigma: float = 0.0
    """S: standard deviation of one conversion."""
    drift: float = 0.0
    """Mean exponent nu of G(t) = G0 (t/t0)**-nu."""
    start: float = 0.5
    """Position 0 to 1 of the cells as fabricated."""
    one_way: bool = False
    read_voltage: float = 0.2
    """V"""
    max_read_voltage: float = 0.5
    """V"""
    max_form_amplitude: float = 5.0
    """V"""
    digest: str = ""
    """Of the file that the device was read from; "" for none."""

    def __post_init__(self) -> None:
        """Check every value."""
        if not NAME.fullmatch(self.name):
            raise self._bad("name", self.name, "1 to 48 letters, digits, dots, dashes and underscores")
        if not 0.0 <= self.lowest < self.highest < 1.0:
            raise self._bad("range", f"{self.lowest} to {self.highest} S", "0 <= g_min < g_max < 1 S")
        limits = {
            "write noise": (self.write_sigma, 0.0, self.highest - self.lowest),
            "read noise": (self.read_sigma, 0.0, self.highest),
            "drift exponent": (self.drift, 0.0, 1.0),
            "start": (self.start, 0.0, 1.0),
            "largest read voltage": (self.max_read_voltage, 1e-3, MAX_VOLTS),
            "read voltage": (self.read_voltage, 1e-3, self.max_read_voltage),
            "largest forming amplitude": (self.max_form_amplitude, 1e-2, MAX_VOLTS),
            "spread of SET steps": (self.spread.gain_set, 0.0, 10.0),
            "spread of RESET steps": (self.spread.gain_reset, 0.0, 10.0),
            "spread of the lower bound": (self.spread.low, 0.0, self.highest),
            "spread of the upper bound": (self.spread.high, 0.0, self.highest),
            "spread of the threshold": (self.spread.offset, 0.0, float(MAX_LEVELS)),
            "share of cells stuck on": (self.spread.stuck_on, 0.0, 1.0),
            "share of cells stuck off": (self.spread.stuck_off, 0.0, 1.0 - self.spread.stuck_on),
        }
        for what, (value, low, high) in limits.items():
            if not low <= value <= high:
                raise self._bad(what, value, f"{low:g} to {high:g}")
        self._check_tables()

    def _check_tables(self) -> None:
        for polarity in (Polarity.SET, Polarity.RESET):
            levels = self.levels_of(polarity)
            if not 1 <= len(levels) <= MAX_LEVELS or len(set(levels)) < len(levels):
                raise self._bad(f"{polarity.name} levels", len(levels), f"1 to {MAX_LEVELS}, each once")
        for table in self.tables:
            level = table.level
            where = f"{level.polarity.name} at {level.amplitude:g} V"
            if level.polarity not in (Polarity.SET, Polarity.RESET):
                raise self._bad("a table", where, "SET and RESET alone")
            if not (1e-3 <= level.amplitude <= MAX_VOLTS and 0.0 <= level.gate <= MAX_VOLTS):
                raise self._bad(where, f"gate {level.gate:g} V", f"volts up to {MAX_VOLTS:g}, the amplitude above 0")
            if not SHORTEST_PULSE <= level.width <= LONGEST_PULSE:
                raise self._bad(f"{where}, width", level.width, f"{SHORTEST_PULSE:g} to {LONGEST_PULSE:g} s")
            for what, steps, low, high in (
                ("mean step", table.mean, -MAX_STEP, MAX_STEP),
                ("sigma", table.sigma, 0.0, MAX_SIGMA),
            ):
                if steps.shape != (CURVE_ENTRIES,):
                    raise self._bad(f"{where}, {what}", f"{steps.size} entries", f"{CURVE_ENTRIES}")
                wrong = np.flatnonzero(~((steps >= low) & (steps <= high)))
                if wrong.size:
                    entry = int(wrong[0])
                    raise self._bad(
                        f"{where}, {what} {entry}", float(steps[entry]), f"{low:g} to {high:g} of the range"
                    )

    def _bad(self, what: str, value: object, wanted: str) -> DeviceError:
        return DeviceError(f"device {self.name}: {what} {value}; give {wanted}")

    @property
    def reference(self) -> str:
        """The name, and the digest of the file that the device was read from."""
        return f"{self.name}@{self.digest}" if self.digest else self.name

    @property
    def g_min(self) -> float:
        """Nominal lower bound in S."""
        return self.lowest

    @property
    def g_max(self) -> float:
        """Nominal upper bound in S."""
        return self.highest

    @property
    def full_scale(self) -> float:
        """Twice the upper bound in S, or a bound five sigma above the nominal one."""
        return max(2.0 * self.highest, self.highest + 5.0 * self.spread.high)

    @property
    def read_noise(self) -> float:
        """Standard deviation of one conversion in S."""
        return self.read_sigma

    @property
    def write_noise(self) -> float:
        """Standard deviation of the visible conductance about the state in S."""
        return self.write_sigma

    @property
    def drift_exponent(self) -> float:
        """Mean drift exponent."""
        return self.drift

    def levels(self) -> tuple[DriveLevel, ...]:
        """Return the drive levels of the tables."""
        return tuple(table.level for table in self.tables)

    def curve(self, level: DriveLevel, position: Floats) -> tuple[Floats, Floats]:
        """Return steps between the tabulated positions, beyond the first and last those there."""
        for table in self.tables:
            if table.level == level:
                centres = law.entry_centres()
                return np.interp(position, centres, table.mean), np.interp(position, centres, table.sigma)
        raise DeviceError(f"device {self.name} has no table for {level}; give one of its levels")

    def fabricate(self, rng: np.random.Generator, n: int) -> Cells:
        """Draw bounds, then steps in fractions of each cell's own range, thresholds and stuck cells."""
        cells, spread = uniform_cells(self, n, self.start), self.spread
        cells.low = np.maximum(self.lowest + spread.low * rng.standard_normal(n), 0.0)
        cells.high = self.highest + spread.high * rng.standard_normal(n)
        span = self.highest - self.lowest
        own = span / np.maximum(cells.high - cells.low, 1e-3 * span)
        cells.gain_set = np.maximum(1.0 + spread.gain_set * rng.standard_normal(n), 0.0) * own
        cells.gain_reset = np.maximum(1.0 + spread.gain_reset * rng.standard_normal(n), 0.0) * own
        cells.offset = np.rint(spread.offset * rng.standard_normal(n)).astype(np.int64)
        fate = rng.random(n)
        cells.stuck_on = fate < spread.stuck_on
        cells.stuck_off = (fate >= spread.stuck_on) & (fate < spread.stuck_on + spread.stuck_off)
        return cells


def tabulate(device: Device, name: str) -> TabulatedDevice:
    """Return a device model as tables: its nominal range, step curves and noises, of cells that are all alike."""
    centres = law.entry_centres()
    return TabulatedDevice(
        name=name,
        title=device.title,
        source=device.source,
        assumed=(*device.assumed, "cells all alike"),
        lowest=device.g_min,
        highest=device.g_max,
        tables=tuple(StepTable(level, *device.curve(level, centres)) for level in device.levels()),
        write_sigma=device.write_noise,
        read_sigma=device.read_noise,
        drift=device.drift_exponent,
        one_way=device.one_way,
        read_voltage=device.read_voltage,
        max_read_voltage=device.max_read_voltage,
        max_form_amplitude=device.max_form_amplitude,
    )
