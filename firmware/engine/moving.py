"""Commands that read the array: READ, VMM, VMM_T."""

from typing import TYPE_CHECKING

from amaranth.hdl import Mux, Value

from firmware.port import Operation
from hwctl.protocol import codes, commands
from hwctl.protocol.codes import Answer, Refusal
from hwctl.protocol.commands import Command
from hwctl.protocol.packing import DTYPE_CODES

if TYPE_CHECKING:
    from firmware.engine.engine import Engine

STATES: dict[type[Command], str] = {
    commands.Read: "READ RANGE",
    commands.Vmm: "VMM RANGE",
    commands.VmmT: "VMM RANGE",
}
_U16, _I16 = DTYPE_CODES["<u2"], DTYPE_CODES["<i2"]


def states(e: "Engine") -> None:
    """Add the states of these commands."""
    _read(e)
    if e.parameters.vmm:
        _vmm(e)


def _range(e: "Engine", state: str, wanted: Value, highest: int, then: str) -> None:
    """Make a state that chooses the TIA range: the command's, or the configured one."""
    m = e.m
    chosen = Mux(wanted == codes.RANGE_AS_CONFIGURED, e.tia_range, wanted[:4])
    with m.State(state):
        m.d.sync += e.range.eq(chosen)
        m.next = then
        with m.If((chosen > highest) | e.no_range(chosen) if e.parameters.physical else chosen > highest):
            e.refuse(Refusal.OVER_LIMIT)


def _read(e: "Engine") -> None:
    """One request a row: between rows, SAFE can stop it."""
    m, unpacked, kind = e.m, e.unpacked, commands.Read
    row0, row1, _, _ = e.region
    rows, cols = unpacked.rows, unpacked.cols
    _range(e, "READ RANGE", unpacked.field(kind, "tia_range"), codes.MAX_READ_RANGE, "READ FITS")
    e.fits(9 + (unpacked.cells << 1), "READ BEGIN", "READ FITS")
    with m.State("READ BEGIN"):
        m.d.sync += [e.row.eq(row0), e.index.eq(unpacked.field(kind, "index")), e.safe.eq(0)]
        m.next = "READ HEAD"
    e.say("READ HEAD", [*e.head(Answer.READINGS), (_U16, 1), (rows, 4), (cols, 4)], "READ ROW")
    with m.State("READ ROW"):
        with m.If(e.session.safe):
            m.next = "STOP"
        with m.Elif(e.row == row1):
            m.next = "FINISH"
        with m.Elif(e.quiet):
            averages = unpacked.field(kind, "averages_log2")
            e.request(Operation.READ, row0=e.row, row1=e.row + 1, averages_log2=averages)
            m.next = "READING ROW"
    with m.State("READING ROW"):
        e.take_results()
        with m.If(e.quiet):
            m.d.sync += [e.row.eq(e.row + 1), e.progress.eq(e.progress + cols)]
            m.next = "READ ROW"
            e.unless_tripped()


def _vmm(e: "Engine") -> None:
    """One request a vector."""
    m, unpacked, multiplier, kind = e.m, e.unpacked, e.multiplier, commands.Vmm
    by_row = unpacked.op == commands.VmmT.op
    driven = Mux(by_row, unpacked.cols, unpacked.rows)
    sensed = Mux(by_row, unpacked.rows, unpacked.cols)
    _range(e, "VMM RANGE", unpacked.field(kind, "tia_range"), codes.MAX_TIA_RANGE, "VMM SIZE")
    with m.State("VMM SIZE"):
        m.d.comb += [multiplier.a.eq(unpacked.batch), multiplier.b.eq(sensed), multiplier.start.eq(1)]
        m.next = "VMM PRODUCT"
    with m.State("VMM PRODUCT"), m.If(~multiplier.busy):
        m.next = "VMM FITS"
    e.fits(10 + (multiplier.product << 1), "VMM BEGIN", "VMM FITS")
    with m.State("VMM BEGIN"):
        e.seek(unpacked.array0)
        m.d.sync += [e.count.eq(unpacked.batch), e.index.eq(unpacked.field(kind, "index")), e.safe.eq(0)]
        m.next = "VMM HEAD"
    e.say(
        "VMM HEAD",
        [*e.head(Answer.CURRENTS), (e.range, 1), (_I16, 1), (unpacked.batch, 4), (sensed, 4)],
        "VMM VECTOR",
    )
    with m.State("VMM VECTOR"):
        with m.If(e.session.safe):
            m.next = "STOP"
        with m.Elif(e.count == 0):
            m.next = "FINISH"
        with m.Elif(e.quiet):
            e.request(Operation.VMM, transposed=by_row, wide=unpacked.second_type)
            e.feed(driven)
            m.next = "VMM RUN"
    with m.State("VMM RUN"):
        m.d.comb += e.feeder.wide.eq(unpacked.second_type)
        e.feed_array()
        e.take_results()
        with m.If(e.quiet):
            m.d.sync += [e.count.eq(e.count - 1), e.index.eq(e.index + 1), e.progress.eq(e.progress + 1)]
            m.next = "VMM VECTOR"
            e.unless_tripped()
