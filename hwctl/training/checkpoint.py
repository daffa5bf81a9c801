"""A run's state as one HDF5 file, written whole or not at all."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwctl.errors import RunError
from hwctl.packages import need

FORMAT = 1
NAME = "checkpoint.h5"


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
        partial = folder / f".{NAME}.partial"
        try:
            self._write(partial)
            with partial.open("rb") as written:
                os.fsync(written.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return path

    def _write(self, partial: Path) -> None:
        h5py = _h5py()
        with h5py.File(partial, "w") as file:
            file.attrs["format"] = FORMAT
            file.attrs["values"] = json.dumps(self.values)
            for name, array in self.arrays.items():
                stored = file.create_dataset(name, data=array)
                unit = self.units.get(name.rsplit("/", 1)[-1])
                if unit:
                    stored.attrs["units"] = unit
            # Last: a file without it was cut off.
            file.attrs["complete"] = True
            file.flush()

    @classmethod
    def load(cls, folder: Path) -> "Checkpoint":
        """Read a run folder's checkpoint.

        Raises RunError where it is missing, cut off, or of another format, MissingPackage without h5py.
        """
        h5py = _h5py()
        path = folder / NAME
        if not path.is_file():
            raise RunError(f"{path} does not exist; start the run without --resume")
        arrays: dict[str, NDArray[Any]] = {}
        try:
            with h5py.File(path) as file:
                if not file.attrs.get("complete", False):
                    raise RunError(f"{path} was cut off while it was written; start the run again")
                if file.attrs["format"] != FORMAT:
                    raise RunError(f"{path} has format {file.attrs['format']}, this hwctl reads {FORMAT}; update hwctl")
                values = json.loads(file.attrs["values"])

                def take(name: str, item: object) -> None:
                    if isinstance(item, h5py.Dataset):
                        arrays[name] = np.array(item)

                file.visititems(take)
        except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise RunError(f"{path} is no readable checkpoint ({reason}); start the run again") from None
        return cls(values, arrays)


def _h5py() -> Any:
    """Return the module. Raises MissingPackage."""
    need("h5py", "a checkpoint")
    import h5py  # noqa: PLC0415  slow to import, and absent on 32-bit Arm

    return h5py
