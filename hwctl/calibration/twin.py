"""The digital twin: what was measured of a chip, as the integers of the cell law."""

import re

import numpy as np
from numpy.typing import NDArray

from hwctl.calibration.procedure import Measured
from hwctl.crossbar.levels import Levels
from hwctl.devices import law
from hwctl.devices.chip import CODES, Chip, Scales, cells_of, form_levels
from hwctl.devices.device import DriveLevel
from hwctl.devices.tabulated import StepTable, TabulatedDevice
from hwctl.protocol.replies import Identity


def twin(
    measured: Measured, identity: Identity, shapes: Levels,
    rows: int, cols: int, read_voltage: float,
) -> Chip:  # fmt: skip
    """Return the chip that behaves as the measured region of rows x cols cells. read_voltage: V."""
    scales = Scales(siemens=identity.siemens_per_code)
    low, high = measured.ranges.low, measured.ranges.high
    usable = measured.usable
    curves = tuple(tuple(map(law.quantise_curve, c.mean, c.sigma)) for c in measured.curves)
    tables = tuple(
        StepTable(DriveLevel(shape.polarity, shape.amplitude, shape.width, shape.gate), *law.curve_steps(curve))
        for of_polarity, of_curves in zip(shapes, curves, strict=True)
        for shape, curve in zip(of_polarity, of_curves, strict=True)
    )
    volts = identity.volts_per_code
    device = TabulatedDevice(
        name=re.sub(r"[^A-Za-z0-9._-]", "-", identity.device)[:43] + "-twin",
        title="digital twin",
        source="a calibrated chip",
        lowest=float(np.median(low[usable])),
        highest=float(np.median(high[usable])),
        tables=tables,
        write_sigma=measured.write_noise.sigma,
        read_sigma=float(measured.noise.pooled[0]),
        one_way=measured.curves[1].at_once,
        read_voltage=read_voltage,
        max_read_voltage=identity.max_read * volts,
        max_form_amplitude=max(identity.max_form_amplitude, identity.max_amplitude) * volts,
    )
    levels = device.levels_of(shapes[0][0].polarity), device.levels_of(shapes[1][0].polarity)
    return Chip(
        device=device,
        rows=rows,
        cols=cols,
        seed=0,
        cells=_cells(measured, scales.siemens).reshape(rows, cols),
        curves=(curves[0], curves[1]),
        levels=(*levels, form_levels(device)),
        scales=scales,
        write_code=law.write_code(device.write_sigma / (device.highest - device.lowest)),
        read_code=law.read_code(device.read_sigma / scales.siemens),
    )


def _cells(measured: Measured, siemens: float) -> NDArray[np.void]:
    """Return cells (cells,) of dtype CELL: what does not move stands still where it was read."""
    moves, ranges, found = measured.response.moves, measured.ranges, measured.cells
    last = np.nan_to_num(measured.last, nan=CODES * siemens)
    low, high = np.where(moves, ranges.low, last), np.where(moves, ranges.high, last)
    cells = cells_of(low, high, found.gain[0], found.gain[1], found.offset, siemens)
    cells["flags"] = measured.response.flags
    place = (last / siemens - cells["low"]) / np.maximum(cells["span"], 1)
    cells["state"] = np.where(moves, np.clip(np.rint(place * 0x10000), 0, law.STATE_MAX), 0)
    cells["count"] = np.minimum(measured.lifetime, 0xFFFFFFFF)
    return cells
