"""Byte lines to boards by target URL: what `serve` relays and what faults are put into."""

from hwctl.links.ports import Port
from hwctl.links.server import BoardServer, LoopPort
from hwctl.links.target import Target, open_link

LINES = ("serial", "socket", "rfc2217", "loop", "sim")


def is_line(url: str) -> bool:
    """Return whether the board of a URL has a byte line, on which the session ends at the board itself."""
    return Target.parse(url).scheme in LINES


def open_port(url: str) -> Port:
    """Open the byte line of a target; of a board without one, such as an emulator, make one. Raises TargetError."""
    target = Target.parse(url)
    if target.scheme == "sim":
        from hwctl.links.simulated import port_of as simulated_port  # noqa: PLC0415  nor is this

        return simulated_port(target)
    if target.scheme in LINES:
        from hwctl.links.uart import port_of  # noqa: PLC0415  pyserial is not needed for the others

        return port_of(target)
    link = open_link(url)
    return LoopPort(BoardServer(link), link.url)
