"""The readings of a calibration that is under way, in a file, so that one that was cut off can go on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwctl.arrayfile import Attribute, read_arrays, refusing, write_arrays
from hwctl.calibration.probe import Known
from hwctl.errors import RunError

KIND, FORMAT = "part of a calibration", 1
SUFFIX = ".partial"


@dataclass
class Partial:
    """A file beside the record that is to be made. `of`: what has to be the same when it goes on."""

    path: Path
    of: dict[str, Attribute]

    @classmethod
    def beside(cls, record: Path, of: dict[str, Attribute]) -> "Partial":
        """Return the one of a record."""
        return cls(record.with_name(record.name + SUFFIX), of)

    def load(self) -> Known | None:
        """Return what is known so far; None where there is no such file.

        Raises RunError where it is of another board, region, budget or seed.
        """
        if not self.path.exists():
            return None
        attributes, arrays = read_arrays(self.path, KIND, FORMAT, "delete it to begin anew")
        for name, value in self.of.items():
            if attributes.get(name) != value:
                found = attributes.get(name)
                raise RunError(f"{self.path} has {name} {found}, not {value}; delete it to begin anew")
        return Known(arrays["counted"], list(arrays["readings"]), arrays["times"].tolist())

    def save(self, known: Known) -> None:
        """Write what is known. Raises RunError where that is impossible."""
        arrays = {"readings": np.array(known.readings), "times": np.array(known.times), "counted": known.counted}
        with refusing(str(self.path)):
            write_arrays(self.path, KIND, FORMAT, self.of, arrays, {"readings": "S", "times": "s"})

    def remove(self) -> None:
        """Delete the file: the record is there."""
        self.path.unlink(missing_ok=True)
