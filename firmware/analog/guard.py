"""The guard: the last logic before the pins. Nothing behind it decides anything, and nothing passes it by.

What wants to drive the array, right or wrong, hands wishes to it: levels, and codes for converters. A wish that breaks
a rule is not carried out: the guard trips, and brings the array to rest. `firmware/proofs/guard.py` proves, whatever
wishes come:

- no code leaves it that exceeds the limit of its channel;
- nothing is driven with more than what its kind may have: a reading, a pulse, or forming behind a limiter in hardware;
- no pulse is longer than its limit, and between two of them lines are at ground for `gap` clocks;
- nothing begins to be driven while a code is on its way, or where it is not known to have come;
- drivers of rows and of columns are never on together, nor a driver together with a path to ground of its line, and
  between the one and the other are `dead` clocks;
- lines that are not selected have a bias exactly as long as one of the drivers is on: cells never see bias alone;
- after a trip, or with `safe`, drivers and bias are off in the next clock and everything is at rest within
  `rest_clocks`, and stays there until `safe` has ended and the trip was acknowledged.

A trip is latched. Once it is acknowledged, wishes count again as soon as they are at rest themselves.
"""

from collections.abc import Iterator

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from firmware.analog.bounds import TRIP_BITS, GuardParameters, Kind, Narrowed
from firmware.analog.outputs import CODE_BITS, REST, Levels, write_layout
from hwctl.protocol.codes import Trip

AT_REST = Levels.const(REST)
SIDES = ("row", "col")


class Guard(wiring.Component):
    """`wish`, `write`, `zero`, `forming` and `reading` come from sequencers; `levels` and `written` go to the pins.

    `zero` asks for the rest code of every channel, as going to rest does: `to_rest` is high until `rested` says that
    all have it, and no other code is taken meanwhile. `stands`: every code that was taken has come. `heard` and
    `bad_frame` are high for one clock with each whole and each damaged frame. `blocked`: trips that others find.
    `narrow` lowers a limit; a higher value than the present one changes nothing. What channels hold at power-up is not
    known.
    """

    def __init__(self, parameters: GuardParameters) -> None:
        """Make the ports."""
        self.parameters = parameters
        write = write_layout(len(parameters.channels))
        super().__init__(
            {
                "wish": In(Levels, init=REST),
                "write": In(stream.Signature(write)),
                "zero": In(1),
                "forming": In(1),
                "reading": In(1),
                "rested": In(1),
                "stands": In(1),
                "safe": In(1),
                "heard": In(1),
                "bad_frame": In(1),
                "executing": In(1),
                "blocked": In(TRIP_BITS),
                "acknowledge": In(1),
                "narrow": In(stream.Signature(Narrowed)),
                "levels": Out(Levels, init=REST),
                "written": Out(stream.Signature(write)),
                "to_rest": Out(1),
                "trips": Out(TRIP_BITS),
                "resting": Out(1),
            }
        )
        self._declare()

    def _declare(self) -> None:
        """Declare the registers, which the proof looks at as well."""
        p = self.parameters
        self.running = Signal()  # wishes are carried out; else on the way to rest, or there
        self.reaches = {  # limits that can be narrowed: of codes, as a difference from rest
            (kind, one): Signal(CODE_BITS, init=reach, name=f"reach_{kind.name}_{one.name}".lower())
            for (kind, one), reach in p.reaches().items()
        }
        self.widths = {
            kind: Signal(32, init=width, name=f"width_{kind.name}".lower()) for kind, width in p.widths().items()
        }
        self.held = Signal(Kind)  # for what lines are driven
        self.beyond = {  # channels whose code exceeds what a kind may have; unknown ones count as such
            kind: Signal(len(p.channels), init=-1, name=f"beyond_{kind.name}".lower()) for kind in p.kinds
        }
        self.apart = [Signal(range(p.dead + 1), name=f"apart_{side}") for side in SIDES]
        self.opened = [Signal(range(p.dead + 1), init=p.dead, name=f"opened_{side}") for side in SIDES]
        self.grounded = Signal(range(p.gap + 1))  # clocks at ground since the last pulse
        self.lasted = Signal(32)  # clocks of a pulse before this one
        self.clean = Signal()  # all channels have their rest codes
        self.down = Signal(range(p.dead + p.gate_after + 1))  # clocks since drivers were opened
        self.quiet = Signal(range(p.silence + 1))  # clocks without a whole frame

    def elaborate(self, _: object) -> Module:
        """Put the rules together, and what counts for them."""
        self.m = m = Module()
        self.causes, self.not_passed = Signal(TRIP_BITS), Signal()
        self.driving, self.wanted = Signal(), Signal()
        m.d.comb += [
            self.resting.eq(self.levels.as_value() == AT_REST.as_value()),
            self.driving.eq(self.levels.drive_row | self.levels.drive_col),
            self.wanted.eq(self.wish.drive_row | self.wish.drive_col),
        ]
        self._limits()
        self._kinds()
        self._codes()
        self.too_high = self._too_high()
        self._conflicts()
        self._order()
        self._width()
        self._watchdog()
        m.d.comb += self.causes.eq(Cat(self._cause(trip) for trip in Trip) | self.blocked)
        self._move()
        return m

    # -- limits --------------------------------------------------------------------------------------------------------

    def _limits(self) -> None:
        """Let limits fall, and never rise."""
        m = self.m
        m.d.comb += self.narrow.ready.eq(1)
        with m.If(self.narrow.valid), m.Switch(self.narrow.payload.which):
            for n, limit in enumerate([*self.reaches.values(), *self.widths.values()]):
                with m.Case(n), m.If(self.narrow.payload.value < limit):
                    m.d.sync += limit.eq(self.narrow.payload.value)

    def _of_kind(self, kind: Value, values: dict[Kind, Value]) -> Value:
        """Return the value of a kind; that of a pulse where it has none."""
        found = values[Kind.PULSE]
        for one, value in values.items():
            found = Mux(kind == one, value, found)
        return found

    def _kinds(self) -> None:
        """Tell for what lines are driven, or would be; that stands still while they are."""
        m = self.m
        self.kind = Signal(Kind)
        asked = Mux(self.wish.sense, Kind.READ, Kind.PULSE)
        if Kind.FORM in self.parameters.kinds:
            asked = Mux(self.wish.sense, Kind.READ, Mux(self.forming, Kind.FORM, Kind.PULSE))
        m.d.comb += self.kind.eq(Mux(self.driving, self.held, asked))
        m.d.sync += self.held.eq(self.kind)

    # -- codes ---------------------------------------------------------------------------------------------------------

    def _codes(self) -> None:
        """Let codes through that are within limits."""
        m, write, written, channels = self.m, self.write, self.written, self.parameters.channels
        above = {kind: self._above(kind) for kind in self.parameters.kinds}
        # Codes of a reading stand before its wish does: inputs of a product may be below rest, where no pulse may be.
        ahead = self.reading & ~self.driving & ~self.wanted
        of_kind = Mux(ahead, above[Kind.READ], self._of_kind(self.kind, above))
        known, taken, passed = Signal(), Signal(), Signal()
        m.d.comb += [
            known.eq(write.payload.channel < len(channels)),
            write.ready.eq(~self.running | (~self.to_rest & (written.ready | ~written.valid))),
            taken.eq(write.valid & write.ready & self.running),
            passed.eq(taken & known & ~of_kind & ~self.causes.any()),
            self.not_passed.eq(taken & (~known | of_kind)),
        ]
        with m.If(written.ready):
            m.d.sync += written.valid.eq(0)
        with m.If(passed):
            m.d.sync += [written.valid.eq(1), written.payload.eq(write.payload), self.clean.eq(0)]
        with m.If(self.to_rest & self.rested):
            m.d.sync += [self.to_rest.eq(0), self.clean.eq(1)]
        with m.Elif((self.zero | ~self.running) & ~self.clean & ~written.valid & ~taken):
            m.d.sync += self.to_rest.eq(1)
        for kind, beyond in self.beyond.items():
            with m.If(self.to_rest & self.rested):
                m.d.sync += beyond.eq(0)
            with m.If(passed):
                m.d.sync += beyond.bit_select(write.payload.channel, 1).eq(above[kind])
            with m.If(self.narrow.valid & (self.narrow.payload.which < len(self.reaches))):
                # What was written before may be above the new limit: nothing is driven until all have rest codes again.
                m.d.sync += [beyond.eq(-1), self.clean.eq(0)]

    def _above(self, kind: Kind) -> Signal:
        """Return whether the code at hand is none that its channel may have."""
        m, payload, channels = self.m, self.write.payload, self.parameters.channels
        above = Signal(name=f"above_{kind.name}".lower())
        with m.Switch(payload.channel):
            for n, channel in enumerate(channels):
                low, high = channel.windows()[kind]
                reach = self.reaches[kind, channel.drives]
                with m.Case(n):
                    off = Mux(payload.code > channel.rest, payload.code - channel.rest, channel.rest - payload.code)
                    m.d.comb += above.eq((payload.code < low) | (payload.code > high) | (off > reach))
        return above

    def _too_high(self) -> Value:
        """Return whether a code is not passed, or lines are to be driven while a channel has one of another kind."""
        beyond = self._of_kind(self.kind, {kind: beyond.any() for kind, beyond in self.beyond.items()})
        return self.not_passed | (self.wanted & beyond)

    # -- rules ---------------------------------------------------------------------------------------------------------

    def _conflicts(self) -> None:
        wish, levels = self.wish, self.levels
        changed = Cat(wish[name] != levels[name] for name in ("sense", "drive_row", "bias")).any()
        to_ground = wish.ground | (wish.drive_row & wish.return_row) | (wish.drive_col & wish.return_col)
        self.conflict = (
            (wish.drive_row & wish.drive_col)
            | (self.wanted & to_ground)
            | (wish.bias & (wish.sense | ~self.wanted))
            | (wish.sense & (wish.ground | wish.drive_col | wish.return_col))
            # What is driven must not become another kind, the other side, nor with another bias, in the middle.
            | (self.driving & self.wanted & changed)
        )

    def _order(self) -> None:
        """Keep drivers and ground apart, and pulses from each other.

        Bias drives lines of both sides, as long as a driver is on: while `return_*` has the selected line of the
        other side at ground, but not `ground`, from which the driver is kept apart.
        """
        m, p, wish, levels = self.m, self.parameters, self.wish, self.levels
        early = []
        for side, apart, opened in zip(SIDES, self.apart, self.opened, strict=True):
            driver, back = levels[f"drive_{side}"], levels[f"return_{side}"]
            driven = driver | levels.bias
            self._count(apart, levels.ground | back, p.dead)
            self._count(opened, driven, p.dead)
            grounds = (wish.ground & ~levels.ground) | (wish[f"return_{side}"] & ~back)
            early.append(wish[f"drive_{side}"] & ~driver & (levels.ground | back | (apart + 1 < p.dead)))
            early.append(grounds & (driven | (opened + 1 < p.dead)))
        with m.If(self.driving):
            m.d.sync += self.grounded.eq(0)
        with m.Elif(levels.ground & (self.grounded < p.gap)):
            m.d.sync += self.grounded.eq(self.grounded + 1)
        early.append(self.wanted & ~self.driving & (self._uncertain() | (self.grounded < p.gap)))
        self.disordered = Cat(early).any()

    def _uncertain(self) -> Value:
        """Return whether a code may not have come."""
        return self.written.valid | ~self.stands

    def _count(self, clocks: Signal, clear: Value, most: int) -> None:
        with self.m.If(clear):
            self.m.d.sync += clocks.eq(0)
        with self.m.Elif(clocks < most):
            self.m.d.sync += clocks.eq(clocks + 1)

    def _width(self) -> None:
        """Count the clocks of a pulse. Readings are bounded by the watchdog alone: their voltage moves no cell."""
        m = self.m
        m.d.sync += self.lasted.eq(Mux(self.driving, self.lasted + 1, 0))
        self.too_long = (
            self.driving & self.wanted & (self.kind != Kind.READ)
            & (self.lasted + 1 >= self._of_kind(self.kind, dict(self.widths)))
        )  # fmt: skip

    def _watchdog(self) -> None:
        m, p = self.m, self.parameters
        quiet, window, bad = self.quiet, Signal(range(p.framing_window)), Signal(range(p.bad_frames + 2))
        self.silent, self.garbled = quiet == p.silence, bad > p.bad_frames
        with m.If(self.heard | ~(self.executing | ~self.resting)):
            m.d.sync += quiet.eq(0)
        with m.Elif(~self.silent):
            m.d.sync += quiet.eq(quiet + 1)
        m.d.sync += window.eq(Mux(window == p.framing_window - 1, 0, window + 1))
        with m.If(window == p.framing_window - 1):
            m.d.sync += bad.eq(0)
        with m.Elif(self.bad_frame & ~self.garbled):
            m.d.sync += bad.eq(bad + 1)

    def _cause(self, trip: Trip) -> Value:
        """Return whether a rule is broken in this clock; those of wishes hold where they are carried out."""
        of_wishes = {
            Trip.AMPLITUDE: self.too_high, Trip.WIDTH: self.too_long, Trip.CONFLICT: self.conflict,
            Trip.ORDER: self.disordered,
        }  # fmt: skip
        others = {Trip.SILENCE: self.silent, Trip.FRAMING: self.garbled}
        return self.running & of_wishes[trip] if trip in of_wishes else others.get(trip, Const(0))

    # -- to rest and back ----------------------------------------------------------------------------------------------

    def _move(self) -> None:
        m, p, levels, down = self.m, self.parameters, self.levels, self.down
        m.d.sync += self.trips.eq(self.trips | self.causes)
        with m.If(self.running):
            m.d.sync += [levels.eq(self.wish), down.eq(0)]
            with m.If(self.safe | self.causes.any()):
                m.d.sync += [self.running.eq(0), levels.eq(levels), *self._no_driver()]
        with m.Else():
            with m.If(down < p.dead + p.gate_after):
                m.d.sync += down.eq(down + 1)
            with m.If(down >= p.dead):
                m.d.sync += [levels.ground.eq(1), levels.return_row.eq(0), levels.return_col.eq(0)]
            with m.If(down == p.dead + p.gate_after):
                m.d.sync += levels.gate.eq(0)
            with m.If(self.resting & self.acknowledge):
                m.d.sync += self.trips.eq(self.causes)
            stopped = self.safe | self.trips.any() | self.causes.any()
            with m.If(self.resting & self.clean & ~stopped & self._at_rest(self.wish)):
                m.d.sync += self.running.eq(1)

    def _no_driver(self) -> Iterator[object]:
        for name in ("drive_row", "drive_col", "bias", "sense"):
            yield self.levels[name].eq(0)

    @staticmethod
    def _at_rest(wish: Value) -> Value:
        return wish.as_value() == AT_REST.as_value()
