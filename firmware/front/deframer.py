"""Finds the frames in the bytes of a line: header and first payload go out as words, a command into the ring."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.crc.catalog import CRC32_ETHERNET
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from firmware.front.cobs import Decoder
from firmware.front.port import receive_bytes
from firmware.front.state import FRAME_WORDS
from firmware.parameters import Parameters
from hwctl.protocol.frame import COMMAND_WRAP, CRC, HEADER, LAYOUTS, PAYLOADS, RESERVE, Kind

WORD_BYTES = 4
WORDS_FROM = 2  # bytes of kind and `reserved`, before the first word
COMMAND_FROM = HEADER.size + RESERVE.size  # bytes of a frame before the encoded command
HOST_KINDS = tuple(kind for kind in Kind if kind < Kind.REPLY)
KIND_BITS = bits_for(max(HOST_KINDS))


class Deframer(wiring.Component):
    """Drops what is no frame, and tells of the others.

    `word_valid` asks until `word_ready` that word `word_index` of the frame that comes in be stored. `frame` is high
    for one clock where a good frame of a host ended: its words then stand, with `kind`, `length` (bytes of the encoded
    command) and `question` (payload shorter than `reserve`), until the first word of the next one. `bad` is high for
    one clock where a frame was dropped.

    The encoded command is written to the ring from `tail` on; who takes it moves `tail` before the next one comes.
    """

    def __init__(self, parameters: Parameters) -> None:
        """Take frames up to the largest of the parameters."""
        self.largest = parameters.largest_frame
        ring = bits_for(receive_bytes(parameters) - 1)
        super().__init__(
            {
                "byte": In(8),
                "strobe": In(1),
                "word_valid": Out(1),
                "word_index": Out(range(FRAME_WORDS)),
                "word": Out(8 * WORD_BYTES),
                "word_ready": In(1),
                "frame": Out(1),
                "bad": Out(1),
                "kind": Out(KIND_BITS),
                "length": Out(bits_for(self.largest)),
                "question": Out(1),
                "tail": In(ring),
                "write_address": Out(ring),
                "write_data": Out(8),
                "write_en": Out(1),
            }
        )

    def elaborate(self, _: object) -> Module:
        """Decode, then count, check and sort bytes."""
        m = Module()
        m.submodules.decoder = decoder = Decoder()
        matches = self._crc(m, decoder)
        count = Signal(range(self.largest + 2))  # bytes so far; it stays at one more than the largest frame
        kind, reserved = Signal(8), Signal(8)
        m.d.comb += [
            decoder.byte.eq(self.byte),
            decoder.strobe.eq(self.strobe),
        ]
        with m.If(decoder.valid & (count <= self.largest)):
            m.d.sync += count.eq(count + 1)
            with m.If(count == 0):
                m.d.sync += kind.eq(decoder.decoded)
            with m.If(count == 1):
                m.d.sync += reserved.eq(decoder.decoded)
        self._words(m, decoder, count)
        self._ring(m, decoder, count)
        good = Signal()
        m.d.comb += good.eq(
            ~decoder.broken
            & matches
            & (reserved == 0)
            & (count <= self.largest)
            & (count >= _least(m, kind, len(count)))
        )
        with m.If(decoder.end):
            m.d.sync += count.eq(0)
            self._end(m, good, kind, count)
        return m

    def _crc(self, m: Module, decoder: Decoder) -> Value:
        """Return whether the CRC at the end of the frame is that of the frame; bit by bit, as bytes are slow."""
        m.submodules.crc = crc = CRC32_ETHERNET(data_width=1).create()
        bits, left = Signal(8), Signal(range(9))
        m.d.comb += [crc.start.eq(decoder.end), crc.data.eq(bits[0]), crc.valid.eq(left != 0)]
        with m.If(decoder.valid):
            m.d.sync += [bits.eq(decoder.decoded), left.eq(8)]
        with m.Elif(left != 0):
            m.d.sync += [bits.eq(bits >> 1), left.eq(left - 1)]
        return crc.match_detected

    def _words(self, m: Module, decoder: Decoder, count: Signal) -> None:
        """Gather four bytes, then ask for them to be stored."""
        with m.If(self.word_ready):
            m.d.sync += self.word_valid.eq(0)
        within = (count >= WORDS_FROM) & (count < WORDS_FROM + WORD_BYTES * FRAME_WORDS)
        with m.If(decoder.valid & within):
            m.d.sync += self.word.eq(Cat(self.word[8:], decoder.decoded))
            with m.If(count[:2] == (WORDS_FROM + WORD_BYTES - 1) % WORD_BYTES):
                m.d.sync += [
                    self.word_valid.eq(1),
                    self.word_index.eq(count[2:5] - (WORDS_FROM + WORD_BYTES - 1) // WORD_BYTES),
                ]

    def _ring(self, m: Module, decoder: Decoder, count: Signal) -> None:
        """Write what may be an encoded command behind those that were accepted; the CRC falls in behind it."""
        m.d.comb += [
            self.write_data.eq(decoder.decoded),
            self.write_en.eq(decoder.valid & (count >= COMMAND_FROM) & (count < self.largest)),
        ]
        with m.If(decoder.valid & (count == COMMAND_FROM - 1)):
            m.d.sync += self.write_address.eq(self.tail)
        with m.Elif(self.write_en):
            m.d.sync += self.write_address.eq(self.write_address + 1)

    def _end(self, m: Module, good: Signal, kind: Signal, count: Signal) -> None:
        """Tell of a frame; kinds of boards are no business of a board."""
        m.d.comb += [self.bad.eq(~good), self.frame.eq(good & (kind < min(set(Kind) - set(HOST_KINDS))))]
        with m.If(good):
            m.d.sync += [
                self.kind.eq(kind),
                self.length.eq(count - COMMAND_WRAP),
                self.question.eq(count < COMMAND_WRAP),
            ]


def _least(m: Module, kind: Signal, bits: int) -> Value:
    """Return the bytes of the shortest frame of a kind; of an unknown one more than any frame has."""
    least = Signal(bits)
    with m.Switch(kind):
        for code in Kind:
            payload = LAYOUTS[PAYLOADS[code]].size if code in PAYLOADS else 0
            with m.Case(code):
                m.d.comb += least.eq(HEADER.size + payload + CRC.size)
        with m.Default():
            m.d.comb += least.eq(2**bits - 1)
    return least
