"""The board's gateware with the pins and the clock of a real board around it."""

from amaranth.hdl import ClockDomain, ClockSignal, Instance, Module, ResetSignal, Signal
from amaranth.lib import wiring

from firmware.platforms import Pll


class UartTop(wiring.Component):
    """Connects a board to the first UART of a platform."""

    def __init__(self, board: wiring.Component, pll: Pll | None) -> None:
        """board: has a UART, `rx` and `tx`. pll: makes the clock from the platform's own; None: that one is taken."""
        super().__init__({})
        self._board, self._pll = board, pll

    def elaborate(self, platform: object) -> Module:
        """Ask the platform for its pins."""
        m = Module()
        m.submodules.board = board = self._board
        if self._pll is not None:
            self._clock(m, platform, self._pll)
        uart = platform.request("uart", 0)  # type: ignore[attr-defined]
        m.d.comb += [board.rx.eq(uart.rx.i), uart.tx.o.eq(board.tx)]
        return m

    def _clock(self, m: Module, platform: object, pll: Pll) -> None:
        m.domains.sync = ClockDomain()
        source = platform.request(platform.default_clk).i  # type: ignore[attr-defined]
        feedback, clock, locked = Signal(), Signal(), Signal()
        m.submodules.pll = Instance(
            "EHXPLLL",
            p_PLLRST_ENA="DISABLED", p_INTFB_WAKE="DISABLED", p_STDBY_ENABLE="DISABLED", p_DPHASE_SOURCE="DISABLED",
            p_OUTDIVIDER_MUXA="DIVA", p_OUTDIVIDER_MUXB="DIVB", p_FEEDBK_PATH="CLKOP",
            p_CLKI_DIV=pll.input_divider, p_CLKFB_DIV=pll.feedback_divider,
            p_CLKOP_ENABLE="ENABLED", p_CLKOP_DIV=pll.op_divider, p_CLKOP_CPHASE=pll.op_divider - 1, p_CLKOP_FPHASE=0,
            p_CLKOS_ENABLE="ENABLED", p_CLKOS_DIV=pll.os_divider, p_CLKOS_CPHASE=pll.os_divider - 1, p_CLKOS_FPHASE=0,
            i_CLKI=source, i_CLKFB=feedback, i_RST=0, i_STDBY=0, i_PHASESEL0=0, i_PHASESEL1=0, i_PHASEDIR=1,
            i_PHASESTEP=1, i_PHASELOADREG=1, i_PLLWAKESYNC=0, i_ENCLKOP=0, i_ENCLKOS=0,
            o_CLKOP=feedback, o_CLKOS=clock, o_LOCK=locked,
        )  # fmt: skip
        # nextpnr derives the constraint of this clock from that of the pin and the settings of the PLL.
        m.d.comb += ClockSignal().eq(clock)
        self._reset(m, locked)

    def _reset(self, m: Module, locked: Signal) -> None:
        m.d.comb += ResetSignal().eq(~locked)
