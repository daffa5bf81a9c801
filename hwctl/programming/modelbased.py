"""Model-based write-verify: step curves say how many pulses to send at once, the residual decides the next batch."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from hwctl.crossbar import Crossbar
from hwctl.crossbar.driver import ALL
from hwctl.crossbar.levels import levels_of
from hwctl.crossbar.results import Lines
from hwctl.devices.knownchip import KnownChip
from hwctl.devices.steps import StepModel
from hwctl.errors import LimitError
from hwctl.programming.calibrated import at_board, begin, refuse_outside_cells
from hwctl.programming.loop import Loop
from hwctl.programming.outlook import Outlook
from hwctl.programming.planner import Move, Planner, outlook_of
from hwctl.programming.precise import MOST, PreciseLoop
from hwctl.programming.result import Mask, Result, checked_targets, refuse_outside
from hwctl.protocol.packing import Region

GUARD = 2.5  # standard deviations of read noise


@dataclass(frozen=True)
class ModelBased:
    """The method with its parameters, for regions that are programmed again and again; as `model_based`."""

    model: StepModel
    tolerance: float
    """S"""
    guard: float = GUARD
    pulse_cost: float = 0.2
    rounds: int = 40
    averages: int = 1
    precision: float | None = None
    """S: where it is given, each reading is averaged until its standard error is that, and `averages` is unused."""
    most: int = MOST
    """Conversions of such a reading at most."""
    pause: float = 0.0
    """s between the parts of such a reading."""
    known: KnownChip | None = None
    """What a calibration says of each cell; None: cells are any of the device's."""

    def __post_init__(self) -> None:
        """Raise LimitError where noise leaves no band, or a number is not above 0."""
        if not self.band > 0 or not self.pulse_cost > 0 or self.rounds < 1:
            raise LimitError(
                f"tolerance {self.tolerance * 1e6:.4g} uS with {self.guard:g} times {self.noise * 1e6:.4g} uS of read "
                f"noise, pulse cost {self.pulse_cost:g}, {self.rounds} rounds; give a wider tolerance or more "
                "averages, and numbers above 0"
            )

    @property
    def noise(self) -> float:
        """Standard deviation of a reading in S."""
        return self.precision or self.model.read_noise / float(np.sqrt(self.averages))

    @property
    def band(self) -> float:
        """S either way of a target within which a reading ends the loop."""
        return self.tolerance - self.guard * self.noise

    @cached_property
    def outlook(self) -> Outlook:
        """Return what distances from a target still cost."""
        return outlook_of(self.model, self.band, self.noise, self.pulse_cost)

    def program(
        self,
        crossbar: Crossbar,
        targets: ArrayLike,
        rows: Lines = ALL,
        cols: Lines = ALL,
        *,
        chosen: Mask | None = None,
        pulse_limit: ArrayLike | None = None,
        allow_unreachable: bool = False,
    ) -> Result:
        """Bring the cells of a region to targets (rows, cols) in S.

        chosen: which cells (rows, cols), default all; targets of others are not looked at, and they count as not
        reached. pulse_limit: pulses that a cell may take at most, one number or (rows, cols); a cell is left where its
        next move would take more. allow_unreachable: leave cells alone whose targets are outside their own calibrated
        ranges. Raises LimitError where a target is outside the model's range, or outside the range of a calibrated
        cell that moves; then nothing was pulsed. Calibrated cells that do not move get no pulse.
        """
        model, region = self.model, crossbar.region(rows, cols)
        wanted = np.asarray(targets, np.float64)
        if chosen is not None and wanted.shape == region.shape:
            wanted = np.where(chosen, wanted, model.g_min)
        region, wanted = checked_targets(crossbar, wanted, region, ALL)
        cells = None if self.known is None else at_board(self.known, crossbar, region)
        loop = self._loop(crossbar, region)
        if chosen is not None:
            loop.open &= chosen
        if cells is None:
            refuse_outside(wanted, model.g_min, model.g_max, region, "the device's range")
            loop.read(averages=self.averages)
        else:
            if not allow_unreachable:
                refuse_outside_cells(cells, wanted, self.band, loop.open, region)
            begin(loop, cells, self._still(crossbar, cells, region), wanted, self.band, self.averages)
        planner = Planner(model, self.outlook, self.noise, self.pulse_cost, region.shape, cells)
        for _ in range(self.rounds):
            loop.close(loop.open & (np.abs(loop.reading - wanted) <= self.band))
            loop.open &= ~planner.hopeless(wanted - loop.reading)
            if not loop.open.any():
                break
            move = planner.plan(loop.open, loop.reading, wanted)
            if pulse_limit is not None:
                loop.open &= loop.pulses + move.pulses <= np.asarray(pulse_limit, np.int64)
                move = Move(np.where(loop.open, move.counts, 0), move.levels, move.again & loop.open)
            before = loop.reading.copy()
            loop.pulse(move.counts, move.levels, model.usual[1], move.again)
            loop.read(averages=self.averages)
            planner.learn(move, before, loop.reading)
        loop.close(loop.open & (np.abs(loop.reading - wanted) <= self.band))
        return loop.result()

    def _still(self, crossbar: Crossbar, cells: KnownChip, region: Region) -> Mask:
        """Return which cells (rows, cols) were not pulsed since the record, and are known well enough by it."""
        if self.precision is not None:
            return np.zeros(region.shape, np.bool_)
        return np.asarray(crossbar.pulse_counts(region) == cells.pulses)

    def _loop(self, crossbar: Crossbar, region: Region) -> Loop:
        if self.precision is None:
            return Loop(crossbar, region, levels_of(crossbar))
        noise = self.model.read_noise
        return PreciseLoop(crossbar, region, levels_of(crossbar), self.precision, self.most, self.pause, noise)


def model_based(
    crossbar: Crossbar,
    targets: ArrayLike,
    tolerance: float,
    rows: Lines = ALL,
    cols: Lines = ALL,
    *,
    model: StepModel,
    guard: float = GUARD,
    pulse_cost: float = 0.2,
    rounds: int = 40,
    averages: int = 1,
    known: KnownChip | None = None,
    allow_unreachable: bool = False,
) -> Result:
    """Bring each cell to its target in few moves; all cells of the region at once.

    For every open cell each drive level and number of pulses is weighed by what it costs and by what is to be expected
    after it, given the step's spread. What a cell's moves show of its own offset or gain counts for its next ones. A
    cell that does not follow is given up: it has not reached its target then.

    model: step curves of the device. targets (rows, cols) and tolerance: S. guard: standard deviations of read noise by
    which the band is narrower in which a reading ends the loop, so that the cell itself is within the tolerance.
    pulse_cost: of a pulse in readings; lower gives fewer readings and more pulses. rounds: moves of a cell at most.
    averages: conversions of one reading, a power of two. known: the cells of a calibrated chip, with `model` its own;
    allow_unreachable: as in `ModelBased.program`. Raises LimitError where a target is outside the model's range, or
    that of a calibrated cell, or noise leaves no band, DeviceError where the record is another chip's; then nothing
    was pulsed.
    """
    method = ModelBased(model, tolerance, guard, pulse_cost, rounds, averages, known=known)
    return method.program(crossbar, targets, rows, cols, allow_unreachable=allow_unreachable)
