"""The block design of a Zynq-7000 board: names, addresses and clock, for the Tcl, the HWH and the simulation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from firmware.errors import BuildError
from firmware.parameters import Parameters
from hwctl.protocol.registers import RANGE

CORE = Parameters(rows=128, cols=64, lanes=2, clock=50_000_000)


@dataclass(frozen=True)
class ZynqDesign:
    """A processing system with the board's core on its first general purpose port."""

    part: str
    board: str
    """Vivado's name of the board."""
    parameters: Parameters = CORE
    """Of the core; its clock is FCLK_CLK0."""
    base: int = 0x43C0_0000
    """Address of the core's registers; in the range of M_AXI_GP0, Zynq-7000 TRM, UG585, table 4-1."""
    range: int = RANGE
    core: str = "crossbar_ctrl"
    ps: str = "processing_system7_0"
    name: str = "crossbar"

    @property
    def clock(self) -> int:
        """Hz."""
        return self.parameters.clock


DESIGNS = {
    "pynq-z1": ZynqDesign("xc7z020clg400-1", "www.digilentinc.com:pynq-z1:part0:1.0"),
    "pynq-z2": ZynqDesign("xc7z020clg400-1", "tul.com.tw:pynq-z2:part0:1.0"),
}
"""Boards that PYNQ is made for with this part."""


def design_of(board: str, changes: Mapping[str, int]) -> ZynqDesign:
    """Return the design of a board, with other rows, cols or lanes. Raises BuildError."""
    design = DESIGNS[board]
    try:
        return replace(design, parameters=replace(design.parameters, **changes))
    except ValueError as error:
        raise BuildError(f"{board}: {error}") from None
