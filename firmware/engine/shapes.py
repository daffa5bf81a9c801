"""Pulse shapes: which drive level each number stands for, and which drive levels there are."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from firmware.parameters import LEVEL_BITS
from hwctl.protocol.codes import PULSE_SHAPES, Polarity

UNSET = 3  # polarity of a shape that is not configured


class ShapeLayout(data.Struct):
    """One pulse shape."""

    polarity: unsigned(2)
    level: unsigned(LEVEL_BITS)
    width: unsigned(32)
    """Time codes."""


class Shapes(wiring.Component):
    """`shape` is the one that `number` asked for one clock before.

    `configure` searches the drive levels for polarity, amplitude, width and gate; once `busy` has fallen, `found` tells
    whether there is one, and `number` has become it. `number` stands still meanwhile.
    """

    number: In(8)
    shape: Out(ShapeLayout)
    configure: In(1)
    polarity: In(2)
    amplitude: In(16)
    width: In(32)
    gate: In(16)
    busy: Out(1)
    found: Out(1)

    def __init__(self, levels: Sequence[Sequence[tuple[int, int, int]]], *, limited: bool) -> None:
        """levels: (amplitude, width, gate) codes of the drive levels of SET, RESET and FORM; limited: see `beyond`."""
        self._limited = limited
        self._levels = [
            (polarity, number, *level)
            for polarity, several in enumerate(levels)
            for number, level in enumerate(several)
        ]
        super().__init__()
        if limited:
            self.stored, self.height, self.opening = Signal(ShapeLayout), Signal(16), Signal(16)
            """What `number` asked for, and the codes of its amplitude and of its gate."""
            self.beyond = Signal()
            """Set where that is beyond its limits: `shape` is then none that is configured."""

    def elaborate(self, _: object) -> Module:
        """Compare one level a clock."""
        m = Module()
        unset = {"polarity": UNSET, "level": 0, "width": 0}
        # What is compared with limits in the same clock must not come late: block RAM takes a quarter of a period.
        attributes = {"ram_style": "distributed"} if self._limited else {}
        m.submodules.shapes = shapes = Memory(
            shape=ShapeLayout, depth=PULSE_SHAPES, init=[unset] * PULSE_SHAPES, attrs=attributes
        )
        entry = data.StructLayout(
            {"polarity": 2, "level": LEVEL_BITS, "amplitude": 16, "width": 32, "gate": 16},
        )
        rows = [dict(zip(entry.members, level, strict=True)) for level in self._levels]
        m.submodules.levels = levels = Memory(shape=entry, depth=max(len(rows), 2), init=rows)
        read, write, search = shapes.read_port(), shapes.write_port(), levels.read_port()
        at = Signal(range(len(rows) + 1))
        known = search.data
        m.d.comb += [
            read.addr.eq(self.number), self.shape.eq(read.data), search.addr.eq(at), write.addr.eq(self.number),
            write.data.polarity.eq(self.polarity), write.data.level.eq(known.level), write.data.width.eq(self.width),
        ]  # fmt: skip
        if self._limited:
            m.submodules.heights = heights = Memory(shape=32, depth=PULSE_SHAPES, init=[], attrs=attributes)
            height, put = heights.read_port(), heights.write_port()
            m.d.comb += [
                height.addr.eq(self.number), put.addr.eq(self.number), put.data.eq(Cat(self.amplitude, self.gate)),
                put.en.eq(write.en), Cat(self.height, self.opening).eq(height.data), self.stored.eq(read.data),
            ]  # fmt: skip
            with m.If(self.beyond):
                m.d.comb += self.shape.polarity.eq(UNSET)
        same = (
            (known.polarity == self.polarity) & (known.amplitude == self.amplitude)
            & (known.width == self.width) & (known.gate == self.gate)
        )  # fmt: skip
        with m.FSM() as machine:
            m.d.comb += self.busy.eq(~machine.ongoing("IDLE"))
            with m.State("IDLE"), m.If(self.configure):
                m.d.sync += [at.eq(0), self.found.eq(0)]
                m.next = "LOOK"
            with m.State("LOOK"):
                m.next = "COMPARE"
            with m.State("COMPARE"):
                m.d.comb += write.en.eq(same)
                m.d.sync += [at.eq(at + 1), self.found.eq(same)]
                m.next = "LOOK"
                with m.If(same | (at == len(rows) - 1)):
                    m.next = "IDLE"
        return m


assert UNSET not in set(Polarity), "a polarity is free for shapes that are not configured"
