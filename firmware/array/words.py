"""States that move words of cells, and step curves: WRITE_WORDS, READ_WORDS, WRITE_CURVE."""

from typing import TYPE_CHECKING

from amaranth.hdl import Array, Mux, Signal, Value

from firmware.array.curves import table_of
from firmware.port import Operation
from hwctl.protocol.cells import WORDS_PER_CELL
from hwctl.protocol.codes import CURVE_ENTRIES

if TYPE_CHECKING:
    from firmware.array.array import EmulatedArray


def states(a: "EmulatedArray") -> None:
    """Add the states."""
    _words(a)
    _curve(a)


def _words(a: "EmulatedArray") -> None:
    """Let a cell's address reach all stages of the lane; then its words can be had."""
    m, request, walker = a.m, a.request, a.walker
    word, left = Signal(range(WORDS_PER_CELL)), Signal(range(WORDS_PER_CELL + 1))
    moved = Signal()
    _connect(a, word)
    with m.State("WORDS"):
        m.d.sync += [a.wait.eq(a.time.done), word.eq(request.word0), left.eq(request.words)]
        m.next = "WORD"
    with m.State("WORD"), m.If(a.wait == 0):
        with m.If(a.is_(Operation.READ_WORDS)):
            m.d.comb += [a.results.valid.eq(1), moved.eq(a.results.ready)]
        with m.Else():
            m.d.comb += [a.elements.ready.eq(1), moved.eq(a.elements.valid)]
        with m.If(moved):
            m.d.sync += [word.eq(word + 1), left.eq(left - 1)]
            with m.If(left == 1):
                m.d.comb += walker.step.eq(1)
                m.next = "WORDS"
                with m.If(walker.last):
                    m.next = "IDLE"
    writes = moved & a.is_(Operation.WRITE_WORDS)
    for number, lane in enumerate(a.lanes):
        m.d.comb += [
            lane.word_data.eq(a.elements.payload),
            lane.word_write.eq(Mux(writes & walker.mask[number], 1 << word, 0)),
        ]


def _connect(a: "EmulatedArray", word: Value) -> None:
    """Show the word of the cell at hand as a result, unless the converter has one."""
    chosen = a.of_lane([Array(lane.words)[word] for lane in a.lanes])
    a.m.d.comb += a.results.payload.eq(Mux(a.converter.results.valid, a.converter.results.payload, chosen))


def _curve(a: "EmulatedArray") -> None:
    m, request, write, elements = a.m, a.request, a.curve_write, a.elements
    number = Signal(range(2 * CURVE_ENTRIES))
    m.d.comb += [
        write.entry.eq(number),
        write.table.eq(table_of(a.constants, request.polarity, request.set_level)),
        write.data.eq(elements.payload),
    ]
    with m.State("CURVE"):
        m.d.comb += elements.ready.eq(1)
        with m.If(elements.valid):
            m.d.comb += [write.mean.eq(~number[-1]), write.sigma.eq(number[-1])]
            m.d.sync += number.eq(number + 1)
            with m.If(number.all()):
                m.next = "SHIFT"
    with m.State("SHIFT"):
        m.d.comb += [write.shift.eq(1), write.data.eq(request.shift)]
        m.next = "IDLE"
