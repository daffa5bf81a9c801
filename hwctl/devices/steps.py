"""What one pulse does on average, as a host knows it: pooled step curves of every drive level, in siemens."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwctl.devices.device import Cells, Device, DriveLevel, Floats
from hwctl.protocol.codes import Polarity

GRID = 256  # points of conductance at which a curve is tabulated
SAMPLE = 4096  # cells drawn to see how they differ


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
    gain_spread: tuple[float, float]
    """Standard deviation of cells' own SET and RESET steps over their mean (d2d)."""

    @classmethod
    def of(cls, device: Device) -> "StepModel":
        """Tabulate a device model over its nominal range."""
        position = np.linspace(0.0, 1.0, GRID)
        span = device.g_max - device.g_min
        levels = device.levels_of(Polarity.SET), device.levels_of(Polarity.RESET)
        usual = len(levels[0]) // 2, len(levels[1]) // 2
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
            usual=usual,
            write_noise=device.write_noise,
            read_noise=device.read_noise,
            one_way=device.one_way,
            gain_spread=spread_of_steps(device.fabricate(np.random.default_rng(0), SAMPLE), means, usual),
        )

    @cached_property
    def reach(self) -> tuple[Floats, Floats]:
        """Return (levels, GRID) in S: how far trains of any length take a cell where steps end within the range.

        So it is with a gate-limited SET; infinite where a level moves cells up to the bound.
        """
        grid = np.linspace(self.g_min, self.g_max, GRID)
        up = [_to_the_end(grid, means) for means in self.means[0]]
        down = [-_to_the_end(-grid[::-1], -means[::-1])[::-1] for means in self.means[1]]
        return np.array(up), np.array(down)

    def moved(
        self, polarity: int, levels: NDArray[np.int64], at: NDArray[np.int64], number: NDArray[np.int64] | Floats
    ) -> Floats:
        """Return the expected change in S by trains of one polarity from grid points `at`; arguments broadcast."""
        return moved_by(self.means[polarity][levels, at], self.reach[polarity][levels, at], number)

    # -- what `devices.cellsteps.CellSteps` says of each cell, and this of any --------------------------------------

    def at(self, where: Any) -> "StepModel":
        """Return the same: a pooled model is that of any cells."""
        return self

    def within(self, g: Floats, wish: Floats) -> Floats:
        """Return wished changes in S as they are: pooled bounds are no cell's own."""
        return wish

    def curves(self, polarity: int, at: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Return (levels, cells) steps and `reach` in S of cells at grid points `at` (cells,)."""
        return self.means[polarity][:, at], self.reach[polarity][:, at]

    def trains(
        self, polarity: int, levels: NDArray[np.int64], at: NDArray[np.int64], number: NDArray[np.int64] | Floats
    ) -> tuple[Floats, Floats]:
        """Return expected change in S by trains of one polarity, and its standard deviation; arguments broadcast."""
        moved = self.moved(polarity, levels, at, number)
        spread = self.gain_spread[polarity] * moved  # a cell's own gain acts on the whole train
        return moved, np.sqrt(number * self.sigmas[polarity][levels, at] ** 2 + spread**2)

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


def moved_by(steps: Floats, ends: Floats, number: NDArray[np.int64] | Floats) -> Floats:
    """Return the change in S by so many pulses: steps in S, but no further than where they end."""
    train = steps * number
    return np.where(np.abs(train) < np.abs(ends), train, ends)


def _to_the_end(grid: Floats, steps: Floats) -> Floats:
    """Return how far steps (towards rising grid points) lead from each point; infinite where they go on to the last."""
    least = 1e-6 * (grid[1] - grid[0])
    ends = np.full(grid.size, np.inf)
    for i in range(grid.size - 2, -1, -1):
        if steps[i] <= least:
            ends[i] = grid[i]
        elif steps[i + 1] <= least and i + 1 < grid.size - 1:
            ends[i] = grid[i] + steps[i]  # a step that leads past the end is taken whole
        else:
            ends[i] = max(ends[i + 1], grid[i] + steps[i])
    return ends - grid


def spread_of_steps(cells: Cells, means: Sequence[Floats], usual: tuple[int, int]) -> tuple[float, float]:
    """Return how mid-range steps at the usual levels differ between cells: by their gains, and by level offsets.

    means: of SET and RESET, as in `StepModel`. Each of the result is a standard deviation over the mean.
    """
    found = []
    for gain, steps, level in zip((cells.gain_set, cells.gain_reset), means, usual, strict=True):
        # Gains are of fractions of a cell's own range.
        seen = np.clip(level + cells.offset, 0, len(steps) - 1)
        own = gain * (cells.high - cells.low) * np.abs(steps[seen, GRID // 2])
        found.append(float(own.std() / max(own.mean(), 1e-30)))
    return found[0], found[1]
