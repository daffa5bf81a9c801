"""HfOx with a select transistor: the gate voltage of a SET pulse says where the conductance saturates."""

from dataclasses import dataclass

import numpy as np

from hwctl.devices.device import Cells, Device, DriveLevel, Floats, uniform_cells
from hwctl.protocol.codes import Polarity

LEVELS = 32


@dataclass(frozen=True)
class Hfox1T1R(Device):
    """Li et al., Nature Communications 9 (2018) 2385: a 128 x 64 1T1R array trained in situ.

    A SET raises the conductance to what the gate voltage allows and does nothing above it; a RESET goes to the
    bottom. A depression is a RESET and then a SET at a lower gate voltage: two pulses.
    """

    name = "hfox-1t1r"
    title = "HfOx 1T1R, gate-controlled SET (Li 2018)"
    source = "Li et al., Nature Communications 9 (2018) 2385: SET 2.5 V, RESET 1.7-1.8 V at 5 V gate, 11% unresponsive"
    assumed = (
        "saturation linear in the gate voltage, 10 uS at 0.7 V to 250 uS at 2.0 V",
        "gate offset d2d 50 mV, SET sigma 4 uS, RESET to 5 +- 3 uS",
        "8% of the cells stuck off, 3% stuck on",
        "1 us pulses",
        "read noise 0.25 uS",
    )
    one_way = True
    max_form_amplitude = 5.0

    set_amplitude: float = 2.5
    """V"""
    reset_amplitude: float = 1.75
    """V: middle of the published 1.7 to 1.8 V."""
    reset_gate: float = 5.0
    """V"""
    gate_low: float = 0.7
    """V at which SET saturates at 10 uS. Assumed."""
    gate_high: float = 2.0
    """V at which SET saturates at 250 uS. Assumed."""
    saturation_low: float = 10e-6
    """S. Assumed."""
    saturation_high: float = 250e-6
    """S. Assumed."""
    gate_d2d: float = 0.05
    """V. Assumed."""
    set_sigma: float = 4e-6
    """S. Assumed."""
    reset_mean: float = 5e-6
    """S. Assumed."""
    reset_sigma: float = 3e-6
    """S. Assumed."""
    unresponsive: float = 0.11
    """Share of cells that do not switch: stuck off and, for 3 of 11, stuck on (the split is assumed)."""

    @property
    def g_min(self) -> float:
        """1 uS, assumed."""
        return 1e-6

    @property
    def g_max(self) -> float:
        """260 uS: what the highest gate voltage allows, and its spread."""
        return 260e-6

    @property
    def full_scale(self) -> float:
        """300 uS."""
        return 300e-6

    @property
    def read_noise(self) -> float:
        """0.25 uS, assumed."""
        return 0.25e-6

    def saturation(self, gate: float) -> float:
        """Return the conductance in S at which SET saturates with a gate voltage in V."""
        share = (gate - self.gate_low) / (self.gate_high - self.gate_low)
        return self.saturation_low + share * (self.saturation_high - self.saturation_low)

    def levels(self) -> tuple[DriveLevel, ...]:
        """Return 32 gate voltages of SET, and one RESET."""
        gates = np.linspace(self.gate_low, self.gate_high, LEVELS)
        sets = (DriveLevel(Polarity.SET, self.set_amplitude, 1e-6, round(float(gate), 3)) for gate in gates)
        return *sets, DriveLevel(Polarity.RESET, self.reset_amplitude, 1e-6, self.reset_gate)

    def curve(self, level: DriveLevel, position: Floats) -> tuple[Floats, Floats]:
        """Return SET steps up to the gate's saturation, or RESET steps to the bottom."""
        nominal = self.g_max - self.g_min
        g = self.g_min + position * nominal
        if level.polarity == Polarity.RESET:
            away = np.maximum(g - self.reset_mean, 0.0)
            return away / nominal, np.where(away > 0, self.reset_sigma / nominal, 0.0)
        missing = np.maximum(self.saturation(level.gate) - g, 0.0)
        return missing / nominal, np.where(missing > 0, self.set_sigma / nominal, 0.0)

    def fabricate(self, rng: np.random.Generator, n: int) -> Cells:
        """Draw gate offsets as whole drive levels, and unresponsive cells."""
        cells = uniform_cells(self, n, position=(self.reset_mean - self.g_min) / (self.g_max - self.g_min))
        level_step = (self.gate_high - self.gate_low) / (LEVELS - 1)
        cells.offset = np.rint(rng.normal(0.0, self.gate_d2d, n) / level_step).astype(np.int64)
        fate = rng.random(n)
        cells.stuck_off = fate < self.unresponsive * 8 / 11
        cells.stuck_on = (fate >= self.unresponsive * 8 / 11) & (fate < self.unresponsive)
        return cells
