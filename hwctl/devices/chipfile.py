"""A chip in a file: the integers of the cell law that an emulated board takes from its power-up on."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwctl.arrayfile import Attribute, read_arrays, read_attributes
from hwctl.devices import law
from hwctl.devices.chip import Chip, Scales, form_levels
from hwctl.devices.device import DriveLevel
from hwctl.devices.law import Curve
from hwctl.devices.tabulated import StepTable, TabulatedDevice
from hwctl.errors import DeviceError, RunError
from hwctl.protocol.cells import as_words, from_words
from hwctl.protocol.codes import CURVE_ENTRIES, Polarity

KIND, FORMAT = "record of a chip", 1
SUFFIXES = (".h5", ".hdf5")
GROUP = "twin"
MAKE_IT = "make it with 'hwctl calibrate --out FILE'"
DIGEST_DIGITS = 12
NAMES = {Polarity.SET: "set", Polarity.RESET: "reset"}
"""Of the groups of either polarity."""


def chip_arrays(chip: Chip) -> tuple[dict[str, Attribute], dict[str, NDArray[np.generic]]]:
    """Return what a file holds of a chip: attributes, and arrays by path."""
    device = chip.device
    attributes: dict[str, Attribute] = {
        "twin_name": device.name,
        "twin_rows": chip.rows,
        "twin_cols": chip.cols,
        "twin_siemens_per_code": chip.scales.siemens,
        "twin_write_code": chip.write_code,
        "twin_read_code": chip.read_code,
        "twin_g_min": device.g_min,
        "twin_g_max": device.g_max,
        "twin_read_voltage": device.read_voltage,
        "twin_max_read_voltage": device.max_read_voltage,
        "twin_max_form_amplitude": device.max_form_amplitude,
        "twin_one_way": device.one_way,
    }
    arrays: dict[str, NDArray[np.generic]] = {f"{GROUP}/cells": as_words(chip.cells)}
    for polarity, name in NAMES.items():
        curves = chip.curves[polarity]
        arrays[f"{GROUP}/{name}/mean"] = np.array([curve.mean for curve in curves])
        arrays[f"{GROUP}/{name}/sigma"] = np.array([curve.sigma for curve in curves])
        arrays[f"{GROUP}/{name}/shift"] = np.array([curve.shift for curve in curves], np.int64)
        arrays[f"{GROUP}/{name}/levels"] = np.array([level[1:] for level in chip.levels[polarity]], np.float64)
    return attributes, arrays


def load_chip(path: Path) -> Chip:
    """Return the chip of a record. Raises DeviceError where the file is none, or has no twin."""
    return chip_of(path, *read_record(path))


def chip_of(path: Path, attributes: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Chip:
    """Return the chip of a record that was read. Raises DeviceError where it has no twin."""
    try:
        return _chip(attributes, arrays, sha256(path.read_bytes()).hexdigest()[:DIGEST_DIGITS])
    except (KeyError, ValueError, TypeError) as error:
        raise DeviceError(f"{path} holds no twin ({error}); calibrate the chip again") from None


def read_record(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return attributes and arrays of a record. Raises DeviceError where the file is none, or unreadable."""
    try:
        return read_arrays(path, KIND, FORMAT, MAKE_IT)
    except RunError as error:
        raise DeviceError(str(error)) from None


def stamp(path: Path) -> str:
    """Return what a record is, as 'DEVICE sha256:DIGEST' of the whole file. Raises DeviceError as `load_chip`."""
    return f"{load_chip(path).device.name} sha256:{sha256(path.read_bytes()).hexdigest()}"


def board_of(path: Path) -> str:
    """Return the device that the board named on which a record was made, "" where that was not kept.

    Raises DeviceError as `read_record`.
    """
    try:
        return str(read_attributes(path, KIND, FORMAT, MAKE_IT).get("device", ""))
    except RunError as error:
        raise DeviceError(str(error)) from None


def load_device(path: Path) -> TabulatedDevice:
    """Return the device model of a record's twin; errors as of `load_chip`."""
    device = load_chip(path).device
    assert isinstance(device, TabulatedDevice)
    return device


def _chip(attributes: dict[str, object], arrays: dict[str, NDArray[np.generic]], digest: str) -> Chip:
    def number(name: str) -> float:
        return float(attributes[f"twin_{name}"])  # type: ignore[arg-type]

    rows, cols = int(number("rows")), int(number("cols"))
    scales = Scales(siemens=number("siemens_per_code"))
    cells = from_words(np.asarray(arrays[f"{GROUP}/cells"], np.uint16)).reshape(rows, cols)
    levels, curves, tables = [], [], []
    for polarity, name in NAMES.items():
        part = {key: arrays[f"{GROUP}/{name}/{key}"] for key in ("mean", "sigma", "shift", "levels")}
        of_polarity = tuple(DriveLevel(polarity, *map(float, level)) for level in part["levels"])
        lines = zip(part["mean"], part["sigma"], part["shift"], strict=True)
        of_curves = tuple(Curve(mean, sigma, int(shift)) for mean, sigma, shift in lines)
        if any(curve.mean.shape != (CURVE_ENTRIES,) for curve in of_curves) or len(of_curves) != len(of_polarity):
            raise ValueError(f"{name} curves")
        levels.append(of_polarity)
        curves.append(of_curves)
        tables += [StepTable(v, *law.curve_steps(c)) for v, c in zip(of_polarity, of_curves, strict=True)]
    low, high = number("g_min"), number("g_max")
    write_code, read_code = int(number("write_code")), int(number("read_code"))
    device = TabulatedDevice(
        name=str(attributes["twin_name"]), title="digital twin", source="a calibrated chip", lowest=low, highest=high,
        tables=tuple(tables), write_sigma=law.write_noise(write_code) * (high - low),
        read_sigma=law.read_noise(read_code) * scales.siemens, one_way=bool(attributes["twin_one_way"]),
        read_voltage=number("read_voltage"), max_read_voltage=number("max_read_voltage"),
        max_form_amplitude=number("max_form_amplitude"), digest=digest,
    )  # fmt: skip
    return Chip(
        device=device, rows=rows, cols=cols, seed=0, cells=cells, curves=(curves[0], curves[1]),
        levels=(levels[0], levels[1], form_levels(device)), scales=scales, write_code=write_code,
        read_code=read_code,
    )  # fmt: skip
