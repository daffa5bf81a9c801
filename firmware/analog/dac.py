"""Codes to the DACs of a board, over one SPI that they share.

AD539x: Analog Devices, "AD5390/AD5391/AD5392", data sheet Rev. E: serial interface in SPI mode (pages 6 and 29), input
register of 24 bits, data taken at the falling edge of SCLK, the output updated as /SYNC rises with /LDAC low. /CLR is
not used: its code is one for all channels, and the rest of each line is its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from firmware.analog.outputs import write_layout
from firmware.analog.parts import DacPart
from firmware.analog.spi import SpiMaster, SpiTiming


@dataclass(frozen=True)
class Output:
    """A channel of one of the DACs."""

    chip: int
    channel: int
    rest: int
    """Code at which its line is at 0 V."""


class Dacs(wiring.Component):
    """`codes` go to the outputs by their number. `to_rest` asks for all rest codes, and `rested` says it is done.

    References are turned on first, where the parts make their own; nothing else is taken before. `busy` while a code is
    on its way.
    """

    def __init__(
        self, part: DacPart, outputs: Sequence[Output], internal: Sequence[bool], half: int, high: int
    ) -> None:
        """All chips are of one part.

        internal: of each chip, whether it makes its reference. half: clocks of half of SCLK; high: clocks of /SYNC
        high between two words.
        """
        self.part, self.outputs, self.internal = part, list(outputs), list(internal)
        self.timing = SpiTiming(part.word_bits, half, high, part.samples_on)
        super().__init__(
            {
                "codes": In(stream.Signature(write_layout(len(self.outputs)))),
                "to_rest": In(1),
                "rested": Out(1),
                "busy": Out(1),
                "sclk": Out(1),
                "sdi": Out(1),
                "sync_n": Out(len(self.internal), init=-1),
            }
        )

    def elaborate(self, _: object) -> Module:
        """Look each output up, and send one word after the other."""
        self.m = m = Module()
        m.submodules.spi = self.spi = spi = SpiMaster(self.timing, len(self.internal))
        m.d.comb += [self.sclk.eq(spi.sclk), self.sdi.eq(spi.mosi), self.sync_n.eq(spi.select_n)]
        self.number = Signal(range(max(len(self.outputs), 2)))
        self.code, self.sweeping = Signal(self.part.bits), Signal()
        self._look_up()
        with m.FSM() as machine:
            m.d.comb += self.busy.eq(~machine.ongoing("IDLE"))
            self._references()
            self._begin()
            self._send()
        return m

    def _look_up(self) -> None:
        """Keep which chip, channel and rest code each output has."""
        part = self.part
        shapes = {"chip": range(max(len(self.internal), 2)), "channel": part.channel_bits, "rest": part.bits}
        self.of_output = {}
        for name, shape in shapes.items():
            values = [getattr(output, name) for output in self.outputs]
            self.m.submodules[name] = memory = Memory(shape=shape, depth=max(len(values), 2), init=values)
            port = memory.read_port()
            self.m.d.comb += port.addr.eq(self.number)
            self.of_output[name] = port.data

    def _references(self) -> None:
        m, words = self.m, self.spi.words
        chips = [n for n, internal in enumerate(self.internal) if internal]
        started = Signal(range(len(chips) + 1))
        with m.State("REFERENCES"):
            with m.Switch(started):
                for n, chip in enumerate(chips):
                    with m.Case(n):
                        m.d.comb += [words.payload.part.eq(chip), words.payload.bits.eq(self.part.reference_word)]
            m.d.comb += words.valid.eq(started != len(chips))
            with m.If(started == len(chips)):
                m.next = "IDLE"
            with m.Elif(words.ready):
                m.d.sync += started.eq(started + 1)

    def _begin(self) -> None:
        m, codes = self.m, self.codes
        with m.State("IDLE"):
            m.d.comb += codes.ready.eq(~self.to_rest)
            with m.If(self.to_rest):
                m.d.sync += [self.sweeping.eq(1), self.number.eq(0)]
                m.next = "LOOK UP"
            with m.Elif(codes.valid):
                m.d.sync += [self.number.eq(codes.payload.channel), self.code.eq(codes.payload.code)]
                m.next = "LOOK UP"

    def _send(self) -> None:
        m, part, words, found = self.m, self.part, self.spi.words, self.of_output
        with m.State("LOOK UP"):
            m.next = "SEND"
        with m.State("SEND"):
            value = Mux(self.sweeping, found["rest"], self.code)
            m.d.comb += [
                words.valid.eq(1), words.payload.part.eq(found["chip"]),
                words.payload.bits.eq(part.write | found["channel"] << part.channel_at | value << part.value_at),
            ]  # fmt: skip
            with m.If(words.ready):
                m.next = "SENDING"
        with m.State("SENDING"), m.If(self.spi.done):
            m.next = "IDLE"
            with m.If(self.sweeping):
                m.d.sync += self.number.eq(self.number + 1)
                m.next = "LOOK UP"
                with m.If(self.number == len(self.outputs) - 1):
                    m.d.sync += self.sweeping.eq(0)
                    m.next = "RESTED"
        with m.State("RESTED"):
            m.d.comb += self.rested.eq(1)
            m.next = "IDLE"
