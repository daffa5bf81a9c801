"""Commands that pulse the array open loop: PULSE, PULSE_SPARSE, OUTER."""

from typing import TYPE_CHECKING

from amaranth.hdl import Cat, Mux, Signal, Value

from firmware.parameters import Parameters
from firmware.port import Operation
from hwctl.protocol import codes, commands
from hwctl.protocol.codes import Answer, OuterMode, Polarity, Refusal, ShapePer
from hwctl.protocol.commands import Command

if TYPE_CHECKING:
    from firmware.engine.engine import Engine

STATES: dict[type[Command], str] = {
    commands.Pulse: "PULSE",
    commands.PulseSparse: "SPARSE",
    commands.Outer: "FETCH SET",
}
_NEVER = codes.MAX_PULSES + 1  # -128 as a byte: no number of pulses


def scans(parameters: Parameters) -> dict[type[Command], str]:
    """Return the first states of commands whose arrays are looked through before anything else."""
    found: dict[type[Command], str] = {commands.Pulse: "SCAN COUNTS", commands.PulseSparse: "SCAN COUNTS"}
    if parameters.outer:
        found[commands.Outer] = "SCAN OUTER"
    return found


def states(e: "Engine") -> None:
    """Add the states of these commands."""
    _scan_counts(e)
    _counts(e)
    _drives(e)
    _pulse(e)
    _fetch(e)
    _sparse(e)
    if e.parameters.outer:
        _scan_outer(e)
        _outer(e)
    e.say("PULSED", [*e.head(Answer.PULSED), *((total, 4) for total in e.pulsed)], "FINISH")


def _scan_counts(e: "Engine") -> None:
    m, unpacked = e.m, e.unpacked
    sparse = unpacked.op == commands.PulseSparse.op
    with m.State("SCAN COUNTS"):
        e.seek(Mux(sparse, unpacked.array2, unpacked.array0))
        e.feed(Mux(sparse, unpacked.batch, unpacked.cells))
        m.d.sync += e.body.eq(8)  # of PULSED
        m.next = "SCANNING COUNTS"
    with m.State("SCANNING COUNTS"):
        m.d.comb += e.feeder.item.ready.eq(1)
        with m.If(e.feeder.item.valid & (e.feeder.item.payload[:8] == _NEVER)):
            m.d.sync += e.bad.eq(1)
        with m.If(~e.feeder.busy):
            m.next = "INSIDE"
            with m.If(e.bad):
                e.refuse(Refusal.MALFORMED)


# -- PULSE -------------------------------------------------------------------------------------------------------------


def _counts(e: "Engine") -> None:
    m = e.m
    with m.State("PULSE"), m.If(e.quiet):
        e.request(Operation.COUNTS)
        e.seek(e.unpacked.array0)
        e.feed(e.unpacked.cells)
        m.next = "COUNTS"
    with m.State("COUNTS"):
        e.feed_array()
        with m.If(~e.feeder.busy & e.quiet):
            m.next = "SET DRIVES"


def _drives(e: "Engine") -> None:
    """Tell the array the drive of each cell, and look whether each shape has the polarity that it is used with."""
    m, unpacked, elements = e.m, e.unpacked, e.array.elements
    per = unpacked.field(commands.Pulse, "per")
    resetting = Signal()
    number = e.reader.byte
    last_row, last_col = e.row == unpacked.rows - 1, e.col == unpacked.cols - 1
    for state, polarity, array in (("SET DRIVES", 0, unpacked.array1), ("RESET DRIVES", 1, unpacked.array2)):
        with m.State(state), m.If(e.quiet):
            e.request(Operation.DRIVES, polarity=polarity)
            e.seek(array)
            m.d.sync += [resetting.eq(polarity), e.row.eq(0), e.col.eq(0)]
            m.next = "SHAPE"
    if e.parameters.physical:  # limits are compared right behind the look-up, which begins with a register for that
        number = Signal(8)
        with m.State("SHAPE"):
            m.d.sync += number.eq(e.reader.byte)
            with m.If(e.reader.valid):
                m.next = "LOOK UP SHAPE"
    with m.State("LOOK UP SHAPE" if e.parameters.physical else "SHAPE"):
        m.d.comb += e.shapes.number.eq(number)
        with m.If(e.reader.valid):
            m.next = "DRIVE"
    with m.State("DRIVE"):
        shape = e.shapes.shape
        m.d.comb += [
            e.shapes.number.eq(number),  # the byte stands still, and so does its shape
            elements.payload.eq(Cat(shape.width, shape.level)),
            elements.valid.eq(1),
        ]
        with m.If(shape.polarity != resetting):
            m.d.sync += e.bad.eq(1)
            if e.parameters.physical:
                m.d.sync += e.limits.exceeded.eq(e.shapes.beyond)
        with m.If(elements.ready):
            m.d.sync += e.col.eq(Mux(last_col, 0, e.col + 1))
            m.next = "SHAPE"
            with m.If((per == ShapePer.CELL) | (per == ShapePer.COL) | ((per == ShapePer.ROW) & last_col)):
                m.d.comb += e.reader.take.eq(1)
            with m.If(last_col):
                m.d.sync += e.row.eq(e.row + 1)
                with m.If(per == ShapePer.COL):
                    e.seek(Mux(resetting, unpacked.array2, unpacked.array1))
                with m.If(last_row):
                    m.next = "DRIVEN"
    with m.State("DRIVEN"):
        m.next = "RESET DRIVES"
        with m.If(resetting):
            m.next = "PULSE BEGIN"
            with m.If(e.bad):
                e.refuse_shape(e.limits.exceeded if e.parameters.physical else None)


def _pulse(e: "Engine") -> None:
    m, array = e.m, e.array
    seen = Signal.like(array.rows_done)
    with m.State("PULSE BEGIN"), m.If(e.quiet):
        e.request(Operation.PULSE)
        m.d.sync += [seen.eq(0), e.safe.eq(0)]
        m.next = "PULSING"
    with m.State("PULSING"):
        m.d.comb += array.stop.eq(e.session.safe)
        with m.If(array.rows_done != seen):
            m.d.sync += [seen.eq(seen + 1), e.progress.eq(e.progress + e.unpacked.cols)]
        with m.Elif(e.quiet):
            m.next = "PULSED"
            with m.If(seen != e.unpacked.rows):
                m.next = "STOP"
            e.unless_tripped()


# -- shapes of a whole command -----------------------------------------------------------------------------------------


def _fetch(e: "Engine") -> None:
    """Look up the two shapes of PULSE_SPARSE or OUTER."""
    m, unpacked, shapes = e.m, e.unpacked, e.shapes
    outer = unpacked.op == commands.Outer.op
    numbers = [
        Mux(outer, unpacked.field(commands.Outer, name), unpacked.field(commands.PulseSparse, name))
        if e.parameters.outer
        else unpacked.field(commands.PulseSparse, name)
        for name in ("set_shape", "reset_shape")
    ]
    for state, number, then in (("FETCH SET", numbers[0], "FETCHED SET"), ("FETCH RESET", numbers[1], "FETCHED RESET")):
        with m.State(state):
            m.d.comb += shapes.number.eq(number)
            m.next = then
    with m.State("FETCHED SET"):
        m.d.sync += e.drives[0].eq(Cat(shapes.shape.width, shapes.shape.level))
        m.next = "FETCH RESET"
        with m.If(shapes.shape.polarity != Polarity.SET):
            e.refuse_shape()
    with m.State("FETCHED RESET"):
        m.d.sync += e.drives[1].eq(Cat(shapes.shape.width, shapes.shape.level))
        m.next = "SPARSE BEGIN"
        if e.parameters.outer:
            with m.If(outer):
                m.next = "OUTER BEGIN"
        with m.If(shapes.shape.polarity != Polarity.RESET):
            e.refuse_shape()


# -- PULSE_SPARSE ------------------------------------------------------------------------------------------------------


def _look_through(e: "Engine", state: str, array: Value, lines: int, then: str) -> None:
    """Make states that refuse a list of lines of which one is beyond the array."""
    m, item = e.m, e.feeder.item
    with m.State(state):
        e.seek(array)
        e.feed(e.unpacked.batch)
        m.next = f"{state} ING"
    with m.State(f"{state} ING"):
        m.d.comb += [e.feeder.wide.eq(1), item.ready.eq(1)]
        with m.If(item.valid & (item.payload >= lines)):
            m.d.sync += e.bad.eq(1)
        with m.If(~e.feeder.busy):
            m.next = then
            with m.If(e.bad):
                e.refuse(Refusal.OUT_OF_REGION)


def _sparse(e: "Engine") -> None:
    """One request a cell, in the order of the list."""
    m, unpacked, item = e.m, e.unpacked, e.feeder.item
    _look_through(e, "SPARSE", unpacked.array0, e.parameters.rows, "SPARSE COLS")
    _look_through(e, "SPARSE COLS", unpacked.array1, e.parameters.cols, "FETCH SET")
    with m.State("SPARSE BEGIN"):
        m.d.sync += [e.count.eq(0), e.safe.eq(0)]
        m.next = "CELL ROW"
    for state, address, register, wide, then in (
        ("CELL ROW", unpacked.array0 + (e.count << 1), e.row, 1, "CELL COL"),
        ("CELL COL", unpacked.array1 + (e.count << 1), e.col, 1, "CELL COUNT"),
        ("CELL COUNT", unpacked.array2 + e.count, e.item, 0, "CELL"),
    ):
        with m.State(state):
            e.seek(address)
            e.feed(1)
            m.next = f"{state} ITEM"
            if state == "CELL ROW":
                with m.If(e.session.safe):
                    m.next = "STOP"
                with m.Elif(e.count == unpacked.batch):
                    m.next = "PULSED"
        with m.State(f"{state} ITEM"):
            m.d.comb += [e.feeder.wide.eq(wide), item.ready.eq(1)]
            with m.If(item.valid):
                m.d.sync += register.eq(item.payload)
                m.next = then
    with m.State("CELL"), m.If(e.quiet):
        m.d.sync += [e.count.eq(e.count + 1), e.progress.eq(e.progress + 1)]
        m.next = "CELL DONE"
        with m.If(e.item != 0):
            e.request(Operation.PULSE_CELL, row0=e.row, col0=e.col, count=e.item[:8])
    with m.State("CELL DONE"), m.If(e.quiet):
        m.next = "CELL ROW"
        e.unless_tripped()


# -- OUTER -------------------------------------------------------------------------------------------------------------


def _scan_outer(e: "Engine") -> None:
    """In mode COUNT, no cell and event may get more than 127 pulses."""
    m, unpacked, item, multiplier = e.m, e.unpacked, e.feeder.item, e.multiplier
    counting = unpacked.field(commands.Outer, "mode") == OuterMode.COUNT
    highest = [Signal(8, name=f"highest_{name}") for name in ("x", "d")]
    size = Signal(9)
    m.d.comb += size.eq(Mux(item.payload[15], -item.payload.as_signed(), item.payload))
    with m.State("SCAN OUTER"):
        m.d.sync += [e.body.eq(8), e.x_at.eq(unpacked.array0), e.d_at.eq(unpacked.array1), e.count.eq(unpacked.batch)]
        m.next = "INSIDE"
        with m.If(counting):
            m.next = "SCAN X"
    for n, (state, at, items, then) in enumerate((
        ("SCAN X", e.x_at, unpacked.rows, "SCAN D"), ("SCAN D", e.d_at, unpacked.cols, "SCAN PRODUCT"),
    )):  # fmt: skip
        with m.State(state):
            e.seek(at)
            e.feed(items)
            m.d.sync += [at.eq(at + items), highest[n].eq(0)]
            m.next = f"{state} ING"
        with m.State(f"{state} ING"):
            m.d.comb += item.ready.eq(1)
            with m.If(item.valid & (size > highest[n])):
                m.d.sync += highest[n].eq(size)
            with m.If(~e.feeder.busy):
                m.next = then
    with m.State("SCAN PRODUCT"):
        m.d.comb += [multiplier.a.eq(highest[0]), multiplier.b.eq(highest[1]), multiplier.start.eq(1)]
        m.next = "SCANNED"
    with m.State("SCANNED"), m.If(~multiplier.busy):
        m.d.sync += e.count.eq(e.count - 1)
        m.next = "SCAN X"
        with m.If(multiplier.product > codes.MAX_PULSES):
            e.refuse(Refusal.MALFORMED)
        with m.Elif(e.count == 1):
            m.next = "INSIDE"


def _outer(e: "Engine") -> None:
    """One request an event."""
    m, unpacked, kind = e.m, e.unpacked, commands.Outer
    field = lambda name: unpacked.field(kind, name)  # noqa: E731  read six times below
    with m.State("OUTER BEGIN"):
        m.d.sync += [
            e.x_at.eq(unpacked.array0), e.d_at.eq(unpacked.array1), e.count.eq(unpacked.batch),
            e.index.eq(field("event")), e.safe.eq(0),
        ]  # fmt: skip
        m.next = "EVENT"
    with m.State("EVENT"):
        with m.If(e.session.safe):
            m.next = "STOP"
        with m.Elif(e.count == 0):
            m.next = "PULSED"
        with m.Elif(e.quiet):
            e.request(
                Operation.OUTER, coincidence=field("mode") == OuterMode.COINCIDENCE, slots=field("slots"),
                seed=field("seed"), event=e.index,
            )  # fmt: skip
            e.seek(e.x_at)
            e.feed(unpacked.rows)
            m.d.sync += e.x_at.eq(e.x_at + unpacked.rows)
            m.next = "EVENT X"
    with m.State("EVENT X"):
        e.feed_array()
        with m.If(~e.feeder.busy):
            e.seek(e.d_at)
            e.feed(unpacked.cols)
            m.d.sync += e.d_at.eq(e.d_at + unpacked.cols)
            m.next = "EVENT D"
    with m.State("EVENT D"):
        e.feed_array()
        with m.If(~e.feeder.busy & e.quiet):
            m.d.sync += [e.count.eq(e.count - 1), e.index.eq(e.index + 1), e.progress.eq(e.progress + 1)]
            m.next = "EVENT"
