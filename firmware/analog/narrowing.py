"""States that lower limits of a physical array: the guard's, one by one, and the pulses of a cell."""

from typing import TYPE_CHECKING

from amaranth.hdl import Mux, Signal, Value

from firmware.analog.bounds import Kind
from firmware.analog.codes import RATIO_BITS
from firmware.analog.outputs import Class

if TYPE_CHECKING:
    from firmware.analog.array import AnalogArray


def begin(a: "AnalogArray") -> None:
    """Begin, in this clock, where the engine asks for it."""
    with a.m.If(a.port.narrow):
        a.m.next = "NARROW"


def states(a: "AnalogArray") -> None:
    """Add the states."""
    m, guard, limits = a.m, a.guard, a.port.limits
    which = Signal(4)
    m.d.comb += guard.narrow.payload.which.eq(which)
    with m.State("NARROW"):
        with m.Switch(which):
            for number, limit in _limits(a).items():
                with m.Case(number):
                    m.d.comb += [guard.narrow.payload.value.eq(limit), guard.narrow.valid.eq(1)]
        m.d.sync += which.eq(which + 1)
        with m.If(limits.max_pulses < a.budget):
            m.d.sync += a.budget.eq(limits.max_pulses)
        with m.If(which == len(guard.reaches) + len(guard.widths) - 1):
            m.d.sync += which.eq(0)
            m.next = "NARROWED"
    with m.State("NARROWED"):
        # A code from before may be above a limit now: the guard drives none until all are at rest.
        m.d.comb += guard.zero.eq(1)
        m.d.sync += a.held.eq(0)
        with m.If(guard.clean):
            m.next = "IDLE"


def _limits(a: "AnalogArray") -> dict[int, Value]:
    """Return the limits of lines by the numbers that the guard gives them; gates of readings keep theirs."""
    guard, limits = a.guard, a.port.limits
    amplitudes = {
        Kind.READ: limits.max_read, Kind.PULSE: limits.max_amplitude, Kind.FORM: limits.max_form_amplitude,
    }  # fmt: skip
    gates = {Kind.PULSE: _gate(a, limits.max_gate, 0), Kind.FORM: _gate(a, limits.max_form_gate, 1)}
    widths = {Kind.PULSE: limits.max_width, Kind.FORM: limits.max_form_width}
    reaches: dict[int, Value] = {}
    for n, (kind, one) in enumerate(guard.reaches):
        if one != Class.GATE:
            reaches[n] = amplitudes[kind]
        elif kind in gates:
            reaches[n] = gates[kind]
    return reaches | {len(guard.reaches) + n: widths[kind] for n, kind in enumerate(guard.widths)}


def _gate(a: "AnalogArray", limit: Value, which: int) -> Value:
    """Return a gate's limit in steps of its line: where these are not those of a row, to the step that any code has.

    which: 0 of SET and RESET pulses, 1 of FORM pulses.
    """
    codes = a.board.codes
    if codes.gate_ratio == 1:
        return limit
    steps = Signal(32)
    # A level's gate is rounded to a code and to a step: it may be half of either above. The engine compares its code.
    scaled = ((limit << 1 | 1) * codes.gate_ratio_code + (1 << RATIO_BITS)) >> RATIO_BITS + 1
    # As the file has it, it stands already.
    a.m.d.sync += steps.eq(Mux(limit < codes.gate_codes[which], scaled, 0xFFFF))
    return steps
