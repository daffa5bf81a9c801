"""A run of a sweep that calibrates its chip first, and trains with the record."""

import hashlib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hwctl.calibration.plan import Plan
from hwctl.calibration.probe import Probe
from hwctl.calibration.procedure import calibrate
from hwctl.calibration.record import Record
from hwctl.calibration.twin import twin
from hwctl.errors import DeviceError
from hwctl.sweeps.point import Point, measure
from hwctl.training import setup
from hwctl.training.config import TrainConfig

AVERAGES = 16  # of a reading of the calibration


@dataclass(frozen=True)
class CalibratedPoint(Point):
    """A run on one emulated array that `measure_calibrated` does."""

    budget: int
    """Pulses that a cell may take in the calibration."""

    @property
    def key(self) -> str:
        """Return a digest of the run and the budget."""
        return hashlib.sha256(f"{super().key} {self.budget}".encode()).hexdigest()[:20]


def measure_calibrated(config: TrainConfig, budget: int) -> dict[str, Any]:
    """Calibrate the array of a run as it is fabricated, within so many pulses a cell, and train with the record.

    Returns what `hwctl.sweeps.point.measure` does; `calibrated` says whether there was a record, `calibration_pulses`
    what it took.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chip.h5"
        try:
            pulses = write_record(config, budget, path)
        except DeviceError as error:  # no cell moves, or nothing that a device could be
            return measure(config) | {"calibrated": False, "calibration_error": str(error)}
        return measure(replace(config, chip=str(path))) | {"calibrated": True, "calibration_pulses": pulses}


def write_record(config: TrainConfig, budget: int, path: Path) -> int:
    """Calibrate the array of a run and write its record; return the pulses it took. Raises DeviceError."""
    (crossbar,) = setup.open_crossbars(setup.resolve(config))
    with crossbar:
        probe = Probe(crossbar, crossbar.region(slice(None)), AVERAGES, budget)
        measured = calibrate(probe, Plan.of(budget), np.random.default_rng(config.seed), lambda _: None)
        chip = twin(measured, crossbar.identity, probe.shapes, crossbar.rows, crossbar.cols, crossbar.read_voltage)
        about = {"device": crossbar.identity.device, "board_rows": crossbar.rows, "board_cols": crossbar.cols}
        Record.of(measured, chip, about).save(path)
        return int(measured.spent.sum())
