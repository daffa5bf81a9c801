"""Write-verify beyond the noise of one reading: a coarse stage, then one whose readings are averaged per cell."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwctl.crossbar import Crossbar
from hwctl.crossbar.driver import ALL
from hwctl.crossbar.levels import levels_of, pulse_at
from hwctl.crossbar.results import Floats, Lines
from hwctl.devices.knownchip import KnownChip
from hwctl.devices.steps import StepModel
from hwctl.errors import LimitError
from hwctl.programming.calibrated import at_board, refuse_outside_cells, unreachable
from hwctl.programming.modelbased import GUARD, ModelBased
from hwctl.programming.precise import MOST, PreciseReading, read_precisely, resolution, steps_leave
from hwctl.programming.result import Mask, Result, checked_targets
from hwctl.protocol.packing import Region

COARSE = 2.0 * GUARD  # standard deviations of a coarse reading: the tolerance of the coarse stage at least
QUIETENED = 8.0  # by which a variance of 15 degrees of freedom falls by chance in one of 10,000 cells
PASSES = 3  # of the fine stage; what the check of one finds outside is the next one's


@dataclass(frozen=True)
class FineResult(Result):
    """Result of a fine write-verify, each array (rows, cols); `reading` is the mean of the last check."""

    error: Floats
    """Standard error of `reading` in S; NaN where a cell was not chosen."""
    unquiet: Mask
    """Averaging did not bring the error below what was wished; such a cell has not reached its target."""
    noisy: Mask
    """Cells that scatter more than others, as random telegraph noise does; `reading` is over all of their states."""
    denoised: Mask
    """Cells that were noisy and scatter far less after small pulses: by more than chance explains."""


@dataclass(frozen=True)
class Fine:
    """The method with its parameters. Raises LimitError where the precision leaves no band within the tolerance."""

    model: StepModel
    tolerance: float
    """S"""
    precision: float
    """S: standard error to which cells are read in the fine stage."""
    rounds: int = 40
    averages: int = 4
    """Conversions of a reading of the coarse stage, a power of two."""
    most: int = MOST
    """Conversions of a cell for one reading of the fine stage, at most."""
    pause: float = 0.0
    """s between the parts of such a reading: random telegraph noise shows where it is slower than readings."""
    denoise: int = 0
    """Small pulses that a noisy cell gets, one after the other, until it is quiet; then its target is sought again."""
    known: KnownChip | None = None
    """What a calibration says of each cell; None: cells are any of the device's."""

    def __post_init__(self) -> None:
        """Check that the stages can be."""
        if not self.precision > 0 or not GUARD * self.precision < self.tolerance or self.denoise < 0:
            raise LimitError(
                f"readings to {self.precision * 1e6:.4g} uS for a tolerance of {self.tolerance * 1e6:.4g} uS, "
                f"{self.denoise} small pulses; give a precision above 0 and below {1 / GUARD:g} of the tolerance, and "
                "0 small pulses or more"
            )

    @cached_property
    def stages(self) -> tuple[ModelBased, ModelBased]:
        """The coarse method, at the tolerance that the noise of its readings allows, and the fine one."""
        noise = self.model.read_noise / float(np.sqrt(self.averages))
        tolerance = max(self.tolerance, COARSE * noise)
        coarse = ModelBased(self.model, tolerance, rounds=self.rounds, averages=self.averages, known=self.known)
        fine = replace(coarse, tolerance=self.tolerance, precision=self.precision, most=self.most, pause=self.pause)
        return coarse, fine

    def program(
        self,
        crossbar: Crossbar,
        targets: ArrayLike,
        rows: Lines = ALL,
        cols: Lines = ALL,
        *,
        chosen: Mask | None = None,
        allow_unreachable: bool = False,
    ) -> FineResult:
        """Bring the cells of a region to targets (rows, cols) in S.

        chosen: which cells (rows, cols), default all. A cell has reached its target where the mean of its last check is
        within the tolerance and known to the precision. A cell that is noisy whatever is averaged is brought there by
        its mean over all of its states. allow_unreachable, and calibrated cells that do not move: as of `ModelBased`.
        Raises LimitError where the converter cannot resolve the precision, a target is outside the range of the model
        or of a calibrated cell, or as `read_precisely` does; then nothing was pulsed.
        """
        region = crossbar.region(rows, cols)
        mask = np.ones(region.shape, np.bool_) if chosen is None else chosen
        wanted = np.where(mask, np.asarray(targets, np.float64), self.model.g_min)
        checked_targets(crossbar, wanted, region, ALL)
        self._refuse_unresolved(crossbar)
        coarse, fine = self.stages
        work = _Work(crossbar, region, wanted, self)
        mask, moving = self._apart(work, mask, allow_unreachable)
        first = coarse.program(crossbar, wanted, region, chosen=mask, allow_unreachable=True)
        work.count(first)
        left = mask & first.reached
        for _ in range(PASSES):
            work.count(fine.program(crossbar, wanted, region, chosen=left, allow_unreachable=True))
            work.check(left)
            left = left & (np.abs(work.reading - wanted) > self.tolerance)
            if not left.any():
                break
        work.check(mask & ~first.reached)
        for number in range(self.denoise):
            left = work.noisy & moving & first.reached
            if not left.any():
                break
            work.nudge(left, number)
            work.count(fine.program(crossbar, wanted, region, chosen=left, allow_unreachable=True))
            work.check(left)
        return work.result(mask)

    def _apart(self, work: "_Work", mask: Mask, allow_unreachable: bool) -> tuple[Mask, Mask]:
        """Leave alone what a calibration calls unreachable; return the other cells, and which of them move."""
        if self.known is None:
            return mask, mask
        cells, band = at_board(self.known, work.crossbar, work.region), self.stages[1].band
        if not allow_unreachable:
            refuse_outside_cells(cells, work.wanted, band, mask, work.region)
        alone = mask & unreachable(cells, work.wanted, band)
        work.leave(alone, cells.last)
        return mask & ~alone, mask & ~alone & ~cells.stuck

    def _refuse_unresolved(self, crossbar: Crossbar) -> None:
        """Raise LimitError where the converter's steps leave more than the precision after any averaging."""
        step = resolution(crossbar)
        left = steps_leave(step, self.model.read_noise)
        if not left < self.precision:
            raise LimitError(
                f"a precision of {self.precision * 1e6:.3g} uS: one step of the converter is {step * 1e6:.3g} uS, and "
                f"noise of {self.model.read_noise * 1e6:.3g} uS spreads it so little that {left * 1e6:.3g} uS stay "
                "after any averaging; give a coarser precision; nothing was pulsed"
            )


class _Work:
    """What is known of the region's cells while they are programmed."""

    def __init__(self, crossbar: Crossbar, region: Region, wanted: Floats, method: Fine) -> None:
        self.crossbar, self.region, self._method, self.wanted = crossbar, region, method, wanted
        self._shapes = levels_of(crossbar)
        self._spent: NDArray[np.int64] = np.zeros((3, *region.shape), np.int64)
        self._rounds = 0
        self._usual: float | None = None
        self._unreachable: Mask | None = None
        self.reading: Floats = np.full(region.shape, np.nan)
        self._error: Floats = np.full(region.shape, np.nan)
        self._unquiet, self.noisy, self._ever = (np.zeros(region.shape, np.bool_) for _ in range(3))
        self._noise, self._worst = (np.zeros(region.shape) for _ in range(2))

    def count(self, done: Result) -> None:
        """Add what a stage has spent."""
        self._spent += np.array([done.set_pulses, done.reset_pulses, done.reads])
        self._rounds += done.rounds
        if self._unreachable is not None and done.unreachable is not None:
            self._unreachable |= done.unreachable

    def leave(self, cells: Mask, at: Floats) -> None:
        """Take cells (rows, cols) for unreachable; at (rows, cols): S, where they were read last."""
        self._unreachable = cells.copy()
        self.reading[cells] = at[cells]

    def check(self, cells: Mask) -> None:
        """Read cells (rows, cols) as precisely as it was asked for."""
        rows, cols = np.nonzero(cells)
        if not rows.size:
            return
        method, region = self._method, self.region
        found: PreciseReading = read_precisely(
            self.crossbar, rows + region.row0, cols + region.col0, method.precision, most=method.most,
            pause=method.pause, usual=self._usual,
        )  # fmt: skip
        if (
            self._usual is None and np.isfinite(found.noise).any()
        ):  # the first check is of most cells, later ones of those that make trouble
            self._usual = float(np.nanmedian(found.noise))
        self.reading[cells], self._error[cells] = found.mean, found.error
        self._unquiet[cells], self.noisy[cells] = found.unquiet, found.noisy
        self._noise[cells] = found.noise
        first = self.noisy & ~self._ever
        self._worst[first] = self._noise[first]
        self._ever |= first
        self._spent[2][cells] += found.conversions

    def nudge(self, cells: Mask, number: int) -> None:
        """Give cells (rows, cols) one pulse of the weakest level, SET and RESET in turns."""
        counts = np.where(cells, 1 if number % 2 == 0 else -1, 0).astype(np.int64)
        pulse_at(self.crossbar, self._shapes, counts, np.zeros(counts.shape, np.int64), self.region)
        self._spent[number % 2] += cells

    def result(self, mask: Mask) -> FineResult:
        within = mask & (np.abs(self.reading - self.wanted) <= self._method.tolerance) & ~self._unquiet
        denoised = self._ever & ~self.noisy & (QUIETENED * self._noise**2 < self._worst**2)
        left = None if self._unreachable is None else self._unreachable & ~within
        sets, resets, reads = self._spent
        return FineResult(
            within, self.reading, sets, resets, reads, self._rounds, self._error, self._unquiet,
            self._ever & ~denoised, denoised, unreachable=left,
        )  # fmt: skip
