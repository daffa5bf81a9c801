"""Time that has to pass between two readings: virtual where a board has it, else the host's."""

import time
from collections.abc import Callable

from hwctl.crossbar.driver import Crossbar
from hwctl.protocol.codes import Feature

SAID_EVERY = 1.0  # s


def let_pass(crossbar: Crossbar, seconds: float, say: Callable[[float], None] | None = None) -> None:
    """Let s pass. say: called each SAID_EVERY with the s that are left, where the host has to wait."""
    if crossbar.has(Feature.VIRTUAL_TIME):
        crossbar.wait(seconds)
    elif say is None:
        time.sleep(seconds)
    else:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            say(left)
            time.sleep(min(left, SAID_EVERY))
