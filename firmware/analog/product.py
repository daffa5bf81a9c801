"""States that multiply by a physical array: every row of a region driven with its input, all columns sensed at once."""

from typing import TYPE_CHECKING

from amaranth.hdl import Mux, Signal, signed

from firmware.analog.reading import select

if TYPE_CHECKING:
    from firmware.analog.array import AnalogArray

NARROW, WIDE = 7, 15  # bits of full scale: of inputs of 8 and of 16 bits


def states(a: "AnalogArray") -> None:
    """Add the states."""
    _inputs(a)
    _let_go(a)


def _inputs(a: "AnalogArray") -> None:
    """Put each input on its row, as a share of the read voltage, and open the gates once for many products."""
    m, board, request, elements = a.m, a.board, a.request, a.port.elements
    share, steps = Signal(signed(32)), Signal(signed(16))
    last = a.row + 1 == request.row1
    with m.State("VMM"):
        select(a)
        m.d.sync += a.whole.eq(1)
        m.next = "INPUT"
    with m.State("INPUT"):
        m.d.comb += elements.ready.eq(1)
        with m.If(elements.valid):
            m.d.sync += share.eq(elements.payload[:16].as_signed() * a.read_steps)
            m.next = "SHARE"
    with m.State("SHARE"):  # to the nearest step
        narrow, wide = ((share + (1 << bits - 1)) >> bits for bits in (NARROW, WIDE))
        m.d.sync += steps.eq(Mux(request.wide, wide, narrow))
        m.next = "INPUT CODE"
    a.write("INPUT CODE", a.of_row(), steps, "INPUT GATE" if board.gates else "INPUT SENT", waits=False)
    if board.gates:
        with m.State("INPUT GATE"):
            m.next = "OPEN GATE"
            with m.If(a.held):
                m.next = "INPUT SENT"
        a.write("OPEN GATE", a.of_gate(), board.codes.read_gate, "INPUT SENT", waits=False)
    with m.State("INPUT SENT"):
        m.d.sync += a.row.eq(a.row + 1)
        m.next = "INPUT"
        with m.If(last):
            m.d.sync += [
                a.row.eq(request.row0),
                a.held.eq(1),
                a.held_row0.eq(request.row0),
                a.held_row1.eq(request.row1),
            ]
            m.d.comb += a.sums.clear.eq(1)
            m.next = "INPUTS STAND"
    with m.State("INPUTS STAND"), m.If(a.codes_sent):
        m.next = "SENSE"


def _let_go(a: "AnalogArray") -> None:
    """Bring rows that still have inputs back to rest, before anything else is asked of them."""
    m = a.m
    with m.State("LET GO"):
        m.d.sync += a.row.eq(a.held_row0)
        m.next = "INPUT TO REST"
    a.write("INPUT TO REST", a.of_row(), 0, "LET NEXT GO")
    with m.State("LET NEXT GO"):
        m.d.sync += a.row.eq(a.row + 1)
        m.next = "INPUT TO REST"
        with m.If((a.row + 1 == a.held_row1) | a.lost):
            m.d.sync += [a.row.eq(a.request.row0), a.held.eq(0)]
            m.next = "BEGIN"
