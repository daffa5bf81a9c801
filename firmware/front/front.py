"""The front end: from the pins of a UART to the command port."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from firmware.front.cobs import Encoder
from firmware.front.deframer import Deframer
from firmware.front.framer import Framer
from firmware.front.memory import ring
from firmware.front.port import CommandPort, receive_bytes
from firmware.front.session import COMMAND_MEMBERS, Session
from firmware.front.uart import Receiver, Transmitter
from firmware.parameters import Parameters

BYTE_BITS = 10  # of a byte on the line
BYTES_TO_WORD = 7  # least bytes on the line from the end of a frame to the end of the first word of the next


class Front(wiring.Component):
    """UART, frames, session and both rings.

    A physical array's guard listens: `heard` and `bad_frame` are high for one clock with each whole and damaged frame.
    """

    def __init__(self, parameters: Parameters, simulated: bool = False) -> None:
        """Build for these parameters. simulated: with a model of the vendor's memory cells."""
        self.parameters = parameters
        heard = {"heard": Out(1), "bad_frame": Out(1)} if parameters.physical else {}
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "command": Out(CommandPort(parameters)), **heard})
        self.session = Session(parameters)
        self.receive_ring = ring(receive_bytes(parameters), parameters.spram, simulated)
        self.reply_ring = ring(parameters.reply_budget, parameters.spram, simulated)
        least = BYTES_TO_WORD * BYTE_BITS * parameters.divisor
        if self.session.frame_clocks > least:
            raise ValueError(f"a frame takes {self.session.frame_clocks} clocks; the line leaves {least}")

    def elaborate(self, _: object) -> Module:
        """Put the blocks in a row."""
        m = Module()
        m.submodules.session = self.session
        m.submodules.receive_ring = self.receive_ring
        m.submodules.reply_ring = self.reply_ring
        self._incoming(m)
        self._outgoing(m)
        self._command(m)
        return m

    def _incoming(self, m: Module) -> None:
        """From the pin to the session and the receive ring."""
        m.submodules.receiver = receiver = Receiver(self.parameters.divisor)
        m.submodules.deframer = deframer = Deframer(self.parameters)
        session = self.session
        m.d.comb += [
            receiver.rx.eq(self.rx),
            deframer.byte.eq(receiver.byte),
            deframer.strobe.eq(receiver.strobe),
            deframer.word_ready.eq(session.word_ready),
            deframer.tail.eq(session.tail),
            session.heard.eq(receiver.strobe),
            session.frame_length.eq(deframer.length),
        ]
        m.d.comb += [
            getattr(session, name).eq(getattr(deframer, name))
            for name in ("frame", "kind", "question", "word_valid", "word_index", "word")
        ]
        m.d.comb += [
            getattr(self.receive_ring, name).eq(getattr(deframer, name))
            for name in ("write_address", "write_data", "write_en")
        ]
        bad = Signal.like(self.command.bad_frames)
        m.d.comb += self.command.bad_frames.eq(bad)
        with m.If(deframer.bad & ~bad.all()):
            m.d.sync += bad.eq(bad + 1)
        if self.parameters.physical:
            m.d.comb += [self.heard.eq(deframer.frame), self.bad_frame.eq(deframer.bad)]

    def _outgoing(self, m: Module) -> None:
        """From the session and the reply ring to the pin."""
        m.submodules.framer = framer = Framer(self.parameters)
        m.submodules.encoder = encoder = Encoder()
        m.submodules.transmitter = transmitter = Transmitter(self.parameters.divisor)
        connect(m, framer.frame, encoder.frame)
        connect(m, encoder.line, transmitter.bytes)
        session = self.session
        m.d.comb += [
            getattr(framer, name).eq(getattr(session, name))
            for name in ("send", "answer", "answer_words", "boot_differs", "set_start", "set_length", "value")
        ]
        m.d.comb += [
            framer.read_ready.eq(session.read_ready),
            framer.read_word.eq(session.read_word),
            framer.read_data.eq(self.reply_ring.read_data),
            framer.read_valid.eq(self.reply_ring.read_valid),
            session.busy.eq(framer.busy),
            session.read_index.eq(framer.read_index),
            self.reply_ring.read_address.eq(framer.read_address),
            self.tx.eq(transmitter.tx),
        ]

    def _command(self, m: Module) -> None:
        """To the engine."""
        command = self.command
        for name in COMMAND_MEMBERS:
            inner, outer = getattr(self.session, name), getattr(command, name)
            outward = command.signature.members[name].flow == Out
            m.d.comb += outer.eq(inner) if outward else inner.eq(outer)
        m.d.comb += [
            self.receive_ring.read_address.eq(command.read_address),
            command.read_data.eq(self.receive_ring.read_data),
            command.read_valid.eq(self.receive_ring.read_valid),
        ]
        # Through registers: replies come from afar, and are read long after they were written.
        m.d.sync += [
            self.reply_ring.write_address.eq(command.write_address),
            self.reply_ring.write_data.eq(command.write_data),
            self.reply_ring.write_en.eq(command.write_en),
        ]
