"""States that pulse cells: COUNTS and DRIVES (what is to come), PULSE, PULSE_CELL, FORM_CELL."""

from typing import TYPE_CHECKING

from amaranth.hdl import Mux, Signal, Value

from firmware.array.issue import Check
from firmware.array.spending import COUNT_BITS, WIDTH_BITS
from firmware.port import Operation

if TYPE_CHECKING:
    from firmware.array.array import EmulatedArray


def states(a: "EmulatedArray") -> None:
    """Add the states."""
    _counts(a)
    _drives(a)
    _pulse(a)
    _cell(a)


def _counts(a: "EmulatedArray") -> None:
    m, elements = a.m, a.elements
    with m.State("COUNTS"):
        m.d.comb += [elements.ready.eq(1), a.walker.keep.eq(1)]
        with m.If(elements.valid):
            m.d.comb += [a.staged.low.eq(1), a.walker.step.eq(1)]
            with m.If(a.walker.last):
                m.next = "IDLE"


def _drives(a: "EmulatedArray") -> None:
    """Store drive levels, and add up each row's longest train of the polarity."""
    m, elements, trains, walker = a.m, a.elements, a.trains, a.walker
    operand = Signal(16)
    count, negative = operand[:7], operand[7]
    found = Signal()
    m.d.comb += [
        operand.eq(a.of_lane([lane.operands.data for lane in a.lanes])),
        trains.width.eq(elements.payload[:WIDTH_BITS]),
        trains.count.eq(Mux(negative, -count, count)),
        found.eq((operand[:8] != 0) & (negative == a.request.polarity)),
    ]
    with m.State("DRIVES"), m.If(elements.valid):  # the operand is on its way
        m.next = "DRIVE"
    with m.State("DRIVE"):
        m.d.comb += [
            a.staged.data[8:].eq(elements.payload[WIDTH_BITS:]),
            a.staged.high.eq(found),
            trains.start.eq(found),
        ]
        m.next = "TRAIN"
    with m.State("TRAIN"), m.If(~trains.busy):
        m.d.comb += [elements.ready.eq(1), walker.keep.eq(1), walker.step.eq(1)]
        with m.If(walker.inner_last):
            a.take_time(trains.longest)
            m.d.comb += trains.clear.eq(1)
        m.next = "DRIVES"
        with m.If(walker.last):
            m.next = "IDLE"


def _pulse(a: "EmulatedArray") -> None:
    """Visit a row again and again, as long as a cell has pulses left; round r pulses those with r or more."""
    m, walker = a.m, a.walker
    seen, so_far = Signal(), Signal()  # whether a cell of the round has more pulses to come than this one
    more = Signal()  # of the group before the last: known late in a clock, it is looked at in the next
    m.d.sync += more.eq(a.more & ~a.first)
    m.d.comb += so_far.eq(~a.first & (seen | more))
    with m.State("PULSE"):
        m.d.comb += [walker.by_group.eq(1), walker.keep.eq(1)]
        with m.If(may_send(a)):
            send_round(a, check=Check.COUNT, threshold=a.round)
            m.d.sync += seen.eq(so_far)
            with m.If(~walker.inner_last):
                m.d.comb += walker.step.eq(1)
            with m.Elif(so_far):
                again(a, a.round + 1)
            with m.Else():
                m.next = "LAST OF ROW"
    # Now it is known what the last but one, then what the last group has to come.
    for state, then in (("LAST OF ROW", "END OF ROW"), ("END OF ROW", None)):
        with m.State(state):
            m.d.comb += [walker.by_group.eq(1), walker.keep.eq(1)]
            m.next = then or "PULSE"
            with m.If(more):
                again(a, a.round + 1)
                m.next = "PULSE"
            if then is None:
                with m.Else():
                    next_row(a, walker.row_last)


def may_send(a: "EmulatedArray") -> Value:
    """Return whether a round may go on: its first cell may still be in flight from the round before."""
    return ~a.first | (a.wait == 0)


def send_round(a: "EmulatedArray", **fields: object) -> None:
    """Send a column group of a round."""
    a.send(pulse=1, **fields)
    a.m.d.sync += a.first.eq(0)
    with a.m.If(a.first):
        a.m.d.sync += a.wait.eq(a.time.again - 1)


def again(a: "EmulatedArray", following: Value | int) -> None:
    """Go back to the first group of the row, for another round."""
    a.m.d.comb += a.walker.again.eq(1)
    a.m.d.sync += [a.first.eq(1), a.round.eq(following)]


def next_row(a: "EmulatedArray", last: Value) -> None:
    """Leave the row: no cell of the next one is in flight."""
    m, rows_done = a.m, a.port.rows_done
    m.d.comb += a.walker.step.eq(1)
    m.d.sync += [a.first.eq(1), a.round.eq(1), a.wait.eq(0), rows_done.eq(rows_done + 1)]
    with m.If(last | a.port.stop):
        a.finish()


def _cell(a: "EmulatedArray") -> None:
    m, request = a.m, a.request
    left = Signal(COUNT_BITS)
    negative = request.count[-1]
    size = Mux(negative, -request.count, request.count)
    forming = a.is_(Operation.FORM_CELL) if a.parameters.loops else 0
    reset = negative & ~forming
    with m.State("CELL"):
        m.d.sync += left.eq(Mux(forming, 1, size))
        m.next = "CELL PULSES"
    with m.State("CELL PULSES"):
        with m.If(left == 0):
            a.finish()
        with m.Elif(a.wait == 0):
            a.send(pulse=~forming, form=forming, flip=reset)
            a.take_time(Mux(reset, request.reset_width, request.set_width))
            m.d.sync += [a.wait.eq(a.time.again - 1), left.eq(left - 1)]
