"""One lane: a cell a clock is pulsed, or seen and multiplied with its input.

A lane has every `lanes`-th column: its cells, the operands for them and its own copy of the step curves. What enters
is in `Issue`, and `Timing` says after how many clocks what happens.
"""

from amaranth.hdl import Cat, Const, Elaboratable, Module, Mux, Signal, Value, ValueCastable, signed

from firmware.array.cells import WORD, Cells
from firmware.array.constants import ChipConstants
from firmware.array.curves import Curves, CurveWrite, table_of
from firmware.array.delays import Delays
from firmware.array.hash import HashPipeline, xi
from firmware.array.issue import Check, Issue, Timing
from firmware.array.operands import Operands, OperandWrite
from firmware.array.product import Product
from firmware.array.sight import Sight
from firmware.array.step import Step
from firmware.array.streams import ColumnBits, stream_bits
from firmware.parameters import Parameters
from hwctl.devices import law
from hwctl.protocol.cells import WORDS_PER_CELL
from hwctl.protocol.codes import CellFlag

NOISE_BITS = 27  # a parameter of 16 bits times xi
FORMED = 0x8000  # state of a cell that has just formed


class Lane(Elaboratable):
    """One of the lanes of an array."""

    def __init__(
        self,
        parameters: Parameters,
        constants: ChipConstants,
        number: int,
        issue: Issue,
        operand_write: OperandWrite,
        curve_write: CurveWrite,
    ) -> None:
        """Share the three bundles of signals with the sequencer and the other lanes."""
        self.parameters, self.constants, self.number, self.issue = parameters, constants, number, issue
        self.time = Timing(parameters)
        self.cells = Cells(parameters, constants, number)
        self.curves = Curves(constants, curve_write)
        self.operands = Operands(parameters, operand_write, number)
        self.key = Signal(64)
        # One clock after the issue:
        self.hit, self.polarity = Signal(), Signal()
        self.more = Signal()  # the cell has more than `threshold` pulses to come
        # When they are there:
        self.noise = Signal(signed(NOISE_BITS), reset_less=True)  # read * xi of the last draw
        self.sum = Signal(signed(sum_bits(parameters)), reset_less=True)  # the last finished one
        self.stream = Signal(8)  # of the draw, in the clock `drawn`
        # Of the cell at `address`, once that has stood still for `Timing.done` clocks:
        self.words = [Signal(16, name=f"word_{w}") for w in range(WORDS_PER_CELL)]
        self.word_data, self.word_write = Signal(16), Signal(WORDS_PER_CELL)

    def elaborate(self, _: object) -> Module:
        """Follow a cell through the lane."""
        self.m = m = Module()
        self.late = Delays(m)
        m.submodules.cells, m.submodules.curves, m.submodules.operands = self.cells, self.curves, self.operands
        self._addresses()
        self._aim()
        self._draw()
        self._choose_curve()
        self._multiply()
        self._move()
        self._look()
        return m

    def _addresses(self) -> None:
        """Read each word of a cell when it is needed: then it need not be carried along."""
        issue, time, cells = self.issue, self.time, self.cells
        reads = {
            "state": time.drawn, "count": time.aimed, "low": time.product + time.brisk, "span": time.product,
            "gain_set": time.drawn + 1, "gain_reset": time.drawn + 1, "offset": time.drawn, "flags": time.drawn,
            "form_level": time.drawn,
        }  # fmt: skip
        writes = {"state": time.moved, "count": time.aimed + 1, "flags": time.drawn}
        for name, word in WORD.items():
            for w in (word, word + 1) if name == "count" else (word,):
                self.m.d.comb += [
                    cells.words[w].address.eq(self.late(issue.address, reads[name] - 1)),
                    self.words[w].eq(cells.words[w].data),
                    cells.words[w].write_address.eq(self.late(issue.address, writes.get(name, 0))),
                    cells.words[w].write_data.eq(self.word_data),
                    cells.words[w].write_en.eq(self.word_write[w]),
                ]

    def _write(self, word: int, enable: Value, data: Value | int) -> None:
        """Write a word of the cell at hand."""
        memory = self.cells.words[word]
        with self.m.If(enable):
            self.m.d.comb += [memory.write_data.eq(data), memory.write_en.eq(1)]

    def _now(self, signal: ValueCastable | Value) -> Value:
        return self.late(signal, self.time.aimed)

    def _aim(self) -> None:
        """Find out whether the cell is hit, and with which polarity."""
        m, issue, operands = self.m, self.issue, self.operands
        mask, check = Signal(), self._now(issue.check)
        self.mask = Signal()
        negative, below = operands.data[7], Signal(8)
        m.d.comb += [
            operands.spot.eq(issue.spot),
            mask.eq(issue.mask[self.number]),
            below.eq(issue.threshold - 1),
            self.mask.eq(self._now(issue.valid) & self._now(mask)),
            self.more.eq(self.mask & self._exceeds(self._now(issue.threshold))),
            self.polarity.eq(self._now(issue.flip) ^ ((check != Check.NONE) & negative)),
        ]
        common = self._column_bit() if self.parameters.outer else 0
        with m.Switch(check):
            with m.Case(Check.COUNT):
                m.d.comb += self.hit.eq(self.mask & self._exceeds(self._now(below)))
            with m.Case(Check.BITS):
                m.d.comb += self.hit.eq(self.mask & common)
            with m.Default():
                m.d.comb += self.hit.eq(self.mask)
        self.value = Signal(16)
        m.d.comb += self.value.eq(Mux(self.mask, Mux(self._now(issue.one), 1, operands.data), 0))

    def _exceeds(self, least: Value) -> Value:
        """Return whether |count| of the operand is more than u8 `least`: one carry chain, as |c| is ~c + 1 below 0."""
        count, total = self.operands.data[:8], Signal(9)
        negative = count[7]
        self.m.d.comb += total.eq((count ^ negative.replicate(8)) + ~least[:8] + negative)
        return total[8]

    def _column_bit(self) -> Value:
        """Return whether the stream of the cell's column has the bit of the slot: docs/cell-law.md, "OUTER"."""
        m, issue, late, drawn = self.m, self.issue, self.late, self.time.drawn
        m.submodules.column_bits = bits = ColumnBits(self.parameters)
        bit_of = late(issue.kind, drawn + 1) == law.STREAM_COLUMN
        stream = late(self.stream, 1)
        m.d.comb += [
            bits.spot.eq(issue.spot),
            bits.write_spot.eq(late(issue.spot, drawn + 1)),
            bits.write_bits.eq(stream),
            bits.chunk.eq(late(issue.chunk, drawn + 1)),
            bits.write.eq(late(issue.valid, drawn + 1) & late(issue.draw, drawn + 1) & bit_of),
        ]
        return (bits.bits & late(issue.slot, self.time.aimed)).any()

    def _draw(self) -> None:
        """Count the pulse and hash."""
        m, issue, late, aimed = self.m, self.issue, self.late, self.time.aimed
        m.submodules.hash = self.hash = HashPipeline(self.parameters.rounds_per_stage)
        low, high = (self.cells.words[WORD["count"] + n].data for n in (0, 1))
        count, raised, moves = Cat(low, high), Signal(32), Signal()
        m.d.comb += moves.eq(late(issue.pulse, aimed) | late(issue.form, aimed))
        m.d.comb += raised.eq(count + (moves & ~count.all()))
        x0, x1 = Signal(32, reset_less=True), Signal(32, reset_less=True)
        unit = late(issue.unit, aimed) | self.number
        m.d.sync += [
            x0.eq(Cat(unit, Const(0, 24 - len(unit)), late(issue.kind, aimed))),
            x1.eq(Mux(late(issue.draw, aimed), issue.index, raised)),
        ]
        m.d.comb += [self.hash.key.eq(self.key), self.hash.x0.eq(x0), self.hash.x1.eq(x1)]
        counted = Signal()
        m.d.sync += counted.eq(self.hit & moves)
        for n in (0, 1):
            self._write(WORD["count"] + n, counted, x1[16 * n : 16 * n + 16])

    def _since_aimed(self, signal: Value, clock: int) -> Value:
        return self.late(signal, clock - self.time.aimed)

    def _choose_curve(self) -> None:
        """Find the table of the drive level that the cell sees: "A pulse", steps 3 and 4."""
        m, issue, drawn = self.m, self.issue, self.time.drawn
        polarity = self._since_aimed(self.polarity, drawn)
        operand = self._since_aimed(self.value, drawn)
        level, seen, shown = Signal(5), Signal(signed(17)), Signal(5)
        given = Mux(polarity, issue.reset_level, issue.set_level)
        m.d.comb += [
            level.eq(Mux(issue.own_level, operand[8:13], given)),
            seen.eq(level + self.words[WORD["offset"]].as_signed()),
        ]
        top = Mux(polarity, self.constants.levels[1] - 1, self.constants.levels[0] - 1)
        m.d.comb += shown.eq(Mux(seen < 0, 0, Mux(seen > top, top, seen)))
        curves = self.curves
        m.d.comb += [
            curves.table.eq(table_of(self.constants, polarity, shown)),
            curves.entry.eq(self.words[WORD["state"]][law.CURVE_SHIFT :]),
            curves.shift_table.eq(self.late(curves.table, self.time.product - drawn)),
            self.stream.eq(stream_bits(self.hash.w0, self.hash.w1, operand[:8]) if self.parameters.outer else 0),
        ]

    def _multiply(self) -> None:
        """Multiply xi with sigma or with the parameter of a noise, and mean with gain."""
        m, issue, late, time = self.m, self.issue, self.late, self.time
        clock = time.drawn + 1
        m.submodules.noise_product = self.noise_product = Product(signed(11), time.brisk)
        m.submodules.mean_product = self.mean_product = Product(signed(16), time.brisk)
        polarity, noise = self._since_aimed(self.polarity, clock), Signal(signed(11), reset_less=True)
        m.d.sync += noise.eq(xi(self.hash.w0))
        gains = self.words[WORD["gain_set"]], self.words[WORD["gain_reset"]]
        code = Mux(late(issue.draw, clock), self.constants.read_code, self.constants.write_code)
        m.d.comb += [
            self.noise_product.a.eq(Mux(late(issue.pulse, clock), self.curves.sigma, code)),
            self.noise_product.b.eq(noise),
            self.mean_product.a.eq(Mux(polarity, gains[1], gains[0])),
            self.mean_product.b.eq(self.curves.mean),
        ]
        with m.If(late(issue.valid, time.product) & late(issue.draw, time.product)):
            m.d.sync += self.noise.eq(self.noise_product.product)

    def _move(self) -> None:
        """Write the state after a pulse; stuck and unformed cells do not move."""
        m, issue, time = self.m, self.issue, self.time
        m.submodules.step = step = Step()
        flags, state = self.words[WORD["flags"]], self.words[WORD["state"]]
        free = Signal()
        m.d.comb += [
            free.eq(flags == 0),
            step.mean.eq(self.mean_product.product),
            step.sigma.eq(self.noise_product.product),
            step.dither.eq(self.late(self.hash.w1, time.product - time.drawn)),
            step.shift.eq(self.curves.shift),
            step.state.eq(self.late(state, time.moved - time.drawn)),
            step.polarity.eq(self._since_aimed(self.polarity, time.moved)),
        ]
        pulsed = self._since_aimed(self.hit, time.moved) & self.late(issue.pulse, time.moved)
        self._write(WORD["state"], pulsed & self.late(free, time.moved - time.drawn), step.moved)
        if self.parameters.loops:
            self._form()

    def _form(self) -> None:
        """Form an unformed cell, if the level is enough for it: docs/cell-law.md, "FORM"."""
        time, flags, needed = self.time, self.words[WORD["flags"]], self.words[WORD["form_level"]]
        forms = Signal()
        self.m.d.comb += forms.eq(
            self._since_aimed(self.hit, time.drawn) & self.late(self.issue.form, time.drawn)
            & (flags & CellFlag.UNFORMED).any() & (self.issue.set_level >= needed)
        )  # fmt: skip
        self._write(WORD["flags"], forms, flags & ~CellFlag.UNFORMED & 0xFFFF)
        self._write(WORD["state"], self.late(forms, time.moved - time.drawn), FORMED)

    def _look(self) -> None:
        """See the cell, multiply with the input and sum up."""
        m, issue, time, late = self.m, self.issue, self.time, self.late
        m.submodules.sight = sight = Sight(self.constants.write_code, time.brisk)
        m.submodules.product = product = Product(signed(16), registered=False)
        flags = self.words[WORD["flags"]][: len(sight.flags)]
        m.d.comb += [
            sight.noise.eq(self.noise_product.product),
            sight.state.eq(late(self.words[WORD["state"]], time.product - time.drawn)),
            sight.flags.eq(late(flags, time.product - time.drawn)),
            sight.span.eq(self.words[WORD["span"]]),
            sight.low.eq(self.words[WORD["low"]]),
            product.a.eq(sight.code),
            product.b.eq(self._since_aimed(self.value, time.code)),
        ]
        running, total = Signal.like(self.sum), Signal.like(self.sum)
        m.d.comb += total.eq(running + product.product)
        with m.If(late(issue.valid, time.summed) & late(issue.see, time.summed)):
            m.d.sync += running.eq(total)
            with m.If(late(issue.last, time.summed)):
                m.d.sync += [running.eq(0), self.sum.eq(total)]


def sum_bits(parameters: Parameters) -> int:
    """Return the bits of an exact sum of i16 * u16 over the lines of an array."""
    return 32 + (max(parameters.rows, parameters.cols) - 1).bit_length()
