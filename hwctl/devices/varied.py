"""A device with more or less of its noise and spread: what robustness is measured against."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from hwctl.devices.device import Cells, Device, DriveLevel, Floats
from hwctl.errors import DeviceError

FACTORS: Mapping[str, str] = MappingProxyType(
    {
        "c2c": "standard deviation of a step from pulse to pulse",
        "d2d": "how far cells' ranges, gains and thresholds are from the nominal ones",
        "read-noise": "standard deviation of a conversion",
        "write-noise": "standard deviation of the visible conductance about the state",
    }
)
"""What may be multiplied, each by 0 to MOST."""
MOST = 100.0
LONGEST = 64  # bytes of a name in IDENTIFY


@dataclass(frozen=True, eq=False)
class VariedDevice(Device):
    """A device of which some noise is multiplied. Raises DeviceError on a factor that is unknown or out of range."""

    base: Device
    factors: Mapping[str, float]
    """By the names of FACTORS; 1 where one is missing."""

    def __post_init__(self) -> None:
        """Check the factors, and take over what does not change."""
        for factor, value in self.factors.items():
            if factor not in FACTORS:
                raise DeviceError(f"device '{self.base.name}' has no factor '{factor}'; known: {', '.join(FACTORS)}")
            if not 0.0 <= value <= MOST:
                raise DeviceError(f"{factor}={value:g} of device '{self.base.name}'; give a factor from 0 to {MOST:g}")
        said = ",".join([self.base.name, *(f"{factor}={value:g}" for factor, value in sorted(self.factors.items()))])
        if len(said.encode()) > LONGEST:
            raise DeviceError(f"'{said}' is longer than the {LONGEST} bytes of a device's name; give fewer digits")
        changed = tuple(f"{factor} {value:g} times that of the source" for factor, value in self.factors.items())
        taken_over: Mapping[str, object] = {
            "name": said, "title": self.base.title, "source": self.base.source, "assumed": self.base.assumed + changed,
            "one_way": self.base.one_way, "read_voltage": self.base.read_voltage,
            "max_read_voltage": self.base.max_read_voltage, "max_form_amplitude": self.base.max_form_amplitude,
        }  # fmt: skip
        for attribute, own in taken_over.items():
            object.__setattr__(self, attribute, own)

    def _of(self, factor: str) -> float:
        return self.factors.get(factor, 1.0)

    @property
    def g_min(self) -> float:
        """That of the base."""
        return self.base.g_min

    @property
    def g_max(self) -> float:
        """That of the base."""
        return self.base.g_max

    @property
    def full_scale(self) -> float:
        """That of the base."""
        return self.base.full_scale

    @property
    def read_noise(self) -> float:
        """That of the base, multiplied, in S."""
        return self._of("read-noise") * self.base.read_noise

    @property
    def write_noise(self) -> float:
        """That of the base, multiplied, in S."""
        return self._of("write-noise") * self.base.write_noise

    @property
    def drift_exponent(self) -> float:
        """That of the base."""
        return self.base.drift_exponent

    def levels(self) -> tuple[DriveLevel, ...]:
        """Return those of the base."""
        return self.base.levels()

    def curve(self, level: DriveLevel, position: Floats) -> tuple[Floats, Floats]:
        """Return the mean of the base, and its sigma multiplied."""
        mean, sigma = self.base.curve(level, position)
        return mean, self._of("c2c") * sigma

    def fabricate(self, rng: np.random.Generator, n: int) -> Cells:
        """Draw the cells of the base, and move them away from the nominal ones or towards them.

        What a factor drives below 0 stays there: ranges that meet make stuck cells, as on the base.
        """
        cells, factor = self.base.fabricate(rng, n), self._of("d2d")
        if factor == 1.0:
            return cells
        cells.low = np.maximum(self.g_min + factor * (cells.low - self.g_min), 0.0)
        cells.high = np.maximum(self.g_max + factor * (cells.high - self.g_max), cells.low)
        cells.gain_set = np.maximum(1.0 + factor * (cells.gain_set - 1.0), 0.0)
        cells.gain_reset = np.maximum(1.0 + factor * (cells.gain_reset - 1.0), 0.0)
        cells.offset = np.rint(factor * cells.offset).astype(np.int64)
        return cells


def parsed(text: str) -> tuple[str, dict[str, float]]:
    """Return name and factors of 'NAME,factor=value,...'. Raises DeviceError where a part is none."""
    name, *parts = text.split(",")
    factors: dict[str, float] = {}
    for part in parts:
        factor, sign, value = part.partition("=")
        try:
            factors[factor.strip()] = float(value)
        except ValueError:
            sign = ""
        if not sign:
            raise DeviceError(f"'{part}' of device '{text}' is no factor; give for example c2c=2")
    return name, factors
