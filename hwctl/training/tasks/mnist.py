"""MNIST: the four idx files from a folder, or downloaded once, always with their checksums verified."""

import contextlib
import gzip
import hashlib
import http.client
import os
import urllib.error
import urllib.request
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import platformdirs
from numpy.typing import NDArray

from hwctl.errors import TaskError
from hwctl.training.tasks.dataset import Dataset, Features, Labels

DOWNLOAD_TIMEOUT_S = 30.0  # without a byte from the mirror, not for the whole file
ENVIRONMENT = "HWCTL_DATA"
CLASSES = 10
PARTS = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)


@dataclass(frozen=True)
class Origin:
    """Name what a valid file is and where to fetch it.

    `checksums` maps each file's name to the MD5 of its uncompressed bytes; `mirrors` are URLs of folders
    with the same names and ".gz" appended; `cache` is where downloads stay (None: the user's cache folder).
    """

    checksums: Mapping[str, str]
    mirrors: tuple[str, ...]
    cache: Path | None = None
    timeout_s: float = DOWNLOAD_TIMEOUT_S


MNIST = Origin(
    checksums=MappingProxyType(
        {
            "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
            "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
            "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
            "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
        }
    ),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist",
        "https://storage.googleapis.com/cvdf-datasets/mnist",
    ),
)


def load_mnist(seed: int, data_dir: Path | None = None, *, origin: Origin = MNIST) -> Dataset:
    """Load MNIST: 60000 training and 10000 test images, (n, 784) pixels from 0 to 1.

    The files are taken from `data_dir`, else from the folder that HWCTL_DATA names (there or in its subfolder
    mnist), else from the cache or a mirror. The split is the standard one whatever the seed. As float64 the
    images take 440 MB. Raise TaskError where a file is missing, damaged or not idx.
    """
    del seed
    if data_dir is None and os.environ.get(ENVIRONMENT):
        data_dir = Path(os.environ[ENVIRONMENT])
    arrays: list[tuple[Features, Labels]] = []
    for images, labels in PARTS:
        pixels = _load(images, data_dir, origin)
        answers = _load(labels, data_dir, origin)
        arrays.append(_check_pair(images, pixels, answers))
    (train_x, train_y), (test_x, test_y) = arrays
    provenance = (
        f"{len(train_y)} train / {len(test_y)} test images, the standard split (the seed does not change "
        "it), pixels scaled from 0..255 to 0..1"
    )
    return Dataset("mnist", train_x, train_y, test_x, test_y, CLASSES, provenance)


def parse_idx(raw: bytes, name: str) -> NDArray[np.uint8]:
    """Return the array of an uncompressed idx file of unsigned bytes, in the shape that its header states.

    Raise TaskError, which names `name`, where the bytes are not idx or are more or fewer than the header
    states. Source of the format: the MNIST database's own page (two zero bytes, type 8, dimensions,
    big-endian sizes).
    """
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08" or not 1 <= raw[3] <= 3:
        raise TaskError(f"{name} is no idx file of unsigned bytes; fetch it again")
    header = 4 + 4 * raw[3]
    if len(raw) < header:
        raise TaskError(f"{name} is cut short within its header; fetch it again")
    shape = tuple(int.from_bytes(raw[at : at + 4], "big") for at in range(4, header, 4))
    expected = int(np.prod(shape, dtype=np.float64))
    if len(raw) - header != expected:
        raise TaskError(f"{name} holds {len(raw) - header} values, its header states {expected}; fetch it again")
    return np.frombuffer(raw, dtype=np.uint8, offset=header).reshape(shape)


def _check_pair(name: str, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> tuple[Features, Labels]:
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise TaskError(f"{name} and its labels do not belong together; fetch both again")
    if len(labels) == 0 or labels.max() >= CLASSES:
        raise TaskError(f"the labels of {name} are not digits 0 to 9; fetch them again")
    return images.reshape(len(images), -1) / 255.0, labels.astype(np.int64)


def _load(name: str, data_dir: Path | None, origin: Origin) -> NDArray[np.uint8]:
    if data_dir is None:
        return parse_idx(_cached(name, origin), name)
    path = _find(name, data_dir)
    try:
        raw = _unpack(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise TaskError(f"cannot read {path} ({error}); fetch it again") from None
    if not _is_valid(raw, origin.checksums[name]):
        raise TaskError(f"{path} is not MNIST's {name}: its MD5 differs; fetch it again")
    return parse_idx(raw, str(path))


def _find(name: str, data_dir: Path) -> Path:
    for folder in (data_dir, data_dir / "mnist"):
        for file in (folder / name, folder / f"{name}.gz"):
            if file.is_file():
                return file
    raise TaskError(
        f"no {name} or {name}.gz in {data_dir} or its subfolder mnist; correct the data folder "
        f"({ENVIRONMENT} or --data-dir), or leave it out to download the files"
    )


def _cached(name: str, origin: Origin) -> bytes:
    """Return a file's uncompressed bytes from the cache, or from the first mirror that serves it intact."""
    cache = origin.cache or platformdirs.user_cache_path("hwctl") / "mnist"
    kept = cache / f"{name}.gz"
    with contextlib.suppress(OSError, EOFError, zlib.error):
        raw = _unpack(kept.read_bytes())
        if _is_valid(raw, origin.checksums[name]):
            return raw
    failures = []
    for mirror in origin.mirrors:
        url = f"{mirror}/{name}.gz"
        try:
            packed = _fetch(url, origin.timeout_s)
            raw = _unpack(packed)
        except (OSError, EOFError, zlib.error, http.client.HTTPException) as error:
            failures.append(f"{url}: {_reason(error)}")
            continue
        if _is_valid(raw, origin.checksums[name]):
            _keep(kept, packed)
            return raw
        failures.append(f"{url}: MD5 differs")
    raise TaskError(
        f"cannot download {name} ({'; '.join(failures)}); go online, or name a folder that holds the "
        f"four idx files with --data-dir or {ENVIRONMENT}"
    )


def _fetch(url: str, timeout_s: float) -> bytes:
    with urllib.request.urlopen(url, timeout=timeout_s) as reply:
        content: bytes = reply.read()
        return content


def _reason(error: Exception) -> str:
    is_status = isinstance(error, urllib.error.HTTPError)
    reason = error.reason if isinstance(error, urllib.error.URLError) and not is_status else error
    return " ".join(str(reason).split()) or type(error).__name__


def _unpack(content: bytes) -> bytes:
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def _is_valid(raw: bytes, checksum: str) -> bool:
    return hashlib.md5(raw, usedforsecurity=False).hexdigest() == checksum


def _keep(path: Path, content: bytes) -> None:
    """Write a download to the cache; a cache that cannot be written only costs the next download."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(content)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
