"""One fabricated chip: a device model drawn cell by cell and turned into the integers of the cell law."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwctl.devices import law
from hwctl.devices.device import Device, DriveLevel, Floats
from hwctl.errors import DeviceError
from hwctl.protocol.cells import CELL, GAIN_ONE
from hwctl.protocol.codes import MAX_CELLS, MAX_LEVELS, MAX_LINES, CellFlag, Polarity

CODES = 0xFFFF  # conductance code of full scale
FORM_LEVELS = 16
_STUCK_STREAM = 1
_NOISE_KEY = 0x9E3779B97F4A7C15  # spreads small seeds over the 64 bits of a key


@dataclass(frozen=True)
class Scales:
    """What one code is in SI units."""

    siemens: float
    volts: float = 1e-3
    seconds: float = 1e-8
    compliance: float = 1e-7
    """A"""


@dataclass(frozen=True)
class Chip:
    """Cells and tables of one emulated array."""

    device: Device
    rows: int
    cols: int
    seed: int
    cells: NDArray[np.void]
    """(rows, cols) of dtype CELL"""
    curves: tuple[tuple[law.Curve, ...], tuple[law.Curve, ...]]
    """Step curves of SET and RESET, one a drive level."""
    levels: tuple[tuple[DriveLevel, ...], tuple[DriveLevel, ...], tuple[DriveLevel, ...]]
    """Drive levels of SET, RESET and FORM."""
    scales: Scales
    write_code: int
    read_code: int


def noise_key(seed: int) -> int:
    """Return the key of all noise, 64 bits, of an emulated board with this chip seed."""
    return (seed + 1) * _NOISE_KEY & 0xFFFFFFFFFFFFFFFF


def fabricate(device: Device, rows: int, cols: int, seed: int, unformed: float = 0.0, *, stuck: float = 0.0) -> Chip:
    """Draw a chip of rows x cols cells from a device model.

    seed: 0 to 2**63 - 1; the same seed gives the same chip. unformed: share 0 to 1 of cells that still need forming.
    stuck: share 0 to 1 of cells that are stuck, half of them on and half off, beside those of the device model.
    Raises DeviceError on a geometry or share that is impossible.
    """
    if not (1 <= rows <= MAX_LINES and 1 <= cols <= MAX_LINES and rows * cols <= MAX_CELLS):
        raise DeviceError(f"array of {rows} x {cols}; give 1 to {MAX_LINES} lines and at most {MAX_CELLS} cells")
    for name, share in (("unformed", unformed), ("stuck", stuck)):
        if not 0.0 <= share <= 1.0:
            raise DeviceError(f"{name} share {share}; give 0 to 1")
    if not 0 <= seed < 1 << 63:
        raise DeviceError(f"chip seed {seed}; give 0 to 2**63 - 1")
    scales = Scales(siemens=device.full_scale / CODES)
    curves = tuple(_curves(device, polarity) for polarity in (Polarity.SET, Polarity.RESET))
    return Chip(
        device=device,
        rows=rows,
        cols=cols,
        seed=seed,
        cells=_draw_cells(device, rows, cols, seed, unformed, stuck, scales.siemens),
        curves=(curves[0], curves[1]),
        levels=(device.levels_of(Polarity.SET), device.levels_of(Polarity.RESET), form_levels(device)),
        scales=scales,
        write_code=law.write_code(device.write_noise / (device.g_max - device.g_min)),
        read_code=law.read_code(device.read_noise / scales.siemens),
    )


def _curves(device: Device, polarity: Polarity) -> tuple[law.Curve, ...]:
    levels = device.levels_of(polarity)
    if not 1 <= len(levels) <= MAX_LEVELS:
        raise DeviceError(f"{device.name}: {len(levels)} {polarity.name} levels; give 1 to {MAX_LEVELS}")
    return tuple(law.quantise_curve(*device.curve(level, law.entry_centres())) for level in levels)


def form_levels(device: Device) -> tuple[DriveLevel, ...]:
    """Return forming amplitudes from 60% of the device's limit up to it, 1 ms each."""
    steps = np.linspace(0.6, 1.0, FORM_LEVELS) * device.max_form_amplitude
    return tuple(DriveLevel(Polarity.FORM, round(float(volts), 3), 1e-3, 0.0) for volts in steps)


def cells_of(
    low: Floats, high: Floats, gain_set: Floats, gain_reset: Floats, offset: NDArray[np.int64], siemens: float
) -> NDArray[np.void]:
    """Return cells (cells,) of dtype CELL at their lower bounds.

    low, high: S; gains: factors of steps in fractions of a cell's range; offset: drive levels; siemens: S of a code.
    """
    cells = np.zeros(low.size, CELL)
    bottom = np.clip(np.rint(low / siemens), 0, CODES)
    cells["low"], cells["span"] = bottom, np.clip(np.rint(high / siemens), bottom, CODES) - bottom
    for name, gain in (("gain_set", gain_set), ("gain_reset", gain_reset)):
        cells[name] = np.clip(np.rint(gain * GAIN_ONE), 0, 0xFFFF)
    cells["offset"] = np.clip(offset, -MAX_LEVELS, MAX_LEVELS)
    return cells


def _draw_cells(
    device: Device, rows: int, cols: int, seed: int, unformed: float, stuck: float, siemens: float
) -> NDArray[np.void]:
    n = rows * cols
    rng = np.random.default_rng(seed)
    drawn = device.fabricate(rng, n)
    cells = cells_of(drawn.low, drawn.high, drawn.gain_set, drawn.gain_reset, drawn.offset, siemens)
    cells["state"] = np.clip(np.rint(drawn.position * 0x10000), 0, law.STATE_MAX)
    # A cell whose bounds met has no range to move in.
    flags = np.where(drawn.stuck_off | (cells["span"] == 0), CellFlag.STUCK_OFF, 0) | np.where(
        drawn.stuck_on, CellFlag.STUCK_ON, 0
    )
    if stuck:
        # A generator of its own: the other draws stay as they are on the chip without stuck cells.
        place = np.random.default_rng([seed, _STUCK_STREAM]).random(n)
        drawn_flags = np.where(place < stuck / 2, CellFlag.STUCK_ON, CellFlag.STUCK_OFF)
        flags = np.where((flags == 0) & (place < stuck), drawn_flags, flags)
    raw = rng.random(n) < unformed
    cells["flags"] = np.where(raw & (flags == 0), CellFlag.UNFORMED, flags)
    cells["form_level"] = np.clip(np.rint(rng.normal(FORM_LEVELS / 2, FORM_LEVELS / 8, n)), 0, FORM_LEVELS - 1)
    return cells.reshape(rows, cols)
