"""The environment of programs that a test starts."""

import os


def alone() -> dict[str, str]:
    """Return this program's, without what would make pytest in it believe that it is one of several workers."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
