"""A driver for PYNQ: import this before `pynq.Overlay(...)`, and the overlay's core is a crossbar.

    import hwctl.crossbar.overlay
    overlay = pynq.Overlay("crossbar.bit")
    overlay.crossbar_ctrl.read()                     # what `Crossbar` has
    overlay.crossbar_ctrl.register_map.STATUS        # what pynq has

https://pynq.readthedocs.io/en/v3.1/overlay_design_methodology/python_overlay_api.html
"""

from functools import cached_property
from typing import Any

import pynq

from hwctl.crossbar.driver import Crossbar
from hwctl.links.mailbox import MailboxLink
from hwctl.links.mmio import mmio_bus
from hwctl.protocol.registers import CORE_VERSION, VLNV


class CrossbarDriver(pynq.DefaultIP):  # type: ignore[misc]
    """The core as an open `Crossbar`: all of its methods and attributes are here.

    `read` is that of `Crossbar`; words of registers are read by `mmio.read`, or by name in `register_map`.
    """

    bindto = (f"{VLNV}:{CORE_VERSION}",)

    @cached_property
    def crossbar(self) -> Crossbar:
        """The crossbar, opened at its first use. Errors as of `Crossbar.open`."""
        return Crossbar(MailboxLink(mmio_bus(self.mmio), "pynq:"))

    @property
    def read(self) -> Any:
        """`Crossbar.read`."""
        return self.crossbar.read

    def __getattr__(self, name: str) -> Any:
        """Return what the crossbar has of that name."""
        if name.startswith("_") or name in ("mmio", "device"):
            raise AttributeError(name)
        return getattr(self.crossbar, name)

    def __repr__(self) -> str:
        """Say what it is, and where."""
        identity = self.crossbar.identity
        return f"<crossbar of {identity.rows} x {identity.cols} cells, {identity.device}, at {self.mmio.base_addr:#x}>"
