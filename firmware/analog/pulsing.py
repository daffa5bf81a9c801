"""States that pulse cells of a physical array: COUNTS and DRIVES say what is to come, PULSE does it, cell by cell."""

from typing import TYPE_CHECKING

from amaranth.hdl import Mux, Signal, Value
from amaranth.lib.memory import Memory

from firmware.analog import biasing
from firmware.analog.bounds import Kind
from firmware.analog.outputs import Side
from firmware.parameters import LEVEL_BITS
from firmware.port import Operation
from hwctl.protocol.codes import MAX_LEVELS, Polarity, Trip

if TYPE_CHECKING:
    from firmware.analog.array import AnalogArray

STAMP_BITS = 32
"""Bits of a cell's time of its last pulse, in clocks: one older than that looks like a new one, and is waited for in
vain."""


class _Train:
    """The pulses of one cell."""

    def __init__(self) -> None:
        """Declare."""
        self.polarity = Signal(2)
        self.level, self.width = Signal(LEVEL_BITS), Signal(32)
        self.left = Signal(7)
        self.alone = Signal()  # of PULSE_CELL or FORM_CELL, not of a region
        self.stands = Signal()  # its switches do


def beside(a: "AnalogArray") -> None:
    """Keep when each cell was pulsed, so that it is not pulsed again too soon."""
    m, interval, times = a.m, a.board.codes.pulse_interval, a.sequencer.times
    m.submodules.stamps = stamps = Memory(shape=STAMP_BITS, depth=max(a.cells, 2), init=[])
    stamp, put = stamps.read_port(), stamps.write_port()
    clock, passed = Signal(STAMP_BITS), Signal(STAMP_BITS)
    # Gate and converters settle before the pulse: for so long, and for the clocks of these registers, it may begin
    # earlier.
    lead = times.gate + times.converter + times.dead + 2
    least, wanted = Signal(STAMP_BITS, init=max(interval - lead, 0)), a.port.limits.min_interval
    a.may_pulse = Signal()
    m.d.sync += [
        clock.eq(clock + 1), passed.eq(clock - stamp.data), a.may_pulse.eq(passed >= least),
        least.eq(Mux(wanted > lead, wanted - lead, 0)),
    ]  # fmt: skip
    m.d.comb += [stamp.addr.eq(a.at), put.addr.eq(a.at), put.data.eq(clock), put.en.eq(a.sequencer.fired)]


def states(a: "AnalogArray") -> None:
    """Add the states."""
    train = _Train()
    _staging(a, train)
    _one_cell(a, train)
    _region(a, train)
    _codes(a, train)
    _fire(a, train)


def _staging(a: "AnalogArray", train: _Train) -> None:
    """Keep counts and drives of a region's cells, in row-major order."""
    m, elements, request = a.m, a.port.elements, a.request
    m.submodules.staged_counts = counts = Memory(shape=8, depth=max(a.cells, 2), init=[])
    m.submodules.staged_drives = drives = Memory(shape=32 + LEVEL_BITS, depth=max(a.cells, 2), init=[])
    a.staged, put_count = counts.read_port(), counts.write_port()
    a.drive, put_drive = drives.read_port(), drives.write_port()
    m.d.comb += [
        a.staged.addr.eq(a.at), put_count.addr.eq(a.at), a.drive.addr.eq(a.at), put_drive.addr.eq(a.at),
        put_count.data.eq(elements.payload), put_drive.data.eq(elements.payload),
    ]  # fmt: skip
    with m.State("COUNTS"):
        m.d.comb += [elements.ready.eq(1), put_count.en.eq(elements.valid)]
        with m.If(elements.valid):
            a.step("COUNTS", "IDLE")
    with m.State("DRIVES"):
        m.next = "DRIVE"
    with m.State("DRIVE"):
        of_it = (a.staged.data != 0) & (a.staged.data[7] == request.polarity)
        m.d.comb += [elements.ready.eq(1), put_drive.en.eq(elements.valid & of_it)]
        with m.If(elements.valid):
            a.step("DRIVES", "IDLE")


def _size(count: Value) -> Value:
    return Mux(count[7], -count.as_signed(), count)


def _one_cell(a: "AnalogArray", train: _Train) -> None:
    m, request = a.m, a.request
    forms = request.operation == Operation.FORM_CELL
    falls = request.count[7] & ~forms
    with m.State("ONE CELL"):
        m.d.sync += [
            train.alone.eq(1), a.forming.eq(forms),
            train.polarity.eq(Mux(forms, Polarity.FORM, Mux(falls, Polarity.RESET, Polarity.SET))),
            train.level.eq(Mux(falls, request.reset_level, request.set_level)),
            train.width.eq(Mux(falls, request.reset_width, request.set_width)),
            train.left.eq(Mux(forms, 1, _size(request.count))),
        ]  # fmt: skip
        m.next = "TRAIN"


def _region(a: "AnalogArray", train: _Train) -> None:
    m, request = a.m, a.request
    with m.State("PULSE"):
        m.d.sync += train.alone.eq(0)
        m.next = "CELL LOOKED UP"
    with m.State("CELL LOOKED UP"):
        m.next = "CELL"
    with m.State("CELL"):
        m.d.sync += [
            train.polarity.eq(Mux(a.staged.data[7], Polarity.RESET, Polarity.SET)),
            train.level.eq(a.drive.data[32:]), train.width.eq(a.drive.data[:32]),
            train.left.eq(_size(a.staged.data)),
        ]  # fmt: skip
        m.next = "TRAIN"
        with m.If(a.staged.data == 0):
            m.next = "CELL DONE"
    end = "LINES" if a.passive else "IDLE"
    with m.State("CELL DONE"):
        a.step("CELL LOOKED UP", end)
        with m.If(a.col + 1 == request.col1):
            m.d.sync += a.port.rows_done.eq(a.port.rows_done + 1)
            with m.If(a.port.stop):
                m.next = end
        with m.If(a.lost):
            m.next = end


def _codes(a: "AnalogArray", train: _Train) -> None:
    """Bring the driven line and the gate of a cell to their codes; of a passive array, all lines."""
    m, board = a.m, a.board
    sides = {polarity: Side.ROW if pulse.side == "row" else Side.COL for polarity, pulse in board.pulses.items()}
    m.d.comb += a.level.addr.eq(train.polarity * MAX_LEVELS + train.level)
    with m.State("TRAIN"):
        with m.Switch(train.polarity):
            for polarity, side in sides.items():
                with m.Case(int(polarity)):
                    m.d.sync += a.side.eq(side)
        a.choose()
        m.d.sync += [a.is_reading.eq(0), a.whole.eq(0), a.leaving.eq(0), train.stands.eq(0)]
        m.next = "LEVEL"
    with m.State("LEVEL"):
        m.next = "LINES" if a.passive else "DRIVE CODE"
        if not a.passive:
            with m.If(_of_other_gates(a)):
                m.next = "GATES TO REST"
    if a.passive:
        biasing.states(a, train.polarity, train.level)
    else:
        with m.State("GATES TO REST"):
            m.d.comb += a.guard.zero.eq(1)
            m.d.sync += a.held.eq(0)
            with m.If(a.guard.clean):
                m.next = "DRIVE CODE"
        line = Mux(a.side == Side.ROW, a.of_row(), a.of_col())
        a.write("DRIVE CODE", line, a.level.data[:16], "GATE CODE")
        a.write("GATE CODE", a.of_gate(), a.level.data[16:], "FIRE")
        a.write("LINE TO REST", line, 0, "RELEASE")
    with m.State("RELEASE"), m.If(a.guard.resting):  # after a trip, not before all lines are at ground
        m.d.sync += [a.leaving.eq(1), a.forming.eq(0)]
        m.next = "CELL DONE"
        with m.If(train.alone):
            m.next = "LINES" if a.passive else "IDLE"


def _of_other_gates(a: "AnalogArray") -> Value:
    """Return whether a gate still has, of a reading or of another kind of pulse, more than this kind may have.

    Its switch is open, and the guard lets nothing be driven all the same.
    """
    beyond, first = a.guard.beyond, len(a.board.rows) + len(a.board.cols)
    gates = Mux(a.forming, beyond.get(Kind.FORM, beyond[Kind.PULSE]), beyond[Kind.PULSE])[first:]
    return (gates & ~(1 << a.row)[: len(a.board.gates)]).any()


def _fire(a: "AnalogArray", train: _Train) -> None:
    """Pulse once, count, and again, no sooner than so many pulses a second allow, and within the cell's budget."""
    m, sequencer, spent = a.m, a.sequencer, a.port.spent
    fired = "RELEASE" if a.passive else "LINE TO REST"
    m.d.comb += [
        sequencer.width.eq(Mux(a.is_reading, a.settle, train.width)),
        a.count_up.data.eq(a.counter.data + 1),
        sequencer.again.eq(train.stands & ~a.is_reading),
    ]
    with m.State("FIRE"):
        with m.If((train.left == 0) | a.lost):
            m.next = fired
        with m.Elif(a.counter.data >= a.budget):
            m.d.comb += a.blocked.eq(Trip.BUDGET)
            m.next = fired
        with m.Elif(a.may_pulse & ~a.switching):
            m.d.comb += sequencer.start.eq(1)
            m.next = "PULSING"
    with m.State("PULSING"):
        with m.If(sequencer.fired):
            m.d.comb += a.count_up.en.eq(1)
            m.d.sync += train.left.eq(train.left - 1)
            with m.If(train.polarity == Polarity.RESET):
                m.d.sync += spent.reset_pulses.eq(spent.reset_pulses + 1)
            with m.Else():
                m.d.sync += spent.set_pulses.eq(spent.set_pulses + 1)
        with m.If(~sequencer.busy & ~sequencer.start):
            m.d.sync += train.stands.eq(1)
            m.next = "FIRE"
