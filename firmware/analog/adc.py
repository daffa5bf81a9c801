"""Readings of the ADCs of a board, all of them at once: they share clock, frames and select, and each has a line.

ADS79xx: Texas Instruments, SLAS605C: manual mode, in which a frame names the channel that the next frame converts and
the one after that returns; bits are taken at the rising edge of SCLK and change at the falling one.
"""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from firmware.analog.parts import AdcPart
from firmware.analog.spi import SpiMaster, SpiTiming


class Adcs(wiring.Component):
    """`channels` are converted one after the other while `go`; `values` of all chips come in the same order.

    `converted` is high for one clock with each channel's values: of `channel`, which was asked for two frames before.
    A chip's bit in `wrong` is high where it says that its value is of another one: its lines are stuck, or it does not
    answer. `settled`: no frame is on its way. What `go` has begun comes to its end: two more frames.
    """

    def __init__(self, part: AdcPart, chips: int, span: int, half: int, high: int) -> None:
        """All chips are of one part.

        span: input range in references, 1 or 2; half: clocks of half of SCLK; high: clocks of /CS high between frames.
        """
        self.part, self.chips, self.span = part, chips, span
        self.timing = SpiTiming(part.word_bits, half, high, part.samples_on)
        super().__init__(
            {
                "channels": In(stream.Signature(range(max(part.channels, 2)))),
                "values": Out(part.bits).array(chips),
                "channel": Out(4),
                "wrong": Out(chips),
                "converted": Out(1),
                "settled": Out(1),
                "sclk": Out(1),
                "sdi": Out(1),
                "cs_n": Out(1, init=1),
                "sdo": In(chips),
            }
        )

    def elaborate(self, _: object) -> Module:
        """Keep which of the frames on their way hold a reading."""
        m, part = Module(), self.part
        m.submodules.spi = spi = SpiMaster(self.timing, 1, self.chips)
        asked = Signal(part.latency + 1)  # bit n: the frame of n frames ago named a channel that is wanted
        named = [Signal.like(self.channels.payload, name=f"named_{n}") for n in range(part.latency + 1)]
        m.d.comb += [
            self.sclk.eq(spi.sclk), self.sdi.eq(spi.mosi), self.cs_n.eq(spi.select_n), spi.miso.eq(self.sdo),
            self.settled.eq(~spi.busy & ~asked.any() & ~self.channels.valid),
            # Empty frames follow a reading until it has come.
            spi.words.valid.eq(self.channels.valid | asked[: part.latency].any()),
            spi.words.payload.bits.eq(part.word(0, self.span) | self.channels.payload << part.channel_at),
            self.channels.ready.eq(spi.words.ready),
        ]  # fmt: skip
        with m.If(spi.words.valid & spi.words.ready):
            m.d.sync += asked.eq(asked << 1 | self.channels.valid)
            m.d.sync += [later.eq(one) for one, later in zip([self.channels.payload, *named], named, strict=False)]
        with m.Elif(spi.done & ~asked[: part.latency].any()):
            m.d.sync += asked.eq(0)
        m.d.comb += self.converted.eq(spi.done & asked[part.latency])
        for value, word in zip(self.values, spi.received, strict=True):
            m.d.comb += value.eq(word)
        m.d.comb += [
            self.channel.eq(named[part.latency]),
            self.wrong.eq(Cat(word >> part.result_channel_at != self.channel for word in spi.received)),
        ]
        return m
