"""COBS in both directions, see docs/protocol.md."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from firmware.front.memory import NO_CLASH, read_port

LONGEST_RUN = 254  # nonzero bytes behind one code


class Decoder(wiring.Component):
    """Decodes as bytes come in: each byte of the line gives at most one of the frame, `decoded` with `valid`.

    `end` is high for one clock at the zero byte that ends a frame, and `broken` with it where that is no COBS. Nothing
    between two zero bytes is no frame, and has no `end`.
    """

    byte: In(8)
    strobe: In(1)
    decoded: Out(8)
    valid: Out(1)
    end: Out(1)
    broken: Out(1)

    def elaborate(self, _: object) -> Module:
        """Count down the run; a code stands for the zero before it."""
        m = Module()
        left = Signal(8)  # bytes of the run to come
        empty = Signal(init=1)  # nothing since the last zero byte
        joined = Signal()  # no zero stands between this run and the next
        with m.If(self.strobe & (self.byte == 0)):
            m.d.comb += [self.end.eq(~empty), self.broken.eq(left != 0)]
            m.d.sync += [empty.eq(1), left.eq(0), joined.eq(1)]
        with m.Elif(self.strobe):
            m.d.sync += empty.eq(0)
            with m.If(empty | (left == 0)):
                m.d.comb += self.valid.eq(~empty & ~joined)
                m.d.sync += [left.eq(self.byte - 1), joined.eq(self.byte == LONGEST_RUN + 1)]
            with m.Else():
                m.d.comb += [self.valid.eq(1), self.decoded.eq(self.byte)]
                m.d.sync += left.eq(left - 1)
        return m


class FrameByte(data.Struct):
    """A byte of a frame."""

    byte: 8
    last: 1


class Encoder(wiring.Component):
    """Encodes a frame, a zero byte before and behind it. Collects a run, then sends its code and the run."""

    frame: In(stream.Signature(FrameByte))
    line: Out(stream.Signature(8))

    def elaborate(self, _: object) -> Module:
        """Collect, send, and again."""
        m = Module()
        m.submodules.runs = runs = Memory(shape=8, depth=256, init=[], attrs=NO_CLASH)
        write = runs.write_port()
        collected, sent = Signal(8), Signal(8)
        last, zero = Signal(), Signal()  # of the byte that ended the run
        following = Signal(8)
        byte = read_port(m, runs, following)
        m.d.comb += [
            write.addr.eq(collected),
            write.data.eq(self.frame.payload.byte),
            following.eq(sent),
        ]
        with m.FSM():
            with m.State("BEFORE"), m.If(self.frame.valid):
                m.d.comb += self.line.valid.eq(1)
                with m.If(self.line.ready):
                    m.next = "COLLECT"
            with m.State("COLLECT"):
                self._collect(m, collected, last, zero, write.en)
            with m.State("CODE"):
                m.d.comb += [self.line.valid.eq(1), self.line.payload.eq(collected + 1)]
                with m.If(self.line.ready):
                    m.next = "RUN"
            with m.State("RUN"):
                m.d.comb += [self.line.payload.eq(byte), self.line.valid.eq(sent != collected)]
                with m.If(self.line.valid & self.line.ready):
                    m.d.comb += following.eq(sent + 1)
                    m.d.sync += sent.eq(following)
                with m.If(sent == collected):
                    m.d.comb += following.eq(0)
                    m.d.sync += [sent.eq(0), collected.eq(0), zero.eq(0)]
                    m.next = "COLLECT"
                    with m.If(last):
                        m.next = "BEHIND"
                        with m.If(zero):  # the last byte is a zero: behind it stands an empty run
                            m.next = "CODE"
            with m.State("BEHIND"):
                m.d.comb += self.line.valid.eq(1)
                with m.If(self.line.ready):
                    m.next = "BEFORE"
        return m

    def _collect(self, m: Module, collected: Signal, last: Signal, zero: Signal, write_en: Signal) -> None:
        """Take a byte of the frame; a zero, the last one or a full run ends the run."""
        byte = self.frame.payload.byte
        m.d.comb += self.frame.ready.eq(1)
        with m.If(self.frame.valid):
            m.d.sync += [last.eq(self.frame.payload.last), zero.eq(byte == 0)]
            with m.If(byte != 0):
                m.d.comb += write_en.eq(1)
                m.d.sync += collected.eq(collected + 1)
            with m.If((byte == 0) | self.frame.payload.last | (collected == LONGEST_RUN - 1)):
                m.next = "CODE"
