"""Write-verify of cells that a calibration knows: what can be reached, and where the cells are."""

import numpy as np

from hwctl.crossbar import Crossbar
from hwctl.crossbar.results import Floats
from hwctl.devices.knownchip import KnownChip
from hwctl.programming.loop import Loop
from hwctl.programming.result import Mask, refuse_outside
from hwctl.programming.weights import Bounds
from hwctl.protocol.codes import NO_READING
from hwctl.protocol.packing import Region


def at_board(known: KnownChip, crossbar: Crossbar, region: Region) -> KnownChip:
    """Return what is known of a region's cells. Raises as `KnownChip.at`."""
    return known.at(region, (crossbar.rows, crossbar.cols), crossbar.identity.device)


def unreachable(cells: KnownChip, wanted: Floats, band: float) -> Mask:
    """Return which cells (rows, cols) cannot come within `band` of their targets, both in S.

    They do not move, or the target is beyond bounds of their own.
    """
    low, high = cells.reach
    return np.asarray(~((wanted >= low - band) & (wanted <= high + band)))


def refuse_outside_cells(cells: KnownChip, wanted: Floats, band: float, chosen: Mask, region: Region) -> None:
    """Raise LimitError that names chosen cells (rows, cols) that move, and whose targets are out of their reach."""
    out = chosen & ~cells.stuck & unreachable(cells, wanted, band)
    asked, low, high = (np.where(out, each, 0.0) for each in (wanted, *cells.reach))
    refuse_outside(asked, low, high, region, f"their cells' own ranges in {cells.source}", "or allow unreachable cells")


def bounds_of(known: KnownChip, crossbar: Crossbar, region: Region) -> Bounds:
    """Return what a region's cells can show; what is stuck stays where it was read. Raises as `KnownChip.at`."""
    cells = at_board(known, crossbar, region)
    beyond = (NO_READING - 1) * crossbar.units.siemens_per_reading  # where the converter saturated
    low, high = (np.maximum(np.nan_to_num(bound, nan=beyond), 0.0) for bound in cells.reach)
    return Bounds(low, high, cells.stuck)


def begin(loop: Loop, cells: KnownChip, still: Mask, wanted: Floats, band: float, averages: int) -> None:
    """Leave alone what cannot be reached, and read the others, but those that have not been pulsed since.

    still (rows, cols): cells that were not pulsed since their last reading, and are where they were then; a reading is
    left out where it would only say that the cell is not on target.
    """
    loop.unreachable = loop.open & unreachable(cells, wanted, band)
    loop.open &= ~loop.unreachable
    loop.reading = cells.last.copy()
    far = np.abs(cells.last - wanted) > band
    read = loop.open & ~(far & still)
    loop.read(read, averages)
    loop.close(read & (np.abs(loop.reading - wanted) <= band))
    loop.unreachable |= loop.open & cells.stuck
    loop.open &= ~cells.stuck
