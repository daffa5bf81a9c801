"""States that read a physical array: a row at a time, or a product of all; columns on all ADCs at once."""

from typing import TYPE_CHECKING

from amaranth.hdl import Array, Cat, Const, Mux, Signal, signed

from firmware.analog.lookup import places_of
from firmware.analog.sensing import FACTOR_BITS
from hwctl.protocol.codes import ADC_BITS, MAX_AVERAGES_LOG2, MAX_READ_RANGE, NO_CURRENT, NO_READING

if TYPE_CHECKING:
    from firmware.analog.array import AnalogArray

NEAR = 64  # codes: so near to no current, an end of the converter may stand for none
SUM_BITS = ADC_BITS + MAX_AVERAGES_LOG2 + 1  # signed


class Sums:
    """Of each column since the row was begun."""

    def __init__(self, cols: int) -> None:
        """Declare."""
        self.total = [Signal(signed(SUM_BITS), name=f"total_{n}") for n in range(cols)]
        self.over = Signal(cols)  # a conversion was at the end of the ADC
        self.clear = Signal()


def beside(a: "AnalogArray") -> None:
    """Add up what is converted, beside the states."""
    m, adcs, sense = a.m, a.adcs, a.board.sense
    a.sums = sums = Sums(len(a.board.cols))
    for n, (chip, channel) in enumerate(places_of(a.board)):
        value = adcs.values[chip]
        current = value - sense.zero if sense.sign > 0 else sense.zero - value
        with m.If(sums.clear):
            m.d.sync += [sums.total[n].eq(0), sums.over[n].eq(0)]
        with m.Elif(adcs.converted & (adcs.channel == channel)):
            # No cell conducts backwards, but products have either sign.
            m.d.sync += sums.total[n].eq(sums.total[n] + Mux((current > 0) | a.whole, current, 0))
            ends = [sense.top, 0] if min(sense.zero, sense.top - sense.zero) > NEAR else [sense.top * (sense.sign > 0)]
            with m.If(value.matches(*ends) | adcs.wrong[chip]):
                m.d.sync += sums.over[n].eq(1)


def states(a: "AnalogArray") -> None:
    """Add the states."""
    _drive(a)
    _convert(a)
    _emit(a)


def _drive(a: "AnalogArray") -> None:
    """Put the read voltage on the row, and let the amplifiers settle."""
    m, board = a.m, a.board
    a.read_steps = volts = Signal(16)
    with m.State("READ"):
        select(a)
        m.next = "ROW"
    with m.State("ROW"):
        a.choose()
        m.d.comb += a.sums.clear.eq(1)
        m.next = "READ CODE"
    a.write("READ CODE", a.of_row(), volts, "READ GATE" if board.gates else "SENSE")
    if board.gates:
        a.write("READ GATE", a.of_gate(), board.codes.read_gate, "SENSE")
    a.write("ROW TO REST", a.of_row(), 0, "EMIT")


def select(a: "AnalogArray") -> None:
    """Take the read voltage, the range and its wait from the request, in this clock."""
    m, codes, request = a.m, a.board.codes, a.request
    m.d.sync += [
        a.read_steps.eq(request.voltage * codes.nominal_read >> 8), a.is_reading.eq(1), a.selected.eq(1), a.whole.eq(0),
    ]  # fmt: skip
    with m.Switch(request.tia_range):
        for n, (one, settle) in enumerate(zip(codes.ranges, codes.sense_settle, strict=True)):
            with m.Case(one.number):
                m.d.sync += [a.range.eq(n), a.settle.eq(Mux(request.settle > settle, request.settle, settle))]


def _convert(a: "AnalogArray") -> None:
    """Convert every channel on which a column of the region hangs, as often as is averaged."""
    m, request, adcs = a.m, a.request, a.adcs
    places = places_of(a.board)
    channels = sorted({channel for _, channel in places})
    wanted = [
        Cat((request.col0 <= n) & (n < request.col1) for n, (_, own) in enumerate(places) if own == channel).any()
        for channel in channels
    ]
    at, scans = Signal(range(max(len(channels), 2))), Signal(MAX_AVERAGES_LOG2 + 1)
    m.d.comb += adcs.channels.payload.eq(Array([Const(channel, 4) for channel in channels])[at])
    with m.State("SENSE"), m.If(~a.switching):
        m.d.sync += [at.eq(0), scans.eq(1 << request.averages_log2)]
        m.d.comb += a.sequencer.start.eq(~a.lost)
        m.next = "SETTLING"
    with m.State("SETTLING"):
        with m.If(a.lost):
            m.next = "ROW TO REST"
            with m.If(a.whole):
                m.next = "EMIT"
        with m.Elif(a.sequencer.sensing):
            m.next = "CONVERT"
    with m.State("CONVERT"):
        m.d.comb += adcs.channels.valid.eq(Array(wanted)[at])
        with m.If(adcs.channels.ready | ~Array(wanted)[at]):
            m.d.sync += at.eq(at + 1)
            with m.If(at == len(channels) - 1):
                m.d.sync += [at.eq(0), scans.eq(scans - 1)]
                with m.If((scans == 1) | a.lost):
                    m.next = "CONVERTING"
    with m.State("CONVERTING"), m.If(adcs.settled):
        m.d.comb += a.sequencer.sensed.eq(1)
        m.next = "SENSED"
    with m.State("SENSED"), m.If(~a.sequencer.busy):
        m.d.sync += a.port.spent.conversions.eq(
            a.port.spent.conversions + ((request.col1 - request.col0) << request.averages_log2)
        )
        m.next = "ROW TO REST"
        with m.If(a.whole):
            m.next = "EMIT"


def _emit(a: "AnalogArray") -> None:
    """Scale each sum to a reading: times what the range's resistor lacks to a power of two, and over the number.

    In three steps, each of another column: while one is taken, the next two are on their way.
    """
    m, request, results, sums = a.m, a.request, a.port.results, a.sums
    ranges = a.board.codes.ranges
    factor = Array([Const(one.factor_code, FACTOR_BITS + 1) for one in ranges])[a.range]
    number = Array([Const(one.number, 4) for one in ranges])[a.range]
    ahead, shift = Signal.like(a.col), Signal(range(FACTOR_BITS + MAX_AVERAGES_LOG2))
    product, work = Signal(signed(SUM_BITS + FACTOR_BITS + 2)), Signal(signed(SUM_BITS + MAX_READ_RANGE + 1))
    # A conductance is told in codes of range 0, a current in those of its own; to the nearest one.
    m.d.comb += shift.eq(FACTOR_BITS - 1 + Mux(a.whole, 0, request.averages_log2 - number))
    move = [
        ahead.eq(ahead + 1), product.eq(Array(sums.total)[ahead] * factor), work.eq(((product >> shift) + 1) >> 1),
    ]  # fmt: skip
    with m.State("EMIT"), m.If(a.guard.resting):  # after a trip, the row stays until its lines are at ground
        m.d.sync += ahead.eq(a.col)
        m.next = "PRODUCT"
    for state, then in (("PRODUCT", "SCALE"), ("SCALE", "RESULT")):
        with m.State(state):
            m.d.sync += move
            m.next = then
    with m.State("RESULT"):
        good = ~a.lost & ~sums.over.bit_select(a.col, 1).any() & (work < NO_READING)
        bad = Mux(a.whole, Const(NO_CURRENT & 0xFFFF, 16), Const(NO_READING, 16))
        m.d.comb += [results.valid.eq(1), results.payload.eq(Mux(good, work, bad))]
        with m.If(results.ready):
            m.d.sync += move
            a.step("RESULT", "READ DONE")
            with m.If(a.col + 1 == request.col1):
                m.next = "ROW"
                with m.If((a.row + 1 == request.row1) | a.whole):
                    m.next = "READ DONE"
                with m.Elif(a.lost):
                    m.next = "EMIT"
    with m.State("READ DONE"):
        m.next = "IDLE"  # with switches as they stand: the next row, or the next product, often needs the same
