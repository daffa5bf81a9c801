"""What an FPGA board has to have for a board file: the connectors' pins, and the clock."""

from dataclasses import dataclass
from typing import Any

from amaranth.build import Attrs, Pins, Resource, Subsignal

from firmware.analog.boardfile import BoardFile
from firmware.analog.fpga import Fpga
from firmware.analog.pins import INPUTS
from firmware.analog.tables import shown
from firmware.errors import BoardFileError
from firmware.platforms import BAUD_WANTED, BUILDS, Pll, family_of, platforms

RESOURCE = "analog"
FAMILY = "ecp5"  # the largest iCE40 has not enough logic cells


@dataclass(frozen=True)
class Clock:
    """A clock that a platform has."""

    hz: int
    divisor: int
    """Clocks of a bit on the UART."""
    pll: Pll | None
    """None: the platform's own."""


def fpga_board(board: BoardFile) -> tuple[Any, Clock]:
    """Return the platform of a board file, with its signals as resource `analog`, and its clock.

    Raises BoardFileError where there is no [fpga], or the platform has not what it names.
    """
    fpga = board.fpga
    if fpga is None:
        raise BoardFileError("[fpga] is missing; say which pins of which FPGA board have the signals")
    platform = _platform(fpga)
    _check_pins(fpga, platform)
    platform.add_resources([_resource(fpga)])
    return platform, _clock(board, fpga, platform)


def _platform(fpga: Fpga) -> Any:
    known = {name: kind for name, kind in platforms().items() if family_of(kind()) == FAMILY}
    if fpga.platform not in known:
        raise BoardFileError(
            f"fpga.platform = {shown(fpga.platform)}: no board with an ECP5, a UART and tools from PyPI; "
            f"known: {', '.join(known)}"
        )
    return known[fpga.platform]()


def _check_pins(fpga: Fpga, platform: Any) -> None:
    """Refuse pins that the platform has not, or that are one ball of the FPGA."""
    used = _own(platform)
    for signal, pins in fpga.pins.items():
        for n, pin in enumerate(pins):
            where = f"fpga.pins.{signal}[{n}] = '{pin}'"
            connector = platform.connectors.get((pin.connector, pin.number))
            if connector is None:
                there = ", ".join(f"{name}:{number}" for name, number in platform.connectors)
                raise BoardFileError(f"{where}, but {fpga.platform} has the connectors {there or 'none'}; name one")
            if pin.pin not in connector.mapping:
                names = ", ".join(connector.mapping)
                raise BoardFileError(f"{where}, but {pin.connector}:{pin.number} has {names}; name one of these")
            ball = _ball(platform, pin.resource)
            if ball in used:
                raise BoardFileError(f"{where} is {ball} of the FPGA, as is {used[ball]}; name another")
            used[ball] = f"fpga.pins.{signal}[{n}]"


def _ball(platform: Any, name: str) -> str:
    mapping = {f"{pin}": plat for connector in platform.connectors.values() for pin, plat in connector}
    while ":" in name:
        name = mapping[name]
    return name


def _own(platform: Any) -> dict[str, str]:
    """Return what of the platform a build takes beside: the clock and the UART, by ball."""
    found = {}
    for name in (platform.default_clk, "uart"):
        for item in platform.resources[name, 0].ios:
            pins = item.ios[0] if isinstance(item, Subsignal) else item
            if isinstance(pins, Pins):
                found |= {_ball(platform, ball): f"the board's {name}" for ball in pins.names}
    return found


def _resource(fpga: Fpga) -> Resource:
    signals = []
    for signal, pins in fpga.pins.items():
        names = " ".join(pin.resource for pin in pins)
        # A part that is not selected, or not there, reads as zeros.
        pull = [Attrs(PULLMODE="DOWN")] if signal in INPUTS else []
        signals.append(Subsignal(signal, Pins(names, dir="i" if signal in INPUTS else "o"), *pull))
    return Resource(RESOURCE, 0, *signals, Attrs(IO_TYPE=fpga.standard))


def _clock(board: BoardFile, fpga: Fpga, platform: Any) -> Clock:
    own = round(platform.default_clk_frequency)
    there = {own: Clock(own, max(4, -(-own // BAUD_WANTED)), None)}
    chosen = BUILDS.get(fpga.platform)
    if chosen is not None:
        p = chosen.parameters
        there[p.clock] = Clock(p.clock, p.divisor, chosen.pll)
    if board.clock not in there:
        clocks = " or ".join(f"{hz:g}" for hz in there)
        raise BoardFileError(f"board.clock_hz = {board.clock:g}, but {fpga.platform} has {clocks} Hz; give that")
    return there[round(board.clock)]
