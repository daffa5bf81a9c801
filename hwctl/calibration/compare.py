"""Two records of one chip: what drifted, and which cells died."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwctl.calibration.effects import FIGURES
from hwctl.calibration.estimate import Estimate
from hwctl.calibration.record import Record
from hwctl.calibration.response import NAMES
from hwctl.errors import RunError

SURE = 4.0  # standard errors from which on a cell's change is one: among 10,000 still cells hardly one is beyond
SAME = ("device", "row0", "col0")
OF_CELLS = {"g_min": "S", "g_max": "S", "gain_set": "1", "gain_reset": "1"}
"""What is compared of every cell, with its unit."""
OF_CHIP = ("write_noise", *FIGURES)


@dataclass(frozen=True)
class CellChange:
    """Change of one quantity, each array (rows, cols); NaN where either record does not know the cell's."""

    name: str
    unit: str
    change: NDArray[np.float64]
    error: NDArray[np.float64]

    @property
    def sure(self) -> NDArray[np.bool_]:
        """Return which cells changed by more than chance."""
        return np.asarray(np.abs(self.change) > SURE * self.error)

    @property
    def mean(self) -> Estimate:
        """Return the mean change over the cells."""
        known = self.change[np.isfinite(self.change)]
        if known.size == 0:
            return Estimate(np.nan, np.nan)
        return Estimate(float(known.mean()), float(known.std() / np.sqrt(known.size)))


@dataclass(frozen=True)
class Comparison:
    """What a later record says that an earlier one does not."""

    died: NDArray[np.bool_]
    """(rows, cols): cells that moved and do not any more."""
    revived: NDArray[np.bool_]
    """Cells that move now and did not."""
    flags: NDArray[np.uint16]
    """CellFlag of each cell by the later record."""
    cells: tuple[CellChange, ...]
    figures: tuple[tuple[str, Estimate, Estimate], ...]
    """Name, earlier and later value of what is known of the chip as a whole."""
    pulses: NDArray[np.int64]
    """Pulses that each cell took between the two, as far as the board counts them over its life; else 0."""


def compare(earlier: Record, later: Record) -> Comparison:
    """Compare two records. Raises RunError where they are of different chips, regions or shapes."""
    for name in (*SAME, "chip", "die"):
        one, other = earlier.attributes.get(name), later.attributes.get(name)
        if one != other and (name in SAME or (one and other)):
            raise RunError(f"the records have {name} '{one}' and '{other}'; compare two of the same chip and region")
    before, after = earlier.cells("flags"), later.cells("flags")
    if before.shape != after.shape:
        raise RunError(f"the records are of {before.shape} and {after.shape} cells; compare two of the same region")
    counted = later.cells("lifetime_pulses").astype(np.int64) - earlier.cells("lifetime_pulses").astype(np.int64)
    return Comparison(
        died=(before == 0) & (after != 0),
        revived=(before != 0) & (after == 0),
        flags=after,
        cells=tuple(_of_cells(earlier, later, name, unit) for name, unit in OF_CELLS.items()),
        figures=tuple(_of_chip(earlier, later)),
        pulses=np.maximum(counted - later.cells("pulses"), 0),
    )


def _of_cells(earlier: Record, later: Record, name: str, unit: str) -> CellChange:
    moved = (earlier.cells("flags") == 0) & (later.cells("flags") == 0)
    change = np.where(moved, later.cells(name) - earlier.cells(name), np.nan)
    return CellChange(name, unit, change, np.hypot(earlier.cells(f"{name}_error"), later.cells(f"{name}_error")))


def _of_chip(earlier: Record, later: Record) -> Iterator[tuple[str, Estimate, Estimate]]:
    def noise(record: Record) -> Estimate:
        values = (record.arrays[f"noise/pooled_read_noise{end}"][0] for end in ("", "_error"))
        return Estimate(*map(float, values))

    def figure(record: Record, name: str) -> Estimate:
        return Estimate(float(record.attributes[name]), float(record.attributes[f"{name}_error"]))

    yield "read_noise", noise(earlier), noise(later)
    for name in OF_CHIP:
        if name in earlier.attributes and name in later.attributes:
            yield name, figure(earlier, name), figure(later, name)


def named(flags: int) -> str:
    """Return the name of what a cell is that does not move."""
    return ", ".join(name for flag, name in NAMES.items() if flag & flags) or "moving"
