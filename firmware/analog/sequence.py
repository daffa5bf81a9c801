"""In which order levels change around a pulse or a reading: the same for every one of them.

    lines at ground - switches settle - gate on - converters settle, lines still at ground - ground opens -
    connect: the pulse, or what is sensed - 0 V: the driver opens, lines to ground - gate off - discharge - release

Bias of lines that are not selected comes and goes in the clocks in which the driver does. Between a driver and a path
to ground stand `dead` clocks on either side. The guard checks what comes from here.
"""

from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from firmware.analog.outputs import REST, Levels, Side


@dataclass(frozen=True)
class Times:
    """How long a board needs, in clocks, each 1 or more. Raises ValueError."""

    switch: int
    """Selecting switches, closed or opened."""
    converter: int
    """Output of a converter, after its last code."""
    gate: int
    """Gate line, on or off."""
    dead: int
    """Between a driver and a path to ground."""
    discharge: int
    """Lines at ground, after the gates are off."""

    def __post_init__(self) -> None:
        """Check."""
        if min(self.switch, self.converter, self.gate, self.dead, self.discharge) < 1:
            raise ValueError(f"{self}: give 1 clock or more for each")

    @property
    def around_pulse(self) -> int:
        """Clocks of one of several pulses beside its width, as the board needs them."""
        return 2 * self.gate + self.converter + 2 * self.dead + self.discharge


OWN = 2
"""Clocks of each pulse that no board needs: changes of state between settle times."""


class Sequencer(wiring.Component):
    """`start` begins when not `busy`: `pulses` of `width` clocks by the driver of `side`, or one reading if `sense`.

    `bias`: pulses with it. The inputs stand still while busy; switches and codes are as they shall be. Amplifiers
    settle for `width` clocks of a reading; from then on `sensing` is high, until `sensed`. `fired` is high for one
    clock as each pulse begins. `stop` ends it behind the pulse that it is at. `again`: the switches that select stand
    as they did before. `stands`: codes are known to have come to the converters. Where the guard goes to rest, this is
    reset.
    """

    def __init__(self, times: Times) -> None:
        """Make the ports."""
        self.times = times
        super().__init__(
            {
                "start": In(1),
                "stop": In(1),
                "again": In(1),
                "stands": In(1),
                "sense": In(1),
                "side": In(Side),
                "bias": In(1),
                "pulses": In(8),
                "width": In(32),
                "sensed": In(1),
                "sensing": Out(1),
                "fired": Out(1),
                "busy": Out(1),
                "wish": Out(Levels, init=REST),
            }
        )

    def elaborate(self, _: object) -> Module:
        """Put the states in their order."""
        self.m = m = Module()
        self.wait, self.left = Signal(32), Signal(8)
        with m.If(self.wait != 0):
            m.d.sync += self.wait.eq(self.wait - 1)
        with m.FSM() as machine:
            m.d.comb += self.busy.eq(~machine.ongoing("IDLE"))
            self._before()
            self._driven()
            self._after()
        return m

    def _for(self, clocks: Value | int) -> None:
        """Let the state that follows last so many clocks."""
        self.m.d.sync += self.wait.eq(clocks - 1)

    @property
    def _over(self) -> Value:
        return self.wait == 0

    def _before(self) -> None:
        m, times, wish = self.m, self.times, self.wish
        with m.State("IDLE"), m.If(self.start):
            m.d.sync += self.left.eq(Mux(self.sense, 1, self.pulses))
            self._for(times.switch)
            m.next = "SWITCHES"
            with m.If(self.again):
                m.d.sync += wish.gate.eq(1)
                self._for(times.gate)
                m.next = "GATE ON"
        with m.State("SWITCHES"), m.If(self._over):
            m.d.sync += wish.gate.eq(1)
            self._for(times.gate)
            m.next = "GATE ON"
            with m.If(self.left == 0):
                m.d.sync += wish.gate.eq(0)
                m.next = "IDLE"
        with m.State("GATE ON"), m.If(self._over):
            self._for(times.converter)
            m.next = "CONVERTERS"
        with m.State("CONVERTERS"), m.If(self._over & self.stands):
            m.d.sync += [
                wish.ground.eq(0), wish.sense.eq(self.sense),
                wish.return_row.eq(~self.sense & (self.side == Side.COL)),
                wish.return_col.eq(~self.sense & (self.side == Side.ROW)),
            ]  # fmt: skip
            self._for(times.dead)
            m.next = "OPEN"

    def _driven(self) -> None:
        m, times, wish = self.m, self.times, self.wish
        row = self.sense | (self.side == Side.ROW)
        with m.State("OPEN"), m.If(self._over):
            m.d.sync += [wish.drive_row.eq(row), wish.drive_col.eq(~row), wish.bias.eq(self.bias & ~self.sense)]
            m.d.comb += self.fired.eq(~self.sense)
            self._for(self.width)
            m.next = "DRIVEN"
        with m.State("DRIVEN"), m.If(self._over):
            m.d.comb += self.sensing.eq(self.sense)
            with m.If(~self.sense | self.sensed):
                m.d.sync += [wish.drive_row.eq(0), wish.drive_col.eq(0), wish.bias.eq(0), wish.sense.eq(0)]
                self._for(times.dead)
                m.next = "CLOSE"

    def _after(self) -> None:
        m, times, wish = self.m, self.times, self.wish
        with m.State("CLOSE"), m.If(self._over):
            m.d.sync += [
                wish.ground.eq(1), wish.return_row.eq(0), wish.return_col.eq(0),
                self.left.eq(Mux(self.stop, 0, self.left - 1)),
            ]  # fmt: skip
            self._for(1)
            m.next = "GROUND"
        with m.State("GROUND"), m.If(self._over):
            m.d.sync += wish.gate.eq(0)
            self._for(times.gate)
            m.next = "GATE OFF"
        with m.State("GATE OFF"), m.If(self._over):
            self._for(times.discharge)
            m.next = "DISCHARGE"
        with m.State("DISCHARGE"), m.If(self._over):
            m.next = "SWITCHES"  # where it ends, or goes on with the next pulse without selecting anew
