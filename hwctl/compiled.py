"""Compile kernels once and keep them: numba's cache, keyed by everything that changes their machine code."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from platformdirs import user_cache_path

from hwctl import __version__
from hwctl.packages import installed, need

_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])


def cache_folder(source: Path) -> Path:
    """Return the folder of compiled kernels for one version of their source.

    Set HWCTL_CACHE_DIR to keep it elsewhere than in the user's cache folder.
    """
    import numba  # noqa: PLC0415  absent on 32-bit Arm

    root = os.environ.get("HWCTL_CACHE_DIR")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    return (Path(root) if root else user_cache_path("hwctl")) / f"kernels-{__version__}-{numba.__version__}-{digest}"


def compiler(source: Path, what: str | None = None) -> Callable[[_Kernel], _Kernel]:
    """Return a decorator that compiles a kernel of file `source` on its first call.

    what: that is no use uncompiled, for MissingPackage where numba is not installed; None: loops run as Python there.
    """
    if what is not None:
        need("numba", what)
    elif not installed("numba"):
        return lambda kernel: kernel
    import numba  # noqa: PLC0415

    folder = str(cache_folder(source))

    def compile_kernel(kernel: _Kernel) -> _Kernel:
        # numba takes the folder from a global at decoration time: put it back for other users of numba.
        settings: Any = numba.config
        before, settings.CACHE_DIR = settings.CACHE_DIR, folder
        try:
            compiled: Any = numba.njit(cache=True, error_model="numpy")(kernel)
        finally:
            settings.CACHE_DIR = before
        return compiled

    return compile_kernel
