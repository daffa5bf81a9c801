"""Writing files whole or not at all."""

import os
from pathlib import Path

from hwctl.errors import RunError


def write_file(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it; make its folder where it is missing.

    Raise RunError where the file cannot be written.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(content)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise RunError(f"cannot write {path} ({reason}); choose a folder that can be written") from None
