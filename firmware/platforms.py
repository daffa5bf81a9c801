"""FPGA boards that bitstreams are built for: amaranth-boards' platforms with a UART, and what is built by default."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import amaranth_boards
from amaranth.vendor import LatticePlatform, SiliconBluePlatform

from firmware.errors import BuildError
from firmware.parameters import Parameters

BOARD_NAMES = "amaranth_boards"
FAMILIES = ("ecp5", "ice40")  # what the tools from PyPI make bitstreams for


@dataclass(frozen=True)
class Pll:
    """Settings of an ECP5 EHXPLLL whose feedback is CLKOP; Lattice TN1263. The clock is taken from CLKOS."""

    input_divider: int
    feedback_divider: int
    op_divider: int
    os_divider: int


@dataclass(frozen=True)
class BoardBuild:
    """What is built for one board."""

    parameters: Parameters
    pll: Pll | None = None
    """None: the board's own clock."""


#: Builds with settings of their own; `bitstreams/` holds what was built of them.
BUILDS: dict[str, BoardBuild] = {
    # 25 MHz / 5 * 12 = 60 MHz at CLKOP, 480 MHz in the VCO, / 10 = 48 MHz; 48 MHz / 16 = 3 Mbaud
    "ulx3s-85f": BoardBuild(Parameters(rows=128, cols=128, lanes=2, clock=48_000_000, divisor=16), Pll(5, 12, 8, 10)),
    # 12 MHz / 12 = 1 Mbaud
    "icebreaker": BoardBuild(
        Parameters(
            rows=32,
            cols=32,
            clock=12_000_000,
            divisor=12,
            receive_budget=2048,
            reply_budget=2048,
            largest_frame=2048,
            loops=False,
            outer=False,
            spram=True,
            compact=True,
        )
    ),
}
BAUD_WANTED = 1_000_000  # what USB bridges of all boards can do
DEFAULT = Parameters(
    rows=16, cols=16, clock=1, divisor=4, receive_budget=2048, reply_budget=2048, largest_frame=2048,
    transposed=False, loops=False, outer=False,
)  # fmt: skip


def build_of(name: str, changes: Mapping[str, int]) -> BoardBuild:
    """Return what is built for a board, with other rows, cols or lanes. Raises BuildError."""
    platform = platform_of(name)
    chosen = BUILDS.get(name)
    if chosen is None:
        frequency = round(platform().default_clk_frequency)
        divisor = max(4, -(-frequency // BAUD_WANTED))
        chosen = BoardBuild(replace(DEFAULT, clock=frequency, divisor=divisor))
    try:
        return replace(chosen, parameters=replace(chosen.parameters, **changes))
    except ValueError as error:
        raise BuildError(f"{name}: {error}") from None


def platforms() -> dict[str, type]:
    """Return the platforms with a UART and tools from PyPI, by the name of their board."""
    return dict(sorted(_platforms()))


def _platforms() -> Iterator[tuple[str, type]]:
    for module in pkgutil.iter_modules(amaranth_boards.__path__):
        if module.ispkg or module.name == "test":
            continue
        try:
            found = importlib.import_module(f"{BOARD_NAMES}.{module.name}")
        except ImportError:
            continue
        for name, kind in inspect.getmembers(found, inspect.isclass):
            if name.endswith("Platform") and kind.__module__ == found.__name__ and _usable(kind):
                yield _board_name(module.name, name), kind


def _usable(kind: type) -> bool:
    if not issubclass(kind, (LatticePlatform, SiliconBluePlatform)) or inspect.isabstract(kind):
        return False
    has_uart = any(resource.name == "uart" for resource in kind.resources)
    return has_uart and family_of(kind()) in FAMILIES


def family_of(platform: Any) -> str:
    """Return the family of a platform's FPGA in small letters."""
    return str(platform.family).lower()


def _board_name(module: str, kind: str) -> str:
    """Return `ulx3s-85f` for ULX3S_85F_Platform of module ulx3s, the module's name where it has one platform."""
    detail = kind.removesuffix("Platform").strip("_").lower().replace("_", "-")
    flat = module.replace("_", "-")
    return flat if detail.replace("-", "") == flat.replace("-", "") else detail


def platform_of(name: str) -> type:
    """Return the platform of a board. Raises BuildError where there is none."""
    known = platforms()
    if name not in known:
        raise BuildError(f"no board '{name}' with a UART and tools from PyPI; known: {', '.join(known)}")
    return known[name]
