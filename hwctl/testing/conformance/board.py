"""The target of the suite, shared by its tests."""

import os

import pytest

from hwctl.crossbar import Crossbar
from hwctl.errors import HwctlError
from hwctl.links import Link, open_link


class Board:
    """The target, opened once for many tests: opening a board may take seconds, and its state stays anyway."""

    def __init__(self, url: str) -> None:
        """Take a target URL; nothing is opened yet."""
        self.url = url
        self._link: Link | None = None

    def crossbar(self) -> Crossbar:
        """Return a new driver on the open link; the link is opened again where it does not answer."""
        if self._link is not None:
            try:
                return Crossbar(self._link)
            except HwctlError:
                self.release()
        self._link = open_link(self.url)
        opened = Crossbar(self._link)
        if self._link.bytes_moved and int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1:
            pytest.fail(f"{self.url} is one board for all processes: run the suite without -n", pytrace=False)
        return opened

    def release(self) -> None:
        """Leave the board SAFE and free for another link."""
        link, self._link = self._link, None
        if link is not None:
            link.close()
