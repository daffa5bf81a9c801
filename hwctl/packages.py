"""Packages that 32-bit Arm has no wheels of, so that hwctl is installed there without them: numba, h5py, scipy..."""

from importlib.util import find_spec

from hwctl.errors import MissingPackage

ON_A_PC = "run hwctl on a PC and reach this board with 'hwctl serve' on it and socket://"


def installed(package: str) -> bool:
    """Return whether a package is there; it is not imported."""
    return find_spec(package) is not None


def need(package: str, what: str, instead: str = ON_A_PC) -> None:
    """Raise MissingPackage where a package is not installed.

    what: that needs it, the subject of a sentence; instead: what can be done without it.
    """
    if not installed(package):
        raise MissingPackage(f"{what} needs {package}, which is not installed; 'pip install {package}', or {instead}")
