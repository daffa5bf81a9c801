"""Arrays with units, and attributes, in one HDF5 file that is there whole or not at all."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwctl.errors import RunError
from hwctl.packages import need

COMPRESSED = 100_000  # values of an array from which on compression pays
Attribute = str | int | float | bool


def write_arrays(
    path: Path, kind: str, version: int, attributes: Mapping[str, Attribute], arrays: Mapping[str, NDArray[Any]],
    units: Mapping[str, str], *, compress: bool = False,
) -> None:  # fmt: skip
    """Write arrays by their path in the file under a temporary name, then rename it.

    kind: what the file is, with `version` of its format; units: by an array's path, or by the last part of it;
    compress: large arrays, with gzip. Raises MissingPackage without h5py, OSError where the file cannot be written.
    """
    h5py = _h5py(kind)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with h5py.File(partial, "w") as file:
            file.attrs["format"] = version
            file.attrs.update(attributes)
            for name, array in arrays.items():
                stored = file.create_dataset(
                    name, data=array, compression="gzip" if compress and array.size > COMPRESSED else None
                )
                unit = units.get(name) or units.get(name.rsplit("/", 1)[-1])
                if unit:
                    stored.attrs["units"] = unit
            # Last: a file without it was cut off.
            file.attrs["complete"] = True
            file.flush()
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Raise RunError in one line where the disk refuses what is written within. what: the object of "cannot write"."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # h5py raises RuntimeError where closing a file fails
        raise RunError(f"cannot write {what}: {str(error).splitlines()[0]}; free some space") from None


def read_arrays(path: Path, kind: str, version: int, again: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return attributes and arrays of a file. again: what to do where it is of no use.

    Raises RunError where it is missing, cut off or of another format, MissingPackage without h5py.
    """
    arrays: dict[str, NDArray[Any]] = {}

    def take(name: str, item: Any) -> None:
        if hasattr(item, "shape"):  # a dataset: groups have none
            arrays[name] = np.array(item)

    with _opened(path, kind, version, again) as file:
        file.visititems(take)
        return dict(file.attrs), arrays


def read_attributes(path: Path, kind: str, version: int, again: str) -> dict[str, Any]:
    """Return the attributes of a file, of which no array is read; arguments and errors as of `read_arrays`."""
    with _opened(path, kind, version, again) as file:
        return dict(file.attrs)


@contextmanager
def _opened(path: Path, kind: str, version: int, again: str) -> Iterator[Any]:
    h5py = _h5py(kind)
    if not path.is_file():
        raise RunError(f"{path} does not exist; {again}")
    try:
        with h5py.File(path, "r") as file:
            if not file.attrs.get("complete", False):
                raise RunError(f"{path} was cut off while it was written; {again}")
            if file.attrs["format"] != version:
                raise RunError(f"{path} has format {file.attrs['format']}, this hwctl reads {version}; update hwctl")
            yield file
    except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise RunError(f"{path} is no readable {kind} ({reason}); {again}") from None


def _h5py(kind: str) -> Any:
    """Return the module. Raises MissingPackage."""
    need("h5py", f"a {kind}")
    import h5py  # noqa: PLC0415  slow to import, and absent on 32-bit Arm

    return h5py
