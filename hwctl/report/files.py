"""Tables as CSV."""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwctl.files import write_file


@dataclass(frozen=True, eq=False)
class Table:
    """Hold the values of a plot: columns of equal length, whose names end in their unit (_uS, _percent)."""

    name: str
    columns: Mapping[str, NDArray[Any]]

    def __getitem__(self, column: str) -> NDArray[Any]:
        return self.columns[column]

    @property
    def file(self) -> str:
        """Name of the CSV file."""
        return f"{self.name}.csv"


def write_csv(folder: Path, table: Table) -> Path:
    """Write a table as CSV with a header line, nine significant digits; return its path.

    Raise RunError where the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(zip(*(_texts(column) for column in table.columns.values()), strict=True))
    path = folder / table.file
    write_file(path, text.getvalue().encode())
    return path


def slug(name: str) -> str:
    """Return a name that is safe as a file name on every system."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "unnamed"


def _texts(column: NDArray[Any]) -> list[str]:
    if np.issubdtype(column.dtype, np.floating):
        return [f"{value:.9g}" for value in column.tolist()]
    return [str(value) for value in column.tolist()]
