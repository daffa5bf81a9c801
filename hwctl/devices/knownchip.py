"""What a host knows of each cell of a calibrated chip, from its record."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwctl.devices import chipfile
from hwctl.devices.device import Floats
from hwctl.devices.law import entry_centres
from hwctl.devices.steps import GRID, StepModel
from hwctl.devices.tabulated import TabulatedDevice
from hwctl.errors import DeviceError, LimitError
from hwctl.protocol.packing import Region


@dataclass(frozen=True)
class KnownChip:
    """Cells of a calibrated region; arrays are (rows, cols), but for those of both polarities (2, rows, cols)."""

    source: str
    """File of the record."""
    measured_on: str
    """Device that the board named, "" where that was not kept."""
    board: tuple[int, int] | None
    """Rows and columns of the board, None where that was not kept."""
    device: TabulatedDevice
    """Pooled step curves and noise: of a digital twin."""
    curve_errors: tuple[Floats, Floats]
    """(levels, 64) standard errors of the mean step curves of SET and RESET, as fractions of a range."""
    row0: int
    """First row on the board."""
    col0: int
    low: Floats
    """S: bounds between which the cell's steps are placed."""
    high: Floats
    """S"""
    own: NDArray[np.bool_]
    """Whether both bounds are the cell's own; else they are what was seen of it, or of the chip."""
    gain: Floats
    """Factor of SET and RESET steps, as fractions of low to high."""
    gain_error: Floats
    """Standard error of it."""
    offset: NDArray[np.int64]
    """Drive levels by which the cell sees pulses stronger (+) or weaker (-)."""
    flags: NDArray[np.int64]
    """CellFlag: 0 where the cell moves."""
    last: Floats
    """S: last reading; NaN where the converter saturated."""
    pulses: NDArray[np.int64]
    """Pulses of the cell's life until that reading."""

    @property
    def stuck(self) -> NDArray[np.bool_]:
        """Return which cells do not move, or not between two conductances."""
        return np.asarray((self.flags != 0) | (self.high <= self.low))

    @property
    def reach(self) -> tuple[Floats, Floats]:
        """Return the lowest and highest targets (rows, cols) in S that cells can have: a stuck cell's is its reading.

        Where a bound was not seen, the chip's stands for it.
        """
        bounds = (self.low, self.device.lowest), (self.high, self.device.highest)
        low, high = (np.where(self.stuck, self.last, np.where(self.own, own, usual)) for own, usual in bounds)
        return low, high

    @cached_property
    def model(self) -> StepModel:
        """Step curves as the record says; what a step may differ by holds what is not known of its mean, too."""
        model, places = StepModel.of(self.device), np.linspace(0.0, 1.0, GRID)
        sigmas = []
        for known, errors in zip(model.sigmas, self.curve_errors, strict=True):
            unsure = np.array([np.interp(places, entry_centres(), line) for line in errors])
            sigmas.append(np.hypot(known, (model.g_max - model.g_min) * unsure))
        return replace(model, sigmas=(sigmas[0], sigmas[1]))

    def at(self, region: Region, board: tuple[int, int], named: str) -> "KnownChip":
        """Return the cells of a region of a board, which has so many rows and columns and names this device.

        Raises DeviceError where the record is that of another device or geometry, LimitError where the region leaves
        the calibrated one.
        """
        rows, cols = self.low.shape
        twin = named == self.device.reference
        alone = twin or board == (rows, cols)  # the board is the calibrated region, as where a twin was loaded
        row0, col0 = (0, 0) if alone else (self.row0, self.col0)
        there = (rows, cols) if alone else self.board
        if not twin and self.measured_on and named != self.measured_on:
            raise DeviceError(
                f"{self.source} is the record of a chip of {self.measured_on}, the board has {named}; "
                "name its own record"
            )
        if there is not None and there != board:
            raise DeviceError(
                f"{self.source} is the record of a board of {there[0]} x {there[1]} cells, this one has {board[0]} x "
                f"{board[1]}; name its own record"
            )
        top, left = region.row0 - row0, region.col0 - col0
        if top < 0 or left < 0 or region.row1 > row0 + rows or region.col1 > col0 + cols:
            raise LimitError(
                f"rows {region.row0}:{region.row1}, columns {region.col0}:{region.col1} are not all in {self.source}, "
                f"which holds rows {row0}:{row0 + rows}, columns {col0}:{col0 + cols}; calibrate them"
            )
        part = (..., slice(top, top + region.rows), slice(left, left + region.cols))
        cut = {name: getattr(self, name)[part] for name in CELLS}
        return replace(self, row0=region.row0, col0=region.col0, **cut)


CELLS = ("low", "high", "own", "gain", "gain_error", "offset", "flags", "last", "pulses")
"""Fields that are arrays over cells."""


def load_known(path: Path) -> KnownChip:
    """Return what a record says of its cells. Raises DeviceError where the file is none."""
    attributes, arrays = chipfile.read_record(path)
    try:
        return _known(path, attributes, arrays)
    except (KeyError, ValueError, TypeError) as error:
        raise DeviceError(f"{path} does not say what its cells do ({error}); calibrate the chip again") from None


def _known(path: Path, attributes: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> KnownChip:
    def cells(name: str, kind: type = np.float64) -> NDArray[Any]:
        return np.asarray(arrays[f"cells/{name}"]).astype(kind)

    device = chipfile.chip_of(path, attributes, arrays).device
    assert isinstance(device, TabulatedDevice)  # the twin of a record is a device of tables
    names = tuple(chipfile.NAMES.values())
    sides = [attributes.get(f"board_{side}") for side in ("rows", "cols")]
    return KnownChip(
        source=str(path),
        measured_on=str(attributes.get("device", "")),
        board=None if None in sides else (int(sides[0]), int(sides[1])),  # type: ignore[arg-type]
        device=device,
        curve_errors=(arrays[f"curves/{names[0]}/mean_error"], arrays[f"curves/{names[1]}/mean_error"]),
        row0=int(attributes.get("row0", 0)),
        col0=int(attributes.get("col0", 0)),
        low=cells("low"),
        high=cells("high"),
        own=cells("own_range", np.bool_),
        gain=np.array([cells(f"gain_{name}") for name in names]),
        gain_error=np.array([cells(f"gain_{name}_error") for name in names]),
        offset=cells("offset", np.int64),
        flags=cells("flags", np.int64),
        last=cells("last"),
        pulses=cells("lifetime_pulses", np.int64),
    )
