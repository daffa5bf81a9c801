"""Phase-change memory: gradual SET, abrupt RESET, drift."""

from dataclasses import dataclass

import numpy as np

from hwctl.devices.device import Cells, Device, DriveLevel, Floats, uniform_cells
from hwctl.protocol.codes import Polarity


@dataclass(frozen=True)
class Pcm(Device):
    """Fit of Nandakumar et al., Frontiers in Neuroscience 14 (2020) 406, as in IBM aihwkit's PCMPreset (MIT licence).

    In units of a weight w in [0, 2], 20 uS each.
    """

    name = "pcm"
    title = "Phase-change memory, one-way (Nandakumar 2020)"
    source = "Nandakumar et al., Front. Neurosci. 14 (2020) 406; parameters of aihwkit 1.2.0, PCMPreset"
    assumed = ("drift exponent 0.05", "1 V SET pulses of 50 ns, 2 V RESET", "read noise 0.1 uS")
    one_way = True

    dw_min: float = 0.01
    """Smallest step in w."""
    a_set: float = 27.235
    """Weight of the exponential term."""
    gamma: float = 2.5
    """Its exponent in w."""
    w_max: float = 2.0
    """Upper bound."""
    bound_d2d: float = 0.1
    """Spread of the upper bound, relative."""
    step_d2d: float = 0.2
    """Spread of the step between cells, relative."""
    step_c2c: float = 0.6
    """Factor of the three noise terms."""
    c2c_add: float = 0.042
    """Constant noise term in w."""
    c2c_slope: float = 0.108
    """Noise term in proportion to w."""
    reset_mean: float = 0.01
    """w after a RESET."""
    reset_sigma: float = 0.02
    """Its spread."""
    exponent: float = 0.05
    """Drift exponent. Assumed."""
    siemens_per_weight: float = 20e-6
    """S per unit of w: the paper's 20 uS."""

    @property
    def g_min(self) -> float:
        """0 S."""
        return 0.0

    @property
    def g_max(self) -> float:
        """40 uS."""
        return self.w_max * self.siemens_per_weight

    @property
    def full_scale(self) -> float:
        """60 uS: a bound five sigma above the nominal one."""
        return 60e-6

    @property
    def read_noise(self) -> float:
        """0.1 uS, assumed."""
        return 0.1e-6

    @property
    def drift_exponent(self) -> float:
        """0.05, assumed."""
        return self.exponent

    def levels(self) -> tuple[DriveLevel, ...]:
        """Return one level of either polarity."""
        return DriveLevel(Polarity.SET, 1.0, 5e-8), DriveLevel(Polarity.RESET, 2.0, 5e-8)

    def curve(self, level: DriveLevel, position: Floats) -> tuple[Floats, Floats]:
        """Return SET steps that shrink with w, or RESET steps to the bottom."""
        w = position * self.w_max
        if level.polarity == Polarity.SET:
            mean = self.dw_min * (1 + self.a_set * np.exp(-self.gamma * w))
            sigma = self.step_c2c * (self.c2c_add + mean + self.c2c_slope * w)
        else:
            mean, sigma = w - self.reset_mean, np.full(w.shape, self.reset_sigma)
        return mean / self.w_max, sigma / self.w_max

    def fabricate(self, rng: np.random.Generator, n: int) -> Cells:
        """Draw upper bounds and steps."""
        cells = uniform_cells(self, n, position=self.reset_mean / self.w_max)
        share = np.maximum(1 + self.bound_d2d * rng.standard_normal(n), 0.1)
        cells.high = share * self.g_max
        cells.gain_set = np.maximum(1 + self.step_d2d * rng.standard_normal(n), 0.0) / share
        return cells
