"""CONFIGURE_LIMITS, and what the limits that hold keep from the array. Of physical arrays only.

What the engine refuses here never moves anything; the array's guard has limits of its own, narrowed with these.
"""

from typing import TYPE_CHECKING

from amaranth.hdl import Cat, Mux, Signal, Value

from firmware.port import LimitsLayout
from hwctl.devices.identity import BoardCodes
from hwctl.protocol import commands
from hwctl.protocol.codes import Answer, Polarity, Refusal
from hwctl.protocol.commands import Command
from hwctl.protocol.packing import layout_of
from hwctl.protocol.replies import FLOORS, LIMITS, Limits

if TYPE_CHECKING:
    from firmware.engine.engine import Engine

STATES: dict[type[Command], str] = {commands.ConfigureLimits: "NARROW"}
READING = (commands.Read, commands.Vmm, commands.WriteVerify, commands.Form)
"""Commands that put the read voltage on lines."""


class Holding:
    """The limits that hold, and the read voltage as it was configured, in codes."""

    def __init__(self, codes: BoardCodes) -> None:
        """Begin with those of the build."""
        self.all = Signal(LimitsLayout, init=codes.limits.codes)
        self.max_read = self.all.max_read
        self.read = Signal(16, init=codes.nominal_read)
        self.exceeded = Signal()  # by a shape of the PULSE at hand


def states(e: "Engine") -> None:
    """Add the states of CONFIGURE_LIMITS."""
    m, holds, kind = e.m, e.limits.all, commands.ConfigureLimits
    asked = {name: e.unpacked.field(kind, name) for name in LIMITS}
    widened = [
        ((value < holds[name]) & (value != 0)) if name in FLOORS else (value > holds[name])
        for name, value in asked.items()
    ]
    m.d.comb += e.array.limits.eq(holds)
    _beyond(e)
    with m.State("NARROW"), m.If(e.quiet):
        m.d.sync += e.body.eq(layout_of(Limits).fixed.size)
        m.next = "NARROWED"
        with m.If(Cat(widened).any()):
            e.refuse(Refusal.OVER_LIMIT)
        with m.Elif(Cat(asked.values()) == 0):
            m.next = "LIMITS"
        with m.Else():
            for name, value in asked.items():
                with m.If(value != 0):
                    m.d.sync += holds[name].eq(value)
    with m.State("NARROWED"):
        m.d.comb += e.array.narrow.eq(1)
        m.next = "NARROWING"
    with m.State("NARROWING"), m.If(e.quiet):
        m.next = "LIMITS"
    sizes = {name: len(value) // 8 for name, value in asked.items()}
    told = [*((holds[name], size) for name, size in sizes.items()), (e.codes.limiter, 2)]
    e.say("LIMITS", [*e.head(Answer.LIMITS), *told], "FINISH")


def _over(e: "Engine", polarity: Value, amplitude: Value, width: Value, gate: Value) -> Value:
    """Return whether a pulse is beyond limits; forming also where its limiter lets more through than may flow."""
    holds, forming = e.limits.all, polarity == Polarity.FORM
    return Cat(
        amplitude > Mux(forming, holds.max_form_amplitude, holds.max_amplitude),
        width > Mux(forming, holds.max_form_width, holds.max_width),
        gate > Mux(forming, holds.max_form_gate, holds.max_gate),
        forming & (e.codes.limiter > holds.max_compliance),
    ).any()


def _beyond(e: "Engine") -> None:
    """Look at each shape when it is used: it may have been configured before limits were narrowed."""
    stored = e.shapes.stored
    e.m.d.comb += e.shapes.beyond.eq(_over(e, stored.polarity, e.shapes.height, stored.width, e.shapes.opening))


def shapes(e: "Engine", compliance: Value) -> None:
    """Refuse, in this clock, to configure a shape that is beyond limits, or whose current nothing holds."""
    parts = e.shapes
    asks = compliance != 0
    with e.m.If(_over(e, parts.polarity, parts.amplitude, parts.width, parts.gate)):
        e.m.d.comb += parts.configure.eq(0)
        e.refuse(Refusal.OVER_LIMIT)
    with e.m.Elif(asks & (parts.polarity != Polarity.FORM)):
        e.m.d.comb += parts.configure.eq(0)
        e.refuse(Refusal.UNSUPPORTED)
    with e.m.Elif(asks & (compliance < e.codes.limiter)):
        e.m.d.comb += parts.configure.eq(0)
        e.refuse(Refusal.OVER_LIMIT)


def readings(e: "Engine") -> None:
    """Refuse, in this clock, to read with a voltage that was configured before its limit was narrowed."""
    reading = e.unpacked.op.matches(*(int(kind.op) for kind in READING))
    with e.m.If(reading & (e.limits.read > e.limits.max_read)):
        e.refuse(Refusal.OVER_LIMIT)
