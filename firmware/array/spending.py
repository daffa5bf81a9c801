"""What a request took, and the longest train of a row: `spent` of the array port."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from firmware.parameters import Parameters
from firmware.port import SpentLayout
from hwctl.protocol.codes import MAX_AVERAGES_LOG2, MAX_PULSES, MAX_SLOTS

WIDTH_BITS = 32  # time codes of one pulse or conversion
COUNT_BITS = MAX_PULSES.bit_length()


class Spending(wiring.Component):
    """Adds up pulses, conversions and time. Counters are as wide as one request can need."""

    def __init__(self, parameters: Parameters) -> None:
        """Make the ports."""
        self.parameters = parameters
        lanes = parameters.lanes
        super().__init__(
            {
                "clear": In(1),
                "hidden": In(1),  # show no time: what is there belongs to a later request
                "hits": In(lanes),
                "polarities": In(lanes),
                "converted": In(1),
                "later": In(1),  # add `time`
                "time": In(WIDTH_BITS + COUNT_BITS),
                "spent": Out(SpentLayout),
            }
        )

    def elaborate(self, _: object) -> Module:
        """Count."""
        m, parameters, spent = Module(), self.parameters, self.spent
        cells = parameters.rows * parameters.cols
        pulses = min(bits_for(cells * max(MAX_PULSES, MAX_SLOTS)), 32)
        counters = [
            (spent.set_pulses, pulses, _ones(self.hits & ~self.polarities)),
            (spent.reset_pulses, pulses, _ones(self.hits & self.polarities)),
            (spent.conversions, min(bits_for(cells << MAX_AVERAGES_LOG2), 32), self.converted),
        ]
        for out, bits, more in counters:
            counter = Signal(bits)
            m.d.sync += counter.eq(Mux(self.clear, 0, counter + more))
            m.d.comb += out.eq(counter)
        time = Signal(min(WIDTH_BITS + MAX_AVERAGES_LOG2 + parameters.row_bits, 64))
        with m.If(self.clear):
            m.d.sync += time.eq(0)
        with m.Elif(self.later):
            m.d.sync += time.eq(time + self.time)
        m.d.comb += spent.time.eq(Mux(self.hidden, 0, time))
        return m


def _ones(bits: Signal) -> Signal:
    return sum((bits[n] for n in range(1, len(bits))), bits[0])


class LongestTrain(wiring.Component):
    """`start` with the pulses of a cell and the width of one: `longest` is the longest train since `clear`."""

    def __init__(self) -> None:
        """Make the ports."""
        super().__init__(
            {
                "clear": In(1),
                "start": In(1),
                "count": In(COUNT_BITS),
                "width": In(WIDTH_BITS),  # stands still while busy
                "busy": Out(1),
                "longest": Out(WIDTH_BITS + COUNT_BITS),
            }
        )

    def elaborate(self, _: object) -> Module:
        """Add the width as often as the count says; then compare, with the complement of the longest, which adds up."""
        m = Module()
        bits = len(self.longest)
        left, train, shorter = Signal(COUNT_BITS), Signal.like(self.longest), Signal(bits, init=(1 << bits) - 1)
        comparing, longer = Signal(), Signal(bits + 1)
        m.d.comb += [
            self.busy.eq((left != 0) | comparing),
            self.longest.eq(~shorter),
            longer.eq(train + shorter),
        ]
        m.d.sync += comparing.eq(left == 1)
        with m.If(self.start):
            m.d.sync += [left.eq(self.count), train.eq(0)]
        with m.Elif(left != 0):
            m.d.sync += [left.eq(left - 1), train.eq(train + self.width)]
        with m.If(self.clear):
            m.d.sync += shorter.eq(-1)
        with m.Elif(comparing & longer[-1]):
            m.d.sync += shorter.eq(~train)
        return m
