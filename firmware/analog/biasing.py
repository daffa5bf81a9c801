"""States that give every line of a passive array what a pulse of one cell needs: half-select voltages.

The selected line of the driven side has the pulse's voltage, that of the other side its rest, for it is at ground, and
all others have what the scheme gives their side. Lines that have their code already are passed over: from one cell of
a row to the next, two change. Behind the last cell of a request all lines are at their rest codes again.
"""

from typing import TYPE_CHECKING

from amaranth.hdl import Mux, Signal, Value
from amaranth.lib.memory import Memory

from firmware.analog.lookup import biases_of
from firmware.analog.outputs import Side
from hwctl.protocol.codes import MAX_LEVELS, HalfSelect, Polarity

if TYPE_CHECKING:
    from firmware.analog.array import AnalogArray


def states(a: "AnalogArray", polarity: Value, level: Value) -> None:
    """Add the states from "LINES" on: to "FIRE" for a cell, or to "IDLE" with all lines at rest where `leaving`.

    polarity, level: of the pulses; in the clock before "LINES" they and `a.side` must stand.
    """
    m, lines = a.m, len(a.board.lines)
    m.submodules.held = memory = Memory(shape=16, depth=lines, init=[])  # steps that each line has
    held, hold = memory.read_port(), memory.write_port()
    line, wanted = Signal(range(lines)), Signal(16)
    m.d.comb += [held.addr.eq(line), hold.addr.eq(line), hold.data.eq(wanted)]
    steps = _steps(a, line, *_biases(a, polarity, level))
    with m.State("LINES"):
        m.d.sync += line.eq(0)
        m.next = "LINE LOOKED UP"
    with m.State("LINE LOOKED UP"):
        m.d.sync += wanted.eq(Mux(a.leaving, 0, steps))
        m.next = "LINE"
    with m.State("LINE"):
        m.next = "LINE DONE"
        with m.If(held.data != wanted):
            m.d.comb += hold.en.eq(1)
            m.next = "LINE CODE"
    a.write("LINE CODE", line, wanted, "LINE DONE")
    with m.State("LINE DONE"):
        m.d.sync += line.eq(line + 1)
        m.next = "LINE LOOKED UP"
        with m.If(line == lines - 1):
            m.next = "FIRE"
            with m.If(a.leaving):
                m.next = "IDLE"


def _biases(a: "AnalogArray", polarity: Value, level: Value) -> tuple[Value, Value]:
    """Return the steps of unselected lines: those of the driven side, and those of the other side."""
    m, init = a.m, biases_of(a.board)
    m.submodules.biases = memory = Memory(shape=32, depth=len(init), init=init)
    found = memory.read_port()
    of_third = Mux(a.scheme == HalfSelect.V_THIRD, len(Polarity) * MAX_LEVELS, 0)
    m.d.comb += found.addr.eq(of_third + polarity * MAX_LEVELS + level)
    return Mux(a.biased, found.data[:16], 0), Mux(a.biased, found.data[16:], 0)


def _steps(a: "AnalogArray", line: Value, driven: Value, other: Value) -> Value:
    """Return the steps of a line, numbered over rows and columns, above its rest."""
    of_rows = line < len(a.board.rows)
    is_selected = line == Mux(of_rows, a.of_row(), a.of_col())
    is_driven = of_rows == (a.side == Side.ROW)
    return Mux(is_driven, Mux(is_selected, a.level.data[:16], driven), Mux(is_selected, 0, other))
