"""Commands from a ring of records, replies into another: docs/registers.md.

A host puts records into COMMANDS and moves COMMAND_TAIL; each is handed to the engine once, in order. Its reply is put
into REPLIES before EXECUTED counts it. Nothing is taken before there is room for the reply that it may have.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from firmware.front.port import CommandPort, receive_bytes
from firmware.mailbox.axi import WORD_BITS, AxiLite, AxiSlave
from firmware.mailbox.rings import CommandRing, ReplyRing
from firmware.parameters import Parameters
from hwctl.protocol import registers as map_
from hwctl.protocol.codes import PROTOCOL_VERSION
from hwctl.protocol.registers import (
    COMMAND_HEADER_BYTES,
    COMMANDS,
    REGISTERS,
    REPLIES,
    REPLY_HEADER_BYTES,
    WORD_BYTES,
    Access,
    Window,
)

COUNTERS = (
    "COMMAND_TAIL",
    "COMMAND_HEAD",
    "REPLY_TAIL",
    "REPLY_HEAD",
    "STARTED",
    "EXECUTED",
    "STOPPED",
    "STOPPED_PROGRESS",
)
"""Registers that SESSION sets to 0."""


class Mailbox(wiring.Component):
    """Registers and rings on an AXI4-Lite bus, in front of the command port."""

    def __init__(self, parameters: Parameters) -> None:
        """Build for these parameters; the rings are as large as those of the UART front end."""
        self.parameters = parameters
        super().__init__(
            {
                "bus": In(AxiLite()),
                "interrupt": Out(1),
                "driving": In(1),
                "command": Out(CommandPort(parameters)),
            }
        )
        self.slave = AxiSlave()
        self.commands = CommandRing(receive_bytes(parameters))
        self.replies = ReplyRing(parameters.reply_budget)
        for window, ring in ((COMMANDS, self.commands), (REPLIES, self.replies)):
            if ring.size > window.most:
                raise ValueError(f"{window.name} of {ring.size} bytes; the map has room for {window.most}")
        self.registers = {name: Signal(WORD_BITS, name=name.lower()) for name in ("SESSION", "SAFES", *COUNTERS)}
        self.interrupt_enable, self.bad = Signal(), Signal()
        self.length, self.reserve = Signal(WORD_BITS), Signal(WORD_BITS)
        self.aborting, self.abort_until = Signal(), Signal(WORD_BITS)

    def elaborate(self, _: object) -> Module:
        """Connect bus, registers, rings and the sequence of a record."""
        m = Module()
        m.submodules.slave, m.submodules.commands, m.submodules.replies = self.slave, self.commands, self.replies
        wiring.connect(m, wiring.flipped(self.bus), self.slave.bus)
        self._ports(m)
        self._sequence(m)
        self._safe(m)
        self._written(m)
        self._read(m)
        return m

    # -- the engine ----------------------------------------------------------------------------------------------------

    def _ports(self, m: Module) -> None:
        """Give the engine its bytes; between commands the port of the ring is the mailbox's."""
        command, commands, replies = self.command, self.commands, self.replies
        self.own = Signal()  # the mailbox reads
        self.own_address = Signal.like(commands.read_address)
        start = self.registers["COMMAND_HEAD"] + COMMAND_HEADER_BYTES
        m.d.comb += [
            commands.read_address.eq(Mux(self.own, self.own_address, command.read_address)),
            command.read_data.eq(commands.read_byte),
            command.read_valid.eq(1),
            command.start.eq(start),
            command.length.eq(self.length),
            command.reserve.eq(self.reserve),
            command.reply_start.eq(self.registers["REPLY_TAIL"] + REPLY_HEADER_BYTES),
            command.bad_frames.eq(0),
        ]
        # Through registers: replies come from afar, and are read long after they were written.
        m.d.sync += [
            replies.write_address.eq(command.write_address),
            replies.write_byte.eq(command.write_data),
            replies.write_en.eq(command.write_en),
        ]

    def _sequence(self, m: Module) -> None:
        """Look at a record, hand it out, and put the length before its reply."""
        command, r = self.command, self.registers
        ended, reply_length = Signal(), Signal.like(command.reply_length)
        m.d.comb += ended.eq(command.finish | (command.at_rest & command.stopped))
        with m.FSM() as fsm:
            self.running = fsm.ongoing("RUN") | fsm.ongoing("FINISH") | fsm.ongoing("COUNT")
            self.resettable = fsm.ongoing("IDLE") | fsm.ongoing("ROOM")
            self.opened = Signal()
            with m.State("IDLE"):
                waiting = r["COMMAND_TAIL"] - r["COMMAND_HEAD"]
                m.d.comb += [self.own.eq(1), self.own_address.eq(r["COMMAND_HEAD"])]
                with m.If((waiting != 0) & ~self.bad & ~command.safe & ~self.opened):
                    m.next = "LENGTH"
                    with m.If((waiting < COMMAND_HEADER_BYTES) | (waiting > self.commands.size)):
                        m.d.sync += self.bad.eq(1)
                        m.next = "IDLE"
            with m.State("LENGTH"):
                m.d.comb += [self.own.eq(1), self.own_address.eq(r["COMMAND_HEAD"] + WORD_BYTES)]
                m.d.sync += self.length.eq(self.commands.read_word)
                m.next = "RESERVE"
            with m.State("RESERVE"):
                m.d.sync += self.reserve.eq(self.commands.read_word)
                m.next = "CHECK"
            with m.State("CHECK"):
                m.next = "ROOM"
                with m.If(self._impossible()):
                    m.d.sync += self.bad.eq(1)
                    m.next = "IDLE"
            with m.State("ROOM"):
                free = self.replies.size - (r["REPLY_TAIL"] - r["REPLY_HEAD"])[: bits_for(self.replies.size)]
                with m.If(self.opened):
                    m.next = "IDLE"
                with m.Elif(free >= _record(REPLY_HEADER_BYTES, self.reserve[: bits_for(self.replies.size)])):
                    m.next = "OFFER"
            with m.State("OFFER"):
                m.d.comb += [command.valid.eq(~command.safe), command.aborted.eq(self.aborting)]
                with m.If(command.valid & command.taken):
                    m.d.sync += r["STARTED"].eq(r["STARTED"] + 1)
                    m.next = "RUN"
            with m.State("RUN"), m.If(ended):
                m.d.sync += reply_length.eq(command.reply_length)
                m.next = "FINISH"
            with m.State("FINISH"):  # the last byte of the reply is on its way
                m.next = "COUNT"
            with m.State("COUNT"):
                taken = _record(COMMAND_HEADER_BYTES, self.length)
                m.d.comb += [
                    self.replies.word_address.eq(r["REPLY_TAIL"][2:]),
                    self.replies.word.eq(reply_length),
                    self.replies.word_en.eq(1),
                ]
                m.d.sync += [
                    r["COMMAND_HEAD"].eq(r["COMMAND_HEAD"] + taken),
                    r["REPLY_TAIL"].eq(r["REPLY_TAIL"] + _record(REPLY_HEADER_BYTES, reply_length)),
                    r["EXECUTED"].eq(r["EXECUTED"] + 1),
                ]
                m.next = "IDLE"

    def _impossible(self) -> Value:
        """Return whether a record's numbers cannot be: longer than what was put there, or than the rings take."""
        waiting = self.registers["COMMAND_TAIL"] - self.registers["COMMAND_HEAD"]
        return (
            (self.length > self.parameters.largest_frame)
            | (_record(COMMAND_HEADER_BYTES, self.length) > waiting)
            | (self.reserve > self.replies.size - REPLY_HEADER_BYTES)
        )

    def _safe(self, m: Module) -> None:
        """Ask for rest; what the host has put there by then is answered ABORTED."""
        command, r = self.command, self.registers
        self.safe_wanted = Signal()
        with m.If(command.safe & command.at_rest):
            m.d.sync += [command.safe.eq(0), r["SAFES"].eq(r["SAFES"] + 1)]
            m.d.sync += [
                r["STOPPED"].eq(Mux(command.stopped, r["STARTED"], 0)),
                r["STOPPED_PROGRESS"].eq(Mux(command.stopped, command.progress, 0)),
            ]
        with m.If(self.safe_wanted):
            m.d.sync += [command.safe.eq(1), self.aborting.eq(1), self.abort_until.eq(r["COMMAND_TAIL"])]
        with m.Elif(self.aborting & (r["COMMAND_HEAD"] == self.abort_until) & ~self.running):
            m.d.sync += self.aborting.eq(0)

    # -- the host ------------------------------------------------------------------------------------------------------

    def _written(self, m: Module) -> None:
        """Take what the bus writes."""
        slave, r = self.slave, self.registers
        inside = self._inside(slave.write_address, COMMANDS, self.commands.size)
        m.d.comb += [
            self.commands.write_address.eq(slave.write_address),
            self.commands.write_data.eq(slave.write_data),
            self.commands.write_strobe.eq(Mux(slave.write & inside, slave.write_strobe, 0)),
            slave.write_known.eq(inside),
        ]
        for register in REGISTERS:
            if register.access is Access.READ:
                continue
            with m.If(slave.write_address == register.offset // WORD_BYTES):
                m.d.comb += slave.write_known.eq(slave.write_strobe.all())
                with m.If(slave.write & slave.write_known):
                    self._take(m, register.name)
        with m.If(self.opened):
            m.d.sync += [r[name].eq(0) for name in COUNTERS]
            m.d.sync += [r["SESSION"].eq(slave.write_data), self.bad.eq(0), self.aborting.eq(0)]

    def _take(self, m: Module, name: str) -> None:
        value = self.slave.write_data
        if name == "CONTROL":
            m.d.sync += self.interrupt_enable.eq(value[map_.INTERRUPT_BIT])
            m.d.comb += self.safe_wanted.eq(value[map_.SAFE_BIT])
        elif name == "SESSION":
            m.d.comb += self.opened.eq(self.resettable & ~self.command.safe)
        else:
            m.d.sync += self.registers[name].eq(value)

    def _read(self, m: Module) -> None:
        """Show registers, constants and replies."""
        slave, parameters = self.slave, self.parameters
        replying, ring = Signal(), self.replies
        constants = {
            "IDENTITY": map_.IDENTITY,
            "VERSION": PROTOCOL_VERSION,
            "GEOMETRY": parameters.rows | parameters.cols << 16,
            "COMMAND_BYTES": self.commands.size,
            "REPLY_BYTES": ring.size,
            "CONTROL": Cat(0, self.interrupt_enable),
            "STATUS": self._status(m),
            "PROGRESS": self.command.progress,
        }
        m.d.comb += ring.read_address.eq(slave.read_address)
        with m.Switch(slave.read_address):
            for register in REGISTERS:
                with m.Case(register.offset // WORD_BYTES):
                    value = constants.get(register.name, self.registers.get(register.name))
                    m.d.comb += [slave.read_data.eq(value), slave.read_known.eq(1)]
            with m.Default():
                m.d.comb += [
                    replying.eq(self._inside(slave.read_address, REPLIES, ring.size)),
                    slave.read_data.eq(ring.read_word),
                    slave.read_known.eq(replying),
                ]

    def _status(self, m: Module) -> Value:
        """Return the bits of STATUS."""
        r, bits = self.registers, Signal(5)
        m.d.comb += [
            bits[map_.EXECUTING_BIT].eq(self.running),
            bits[map_.SAFE_PENDING_BIT].eq(self.command.safe),
            bits[map_.REPLY_BIT].eq(r["REPLY_TAIL"] != r["REPLY_HEAD"]),
            bits[map_.DRIVING_BIT].eq(self.driving),
            bits[map_.BAD_RECORD_BIT].eq(self.bad),
            self.interrupt.eq(bits[map_.REPLY_BIT] & self.interrupt_enable),
        ]
        return bits

    @staticmethod
    def _inside(address: Value, window: Window, size: int) -> Value:
        """Return whether a word's address is one of a ring of `size` bytes in its window."""
        return address[bits_for(size // WORD_BYTES - 1) :] == window.offset // size


def _record(header: int, length: Value) -> Value:
    """Return the bytes of a record."""
    return header + Cat(0, 0, ((length + WORD_BYTES - 1) >> 2))
