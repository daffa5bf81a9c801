"""Passive TiOx crossbar: no select transistor, so half-select and sneak paths matter."""

from dataclasses import dataclass
from math import log

import numpy as np

from hwctl.devices.device import Cells, Device, DriveLevel, Floats, uniform_cells
from hwctl.protocol.codes import Polarity

#: A traverse goes from 5% to 95% of the range: with soft bounds 1/a pulses times ln 19.
TRAVERSE = log(19.0)


@dataclass(frozen=True)
class TioxPassive(Device):
    """25 x 25 passive array, Advanced Science 2022, doi 10.1002/advs.202201117, constant-amplitude pulses."""

    name = "tiox-passive"
    title = "Passive TiOx crossbar, 25 x 25"
    source = "Advanced Science 2022, doi 10.1002/advs.202201117: 25 x 25, threshold spread 2.7%, asymmetry 1.43"
    assumed = (
        "5-50 uS",
        "soft bounds, 100 SET and 70 RESET pulses from 5% to 95% of the range",
        "1 V, 1 us pulses; a step grows by 30% for each 2.7% of amplitude",
        "c2c 30% of the step",
        "read noise 0.1 uS",
    )

    set_pulses: float = 100.0
    """A traverse. Assumed."""
    asymmetry: float = 1.43
    """SET over RESET pulses of a traverse."""
    threshold_d2d: float = 0.027
    """Spread of the switching threshold, relative."""
    growth: float = 0.3
    """Relative growth of a step with one threshold sigma more of amplitude. Assumed."""
    amplitude: float = 1.0
    """V. Assumed."""
    step_c2c: float = 0.3
    """Standard deviation of a step over its mean. Assumed."""

    @property
    def g_min(self) -> float:
        """5 uS, assumed."""
        return 5e-6

    @property
    def g_max(self) -> float:
        """50 uS, assumed."""
        return 50e-6

    @property
    def full_scale(self) -> float:
        """60 uS."""
        return 60e-6

    @property
    def read_noise(self) -> float:
        """0.1 uS, assumed."""
        return 0.1e-6

    def levels(self) -> tuple[DriveLevel, ...]:
        """Return amplitudes of -3 to +3 threshold sigmas about the nominal one."""
        volts = [round(self.amplitude * (1 + self.threshold_d2d * k), 3) for k in range(-3, 4)]
        return tuple(DriveLevel(p, v, 1e-6) for p in (Polarity.SET, Polarity.RESET) for v in volts)

    def curve(self, level: DriveLevel, position: Floats) -> tuple[Floats, Floats]:
        """Return steps in proportion to the distance from the bound."""
        sigmas = (level.amplitude / self.amplitude - 1.0) / self.threshold_d2d
        strength = TRAVERSE / self.set_pulses * (1.0 + self.growth) ** sigmas
        mean = strength * (1.0 - position) if level.polarity == Polarity.SET else strength * self.asymmetry * position
        return mean, self.step_c2c * mean

    def fabricate(self, rng: np.random.Generator, n: int) -> Cells:
        """Draw thresholds in whole sigmas: one drive level each."""
        cells = uniform_cells(self, n)
        cells.offset = np.rint(rng.standard_normal(n)).astype(np.int64)
        return cells
