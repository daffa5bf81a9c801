"""A board with a physical array and the pins of a real FPGA board around it."""

from amaranth.hdl import Module, Signal
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.lib.io import Buffer, Direction

from firmware.analog.board import AnalogBoard
from firmware.analog.pins import INPUTS
from firmware.analog.platform import RESOURCE
from firmware.platforms import Pll
from firmware.tops import UartTop


class AnalogTop(UartTop):
    """Connects a board to the first UART of a platform of `fpga_board`, and its signals to their pins.

    Signals come straight from registers, or from logic that changes once when they do: no pin has a register of its
    own, which would take a clock from what a converter has to answer.
    """

    def __init__(self, board: AnalogBoard, pll: Pll | None) -> None:
        """Take a board; pll as in `UartTop`."""
        super().__init__(board, pll)
        self._analog = board

    def elaborate(self, platform: object) -> Module:
        """Ask the platform for its pins."""
        m, board = super().elaborate(platform), self._analog
        ports = platform.request(RESOURCE, 0, dir="-")  # type: ignore[attr-defined]
        for name in vars(ports):
            signal = getattr(board, name)
            direction = Direction.Input if name in INPUTS else Direction.Output
            m.submodules[f"pins_{name}"] = buffer = Buffer(direction, getattr(ports, name))
            m.d.comb += signal.eq(buffer.i) if name in INPUTS else buffer.o.eq(signal)
        return m

    def _reset(self, m: Module, locked: Signal) -> None:
        # All registers leave reset, in which outputs are at rest, in one clock.
        m.submodules.reset = ResetSynchronizer(~locked)
