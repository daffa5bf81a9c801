"""The RRAM of the NeuRRAM chip: write-verify with rising amplitudes."""

from dataclasses import dataclass

import numpy as np

from hwctl.devices.device import Cells, Device, DriveLevel, Floats, uniform_cells
from hwctl.protocol.codes import Polarity


@dataclass(frozen=True)
class NeuRram(Device):
    """1 to 40 uS cells programmed by ramps of 1 us pulses, as in NeuRRAM's published control code.

    `wupdate_control.py` ramps from 1.2 V in 0.1 V steps up to 4.0 V; `program_array`'s defaults end at 3.3 V.
    """

    name = "neurram"
    title = "RRAM of the NeuRRAM chip, ISPP (Wan 2022)"
    source = "Wan et al., Nature 608 (2022) 504, and its published control code: 1-40 uS, 1.2 V + 0.1 V steps, 1 us"
    assumed = (
        "a step grows with the amplitude by e every 0.35 V, 1 uS at 2.2 V",
        "a step shrinks towards the bound (soft bounds)",
        "c2c 50% of the step; threshold d2d 0.2 V",
        "read noise 0.1 uS",
        "no stuck cells: the control code's log names 0.18% of cells that fail",
    )

    first_amplitude: float = 1.2
    """V, SET and RESET."""
    last_amplitude: float = 4.0
    """V: end of the longest ramp of the control code."""
    amplitude_step: float = 0.1
    """V"""
    width: float = 1e-6
    """s"""
    tolerance: float = 1e-6
    """S: accepted distance from the target in the control code."""
    default_end: float = 3.3
    """V: where `program_array` ends by default, with 20 pulses allowed."""
    reference_amplitude: float = 2.2
    """V at which a step is 1 uS in the middle of the range. Assumed."""
    amplitude_scale: float = 0.35
    """V by which a step grows by e. Assumed."""
    step_c2c: float = 0.5
    """Standard deviation of a step over its mean. Assumed."""
    threshold_d2d: float = 0.2
    """V. Assumed."""

    @property
    def g_min(self) -> float:
        """1 uS."""
        return 1e-6

    @property
    def g_max(self) -> float:
        """40 uS."""
        return 40e-6

    @property
    def full_scale(self) -> float:
        """50 uS."""
        return 50e-6

    @property
    def read_noise(self) -> float:
        """0.1 uS, assumed."""
        return 0.1e-6

    def levels(self) -> tuple[DriveLevel, ...]:
        """Return the 29 amplitudes of both ramps."""
        count = round((self.last_amplitude - self.first_amplitude) / self.amplitude_step) + 1
        volts = [round(self.first_amplitude + i * self.amplitude_step, 3) for i in range(count)]
        return tuple(DriveLevel(p, v, self.width) for p in (Polarity.SET, Polarity.RESET) for v in volts)

    def curve(self, level: DriveLevel, position: Floats) -> tuple[Floats, Floats]:
        """Return steps exponential in the amplitude, with soft bounds, at most a quarter of the range."""
        strength = np.exp((level.amplitude - self.reference_amplitude) / self.amplitude_scale)
        middle = 1e-6 / (self.g_max - self.g_min) * strength
        room = 1.0 - position if level.polarity == Polarity.SET else position
        mean = np.minimum(middle, 0.25) * 2.0 * room
        return mean, self.step_c2c * mean

    def fabricate(self, rng: np.random.Generator, n: int) -> Cells:
        """Draw threshold offsets as whole drive levels."""
        cells = uniform_cells(self, n, position=0.2)
        cells.offset = np.rint(rng.normal(0.0, self.threshold_d2d, n) / self.amplitude_step).astype(np.int64)
        return cells
