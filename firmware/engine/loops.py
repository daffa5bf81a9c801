"""Commands that close a loop on the board: WRITE_VERIFY and FORM, cell by cell, from readings and single pulses."""

from typing import TYPE_CHECKING

from amaranth.hdl import Cat, Mux, Signal

from firmware.engine.forms import parts
from firmware.port import Operation
from hwctl.protocol import codes, commands
from hwctl.protocol.cells import CELL
from hwctl.protocol.codes import Answer, CellFlag, Polarity
from hwctl.protocol.commands import Command
from hwctl.protocol.packing import DTYPE_CODES

if TYPE_CHECKING:
    from firmware.engine.engine import Engine

STATES: dict[type[Command], str] = {commands.WriteVerify: "VERIFY FITS", commands.Form: "FORM FITS"}
_U8, _U16 = DTYPE_CODES["<u1"], DTYPE_CODES["<u2"]
NO_POLARITY = 3
FLAGS_WORD = CELL.fields["flags"][1] // 2


class _Loop:
    """What both loops keep of the cell at hand."""

    def __init__(self) -> None:
        """Declare the registers."""
        self.reading = Signal(16)
        self.target = Signal(16)
        self.attempt = Signal(12)
        self.reads = Signal(13)
        self.pulses = [Signal(12, name=f"cell_{name}") for name in ("set", "reset")]
        self.shape = Signal(8)
        self.last = Signal(2)  # polarity of the pulse before, or NO_POLARITY
        self.polarity = Signal()
        self.unformed, self.reached = Signal(), Signal()
        self.ramp = Signal(2)  # which ramp is looked through
        self.forming = Signal()


def states(e: "Engine") -> None:
    """Add the states of these commands."""
    loop = _Loop()
    e.m.d.comb += loop.forming.eq(e.unpacked.op == commands.Form.op)
    _ramps(e, loop)
    _heads(e, loop)
    _cells(e, loop)
    _reading(e, loop)
    _decide(e, loop)
    _pulse(e, loop)
    _results(e, loop)


def _ramp(e: "Engine", loop: _Loop, polarity: Signal) -> list[Signal]:
    """Return first, last and step of the ramp of a polarity: 0 SET, 1 RESET, 2 FORM."""
    fields = [
        e.unpacked.field(kind, name)
        for kind, name in (
            (commands.WriteVerify, "set_ramp"), (commands.WriteVerify, "reset_ramp"), (commands.Form, "ramp"),
        )
    ]  # fmt: skip
    chosen = Mux(polarity == Polarity.FORM, fields[2], Mux(polarity == Polarity.RESET, fields[1], fields[0]))
    return parts(chosen, 8)


def _ramps(e: "Engine", loop: _Loop) -> None:
    """Look whether every shape of the ramps is configured with its polarity."""
    m, shapes = e.m, e.shapes
    first, last, step = _ramp(e, loop, loop.ramp)
    cells = e.unpacked.cells
    e.fits(45 + (cells << 3) + cells, "RAMPS", "VERIFY FITS")
    e.fits(27 + (cells << 2) + cells, "RAMPS", "FORM FITS")
    with m.State("RAMPS"):
        m.d.sync += loop.ramp.eq(Mux(loop.forming, Polarity.FORM, Polarity.SET))
        m.next = "RAMP"
    with m.State("RAMP"):
        m.d.sync += loop.shape.eq(first)
        m.next = "RAMP SHAPE"
    with m.State("RAMP SHAPE"):
        m.d.comb += shapes.number.eq(loop.shape)
        m.next = "RAMP CHECK"
    with m.State("RAMP CHECK"):
        following = loop.shape + step
        m.d.sync += loop.shape.eq(Mux(following > last, last, following))
        m.next = "RAMP SHAPE"
        with m.If(loop.shape == last):
            m.next = "RAMP"
            m.d.sync += loop.ramp.eq(Polarity.RESET)
            with m.If(loop.ramp != Polarity.SET):
                m.next = "LOOP BEGIN"
        with m.If(shapes.shape.polarity != loop.ramp):
            e.refuse_shape()


def _heads(e: "Engine", loop: _Loop) -> None:
    """Write the headers of the reply's arrays, each where its elements will follow."""
    m, cells = e.m, e.unpacked.cells
    shape = [(e.unpacked.rows, 4), (e.unpacked.cols, 4)]
    with m.State("LOOP BEGIN"):
        m.d.sync += e.safe.eq(0)
        m.next = "VERIFY HEAD"
        with m.If(loop.forming):
            m.next = "FORM HEAD"
    e.say("VERIFY HEAD", [*e.head(Answer.VERIFIED), (_U8, 1), *shape], "SECTION 1")
    e.say("FORM HEAD", [*e.head(Answer.FORMED), (_U8, 1), *shape], "SECTION 1")
    for n in range(1, 5):
        before = e.pointers[n - 1] + (cells if n == 1 else cells << 1)
        with m.State(f"SECTION {n}"):
            m.d.sync += e.pointers[n].eq(before)
            m.next = f"SECTION {n} HEAD"
        then = {2: "FORMED SECTIONS", 4: "LOOP CELLS"}.get(n, f"SECTION {n + 1}")
        e.say(f"SECTION {n} HEAD", [(_U16, 1), *shape], then, n)
    with m.State("FORMED SECTIONS"):  # FORMED has three arrays, VERIFIED five
        m.next = "SECTION 3"
        with m.If(loop.forming):
            m.next = "LOOP CELLS"


def _cells(e: "Engine", loop: _Loop) -> None:
    m, unpacked = e.m, e.unpacked
    row0, row1, col0, _ = e.region
    indices = [unpacked.field(kind, "index") for kind in (commands.WriteVerify, commands.Form)]
    index = Mux(loop.forming, indices[1], indices[0])
    with m.State("LOOP CELLS"):
        e.seek(unpacked.array0)
        m.d.sync += [e.row.eq(row0), e.col.eq(col0)]
        m.next = "LOOP CELL"
    with m.State("LOOP CELL"):
        e.feed(1)
        m.d.sync += [
            loop.attempt.eq(0), loop.reads.eq(0), loop.last.eq(NO_POLARITY), loop.reached.eq(0), loop.unformed.eq(0),
            *(count.eq(0) for count in loop.pulses),
            e.index.eq(index),
        ]  # fmt: skip
        m.next = "TARGET"
        with m.If(e.row == row1):
            m.d.comb += e.feeder.start.eq(0)
            m.next = "FINISH"
        with m.Elif(loop.forming):
            m.d.comb += e.feeder.start.eq(0)
            m.next = "CELL READ"
    with m.State("TARGET"):
        m.d.comb += [e.feeder.wide.eq(1), e.feeder.item.ready.eq(1)]
        with m.If(e.feeder.item.valid):
            m.d.sync += loop.target.eq(e.feeder.item.payload)
            m.next = "CELL READ"


def _reading(e: "Engine", loop: _Loop) -> None:
    """Read the cell; forming also asks whether it still needs it."""
    m, unpacked, results = e.m, e.unpacked, e.array.results
    averages = Mux(
        loop.forming,
        unpacked.field(commands.Form, "averages_log2"),
        unpacked.field(commands.WriteVerify, "averages_log2"),
    )[:4]
    cell = {"row0": e.row, "row1": e.row + 1, "col0": e.col, "col1": e.col + 1}
    with m.State("CELL READ"):
        with m.If(e.session.safe):
            m.next = "STOP"
        with m.Elif(e.quiet):
            e.request(Operation.READ, averages_log2=averages, tia_range=e.codes.read_range, **cell)
            m.d.sync += [loop.reads.eq(loop.reads + 1), e.index.eq(e.index + (1 << averages))]
            m.next = "CELL READING"
    with m.State("CELL READING"):
        m.d.comb += results.ready.eq(1)
        with m.If(results.valid):
            m.d.sync += loop.reading.eq(results.payload)
        with m.If(e.quiet):
            m.next = "DECIDE"
            with m.If(loop.forming):
                m.next = "FLAGS"
            e.unless_tripped()
    with m.State("FLAGS"), m.If(e.quiet):
        e.request(Operation.READ_WORDS, word0=FLAGS_WORD, words=1, **cell)
        m.next = "READING FLAGS"
    with m.State("READING FLAGS"):
        m.d.comb += results.ready.eq(1)
        with m.If(results.valid):
            m.d.sync += loop.unformed.eq(results.payload & CellFlag.UNFORMED != 0)
        with m.If(e.quiet):
            m.next = "DECIDE"


def _decide(e: "Engine", loop: _Loop) -> None:
    """Stop, or choose the next pulse."""
    m, field = e.m, e.unpacked.field
    verify, form = commands.WriteVerify, commands.Form
    below = loop.reading < loop.target
    distance = Mux(below, loop.target - loop.reading, loop.reading - loop.target)
    verified = (loop.reading != codes.NO_READING) & (distance <= field(verify, "tolerance"))
    formed = ~loop.unformed | (loop.reading >= field(form, "stop"))
    attempts = Mux(loop.forming, field(form, "attempts"), field(verify, "attempts"))
    polarity = Mux(loop.forming, Polarity.FORM, Mux(below, Polarity.SET, Polarity.RESET))
    first, last, step = _ramp(e, loop, polarity)
    following = loop.shape + step
    with m.State("DECIDE"):
        m.d.sync += [
            loop.polarity.eq(~below & ~loop.forming), loop.last.eq(polarity), loop.attempt.eq(loop.attempt + 1),
            loop.shape.eq(Mux(loop.last == polarity, Mux(following > last, last, following), first)),
        ]  # fmt: skip
        m.next = "LOOP SHAPE"
        with m.If(Mux(loop.forming, formed, verified)):
            m.d.sync += loop.reached.eq(1)
            m.next = "CELL REACHED"
        with m.Elif(loop.attempt == attempts):
            m.next = "CELL REACHED"


def _pulse(e: "Engine", loop: _Loop) -> None:
    m, shape = e.m, e.shapes.shape
    with m.State("LOOP SHAPE"):
        m.d.comb += e.shapes.number.eq(loop.shape)
        m.next = "LOOP DRIVE"
    with m.State("LOOP DRIVE"):
        m.d.sync += [drive.eq(Cat(shape.width, shape.level)) for drive in e.drives]
        m.next = "LOOP PULSE"
    with m.State("LOOP PULSE"), m.If(e.quiet):
        with m.If(loop.forming):
            e.request(Operation.FORM_CELL, row0=e.row, col0=e.col)
        with m.Else():
            e.request(Operation.PULSE_CELL, row0=e.row, col0=e.col, count=Mux(loop.polarity, 0xFF, 1))
        for polarity, count in enumerate(loop.pulses):
            with m.If(loop.polarity == polarity):
                m.d.sync += count.eq(count + 1)
        m.next = "LOOP PULSED"
    with m.State("LOOP PULSED"), m.If(e.quiet):
        m.next = "CELL READ"
        e.unless_tripped()


def _results(e: "Engine", loop: _Loop) -> None:
    """Write what became of the cell into each array of the reply, and go on to the next."""
    m = e.m
    _, _, col0, col1 = e.region
    e.say("CELL REACHED", [(loop.reached, 1)], "CELL READING OUT")
    e.say("CELL READING OUT", [(loop.reading, 2)], "CELL SET", 1)
    e.say("CELL SET", [(loop.pulses[0], 2)], "CELL SET DONE", 2)
    with m.State("CELL SET DONE"):
        m.next = "CELL RESET"
        with m.If(loop.forming):
            m.next = "NEXT CELL"
    e.say("CELL RESET", [(loop.pulses[1], 2)], "CELL READS", 3)
    e.say("CELL READS", [(loop.reads, 2)], "NEXT CELL", 4)
    with m.State("NEXT CELL"):
        m.d.sync += [e.col.eq(e.col + 1), e.progress.eq(e.progress + 1)]
        m.next = "LOOP CELL"
        with m.If(e.col == col1 - 1):
            m.d.sync += [e.col.eq(col0), e.row.eq(e.row + 1)]
