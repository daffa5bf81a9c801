"""Electrochemical random-access memory: small, nearly symmetric, quiet steps."""

from dataclasses import dataclass

import numpy as np

from hwctl.devices.device import Cells, Device, DriveLevel, Floats, uniform_cells
from hwctl.protocol.codes import Polarity


@dataclass(frozen=True)
class EcRam(Device):
    """Fit of Tang et al., IEDM 2018, 13.1, as in IBM aihwkit's EcRamPreset (MIT licence), in units of a weight w."""

    name = "ecram"
    title = "ECRAM, linear steps (Tang 2018)"
    source = "Tang et al., IEDM 2018, 13.1; parameters of aihwkit 1.2.0, EcRamPreset"
    assumed = ("G = 50 uS + 20 uS * w", "1 V, 1 us pulses", "read noise 0.02 uS", "the slope is the same in all cells")

    dw_min: float = 0.002
    """Step at w = 0."""
    w_max: float = 1.1724
    """Upper bound."""
    w_min: float = -0.8276
    """Lower bound."""
    bound_d2d: float = 0.05
    """Spread of either bound, relative."""
    gamma_set: float = 0.115
    """By how much a SET step has shrunk at the upper bound."""
    gamma_reset: float = 0.509
    """By how much a RESET step has shrunk at the lower bound."""
    step_d2d: float = 0.1
    """Spread of the step between cells, relative."""
    up_down_d2d: float = 0.01
    """Spread of the RESET step against the SET step, relative."""
    step_c2c: float = 0.3
    """Standard deviation of one step over its mean."""
    siemens_per_weight: float = 20e-6
    """S per unit of w. Assumed."""
    g_centre: float = 50e-6
    """Conductance in S at w = 0. Assumed."""

    @property
    def g_min(self) -> float:
        """Conductance in S at the lower bound."""
        return self.g_centre + self.siemens_per_weight * self.w_min

    @property
    def g_max(self) -> float:
        """Conductance in S at the upper bound."""
        return self.g_centre + self.siemens_per_weight * self.w_max

    @property
    def full_scale(self) -> float:
        """100 uS."""
        return 100e-6

    @property
    def read_noise(self) -> float:
        """0.02 uS, assumed."""
        return 0.02e-6

    def levels(self) -> tuple[DriveLevel, ...]:
        """Return one level of either polarity."""
        return DriveLevel(Polarity.SET, 1.0, 1e-6), DriveLevel(Polarity.RESET, 1.0, 1e-6)

    def curve(self, level: DriveLevel, position: Floats) -> tuple[Floats, Floats]:
        """Return steps that are linear in w."""
        nominal = self.w_max - self.w_min
        w = self.w_min + position * nominal
        if level.polarity == Polarity.SET:
            step = self.dw_min * (1 - self.gamma_set * w / self.w_max)
        else:
            step = self.dw_min * (1 - self.gamma_reset * w / self.w_min)
        return step / nominal, self.step_c2c * step / nominal

    def fabricate(self, rng: np.random.Generator, n: int) -> Cells:
        """Draw bounds, then steps in fractions of each cell's own range."""
        cells = uniform_cells(self, n)
        top = self.w_max * (1 + self.bound_d2d * rng.standard_normal(n))
        bottom = self.w_min * (1 + self.bound_d2d * rng.standard_normal(n))
        cells.low = self.g_centre + self.siemens_per_weight * bottom
        cells.high = self.g_centre + self.siemens_per_weight * top
        own_range = np.maximum(top - bottom, 1e-3)
        step = np.maximum(1 + self.step_d2d * rng.standard_normal(n), 0.0) * (self.w_max - self.w_min) / own_range
        cells.gain_set = step
        cells.gain_reset = step * (1 + self.up_down_d2d * rng.standard_normal(n))
        cells.position = np.clip(-bottom / own_range, 0.0, 1.0)
        return cells
