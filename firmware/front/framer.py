"""Sends one answer at a time: header, payload, CRC-32."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.crc.catalog import CRC32_ETHERNET
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from firmware.front.cobs import FrameByte
from firmware.front.state import ANSWER_WORDS
from firmware.parameters import Parameters
from hwctl.protocol.codes import PROTOCOL_VERSION
from hwctl.protocol.frame import Kind, Rejection

HEADER_WORDS = 3
WORD_BYTES = 4


class Framer(wiring.Component):
    """From `send` on it is `busy`; it reads words of the answer and bytes of the reply, and gives bytes of a frame.

    `set_start` and `set_length` take place and length of a reply from `value`.
    """

    def __init__(self, parameters: Parameters) -> None:
        """Read replies from a ring of the parameters' reply budget."""
        ring = bits_for(parameters.reply_budget - 1)
        super().__init__(
            {
                "busy": Out(1),
                "send": In(1),
                "answer": In(8),
                "answer_words": In(range(ANSWER_WORDS)),
                "boot_differs": In(1),
                "set_start": In(1),
                "set_length": In(1),
                "value": In(32),
                "read_index": Out(range(ANSWER_WORDS)),
                "read_ready": In(1),
                "read_word": In(32),
                "read_address": Out(ring),
                "read_data": In(8),
                "read_valid": In(1),
                "frame": Out(stream.Signature(FrameByte)),
            }
        )
        self._kind = Signal(8)
        self._words = Signal(range(ANSWER_WORDS))
        self._reply_at = Signal(ring)
        self._reply_left = Signal(bits_for(parameters.reply_budget))

    def elaborate(self, _: object) -> Module:
        """Go through the parts of a frame."""
        m = Module()
        m.submodules.crc = crc = self._crc = CRC32_ETHERNET(data_width=4).create()
        self._byte, self._there, self._sent = Signal(8), Signal(), Signal()
        upper = Signal()  # a byte stands for two clocks, as the CRC takes half of one
        self._word, self._left = Signal(32), Signal(range(WORD_BYTES))
        self._asked = Signal()
        frame = self.frame
        m.d.comb += [
            frame.payload.byte.eq(self._byte),
            frame.valid.eq(self._there & upper),
            self._sent.eq(frame.valid & frame.ready),
            crc.data.eq(self._byte.word_select(upper, 4)),
            crc.valid.eq(Mux(upper, self._sent, self._there)),
        ]
        with m.If(crc.valid):
            m.d.sync += upper.eq(~upper)
        self._take(m)
        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
            self._begin(m)
            self._send_words(m)
            self._send_reply(m)
            self._send_crc(m)
        return m

    def _take(self, m: Module) -> None:
        with m.If(self.set_start):
            m.d.sync += self._reply_at.eq(self.value)
        with m.If(self.set_length):
            m.d.sync += self._reply_left.eq(self.value)

    def _begin(self, m: Module) -> None:
        """Kind and the reserved byte."""
        with m.State("IDLE"), m.If(self.send):
            m.d.sync += [self._kind.eq(self.answer), self._words.eq(self.answer_words), self.read_index.eq(0)]
            m.d.comb += self._crc.start.eq(1)
            m.next = "KIND"
        with m.State("KIND"):
            m.d.comb += [self._byte.eq(self._kind), self._there.eq(1)]
            with m.If(self._sent):
                m.next = "RESERVED"
        with m.State("RESERVED"):
            m.d.comb += self._there.eq(1)
            with m.If(self._sent):
                m.next = "ASK"

    def _send_words(self, m: Module) -> None:
        """Words from the lowest byte on; two kinds have one byte more, behind the header."""
        with m.State("ASK"), m.If(self.read_ready):
            m.next = "WORD"
        with m.State("WORD"):
            m.d.sync += [self._word.eq(self.read_word), self._left.eq(WORD_BYTES - 1)]
            m.d.sync += self.read_index.eq(self.read_index + 1)
            m.next = "BYTES"
        with m.State("BYTES"):
            m.d.comb += [self._byte.eq(self._word), self._there.eq(1)]
            with m.If(self._sent):
                m.d.sync += [self._word.eq(Cat(self._word[8:], self._word[:8])), self._left.eq(self._left - 1)]
                with m.If(self._left == 0):
                    m.next = "ASK"
                    with m.If(self.read_index == HEADER_WORDS):
                        m.next = "LEAD"
                    with m.Elif(self.read_index == self._words):
                        m.next = "CRC"
        with m.State("LEAD"):
            reason = Mux(self.boot_differs, Rejection.BOOT, Rejection.REPLACES)
            m.d.comb += self._byte.eq(Mux(self._kind == Kind.REJECTED, reason, PROTOCOL_VERSION))
            m.d.comb += self._there.eq((self._kind == Kind.REJECTED) | (self._kind == Kind.HELLO_INFO))
            with m.If(self._sent | ~self._there):
                m.next = "ASK"
                with m.If(self._kind == Kind.REPLY):
                    m.next = "REPLY"

    def _send_reply(self, m: Module) -> None:
        """Ask for a byte until it comes."""
        m.d.comb += self.read_address.eq(self._reply_at)
        m.d.sync += self._asked.eq(0)
        with m.State("REPLY"):
            there = self._asked & self.read_valid & (self._reply_left != 0)
            m.d.comb += [self._byte.eq(self.read_data), self._there.eq(there)]
            with m.If(self._reply_left == 0):
                m.next = "CRC"
            with m.Elif(self._sent):
                m.d.sync += [self._reply_at.eq(self._reply_at + 1), self._reply_left.eq(self._reply_left - 1)]
            with m.Else():
                m.d.sync += self._asked.eq(1)

    def _send_crc(self, m: Module) -> None:
        """Send the CRC from its lowest byte on; it is kept, as sending it changes it."""
        with m.State("CRC"):
            m.d.sync += [self._word.eq(self._crc.crc), self._left.eq(WORD_BYTES - 1)]
            m.next = "CRC BYTES"
        with m.State("CRC BYTES"):
            m.d.comb += [
                self._byte.eq(self._word),
                self._there.eq(1),
                self.frame.payload.last.eq(self._left == 0),
            ]
            with m.If(self._sent):
                m.d.sync += [self._word.eq(Cat(self._word[8:], self._word[:8])), self._left.eq(self._left - 1)]
                with m.If(self._left == 0):
                    m.next = "IDLE"
