"""Commands that ask and set: identity, shapes, tables, cell words, totals, noise key, time."""

from typing import TYPE_CHECKING

from amaranth.hdl import Mux, Value

from firmware.engine import limits
from firmware.engine.forms import words_of
from firmware.engine.totals import WORDS, Total
from firmware.port import Operation
from hwctl.protocol import codes, commands
from hwctl.protocol.cells import CELL, WORDS_PER_CELL
from hwctl.protocol.codec import HEADER
from hwctl.protocol.codes import Answer, HalfSelect, Refusal
from hwctl.protocol.commands import Command
from hwctl.protocol.packing import DTYPE_CODES

if TYPE_CHECKING:
    from firmware.engine.engine import Engine

STATES: dict[type[Command], str] = {
    commands.Identify: "IDENTIFY",
    commands.ConfigureShape: "CONFIGURE SHAPE",
    commands.ConfigureRead: "CONFIGURE READ",
    commands.Status: "STATUS",
    commands.Counters: "COUNTERS",
    commands.LoadCounters: "LOAD COUNTERS",
    commands.Safe: "SAFE",
    commands.LoadCurve: "LOAD CURVE",
    commands.LoadCells: "CHECK CELLS",
    commands.Dump: "DUMP",
    commands.Restore: "CHECK CELLS",
    commands.Seed: "SEED",
    commands.Wait: "WAIT",
}
_U8, _U16, _U32 = (DTYPE_CODES[name] for name in ("<u1", "<u2", "<u4"))
BAD_FRAMES = 16  # first of the bits of STATUS' `faults` that count frames that were dropped
COUNT_WORD, COUNT_WORDS = CELL.fields["count"][1] // 2, 2
LOW_WORD = CELL.fields["low"][1] // 2


def states(e: "Engine") -> None:
    """Add the states of these commands."""
    _identify(e)
    _configure_shape(e)
    _configure_read(e)
    _status(e)
    m, physical = e.m, e.parameters.physical
    if not physical:
        _load_curve(e)
    _read_words(e)
    if not physical:
        _check_cells(e)
    _write_words(e)
    with m.State("SAFE"):
        m.d.sync += e.safe.eq(1)
        m.next = "DONE EMPTY"
        if physical:
            m.d.comb += e.array.acknowledge.eq(1)
    if physical:
        return
    with m.State("SEED"):
        m.d.sync += e.key.eq(e.unpacked.field(commands.Seed, "seed"))
        m.next = "DONE EMPTY"
    _wait(e)


def _identify(e: "Engine") -> None:
    m = e.m
    with m.State("IDENTIFY"):
        start, length = e.fixed_replies.identity
        m.d.sync += [e.fixed_at.eq(start), e.body.eq(length - HEADER.size)]
        m.next = "FIXED REPLY"
        with m.If(length > e.reserve):
            e.refuse(Refusal.OVER_LIMIT)


def _configure_shape(e: "Engine") -> None:
    m, shapes, field = e.m, e.shapes, e.unpacked.field
    kind = commands.ConfigureShape
    m.d.comb += [
        shapes.polarity.eq(field(kind, "polarity")), shapes.amplitude.eq(field(kind, "amplitude")),
        shapes.width.eq(field(kind, "width")), shapes.gate.eq(field(kind, "gate")),
    ]  # fmt: skip
    with m.State("CONFIGURE SHAPE"):
        m.d.comb += [shapes.configure.eq(1), shapes.number.eq(field(kind, "index"))]
        m.next = "CONFIGURING SHAPE"
        if e.parameters.physical:
            limits.shapes(e, field(kind, "compliance"))
    with m.State("CONFIGURING SHAPE"):
        m.d.comb += shapes.number.eq(field(kind, "index"))
        with m.If(~shapes.busy):
            m.next = "DONE EMPTY"
            with m.If(~shapes.found):
                e.refuse(Refusal.NOT_CHARACTERISED)


def _configure_read(e: "Engine") -> None:
    m, divider, field = e.m, e.divider, e.unpacked.field
    kind = commands.ConfigureRead
    voltage, asked, able = field(kind, "voltage"), field(kind, "half_select"), e.codes.half_select
    beyond = voltage > (e.limits.max_read if e.parameters.physical else e.codes.max_read)
    if e.parameters.physical:
        beyond |= ~asked.matches(HalfSelect.GROUNDED, *able) | e.no_range(field(kind, "tia_range"))
    with m.State("CONFIGURE READ"):
        m.d.comb += [divider.a.eq(voltage << 8), divider.start.eq(1)]
        m.next = "CONFIGURING READ"
        with m.If(beyond):
            m.d.comb += divider.start.eq(0)
            e.refuse(Refusal.OVER_LIMIT)
    with m.State("CONFIGURING READ"), m.If(~divider.busy):
        m.d.sync += [
            e.voltage.eq(divider.quotient), e.tia_range.eq(field(kind, "tia_range")),
            e.settle.eq(field(kind, "settle")),
        ]  # fmt: skip
        if e.parameters.physical:
            m.d.sync += e.limits.read.eq(voltage)
            m.d.sync += e.half_select.eq(asked)
            if HalfSelect.GROUNDED not in able:  # what a host asks for that says nothing of it
                with m.If(asked == HalfSelect.GROUNDED):
                    m.d.sync += e.half_select.eq(able[0])
        m.next = "DONE EMPTY"


# -- totals ------------------------------------------------------------------------------------------------------------


def _status(e: "Engine") -> None:
    m = e.m
    with m.State("STATUS"):
        m.d.sync += [e.body.eq(4 + 8 * len(Total) + 1), e.count.eq(0)]
        m.next = "STATUS HEAD"
    faults = e.session.bad_frames << BAD_FRAMES
    if e.parameters.physical:
        faults = faults | e.array.trips
    e.say("STATUS HEAD", [*e.head(Answer.STATUS), (faults, 4)], "TOTALS")
    _totals(e, "TOTALS", 0, "STATUS SAFE")
    e.say("STATUS SAFE", [(e.safe, 1)], "FINISH")


def _totals(e: "Engine", state: str, first: int, then: str) -> None:
    """Make states that write the sums from `first` on to the reply, two bytes a word; `count` begins at 0."""
    m, totals = e.m, e.totals
    with m.State(state):
        m.d.comb += totals.address.eq(first * WORDS + e.count)
        with m.If(~totals.busy):
            m.next = f"{state} WORD"
    with m.State(f"{state} WORD"):
        m.d.comb += totals.address.eq(first * WORDS + e.count)
        e.put(totals.data.word_select(e.byte_number[0], 8))
        m.d.sync += e.byte_number.eq(~e.byte_number[0])
        with m.If(e.byte_number[0]):
            m.d.sync += e.count.eq(e.count + 1)
            m.next = state
            with m.If(e.count == (len(Total) - first) * WORDS - 1):
                m.next = then


def _wait(e: "Engine") -> None:
    m, totals = e.m, e.totals
    restoring = e.unpacked.op == commands.Restore.op
    m.d.comb += totals.time.eq(
        Mux(restoring, e.unpacked.field(commands.Restore, "clock"), e.unpacked.field(commands.Wait, "time"))
    )
    with m.State("WAIT"), m.If(e.quiet):
        m.d.comb += totals.wait.eq(1)
        m.next = "WAITING"
    with m.State("WAITING"), m.If(~totals.busy):
        m.next = "DONE EMPTY"
        with m.If(totals.overflow):
            e.refuse(Refusal.OVER_LIMIT)
    with m.State("SET CLOCK"), m.If(e.quiet):
        m.d.comb += totals.load.eq(1)
        m.next = "DONE EMPTY"


# -- tables and cells --------------------------------------------------------------------------------------------------


def _load_curve(e: "Engine") -> None:
    m, field, kind = e.m, e.unpacked.field, commands.LoadCurve
    level, polarity = field(kind, "level"), field(kind, "polarity")
    known = Mux(polarity[0], *(len(e.codes.levels[p]) for p in (1, 0)))
    with m.State("LOAD CURVE"), m.If(e.quiet):
        m.next = "MEANS"
        with m.If(level >= known):
            e.refuse(Refusal.NOT_CHARACTERISED)
        with m.Else():
            e.request(Operation.WRITE_CURVE, polarity=polarity, set_level=level, shift=field(kind, "shift"))
    for state, array, then in (
        ("MEANS", e.unpacked.array0, "FEED MEANS"),
        ("SIGMAS", e.unpacked.array1, "FEED SIGMAS"),
    ):
        with m.State(state):
            e.seek(array)
            e.feed(codes.CURVE_ENTRIES)
            m.next = then
    with m.State("FEED MEANS"):
        m.d.comb += e.feeder.wide.eq(1)
        e.feed_array()
        with m.If(~e.feeder.busy):
            m.next = "SIGMAS"
    with m.State("FEED SIGMAS"):
        m.d.comb += e.feeder.wide.eq(1)
        e.feed_array()
        with m.If(~e.feeder.busy & e.quiet):
            m.next = "DONE EMPTY"


def _read_words(e: "Engine") -> None:
    """COUNTERS and DUMP: words of cells, as they are."""
    m, cells = e.m, e.unpacked.cells
    rows, cols = e.unpacked.rows, e.unpacked.cols
    counting = e.unpacked.op == commands.Counters.op
    e.fits(9 + (cells << 2), "COUNTERS HEAD", "COUNTERS")
    e.say("COUNTERS HEAD", [*e.head(Answer.COUNTS), (_U32, 1), (rows, 4), (cols, 4)], "READ WORDS")
    if not e.parameters.physical:
        e.fits(8 + 9 + 5 + (words_of(cells) << 1), "DUMP HEAD", "DUMP")
        e.say("DUMP HEAD", e.head(Answer.DUMPED), "CLOCK")
        _totals(e, "CLOCK", Total.CLOCK, "DUMP WORDS")
        e.say("DUMP WORDS", [(_U16, 1), (cells, 4), (WORDS_PER_CELL, 4)], "READ WORDS")
    with m.State("READ WORDS"), m.If(e.quiet):
        word0, words = Mux(counting, COUNT_WORD, 0), Mux(counting, COUNT_WORDS, WORDS_PER_CELL)
        e.request(Operation.READ_WORDS, word0=word0, words=words)
        m.next = "READING WORDS"
    with m.State("READING WORDS"):
        e.take_results()
        with m.If(e.quiet):
            m.next = "FINISH"
            if not e.parameters.physical:
                with m.If(~counting):
                    m.next = "DUMP EXTRA"
    if not e.parameters.physical:
        e.say("DUMP EXTRA", [(_U8, 1), (0, 4)], "FINISH")


def _check_cells(e: "Engine") -> None:
    """Refuse cells whose range leaves the codes before any is written."""
    m, feeder, unpacked = e.m, e.feeder, e.unpacked
    item = feeder.item
    with m.State("CHECK CELLS"):
        e.seek(unpacked.array0)
        e.feed(words_of(unpacked.cells))
        m.d.sync += e.count.eq(0)
        m.next = "CHECKING CELLS"
    with m.State("CHECKING CELLS"):
        m.d.comb += [feeder.wide.eq(1), item.ready.eq(1)]
        with m.If(item.valid):
            m.d.sync += [e.count.eq(Mux(e.count == WORDS_PER_CELL - 1, 0, e.count + 1)), e.item.eq(item.payload)]
            beyond = (e.item + item.payload) > codes.NO_READING
            with m.If((e.count == LOW_WORD + 1) & beyond):
                m.d.sync += e.bad.eq(1)
        with m.If(~feeder.busy):
            extra = (unpacked.op == commands.Restore.op) & (unpacked.batch != 0)
            m.next = "LOAD CELLS"
            with m.If(e.bad | extra):
                e.refuse(Refusal.OVER_LIMIT)


def _write_words(e: "Engine") -> None:
    """LOAD_CELLS, RESTORE and LOAD_COUNTERS."""
    m, unpacked = e.m, e.unpacked
    cells = unpacked.cells
    loads: list[tuple[str, int, int, Value]] = [("LOAD COUNTERS", COUNT_WORD, COUNT_WORDS, cells << 1)]
    if not e.parameters.physical:
        loads.insert(0, ("LOAD CELLS", 0, WORDS_PER_CELL, words_of(cells)))
    for state, word0, words, items in loads:
        with m.State(state), m.If(e.quiet):
            e.request(Operation.WRITE_WORDS, word0=word0, words=words)
            e.seek(unpacked.array0)
            e.feed(items)
            m.next = "WRITING WORDS"
    with m.State("WRITING WORDS"):
        m.d.comb += e.feeder.wide.eq(1)
        e.feed_array()
        with m.If(~e.feeder.busy & e.quiet):
            m.next = "DONE EMPTY"
            if not e.parameters.physical:
                with m.If(unpacked.op == commands.Restore.op):
                    m.next = "SET CLOCK"


assert CELL.fields["span"][1] // 2 == LOW_WORD + 1, "_check_cells adds a word to the one before it"
