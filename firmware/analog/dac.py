"""Codes to the DACs of a board, over one SPI that they share.

AD539x: Analog Devices, "AD5390/AD5391/AD5392", data sheet Rev. E: serial interface in SPI mode (pages 6 and 29), input
register of 24 bits, data taken at the falling edge of SCLK, the output updated as /SYNC rises with /LDAC low. /CLR is
not used: its code is one for all channels, and the rest of each line is its own. A word with R/W high lets the next
word to the part bring what a channel's register holds, at SDO, a bit with each rising edge of SCLK.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from firmware.analog.outputs import write_layout
from firmware.analog.parts import DacPart
from firmware.analog.spi import SpiMaster, SpiTiming

BETWEEN = 5
"""Clocks of /SYNC high behind a word that asks, before any wait."""


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
    on its way. `stands`: all that came have been sent, and where parts are read back, hold them: they are asked once
    `check` is high, and those at rest before `rested`. `wrong` is high for one clock where one does not; the rest codes
    are sent again until all do.
    """

    def __init__(
        self, part: DacPart, outputs: Sequence[Output], internal: Sequence[bool], half: int, high: int,
        read_high: int | None = None,
    ) -> None:  # fmt: skip
        """All chips are of one part.

        internal: of each chip, whether it makes its reference. half: clocks of half of SCLK; high: clocks of /SYNC
        high between two words; read_high: behind one that asks for a register; None: nothing is read back.
        """
        self.part, self.outputs, self.internal = part, list(outputs), list(internal)
        self.read_high = read_high
        self.timing = SpiTiming(part.word_bits, half, high, part.samples_on, late=self.reads)
        super().__init__(
            {
                "codes": In(stream.Signature(write_layout(len(self.outputs)))),
                "to_rest": In(1),
                "rested": Out(1),
                "busy": Out(1),
                "check": In(1),
                "stands": Out(1),
                "wrong": Out(1),
                "sclk": Out(1),
                "sdi": Out(1),
                "sync_n": Out(len(self.internal), init=-1),
                **({"sdo": In(len(self.internal))} if self.reads else {}),
            }
        )

    @property
    def reads(self) -> bool:
        """Whether parts are read back."""
        return self.read_high is not None

    def elaborate(self, _: object) -> Module:
        """Look each output up, and send one word after the other."""
        self.m = m = Module()
        m.submodules.spi = self.spi = spi = SpiMaster(self.timing, len(self.internal), len(self.internal) * self.reads)
        m.d.comb += [self.sclk.eq(spi.sclk), self.sdi.eq(spi.mosi), self.sync_n.eq(spi.select_n)]
        self.number = Signal(range(max(len(self.outputs), 2)))
        self.code, self.sweeping = Signal(self.part.bits), Signal()
        self.value = Signal(self.part.bits)  # of the output at hand, as it is sent
        self._look_up()
        if self.reads:
            m.submodules.queue = self.queue = _Queue(len(self.outputs))
            m.d.comb += spi.miso.eq(self.sdo)
        with m.FSM() as machine:
            m.d.comb += self.busy.eq(~machine.ongoing("IDLE"))
            # In a register, as all that is driven hangs on it: it falls in the clock behind the one that takes a code.
            idle = machine.ongoing("IDLE") & ~self.codes.valid & ~self.to_rest
            m.d.sync += self.stands.eq(idle & (self.queue.empty if self.reads else 1))
            self._references()
            self._begin()
            self._send()
            if self.reads:
                self._ask()
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
            m.d.comb += codes.ready.eq(~self.to_rest & (~self.queue.full if self.reads else 1))
            with m.If(self.to_rest):
                self._sweep()
            with m.Elif(codes.valid & codes.ready):
                m.d.sync += [self.number.eq(codes.payload.channel), self.code.eq(codes.payload.code)]
                m.next = "LOOK UP"
            if self.reads:
                with m.Elif(~self.queue.empty & (self.check | self.queue.full)):
                    m.next = "CHECK"

    def _sweep(self) -> None:
        """Send all rest codes, from the next clock on."""
        m = self.m
        if self.reads:
            m.d.comb += self.queue.clear.eq(1)
        m.d.sync += [self.sweeping.eq(1), self.number.eq(0)]
        m.next = "LOOK UP"

    def _send(self) -> None:
        m, part, words, found = self.m, self.part, self.spi.words, self.of_output
        with m.State("LOOK UP"):
            m.next = "SEND"
        with m.State("SEND"):
            m.d.comb += [
                self.value.eq(Mux(self.sweeping, found["rest"], self.code)),
                words.valid.eq(1), words.payload.part.eq(found["chip"]),
                words.payload.bits.eq(part.write | found["channel"] << part.channel_at | self.value << part.value_at),
            ]  # fmt: skip
            if self.reads:
                m.d.comb += [self.queue.put.eq(words.ready), self.queue.number.eq(self.number)]
            with m.If(words.ready):
                m.next = "SENDING"
        with m.State("SENDING"), m.If(self.spi.done):
            m.next = "IDLE"
            with m.If(self.sweeping):
                m.d.sync += self.number.eq(self.number + 1)
                m.next = "LOOK UP"
                with m.If(self.number == len(self.outputs) - 1):
                    m.next = "CHECK" if self.reads else "RESTED"
        with m.State("RESTED"):
            m.d.comb += self.rested.eq(1)
            m.d.sync += self.sweeping.eq(0)
            m.next = "IDLE"

    def _ask(self) -> None:
        """Ask for the registers that were written, one a word; each word brings what the one before asked for."""
        m, spi, part, queue, found = self.m, self.spi, self.part, self.queue, self.of_output
        kept = self._kept()
        asked, chip = Signal(), Signal.like(found["chip"])
        wanted = Signal(part.channel_bits + part.bits)  # channel and code that it should bring
        more, failed, wait = Signal(), Signal(), Signal(range(max(self.read_high or 0, 2)))
        m.d.sync += self.wrong.eq(0)
        with m.State("CHECK"):
            m.d.sync += self.number.eq(queue.first)
            m.next = "CHECKED"
            with m.If(queue.empty & ~asked):
                m.next = "IDLE"
                with m.If(self.sweeping):
                    m.next = "RESTED"
                    with m.If(failed):
                        m.d.sync += failed.eq(0)
                        self._sweep()
                with m.Else():
                    m.d.sync += failed.eq(0)
        with m.State("CHECKED"):
            m.next = "ASK"
        with m.State("ASK"):
            of_this = ~queue.empty & (~asked | (chip == found["chip"]))
            question = part.read_word(0) | found["channel"] << part.channel_at
            m.d.comb += [
                spi.words.valid.eq(1), spi.words.payload.part.eq(Mux(of_this, found["chip"], chip)),
                spi.words.payload.bits.eq(Mux(of_this, question, 0)),
            ]  # fmt: skip
            with m.If(spi.words.ready):
                m.d.sync += more.eq(of_this)
                m.next = "ASKING"
        with m.State("ASKING"), m.If(spi.done):
            brought = Array(spi.received)[chip]
            channel = brought[part.channel_at :][: part.channel_bits]
            is_wrong = asked & (Cat(brought[part.value_at :][: part.bits], channel) != wanted)
            m.d.comb += queue.take.eq(more)
            m.d.sync += [
                self.wrong.eq(is_wrong), failed.eq(failed | is_wrong), asked.eq(more), chip.eq(found["chip"]),
                wanted.eq(Cat(kept, found["channel"])), wait.eq(max((self.read_high or 0) - BETWEEN, 0)),
            ]  # fmt: skip
            m.next = "BETWEEN"
        with m.State("BETWEEN"):
            m.d.sync += wait.eq(wait - 1)
            with m.If(wait == 0):
                m.next = "CHECK"

    def _kept(self) -> Value:
        """Keep the last code of each output; return that of the output at hand."""
        m = self.m
        m.submodules.kept = memory = Memory(shape=self.part.bits, depth=max(len(self.outputs), 2), init=[])
        put, port = memory.write_port(), memory.read_port()
        m.d.comb += [
            put.addr.eq(self.number), put.data.eq(self.value), put.en.eq(self.queue.put), port.addr.eq(self.number),
        ]  # fmt: skip
        return port.data


class _Queue(wiring.Component):
    """Numbers of outputs that were written and not yet asked for, each as often as it was; `clear` forgets them."""

    def __init__(self, outputs: int) -> None:
        bits = bits_for(outputs)  # all of them, and one free place
        number = range(max(outputs, 2))
        super().__init__(
            {
                "put": In(1), "number": In(number), "take": In(1), "clear": In(1),
                "first": Out(number), "empty": Out(1), "full": Out(1),
            }
        )  # fmt: skip
        self._head, self._tail = Signal(bits), Signal(bits)

    def elaborate(self, _: object) -> Module:
        m, head, tail = Module(), self._head, self._tail
        m.submodules.numbers = memory = Memory(shape=self.number.shape(), depth=1 << len(head), init=[])
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.addr.eq(head), write.data.eq(self.number), write.en.eq(self.put),
            read.addr.eq(tail), self.first.eq(read.data),
            self.empty.eq(head == tail), self.full.eq((head + 1)[: len(head)] == tail),
        ]  # fmt: skip
        m.d.sync += [head.eq(head + self.put), tail.eq(tail + self.take)]
        with m.If(self.clear):
            m.d.sync += tail.eq(head)
        return m
