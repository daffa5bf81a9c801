"""States of OUTER: docs/cell-law.md, "OUTER"."""

from typing import TYPE_CHECKING

from amaranth.hdl import Cat, Const, Mux, Signal, Value, signed

from firmware.array.issue import Check
from firmware.array.pulsing import again, may_send, next_row, send_round
from firmware.array.ram import Ram
from firmware.array.streams import RowBits
from hwctl.devices import law
from hwctl.protocol.codes import MAX_SLOTS

if TYPE_CHECKING:
    from firmware.array.array import EmulatedArray


class Outer:
    """The vectors are stored, then the streams drawn (coincidence), then the rows pulsed one after the other.

    Count: |x| passes over a row, each of as many rounds as the longest |d|, give every cell |x * d| pulses.
    Coincidence: a round for each slot whose bit the row's stream has.
    """

    def __init__(self, a: "EmulatedArray") -> None:
        """Make registers and memories."""
        self.a, self.m = a, a.m
        a.m.submodules.row_bits = self.bits = RowBits(a.parameters)
        self.ahead = Signal.like(self.bits.spot)  # row of the region that comes next
        self.asked = Signal()  # `ahead` changes with the next clock, or what is there may
        self.longest = Signal(8)  # |d|
        self.widths = Signal(33)
        self.slot = Signal(6)
        self.chunk = Signal(2)
        self.passes, self.slots = Signal(8), Signal(32)  # left for the row
        self.flip = Signal()
        self.x, self.bits_ahead, self.active = Signal(signed(8)), Signal(MAX_SLOTS), Signal()  # of the row at `fetched`
        self._memory()
        self._keep_streams()

    def states(self) -> None:
        """Add the states."""
        self._vectors()
        self._streams()
        self._rows()

    def _memory(self) -> None:
        """Keep x; the address is the row that comes next, and what is there is known two clocks later.

        Block RAM answers late in a clock: nothing is decided before its answer is in a register.
        """
        a, m, elements = self.a, self.m, self.a.elements
        m.submodules.rows = self.vector = Ram(8, max(a.parameters.rows, 2))
        since = Signal(2)  # which clocks have gone by
        m.d.sync += since.eq(Cat(~self.asked, since[0] & ~self.asked))
        self.fetched = since[1]
        m.d.comb += [
            self.vector.address.eq(self.ahead), self.bits.spot.eq(self.ahead),
            self.vector.write_address.eq(a.walker.spot), self.vector.write_data.eq(elements.payload),
        ]  # fmt: skip

    def _vectors(self) -> None:
        """Store x by row, and d by column; for the streams, x is in the operand memories as well, behind d."""
        a, m, walker, elements = self.a, self.m, self.a.walker, self.a.elements
        size = Signal(8)
        m.d.comb += size.eq(abs(elements.payload[:8].as_signed()))
        with m.State("OUTER X"):
            m.d.comb += [
                elements.ready.eq(1), walker.down.eq(1), walker.by_group.eq(1),
                a.staged.spot.eq(walker.spot + a.parameters.groups), a.staged.mask.eq(-1),
            ]  # fmt: skip
            m.d.sync += [
                self.longest.eq(0), self.ahead.eq(0), self.chunk.eq(0), self.slot.eq(0),
                self.widths.eq(a.request.set_width + a.request.reset_width),
            ]  # fmt: skip
            with m.If(elements.valid):
                m.d.comb += [self.vector.write_en.eq(1), a.staged.low.eq(1), walker.step.eq(1)]
                with m.If(walker.inner_last):
                    m.d.comb += walker.load.eq(1)
                    m.next = "OUTER D"
        with m.State("OUTER D"):
            m.d.comb += [elements.ready.eq(1), self.asked.eq(1)]
            with m.If(elements.valid):
                m.d.comb += [a.staged.low.eq(1), walker.step.eq(1)]
                with m.If(size > self.longest):
                    m.d.sync += self.longest.eq(size)
                with m.If(walker.inner_last):
                    m.d.comb += walker.load.eq(1)
                    m.next = "FETCH"
                    with m.If(a.request.coincidence):
                        m.next = "COLUMN STREAMS"

    def _streams(self) -> None:
        """Draw eight slots of a column group, or of a row, in a clock. The key is the command's own meanwhile."""
        a, m, walker = self.a, self.m, self.a.walker
        for state, kind, down, unit, after in (
            ("COLUMN STREAMS", law.STREAM_COLUMN, 0, self._column(), "ROW STREAMS"),
            ("ROW STREAMS", law.STREAM_ROW, 1, walker.row, "STREAMS END"),
        ):
            with m.State(state):
                m.d.comb += [walker.by_group.eq(1), walker.down.eq(down), a.stream_key.eq(1)]
                if down:  # all in the first lane, whatever its columns
                    m.d.comb += [a.issue.spot.eq(walker.spot + a.parameters.groups), a.issue.mask.eq(-1)]
                a.send(draw=1, kind=kind, unit=unit, chunk=self.chunk)
                m.d.sync += self.chunk.eq(self.chunk + 1)
                with m.If(self.chunk == (a.request.slots - 1)[3:5]):
                    m.d.sync += self.chunk.eq(0)
                    m.d.comb += walker.step.eq(1)
                    with m.If(walker.inner_last):
                        m.d.comb += walker.load.eq(1)
                        m.d.sync += a.wait.eq(a.time.done)
                        m.next = after
        with m.State("STREAMS END"):
            m.d.comb += a.stream_key.eq(1)
            self._slot_times()

    def _keep_streams(self) -> None:
        """Store the streams of rows: the first lane draws them."""
        a, m, late = self.a, self.m, self.a.late
        written = a.time.drawn
        m.d.comb += [
            self.bits.write_spot.eq(late(a.issue.spot, written) - a.parameters.groups),
            self.bits.write_bits.eq(a.lanes[0].stream),
            self.bits.chunk.eq(late(a.issue.chunk, written)),
            self.bits.write.eq(
                late(a.issue.valid, written) & late(a.issue.draw, written)
                & (late(a.issue.kind, written) == law.STREAM_ROW)
            ),
        ]  # fmt: skip
        with m.If(a.stream_key):
            m.d.comb += a.issue.index.eq(Cat(late(a.issue.chunk, 1), a.request.event[:30]))

    def _column(self) -> Value:
        lane_bits = len(self.a.lanes).bit_length() - 1
        return Cat(Const(0, lane_bits), self.a.walker.col[lane_bits:])

    def _slot_times(self) -> None:
        """Count the time of all slots, whatever falls into them, while the last streams are on their way."""
        a, m = self.a, self.m
        with m.If(self.slot != a.request.slots):
            a.take_time(self.widths)
            m.d.sync += self.slot.eq(self.slot + 1)
        with m.Elif(a.wait == 0):
            m.next = "FETCH"

    def _rows(self) -> None:
        a, m, walker = self.a, self.m, self.a.walker
        bits = self.bits.bits & Cat(n < a.request.slots for n in range(MAX_SLOTS))
        counts = (self.vector.data != 0) & (self.longest != 0)
        m.d.sync += [
            self.x.eq(self.vector.data),
            self.bits_ahead.eq(bits),
            self.active.eq(Mux(a.request.coincidence, bits != 0, counts)),
        ]
        with m.State("FETCH"):
            m.d.comb += walker.by_group.eq(1)
            with m.If(self.fetched):
                self._take_row()
                with m.If(~self.active):
                    m.d.comb += walker.skip.eq(1)
                    next_row(a, walker.row_last)
        with m.State("OUTER"):
            m.d.comb += walker.by_group.eq(1)
            with m.If(may_send(a)):
                send_round(
                    a, check=Mux(a.request.coincidence, Check.BITS, Check.COUNT), threshold=a.round,
                    slot=self.slots & -self.slots, flip=self.flip,
                )  # fmt: skip
                m.d.comb += walker.step.eq(1)
                with m.If(walker.inner_last):
                    self._end_round()

    def _take_row(self) -> None:
        """Begin with the row that comes next, if it has pulses."""
        m = self.m
        m.d.comb += self.asked.eq(1)
        m.d.sync += self.ahead.eq(self.ahead + 1)
        with m.If(self.active):
            m.d.sync += [self.slots.eq(self.bits_ahead), self.passes.eq(abs(self.x)), self.flip.eq(self.x < 0)]
            m.next = "OUTER"

    def _end_round(self) -> None:
        """Go on with the row while it has rounds; then with the next one at once, if it is known and has pulses."""
        a, m = self.a, self.m
        rest = self.slots & (self.slots - 1)
        more, pass_ends = Signal(), self.a.round == self.longest
        following = Mux(pass_ends | a.request.coincidence, 1, a.round + 1)
        m.d.comb += more.eq(Mux(a.request.coincidence, rest != 0, ~pass_ends | (self.passes != 1)))
        with m.If(~a.request.coincidence):
            a.take_time(self.widths)
        with m.If(more):
            again(a, following)
            m.d.sync += self.slots.eq(rest)
            with m.If(pass_ends):
                m.d.sync += self.passes.eq(self.passes - 1)
        with m.Else():
            m.next = "FETCH"
            with m.If(self.fetched & self.active & ~a.walker.row_last):
                self._take_row()
            next_row(a, a.walker.row_last)
