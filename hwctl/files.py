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
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # else a power cut may leave the new name without its content
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise RunError(f"cannot write {path} ({reason}); choose a folder that can be written") from None
