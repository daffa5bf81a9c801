"""The three small tasks, whose files are part of the package (see data/SOURCES.md)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwctl.errors import TaskError
from hwctl.training.tasks.dataset import Dataset, Features, Labels, split_and_scale

PACKAGED = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Table:
    """Describe a comma-separated file: its columns, and which labels its last column may hold.

    `labels` maps the text of the last column to a class; `skipped` counts leading columns that are no
    features. With `drop_missing` a row with a "?" is left out, otherwise it is an error.
    """

    name: str
    file: str
    features: int
    labels: Mapping[str, int]
    header: bool = True
    skipped: int = 0
    drop_missing: bool = False


WBC = Table("wbc", "breast-cancer-wisconsin.data", 9, {"2": 0, "4": 1}, header=False, skipped=1, drop_missing=True)
IRIS = Table("iris", "iris.csv", 4, {"0": 0, "1": 1, "2": 2})
WINE = Table("wine", "wine.csv", 13, {"0": 0, "1": 1, "2": 2})


def load_wbc(seed: int, data_dir: Path | None = None) -> Dataset:
    """Load Wisconsin breast cancer (original): 683 complete rows, 9 features, 0 = benign, 1 = malignant.

    `seed` draws the stratified split (20% test rows). With `data_dir` the file is taken from there instead
    of the package. Raise TaskError where the file is missing or malformed. Source: doi 10.24432/C5HP4Z.
    """
    return load_table(WBC, seed, data_dir)


def load_iris(seed: int, data_dir: Path | None = None) -> Dataset:
    """Load Fisher's iris: 150 rows, 4 features, 3 species.

    Arguments and errors are those of load_wbc. Source: doi 10.24432/C56C76.
    """
    return load_table(IRIS, seed, data_dir)


def load_wine(seed: int, data_dir: Path | None = None) -> Dataset:
    """Load wine: 178 rows, 13 chemical features, 3 cultivars.

    Arguments and errors are those of load_wbc. Source: doi 10.24432/C5PC7J.
    """
    return load_table(WINE, seed, data_dir)


def load_table(table: Table, seed: int, data_dir: Path | None) -> Dataset:
    """Read, split and scale a table; raise TaskError where its file is missing or malformed."""
    path = (data_dir or PACKAGED) / table.file
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise TaskError(
            f"no file {path}; put it there, or leave the data folder out to use the packaged copy"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"cannot read {path} ({error}); fetch the file again") from None
    x, y = parse_table(table, text, str(path))
    missing = set(table.labels.values()) - set(y.tolist())
    if missing:
        raise TaskError(f"{path} has no row of class {min(missing)}; it may be cut short, fetch it again")
    return split_and_scale(table.name, x, y, len(table.labels), seed)


def parse_table(table: Table, text: str, path: str) -> tuple[Features, Labels]:
    """Return features (n, features) and labels (n,) of a file's text.

    Raise TaskError, which names `path` and the line, where a line has the wrong number of columns, a value
    that is no finite number, or an unknown label.
    """
    x: list[list[float]] = []
    y: list[int] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or (table.header and number == 1):
            continue
        fields = [field.strip() for field in line.split(",")]
        where = f"{path} line {number}"
        expected = table.skipped + table.features + 1
        if len(fields) != expected:
            raise TaskError(f"{where} has {len(fields)} columns instead of {expected}; correct the line or fetch again")
        values, label = fields[table.skipped : -1], fields[-1]
        if label not in table.labels:
            raise TaskError(f"{where} has unknown label {label!r}; use one of {', '.join(table.labels)}")
        if table.drop_missing and "?" in values:
            continue
        x.append([_number(value, where) for value in values])
        y.append(table.labels[label])
    return np.array(x, dtype=np.float64).reshape(len(x), table.features), np.array(y, dtype=np.int64)


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise TaskError(f"{where} has {text!r} where a number belongs; correct the line or fetch the file again")
    return value
