"""What one pulse does on average, as a host knows it: pooled step curves of every drive level, in siemens."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hwctl.devices.device import Device, DriveLevel, Floats
from hwctl.protocol.codes import Polarity

GRID = 256  # points of conductance at which a curve is tabulated


@dataclass(frozen=True)
class StepModel:
    """Mean and spread of one pulse's step against present conductance, for SET (0) and RESET (1)."""

    g_min: float
    """S"""
    g_max: float
    """S"""
    levels: tuple[tuple[DriveLevel, ...], tuple[DriveLevel, ...]]
    means: tuple[Floats, Floats]
    """(levels, GRID) in S: the signed change of G, positive for SET, negative for RESET."""
    sigmas: tuple[Floats, Floats]
    """(levels, GRID) in S."""
    usual: tuple[int, int]
    """Drive level that single-level schedules use."""
    write_noise: float
    """S"""
    read_noise: float
    """S of one conversion."""
    one_way: bool

    @classmethod
    def of(cls, device: Device) -> "StepModel":
        """Tabulate a device model over its nominal range."""
        position = np.linspace(0.0, 1.0, GRID)
        span = device.g_max - device.g_min
        levels = device.levels_of(Polarity.SET), device.levels_of(Polarity.RESET)
        means, sigmas = [], []
        for polarity, sign in ((Polarity.SET, 1.0), (Polarity.RESET, -1.0)):
            curves = [device.curve(level, position) for level in levels[polarity]]
            means.append(np.array([sign * span * mean for mean, _ in curves]))
            sigmas.append(np.array([span * sigma for _, sigma in curves]))
        return cls(
            g_min=device.g_min,
            g_max=device.g_max,
            levels=levels,
            means=(means[0], means[1]),
            sigmas=(sigmas[0], sigmas[1]),
            usual=(len(levels[0]) // 2, len(levels[1]) // 2),
            write_noise=device.write_noise,
            read_noise=device.read_noise,
            one_way=device.one_way,
        )

    @cached_property
    def quantum(self) -> float:
        """Step in S of one pulse at the usual level, averaged over both polarities and the range."""
        sizes = [np.abs(self.means[p][self.usual[p]]).mean() for p in ((0,) if self.one_way else (0, 1))]
        return float(np.mean(sizes))

    @property
    def symmetry_point(self) -> float | None:
        """Conductance in S at which SET and RESET steps of the usual levels cancel; None where there is none."""
        if self.one_way:
            return None
        balance = self.means[0][self.usual[0]] + self.means[1][self.usual[1]]
        crossing = np.flatnonzero((balance[:-1] > 0) & (balance[1:] <= 0))
        if crossing.size == 0:
            return None
        i = int(crossing[0])
        share = balance[i] / (balance[i] - balance[i + 1])
        return self.g_min + (i + float(share)) * (self.g_max - self.g_min) / (GRID - 1)

    def index(self, g: Floats) -> NDArray[np.int64]:
        """Return the nearest grid point of conductances in S; beyond the range the bound's."""
        place = (g - self.g_min) * ((GRID - 1) / (self.g_max - self.g_min))
        return np.clip(np.rint(place), 0, GRID - 1).astype(np.int64)
