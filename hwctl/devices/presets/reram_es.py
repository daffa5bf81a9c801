"""Analog ReRAM with exponential steps and strong cycle-to-cycle noise."""

from dataclasses import dataclass

import numpy as np

from hwctl.devices.device import Cells, Device, DriveLevel, Floats, uniform_cells
from hwctl.protocol.codes import Polarity


@dataclass(frozen=True)
class ReRamEs(Device):
    """Fit of Gong et al., Nature Communications 9 (2018) 2102, as in IBM aihwkit's ReRamESPreset (MIT licence).

    The model is in units of a signed weight w in [-1, 1] for one cell.
    """

    name = "reram-es"
    title = "ReRAM, exponential steps (Gong 2018)"
    source = "Gong et al., Nature Communications 9 (2018) 2102; parameters of aihwkit 1.2.0, ReRamESPreset"
    assumed = (
        "G = 50 uS + 20 uS * w",
        "1.5 V, 1 us pulses",
        "read noise 0.05 uS",
        "c2c and write noise do not grow with a cell's own d2d factors",
        "a cell whose bounds cross counts as stuck",
    )

    dw_min: float = 0.00135
    """Step at w = 0 without the exponential terms, in w."""
    up_down: float = 0.259
    """RESET steps are smaller by this share."""
    a_set: float = 1.184
    """Weight of the exponential term of SET."""
    a_reset: float = 0.0814
    """Weight of the exponential term of RESET."""
    gamma: float = 5.0
    """Exponent of both terms over the range."""
    step_d2d: float = 0.2
    """Spread of the step between cells, relative."""
    up_down_d2d: float = 0.05
    """Spread of the RESET step against the SET step, absolute as `up_down`."""
    bound_d2d: float = 0.3
    """Spread of either bound, in w."""
    step_c2c: float = 5.0
    """Standard deviation of one step over its mean: 500%."""
    write_noise_steps: float = 75.0
    """Write noise in units of dw_min."""
    siemens_per_weight: float = 20e-6
    """S per unit of w. Assumed."""
    g_centre: float = 50e-6
    """Conductance in S at w = 0. Assumed."""

    @property
    def g_min(self) -> float:
        """Conductance in S at w = -1."""
        return self.g_centre - self.siemens_per_weight

    @property
    def g_max(self) -> float:
        """Conductance in S at w = 1."""
        return self.g_centre + self.siemens_per_weight

    @property
    def full_scale(self) -> float:
        """100 uS: a bound five sigma above the nominal one."""
        return 100e-6

    @property
    def read_noise(self) -> float:
        """0.05 uS, assumed."""
        return 0.05e-6

    @property
    def write_noise(self) -> float:
        """75 dw_min in S."""
        return self.write_noise_steps * self.dw_min * self.siemens_per_weight

    def levels(self) -> tuple[DriveLevel, ...]:
        """Return one level of either polarity."""
        return DriveLevel(Polarity.SET, 1.5, 1e-6), DriveLevel(Polarity.RESET, 1.5, 1e-6)

    def curve(self, level: DriveLevel, position: Floats) -> tuple[Floats, Floats]:
        """Return steps that shrink towards the bound, and sigma in proportion."""
        if level.polarity == Polarity.SET:
            step = self.dw_min * (1 + self.a_set * np.exp(-self.gamma * position))
        else:
            step = self.dw_min * (1 - self.up_down) * (1 + self.a_reset * np.exp(self.gamma * position))
        mean = step / 2.0  # the nominal range is 2 in w
        return mean, self.step_c2c * mean

    def fabricate(self, rng: np.random.Generator, n: int) -> Cells:
        """Draw bounds, then steps in fractions of each cell's own range."""
        cells = uniform_cells(self, n)
        top = 1 + self.bound_d2d * rng.standard_normal(n)
        bottom = -1 - self.bound_d2d * rng.standard_normal(n)
        cells.low = self.g_centre + self.siemens_per_weight * bottom
        cells.high = self.g_centre + self.siemens_per_weight * top
        own_range = np.maximum(top - bottom, 1e-3)
        step = np.maximum(1 + self.step_d2d * rng.standard_normal(n), 0.0) * 2.0 / own_range
        down = (1 - self.up_down + self.up_down_d2d * rng.standard_normal(n)) / (1 - self.up_down)
        cells.gain_set, cells.gain_reset = step, step * down
        cells.position = np.clip(-bottom / own_range, 0.0, 1.0)
        return cells


@dataclass(frozen=True)
class ReRamEsNoWrite(ReRamEs):
    """`reram-es` without its write noise."""

    name = "reram-es-nowrite"
    title = "ReRAM, exponential steps, no write noise"

    write_noise_steps: float = 0.0
    """Left out."""
