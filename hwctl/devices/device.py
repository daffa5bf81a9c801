"""What a memristive device is: ranges, drive levels, step curves, spread and noise, in SI units."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwctl.protocol.codes import Polarity

Floats = NDArray[np.float64]


class DriveLevel(NamedTuple):
    """A characterised combination of pulse amplitude, width and gate voltage."""

    polarity: Polarity
    amplitude: float
    """V"""
    width: float
    """s"""
    gate: float = 0.0
    """V; 0 where there is no gate line."""


@dataclass
class Cells:
    """Device-to-device draws of n cells, each array (n,)."""

    low: Floats
    """S: the cell's own lower bound."""
    high: Floats
    """S: its upper bound."""
    gain_set: Floats
    """Factor of its SET steps, in fractions of its own range."""
    gain_reset: Floats
    offset: NDArray[np.int64]
    """Drive levels by which it sees a pulse stronger (+) or weaker (-)."""
    stuck_on: NDArray[np.bool_]
    stuck_off: NDArray[np.bool_]
    position: Floats
    """0 to 1: where in its range it is as fabricated."""


class Device(ABC):
    """One device model. Subclasses are frozen dataclasses: presets, a published parameter a field, and tables."""

    name: str
    title: str
    source: str
    """Paper or code that the parameters come from."""
    assumed: tuple[str, ...]
    """What the source does not say."""

    one_way: bool = False
    """True where a RESET goes to the bottom at once, so that only SET is gradual."""
    read_voltage: float = 0.2
    """V"""
    max_read_voltage: float = 0.5
    """V"""
    max_form_amplitude: float = 5.0
    """V"""

    @property
    def reference(self) -> str:
        """What IDENTIFY names the device by, at most 64 bytes; `presets.get` finds a preset by it."""
        return self.name

    @property
    @abstractmethod
    def g_min(self) -> float:
        """Nominal lower bound in S."""

    @property
    @abstractmethod
    def g_max(self) -> float:
        """Nominal upper bound in S."""

    @property
    def full_scale(self) -> float:
        """Conductance in S of the highest code: room for cells whose bound is above the nominal one."""
        return 2.0 * self.g_max

    @property
    def read_noise(self) -> float:
        """Standard deviation of one conversion in S."""
        return 0.001 * self.g_max

    @property
    def write_noise(self) -> float:
        """Standard deviation of the visible conductance about the state, drawn anew by each pulse, in S."""
        return 0.0

    @property
    def drift_exponent(self) -> float:
        """Mean exponent nu of G(t) = G0 (t/t0)**-nu; 0 for none."""
        return 0.0

    @abstractmethod
    def levels(self) -> tuple[DriveLevel, ...]:
        """Return the characterised drive levels; those of one polarity from weak to strong."""

    @abstractmethod
    def curve(self, level: DriveLevel, position: Floats) -> tuple[Floats, Floats]:
        """Return mean and sigma of one pulse's step at positions 0 to 1, as fractions of the nominal range.

        The mean is positive where the pulse moves the cell in its polarity's direction.
        """

    @abstractmethod
    def fabricate(self, rng: np.random.Generator, n: int) -> Cells:
        """Draw n cells."""

    def levels_of(self, polarity: Polarity) -> tuple[DriveLevel, ...]:
        """Return the drive levels of one polarity."""
        return tuple(level for level in self.levels() if level.polarity == polarity)


def uniform_cells(device: Device, n: int, position: float = 0.5) -> Cells:
    """Return n identical cells of nominal range, for presets to vary."""
    return Cells(
        low=np.full(n, device.g_min),
        high=np.full(n, device.g_max),
        gain_set=np.ones(n),
        gain_reset=np.ones(n),
        offset=np.zeros(n, np.int64),
        stuck_on=np.zeros(n, np.bool_),
        stuck_off=np.zeros(n, np.bool_),
        position=np.full(n, position),
    )
