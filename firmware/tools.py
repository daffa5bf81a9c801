"""The tools that make something of gateware, and a folder that keeps what they made."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from platformdirs import user_cache_path

from firmware.errors import BuildError

INSTALL = "install it with pip install '.[gateware]'"


def cache_folder() -> Path:
    """Return the folder of built simulations; HWCTL_CACHE_DIR sets another than the user's cache folder."""
    root = os.environ.get("HWCTL_CACHE_DIR")
    return (Path(root) if root else user_cache_path("hwctl")) / "gateware"


@contextmanager
def work_folder(prefix: str) -> Iterator[Path]:
    """Give a new folder and delete it. It is not below /tmp: the tools run in a sandbox that has a /tmp of its own."""
    parent = cache_folder()
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def package_version(package: str) -> str:
    """Return the version of an installed package. Raises BuildError where it is missing."""
    try:
        return version(package)
    except PackageNotFoundError:
        raise BuildError(f"{package} is missing; {INSTALL}") from None


def package_folder(package: str) -> Path:
    """Return the folder of an importable package. Raises BuildError where it is missing."""
    found = find_spec(package)
    if found is None or found.origin is None:
        raise BuildError(f"{package} is missing; {INSTALL}")
    return Path(found.origin).parent


def compiler() -> str:
    """Return the C++ compiler: $CXX, g++ or clang++. Raises BuildError where there is none."""
    for name in (os.environ.get("CXX"), "g++", "clang++"):
        if name and shutil.which(name):
            return name
    raise BuildError("no C++ compiler: install g++ (Debian: apt install g++), or name one in CXX")


def run(
    command: Sequence[str], *, what: str, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> str:
    """Run a tool, in a folder, and return its output. Raises BuildError with the end of what it said where it fails."""
    try:
        done = subprocess.run(
            command, env={**os.environ, **(environment or {})}, cwd=folder, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise BuildError(f"{what}: cannot run {command[0]} ({error.strerror or error}); {INSTALL}") from None
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-300:]
        raise BuildError(f"{what} failed: {said}")
    return done.stdout
