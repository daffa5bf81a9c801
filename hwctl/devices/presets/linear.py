"""An ideal device: every pulse moves the conductance by the same amount, and nothing is noisy."""

from dataclasses import dataclass

import numpy as np

from hwctl.devices.device import Cells, Device, DriveLevel, Floats, uniform_cells
from hwctl.protocol.codes import Polarity


@dataclass(frozen=True)
class Linear(Device):
    """Linear, noise-free synapse as the circuit of Soudry et al., IEEE TNNLS 26 (2015) 2408, takes it to be."""

    name = "linear"
    title = "Ideal linear device"
    source = "Soudry et al., IEEE TNNLS 26 (2015) 2408, section III: conductance linear in the applied flux"
    assumed = ("range 10-90 uS", "800 pulses of 1 V, 1 us a traverse")

    pulses: int = 800
    """Pulses of one polarity from bound to bound. Assumed."""

    @property
    def g_min(self) -> float:
        """10 uS, assumed."""
        return 10e-6

    @property
    def g_max(self) -> float:
        """90 uS, assumed."""
        return 90e-6

    @property
    def full_scale(self) -> float:
        """100 uS: no cell leaves the nominal range."""
        return 100e-6

    @property
    def read_noise(self) -> float:
        """0 S: ideal."""
        return 0.0

    def levels(self) -> tuple[DriveLevel, ...]:
        """Return one level of either polarity."""
        return DriveLevel(Polarity.SET, 1.0, 1e-6), DriveLevel(Polarity.RESET, 1.0, 1e-6)

    def curve(self, level: DriveLevel, position: Floats) -> tuple[Floats, Floats]:
        """Return the same step everywhere."""
        return np.full(position.shape, 1.0 / self.pulses), np.zeros(position.shape)

    def fabricate(self, rng: np.random.Generator, n: int) -> Cells:
        """Return n identical cells in the middle of their range."""
        return uniform_cells(self, n)
