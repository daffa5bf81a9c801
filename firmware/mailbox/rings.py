"""Rings of words that one side has as bytes."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from firmware.front.memory import NO_CLASH, read_port
from firmware.mailbox.axi import WORD_BITS
from hwctl.protocol.registers import WORD_BYTES


class CommandRing(wiring.Component):
    """Words from the bus; bytes to the engine, words to the mailbox, both one clock after the address."""

    def __init__(self, size: int) -> None:
        """Hold `size` bytes."""
        self.size = size
        address = bits_for(size - 1)
        super().__init__(
            {
                "write_address": In(address - 2),
                "write_data": In(WORD_BITS),
                "write_strobe": In(WORD_BYTES),
                "read_address": In(address),
                "read_byte": Out(8),
                "read_word": Out(WORD_BITS),
            }
        )

    def elaborate(self, _: object) -> Module:
        """Choose the byte."""
        m = Module()
        m.submodules.memory = memory = Memory(shape=WORD_BITS, depth=self.size // WORD_BYTES, init=[], attrs=NO_CLASH)
        write, place = memory.write_port(granularity=8), Signal(2)
        m.d.comb += [
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            write.en.eq(self.write_strobe),
            self.read_word.eq(read_port(m, memory, self.read_address[2:])),
            self.read_byte.eq(self.read_word.word_select(place, 8)),
        ]
        m.d.sync += place.eq(self.read_address)
        return m


class ReplyRing(wiring.Component):
    """Bytes from the engine or a word from the mailbox; words to the bus, one clock after the address."""

    def __init__(self, size: int) -> None:
        """Hold `size` bytes."""
        self.size = size
        address = bits_for(size - 1)
        super().__init__(
            {
                "write_address": In(address),
                "write_byte": In(8),
                "write_en": In(1),
                "word_address": In(address - 2),
                "word": In(WORD_BITS),
                "word_en": In(1),
                "read_address": In(address - 2),
                "read_word": Out(WORD_BITS),
            }
        )

    def elaborate(self, _: object) -> Module:
        """Put a byte into its place."""
        m = Module()
        m.submodules.memory = memory = Memory(shape=WORD_BITS, depth=self.size // WORD_BYTES, init=[], attrs=NO_CLASH)
        write = memory.write_port(granularity=8)
        m.d.comb += [
            write.addr.eq(self.write_address[2:]),
            write.data.eq(self.write_byte.replicate(WORD_BYTES)),
            write.en.eq(self.write_en << self.write_address[:2]),
            self.read_word.eq(read_port(m, memory, self.read_address)),
        ]
        with m.If(self.word_en):
            m.d.comb += [write.addr.eq(self.word_address), write.data.eq(self.word), write.en.eq(-1)]
        return m
