"""A run's folder: config.toml, metrics.csv, trace.csv, checkpoint.h5, and what the report adds."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hwctl.arrayfile import refusing
from hwctl.errors import RunError
from hwctl.files import write_file
from hwctl.training.checkpoint import NAME, Checkpoint
from hwctl.training.config import TrainConfig
from hwctl.training.evaluation import Metrics
from hwctl.training.trainer import UNITS

CONFIG = "config.toml"
METRICS = "metrics.csv"
TRACE = "trace.csv"


class RunFolder:
    """Where one run keeps what it is and how far it came."""

    def __init__(self, path: Path) -> None:
        """Take a path; nothing is written yet."""
        self.path = path

    @classmethod
    def create(cls, path: Path, config: TrainConfig) -> "RunFolder":
        """Make a new folder for a run. Raises RunError where one is there already."""
        if (path / CONFIG).exists():
            raise RunError(f"{path} holds a run already; go on with '--resume {path}', or choose another with --run")
        folder = cls(path)
        folder.keep(config)
        return folder

    def keep(self, config: TrainConfig) -> None:
        """Write the run's configuration. Raises RunError where the disk refuses."""
        write_file(self.path / CONFIG, config.to_toml().encode())

    def has_checkpoint(self) -> bool:
        """Return whether there is something to go on from."""
        return (self.path / NAME).exists()

    @classmethod
    def next_free(cls, parent: Path, task: str) -> Path:
        """Return TASK-1, TASK-2, ... in `parent`: the first that does not exist."""
        number = 1
        while (parent / f"{task}-{number}").exists():
            number += 1
        return parent / f"{task}-{number}"

    def config(self) -> TrainConfig:
        """Return the run's configuration. Raises RunError where it is missing or damaged."""
        path = self.path / CONFIG
        if not path.is_file():
            raise RunError(f"{self.path} holds no run ({CONFIG} is missing); name the folder of a run")
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(f"{path} cannot be read: {error}") from None
        return TrainConfig.from_toml(text, path)

    def save(self, checkpoint: Checkpoint, history: Sequence[Metrics]) -> None:
        """Write checkpoint and metrics, each whole or not at all. Raises RunError where the disk refuses."""
        self._table(METRICS, history)
        trace = checkpoint.values.get("trace", [])
        if trace:
            self._table(TRACE, trace)
        self._write(checkpoint)

    def _table(self, name: str, rows: Sequence[Metrics]) -> None:
        text = io.StringIO()
        if rows:
            writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        write_file(self.path / name, text.getvalue().encode())

    def _write(self, checkpoint: Checkpoint) -> None:
        with refusing(f"the checkpoint in {self.path}"):
            checkpoint.save(self.path)

    def add(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Add arrays to the checkpoint, which stays what it is else. Raises RunError as `save` and `load`."""
        saved = self.load()
        saved.arrays |= arrays
        saved.units = UNITS
        self._write(saved)

    def load(self) -> Checkpoint:
        """Return the checkpoint. Raises RunError where it is missing or damaged."""
        return Checkpoint.load(self.path)
