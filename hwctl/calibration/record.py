"""The record of a calibration: one HDF5 file with units as attributes, which also holds the digital twin."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwctl.arrayfile import read_arrays, refusing, write_arrays
from hwctl.calibration.effects import FIGURES
from hwctl.calibration.procedure import Measured
from hwctl.devices.chip import Chip
from hwctl.devices.chipfile import FORMAT, GROUP, KIND, MAKE_IT, NAMES, chip_arrays

UNITS = {
    "g_min": "S", "g_max": "S", "g_min_error": "S", "g_max_error": "S", "g_min_furthest": "S", "g_max_furthest": "S",
    "low": "S", "high": "S", "last": "S", "read_noise": "S", "pooled_read_noise": "S", "pooled_read_noise_error": "S",
    "before": "S", "after": "S", "time": "s", "levels": "V, s, V", "before_code": "siemens_per_code",
    "after_code": "siemens_per_code", "read_path/offset": "S", "read_path/offset_error": "S", "voltages": "V",
    "forming_amplitude": "V", "ages": "s", "readings": "S", "symmetry/found": "S", "symmetry/error": "S",
    "symmetry/furthest": "S",
}  # fmt: skip


@dataclass(frozen=True)
class Record:
    """What a file holds: attributes of the chip and of how it was measured, and arrays by path.

    Arrays over cells are (rows, cols) of the region. `cells/`: g_min, g_max, their errors, whether they were reached,
    flags, gains, offset, noise, pulses. `curves/set`, `curves/reset`: step curves (levels, 64) in fractions of a cell's
    range, with errors, and `levels` (V, s, V of amplitude, width, gate). `read_path/`, `symmetry/`, `relaxation/`: as
    `hwctl.calibration.effects`. `trace/`: all trains in their order.
    """

    attributes: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]

    @classmethod
    def of(cls, measured: Measured, chip: Chip, about: Mapping[str, str | int | float | bool]) -> "Record":
        """Return the record of a measured region and its twin. about: who, what and when."""
        attributes, arrays = chip_arrays(chip)
        shape = (chip.rows, chip.cols)
        arrays |= {f"cells/{name}": array.reshape(shape) for name, array in _of_cells(measured).items()}
        for polarity, name in NAMES.items():
            curves = measured.curves[polarity]
            arrays[f"curves/{name}/levels"] = arrays[f"{GROUP}/{name}/levels"]
            for part in ("mean", "sigma", "mean_error", "sigma_error", "observed", "pooled", "pooled_error"):
                arrays[f"curves/{name}/{part}"] = getattr(curves, part)
        noise = measured.noise
        arrays["noise/averages"] = np.array(noise.averages)
        arrays["noise/pooled_read_noise"], arrays["noise/pooled_read_noise_error"] = noise.pooled, noise.pooled_error
        arrays["noise/read_noise"] = noise.cells.reshape(len(noise.averages), *shape)
        arrays |= measured.effects.arrays(shape)
        for field in measured.trace.dtype.names or ():
            arrays[f"trace/{field}"] = np.ascontiguousarray(measured.trace[field])
        for field in ("before", "after"):
            arrays[f"trace/{field}_code"] = np.rint(measured.trace[field] / chip.scales.siemens)
        return cls({**attributes, **_numbers(measured), **about}, arrays)

    def save(self, path: Path) -> None:
        """Write the file. Raises MissingPackage without h5py, RunError where that is impossible."""
        with refusing(str(path)):
            write_arrays(path, KIND, FORMAT, self.attributes, self.arrays, UNITS, compress=True)

    @classmethod
    def load(cls, path: Path) -> "Record":
        """Read a file. Raises RunError where it is missing, cut off or no record."""
        return cls(*read_arrays(path, KIND, FORMAT, MAKE_IT))

    def cells(self, name: str) -> NDArray[Any]:
        """Return an array over cells (rows, cols)."""
        return self.arrays[f"cells/{name}"]


def _of_cells(measured: Measured) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    for name, bound in (("g_min", measured.lower), ("g_max", measured.upper)):
        found |= {
            name: bound.found, f"{name}_error": bound.error, f"{name}_reached": bound.reached,
            f"{name}_furthest": bound.furthest,
        }  # fmt: skip
    cells = measured.cells
    for polarity, name in NAMES.items():
        found |= {f"gain_{name}": cells.gain[polarity], f"gain_{name}_error": cells.gain_error[polarity]}
    if measured.forming is not None:
        for name in ("formed", "pulses", "amplitude"):
            found[f"forming_{name}"] = getattr(measured.forming, name)
    return found | {
        "low": measured.ranges.low, "high": measured.ranges.high, "own_range": measured.ranges.own,
        "flags": measured.response.flags, "offset": cells.offset, "noisy": measured.noise.flagged,
        "last": measured.last, "pulses": measured.spent, "lifetime_pulses": measured.lifetime,
    }  # fmt: skip


def _numbers(measured: Measured) -> dict[str, float | str]:
    """Return what is known of the chip as a whole."""
    plan = measured.plan
    figures: dict[str, float | str] = {}
    for name, estimate in measured.effects.figures():
        figures |= {name: estimate.value, f"{name}_error": estimate.error, f"{name}_units": FIGURES[name]}
    options = measured.effects.emulated()
    return figures | {
        "emulated": "&".join(f"{name}={value:.4g}" for name, value in options.items()),
        "budget": plan.budget,
        "write_noise": measured.write_noise.sigma,
        "write_noise_error": measured.write_noise.error,
        "gain_set_spread": measured.gain_spread[0],
        "gain_reset_spread": measured.gain_spread[1],
        "least_change": measured.response.least,
    }
