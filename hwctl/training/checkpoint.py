"""A run's state as one HDF5 file, written whole or not at all."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hwctl.arrayfile import read_arrays, write_arrays
from hwctl.errors import RunError

FORMAT = 1
NAME = "checkpoint.h5"
KIND = "checkpoint"


@dataclass
class Checkpoint:
    """Arrays by path, and one JSON object of numbers and texts."""

    values: dict[str, Any]
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    """Unit of an array, by the last part of its path."""

    def save(self, folder: Path) -> Path:
        """Write the checkpoint into a run folder under a temporary name, then rename it.

        Raises MissingPackage without h5py.
        """
        path = folder / NAME
        write_arrays(path, KIND, FORMAT, {"values": json.dumps(self.values)}, self.arrays, self.units)
        return path

    @classmethod
    def load(cls, folder: Path) -> "Checkpoint":
        """Read a run folder's checkpoint.

        Raises RunError where it is missing, cut off, or of another format, MissingPackage without h5py.
        """
        path = folder / NAME
        attributes, arrays = read_arrays(path, KIND, FORMAT, "start the run again, without --resume")
        try:
            return cls(json.loads(attributes["values"]), arrays)
        except (KeyError, ValueError, TypeError) as error:
            raise RunError(f"{path} is no readable checkpoint ({error}); start the run again") from None
