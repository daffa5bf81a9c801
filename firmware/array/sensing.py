"""States that sense: READ, and VMM in both directions."""

from typing import TYPE_CHECKING

from amaranth.hdl import Cat, Const, Mux, Signal, Value

from hwctl.devices import law
from hwctl.protocol.codes import MAX_AVERAGES_LOG2

if TYPE_CHECKING:
    from firmware.array.array import EmulatedArray


def states(a: "EmulatedArray") -> None:
    """Add the states."""
    _read(a)
    _vmm(a)


def _read(a: "EmulatedArray") -> None:
    """See a cell, then draw the noise of its conversions one after the other: docs/cell-law.md, "READ"."""
    m, walker, converter, request = a.m, a.walker, a.converter, a.request
    number = Signal(MAX_AVERAGES_LOG2)  # of the conversion
    final = Signal()
    last = Cat(n < request.averages_log2 for n in range(MAX_AVERAGES_LOG2))
    m.d.comb += [final.eq(number == last), converter.final.eq(final)]
    with m.State("READ"):
        a.send(see=1, last=1, one=1)
        m.d.sync += [number.eq(0), a.wait.eq(a.time.summed - a.time.product)]
        m.next = "READ DRAW"
    with m.State("READ DRAW"), m.If(a.wait == 0):  # the sum will be there before the noise
        a.send(draw=1, kind=law.READ)
        m.next = "READ NOISE"
        with m.If(walker.col == request.col0):
            a.take_time(request.settle)
    with m.State("READ NOISE"):
        m.d.comb += a.issue.index.eq((request.index + number)[:32])
        with m.If(converter.released):
            m.d.sync += number.eq(number + 1)
            m.next = "READ DRAW"
            with m.If(final):
                m.d.comb += walker.step.eq(1)
                m.next = "READ"
                with m.If(walker.last):
                    a.finish()


def _vmm(a: "EmulatedArray") -> None:
    """Sum up a column group over rows, or a row over column groups, while the converter has the one before.

    The input is taken at the same time: its first lines are used while the others come. A draw of noise for each
    sensed line goes through the lane before the last cell.
    """
    m, walker, request = a.m, a.walker, a.request
    transposed = _transposed(a)
    staged, drawn = a.filled, Signal()
    lane_bits = len(a.lanes).bit_length() - 1
    column = Cat(Const(0, lane_bits), walker.col[lane_bits:])
    directions = [walker.by_group.eq(1), walker.down.eq(~transposed)]
    with m.State("VMM"):
        m.d.comb += a.vmm_begins.eq(1)
        m.d.sync += [drawn.eq(0), a.pending.eq(0)]
        a.take_time(request.settle)
        m.next = "VMM CELL"
    with m.State("VMM CELL"):
        m.d.comb += directions
        there = walker.spot < staged  # the input
        with m.If(there & walker.inner_last & ~drawn & ~a.pending):
            a.send(draw=1, kind=Mux(transposed, law.ROW, law.COLUMN), unit=Mux(transposed, walker.row, column))
            m.d.sync += drawn.eq(1)
        with m.Elif(there & (drawn | ~walker.inner_last)):
            a.send(see=1, last=walker.inner_last)
            m.d.comb += walker.step.eq(1)
            with m.If(walker.inner_last):
                m.d.sync += [drawn.eq(0), a.pending.eq(1)]
                with m.If(walker.last):
                    a.finish()


def stage(a: "EmulatedArray") -> None:
    """Take the elements of a VMM; `filled` is how many spots of the operand memories have theirs."""
    m, request, elements, lanes = a.m, a.request, a.elements, len(a.lanes)
    transposed = _transposed(a)
    staged, staging = Signal(len(a.issue.spot) + 1), Signal()
    a.filled, a.vmm_begins = staged, Signal()
    line = Signal(max(len(request.row0), len(request.col0)))
    last_line = Mux(transposed, request.col1, request.row1) - 1
    lane = line[: lanes.bit_length() - 1]
    with m.If(staging):
        m.d.comb += [
            elements.ready.eq(1),
            a.staged.spot.eq(staged),
            a.staged.mask.eq(Mux(transposed, 1 << lane, -1)),
            a.staged.low.eq(elements.valid),
            a.staged.high.eq(elements.valid),
        ]
        with m.If(elements.valid):
            m.d.sync += line.eq(line + 1)
            with m.If(~transposed | lane.all() | (line == last_line)):
                m.d.sync += staged.eq(staged + 1)
            with m.If(line == last_line):
                m.d.sync += staging.eq(0)
    with m.If(a.vmm_begins):
        m.d.sync += [staging.eq(1), staged.eq(0), line.eq(Mux(transposed, request.col0, request.row0))]


def _transposed(a: "EmulatedArray") -> Value:
    return a.request.transposed if a.parameters.transposed else Const(0)
