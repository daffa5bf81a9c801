"""The readings of a calibration that is under way, in a file, so that one that was cut off can go on."""

from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwctl.arrayfile import Attribute, read_arrays, write_arrays
from hwctl.calibration.probe import Ints
from hwctl.crossbar.results import Floats
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

    def load(self) -> tuple[deque[Floats], Ints]:
        """Return the readings known so far and the cells' lifetime pulses at the start; empty where there is none.

        Raises RunError where it is of another board, region, budget or seed.
        """
        if not self.path.exists():
            return deque(), np.zeros(0, np.int64)
        attributes, arrays = read_arrays(self.path, KIND, FORMAT, "delete it to begin anew")
        for name, value in self.of.items():
            if attributes.get(name) != value:
                found = attributes.get(name)
                raise RunError(f"{self.path} has {name} {found}, not {value}; delete it to begin anew")
        return deque(arrays["readings"]), arrays["counted"]

    def save(self, taken: list[Floats], counted: Ints) -> None:
        """Write what is known. Raises OSError."""
        arrays = {"readings": np.array(taken), "counted": counted}
        write_arrays(self.path, KIND, FORMAT, self.of, arrays, {"readings": "S"})

    def remove(self) -> None:
        """Delete the file: the record is there."""
        self.path.unlink(missing_ok=True)
