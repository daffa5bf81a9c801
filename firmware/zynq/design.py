"""The block design of a Zynq-7000 board: names, addresses and clock, for the Tcl, the HWH and the simulation."""

from dataclasses import dataclass

from hwctl.protocol.registers import RANGE


@dataclass(frozen=True)
class ZynqDesign:
    """A processing system with the board's core on its first general purpose port."""

    part: str
    board: str
    """Vivado's name of the board."""
    clock: int = 50_000_000
    """Hz of FCLK_CLK0, the clock of the core."""
    base: int = 0x43C0_0000
    """Address of the core's registers; in the range of M_AXI_GP0, Zynq-7000 TRM, UG585, table 4-1."""
    range: int = RANGE
    core: str = "crossbar_ctrl"
    ps: str = "processing_system7_0"
    name: str = "crossbar"


DESIGNS = {
    "pynq-z1": ZynqDesign("xc7z020clg400-1", "www.digilentinc.com:pynq-z1:part0:1.0"),
    "pynq-z2": ZynqDesign("xc7z020clg400-1", "tul.com.tw:pynq-z2:part0:1.0"),
}
"""Boards that PYNQ is made for with this part."""
