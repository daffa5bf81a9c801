"""What a closed loop of pulses and readings did to each cell, the same for every method, and a check later."""

from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwctl.crossbar import Crossbar
from hwctl.crossbar.driver import ALL
from hwctl.crossbar.results import Floats, Lines
from hwctl.errors import LimitError
from hwctl.protocol.codes import NO_READING
from hwctl.protocol.packing import Region

Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]

Some = TypeVar("Some", bound="Result")

NAMED = 5  # cells that an error names


@dataclass(frozen=True)
class Result:
    """Result of a write-verify, each array (rows, cols)."""

    reached: Mask
    """The last reading was within the tolerance, as the method takes it."""
    reading: Floats
    """Last reading in S; NaN where the converter saturated."""
    set_pulses: Counts
    reset_pulses: Counts
    reads: Counts
    """Conversions: a reading of n averages counts n."""
    rounds: int
    """Times that the whole region was gone through with pulses; 0 where a board ran the loop and did not say."""
    unreachable: Mask | None = field(default=None, kw_only=True)
    """The cell was left alone: by its calibration it does not come near its target. None: nothing was calibrated."""

    @property
    def pulses(self) -> Counts:
        """SET and RESET pulses of each cell (rows, cols)."""
        return self.set_pulses + self.reset_pulses

    def part(self: "Some", at: tuple[NDArray[np.int64], ...]) -> "Some":
        """Return that of some cells, as an index of arrays (rows, cols) gives them."""
        every: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        every |= {name: value[at] for name, value in every.items() if isinstance(value, np.ndarray)}
        return type(self)(**every)

    def after(self: "Some", earlier: "Result") -> "Some":
        """Return this result with what an earlier one of the same cells has spent added."""
        return replace(
            self,
            set_pulses=self.set_pulses + earlier.set_pulses,
            reset_pulses=self.reset_pulses + earlier.reset_pulses,
            reads=self.reads + earlier.reads,
            rounds=self.rounds + earlier.rounds,
        )

    def missed(self) -> list[tuple[int, int]]:
        """Return row and column within the region of every cell that did not reach its target."""
        return [(int(i), int(j)) for i, j in np.argwhere(~self.reached)]


def checked_targets(crossbar: Crossbar, targets: ArrayLike, rows: Lines, cols: Lines) -> tuple[Region, Floats]:
    """Return the region, and the targets (rows, cols) in S.

    Raises LimitError where the shapes differ, or a target is no number or beyond what the board can read.
    """
    region = crossbar.region(rows, cols)
    wanted = np.asarray(targets, np.float64)
    if wanted.shape != region.shape:
        raise LimitError(f"targets of shape {wanted.shape} for a region of {region.shape}; give one for each cell")
    highest = (NO_READING - 1) * crossbar.units.siemens_per_reading
    refuse_outside(wanted, 0.0, highest, region, "what the board reads")
    return region, wanted


def refuse_outside(
    wanted: Floats, low: ArrayLike, high: ArrayLike, region: Region, whose: str, or_else: str = ""
) -> None:
    """Raise LimitError that names the cells whose targets are not within low to high, each (rows, cols) or one, in S.

    whose: whose range that is; or_else: what can be done instead of correcting them. NaN is outside.
    """
    low, high = np.broadcast_to(low, wanted.shape), np.broadcast_to(high, wanted.shape)
    outside = np.argwhere(~((wanted >= low) & (wanted <= high)))
    if outside.size == 0:
        return
    i, j = outside[0]
    places = ", ".join(f"({region.row0 + r}, {region.col0 + c})" for r, c in outside[:NAMED].tolist())
    more = f" and {len(outside) - NAMED} more" if len(outside) > NAMED else ""
    else_ = f", {or_else}" if or_else else ""
    raise LimitError(
        f"{len(outside)} targets are outside {whose}, first {wanted[i, j] * 1e6:.4g} uS where it is "
        f"{low[i, j] * 1e6:.4g} to {high[i, j] * 1e6:.4g} uS; correct cells {places}{more}{else_}; "
        "nothing was pulsed"
    )


@dataclass(frozen=True)
class Check:
    """A later reading of programmed cells, each array (rows, cols)."""

    reading: Floats
    """S; NaN where the converter saturated."""
    within: Mask
    """The reading is within the tolerance of the target."""


def check(
    crossbar: Crossbar,
    targets: ArrayLike,
    tolerance: float,
    rows: Lines = ALL,
    cols: Lines = ALL,
    *,
    averages: int = 16,
) -> Check:
    """Read a programmed region again, as after it has relaxed; nothing is pulsed.

    targets (rows, cols) and tolerance: S. averages: conversions a cell, a power of two. Raises LimitError.
    """
    region, wanted = checked_targets(crossbar, targets, rows, cols)
    reading = crossbar.read(region, averages=averages, over_range="nan")
    return Check(reading, np.abs(reading - wanted) <= tolerance)
