"""Patterns to the switches of a board: shift registers with output latches, or pins of the FPGA.

74HC595: Nexperia, "74HC595; 74HCT595", function table: data is shifted in at the rising edge of SHCP, and all outputs
take over at the rising edge of STCP. The pattern's bit n goes to output n, 0 nearest to the FPGA: the highest is
shifted in first. STCP is low while shifting, so that it rises behind the last bit.
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from firmware.analog.spi import SpiMaster, SpiTiming


class Switches(wiring.Component):
    """`pattern` is shifted in whenever it differs from what is there, and at power-up. `busy` until it is there."""

    def __init__(self, outputs: int, half: int, rest: int) -> None:
        """half: clocks of half of the shift clock; rest: pattern at power-up."""
        self.outputs, self.rest = outputs, rest
        self.timing = SpiTiming(outputs, half, half)
        super().__init__(
            {
                "pattern": In(outputs, init=rest),
                "busy": Out(1),
                "shcp": Out(1),
                "ds": Out(1),
                "stcp": Out(1, init=1),
            }
        )

    def elaborate(self, _: object) -> Module:
        """Send what is new."""
        m = Module()
        m.submodules.spi = spi = SpiMaster(self.timing, 1)
        sent, known = Signal(self.outputs, init=self.rest), Signal()
        m.d.comb += [
            self.shcp.eq(spi.sclk), self.ds.eq(spi.mosi), self.stcp.eq(spi.select_n),
            spi.words.payload.bits.eq(self.pattern), spi.words.valid.eq(~known | (self.pattern != sent)),
            self.busy.eq(spi.words.valid | spi.busy),
        ]  # fmt: skip
        with m.If(spi.words.valid & spi.words.ready):
            m.d.sync += [sent.eq(self.pattern), known.eq(1)]
        return m


class SwitchPins(wiring.Component):
    """`pattern` is at the pins in the clock behind the one in which it came, while `enable` is high; else `rest` is.

    A pin comes from one register and the enable: it changes once where one of them does.
    """

    def __init__(self, outputs: int, rest: int) -> None:
        """rest: pattern with which nothing is driven, all lines are at ground and gates off."""
        self.rest = rest
        super().__init__(
            {"pattern": In(outputs, init=rest), "enable": In(1), "busy": Out(1), "pins": Out(outputs, init=rest)}
        )

    def elaborate(self, _: object) -> Module:
        """Keep the pattern."""
        m = Module()
        held = Signal(len(self.pattern), init=self.rest)
        m.d.sync += held.eq(self.pattern)
        m.d.comb += [self.busy.eq(held != self.pattern), self.pins.eq(Mux(self.enable, held, self.rest))]
        return m
