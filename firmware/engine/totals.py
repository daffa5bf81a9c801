"""Pulses, conversions and times since power-up: five 64-bit sums in one small memory, added to 16 bits at a time."""

import enum

from amaranth.hdl import Array, C, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from firmware.port import SpentLayout

WORDS = 4  # of 16 bits in a sum


class Total(enum.IntEnum):
    """The sums, in the order of the STATUS reply."""

    SET_PULSES = 0
    RESET_PULSES = 1
    READS = 2
    BUSY = 3
    CLOCK = 4


class Totals(wiring.Component):
    """`spend` adds what a request took. `wait` adds `time` to the clock, `load` sets it; all while not `busy`.

    `overflow`: the last `wait` would have taken the clock beyond 64 bits and was left out. `data` is the 16-bit word
    that `address` (sum * 4 + word) asked for one clock before, while not busy.
    """

    spend: In(1)
    spent: In(SpentLayout)
    wait: In(1)
    load: In(1)
    time: In(64)
    busy: Out(1)
    overflow: Out(1)
    address: In(5)
    data: Out(16)

    def elaborate(self, _: object) -> Module:
        """Read a word, add, write it back."""
        m = Module()
        m.submodules.memory = memory = Memory(shape=16, depth=32, init=[])
        read, write = memory.read_port(), memory.write_port()
        at = Signal(5)
        waiting, loading, dry = Signal(), Signal(), Signal()
        carry, added = Signal(), Signal(17)
        term = Signal(16)
        spent = Array(
            word
            for value in (
                self.spent.set_pulses,
                self.spent.reset_pulses,
                self.spent.conversions,
                *2 * [self.spent.time],
            )
            for word in _words(value)
        )
        clock = waiting | loading
        m.d.comb += [
            self.busy.eq(1),
            read.addr.eq(at),
            self.data.eq(read.data),
            write.addr.eq(at),
            term.eq(Mux(clock, Array(_words(self.time))[at[:2]], spent[at])),
            added.eq(Mux(loading, 0, read.data) + term + carry),
            write.data.eq(added),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [self.busy.eq(0), read.addr.eq(self.address)]
                m.d.sync += [at.eq(0), carry.eq(0), waiting.eq(self.wait), loading.eq(self.load), dry.eq(self.wait)]
                with m.If(self.spend):
                    m.next = "READ"
                with m.Elif(self.wait | self.load):
                    m.d.sync += at.eq(Total.CLOCK * WORDS)
                    m.next = "READ"
            with m.State("READ"):
                m.next = "ADD"
            with m.State("ADD"):
                m.d.comb += write.en.eq(~dry)
                m.d.sync += [at.eq(at + 1), carry.eq(added[16] & (at[:2] != WORDS - 1))]
                m.next = "READ"
                with m.If(at == len(Total) * WORDS - 1):
                    m.next = "IDLE"
                    with m.If(dry):
                        m.d.sync += [at.eq(Total.CLOCK * WORDS), dry.eq(0), self.overflow.eq(added[16])]
                        with m.If(~added[16]):
                            m.next = "READ"
        return m


def _words(value: object) -> list[object]:
    wide = Cat(value, C(0, 64))[:64]
    return [wide[i : i + 16] for i in range(0, 64, 16)]
