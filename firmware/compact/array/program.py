"""The program of an array: variables, the way through a region, and what every request begins and ends with."""

from firmware.array.constants import ChipConstants
from firmware.array.hash import PARITY
from firmware.compact.array import cells, outer, pulsing, sensing, words
from firmware.compact.array.memory import Layout
from firmware.compact.array.ports import Ask, Port, field, port
from firmware.parameters import Parameters
from firmware.port import Operation
from firmware.processor.assembler import Flag, Mode, Op, Program
from hwctl.protocol.cells import WORDS_PER_CELL
from hwctl.protocol.codes import CURVE_ENTRIES

CURVES = "curves"  # the label of their first word


class ArrayProgram:
    """The program while it is written. Words are named by what they hold; `lo`, `hi` are one number of 64 bits."""

    def __init__(self, parameters: Parameters, constants: ChipConstants) -> None:
        """Give the variables their places."""
        self.p = p = Program()
        self.parameters, self.constants, self.layout = parameters, constants, Layout(parameters, constants)
        # The way through a region, cell by cell.
        self.number, self.spot, self.step, self.skip = (p.word() for _ in range(4))
        self.width, self.left, self.rows_left = (p.word() for _ in range(3))
        # What a request took.
        self.pulses, self.conversions, self.time, self.rows_done = p.word(0, 0), p.word(), p.word(0, 0), p.word()
        self.key, self.x0, self.x1, self.xi = p.word(0, 0, 0), p.word(), p.word(), p.word()
        self.cell, self.count = p.word(*[0] * WORDS_PER_CELL), p.word()
        self.lo, self.hi, self.n, self.a, self.b = (p.word() for _ in range(5))
        self.longest, self.amount, self.polarity, self.level = p.word(0, 0), p.word(), p.word(), p.word()
        # Of a train of pulses, besides: where its curve begins, its gain, -1 for RESET, and the bits below a step.
        self.first, self.gain, self.down, self.shift, self.fraction = (p.word() for _ in range(5))
        # Of OUTER: addresses of a line's value and stream, unit and index of its draw, and what the row has.
        self.value_at, self.bits_at, self.line, self.chunk = (p.word() for _ in range(4))
        self.row_size, self.row_sign, self.row_bits = (p.word() for _ in range(3))
        levels = constants.levels
        self.tops, self.firsts = p.word(levels[0] - 1, levels[1] - 1), p.word(0, levels[0])
        self.shifts = p.word(*[curve.shift - 1 for curve in constants.tables])

    # -- pieces that are written where they are needed -----------------------------------------------------------------

    def element(self) -> None:
        """Take an element: its lower 32 bits."""
        self.p.wait(Ask.ELEMENT)
        self.p.load(port(Port.ELEMENT))

    def send(self) -> None:
        """Offer the accumulator as a result until it is taken."""
        self.p.store(port(Port.RESULT))
        self.p.wait(Ask.RESULT, 0)

    def address_cell(self, word: int = 0) -> None:
        """Go to a word of the cell."""
        self.p.load(self.number)
        self.p.do(Op.MULTIPLY, WORDS_PER_CELL)
        if word:
            self.p.do(Op.ADD, word)
        self.p.store(port(Port.ADDRESS))

    def sign_extend(self, bits: int) -> None:
        """Make a number of fewer bits one of 32."""
        self.p.do(Op.SHIFT_LEFT, 32 - bits)
        self.p.do(Op.SHIFT_RIGHT_SIGNED, 32 - bits)

    def curve(self) -> None:
        """Load the curve entry at the index register: mean, and sigma above it."""
        self.p.code.append((Op.LOAD, Mode.INDEXED, CURVES))

    def store_curve(self) -> None:
        """Store it there."""
        self.p.code.append((Op.STORE, Mode.INDEXED, CURVES))

    # -- routines ------------------------------------------------------------------------------------------------------

    def write(self) -> Program:
        """Write all of it."""
        self._begin()
        for module in (words, pulsing, sensing):
            module.requests(self)
        if self.parameters.outer:
            outer.requests(self)
        self._finish()
        self._take_key()
        self._next()
        self._enter_row()
        cells.routines(self)
        pulsing.routines(self)
        if self.parameters.outer:
            outer.routines(self)
        # Last, so that all others have numbers that an instruction has room for.
        self.p.labels[CURVES] = len(self.p.words)
        entries = [(curve, n) for curve in self.constants.tables for n in range(CURVE_ENTRIES)]
        self.p.word(*[int(curve.mean[n]) & 0xFFFF | int(curve.sigma[n]) << 16 for curve, n in entries])
        return self.p

    def _begin(self) -> None:
        """Wait for a request, and go to what it asks for, at the first cell of its region."""
        p = self.p
        if self.parameters.spram:
            self._zero()
        p.label("idle")
        p.wait(Ask.BUSY)
        p.load(0)
        p.store(
            self.pulses,
            self.pulses[1],
            self.conversions,
            self.rows_done,
            port(Port.ROWS_DONE),
            self.longest,
            self.longest[1],
        )
        p.call("take key")
        self._first_cell()
        p.load(field("operation"))
        known = [operation for operation in Operation if operation is not Operation.OUTER or self.parameters.outer]
        # Those that go on with the time that a request before has found are first.
        known.sort(key=lambda operation: operation not in (Operation.DRIVES, Operation.PULSE))
        for number, operation in enumerate(known[:-1]):
            if number == 2:
                p.load(0)
                p.store(self.time, self.time[1])
                p.load(field("operation"))
            p.do(Op.COMPARE, operation.value)
            p.jump_if(Flag.EQUAL, f"do {operation.name}")
        p.jump(f"do {known[-1].name}")

    def _zero(self) -> None:
        """Make zeros of all cells, as the memory begins with anything."""
        p = self.p
        p.move(0, port(Port.ADDRESS))
        p.move(self.layout.operands, self.n)
        with self.p.repeat(self.n):
            p.move(0, port(Port.DATA))
        p.store(port(Port.DONE))

    def _take_key(self) -> None:
        with self.p.routine("take key"):
            self.p.move(port(Port.KEY_LOW), self.key)
            self.p.move(port(Port.KEY_HIGH), self.key[1])
            self.third_key()

    def third_key(self) -> None:
        """Derive the third word of the hash's key; the second one is in the accumulator."""
        self.p.do(Op.XOR, self.key, PARITY)
        self.p.store(self.key[2])

    def _first_cell(self) -> None:
        """Go to the first cell of the region, to be passed row by row."""
        p, cols = self.p, self.parameters.cols
        p.load(field("row0"))
        p.do(Op.MULTIPLY, cols)
        p.do(Op.ADD, field("col0"))
        p.store(self.number)
        p.move(self.layout.operands, self.spot)
        p.move(1, self.step)
        p.load(field("col1"))
        p.do(Op.SUBTRACT, field("col0"))
        p.store(self.width, self.left)
        p.load(cols)
        p.do(Op.SUBTRACT, self.width)
        p.store(self.skip)
        p.load(field("row1"))
        p.do(Op.SUBTRACT, field("row0"))
        p.store(self.rows_left)

    def _finish(self) -> None:
        """End the request; `hide`: its time belongs to a later one."""
        p = self.p
        p.label("hide")
        p.load(0)
        p.store(port(Port.TIME_LOW), port(Port.TIME_HIGH))
        p.jump("counts")
        p.label("finish")
        p.move(self.time, port(Port.TIME_LOW))
        p.move(self.time[1], port(Port.TIME_HIGH))
        p.label("counts")
        p.move(self.pulses, port(Port.SET_PULSES))
        p.move(self.pulses[1], port(Port.RESET_PULSES))
        p.move(self.conversions, port(Port.CONVERSIONS))
        p.store(port(Port.DONE))
        p.jump("idle")

    def _next(self) -> None:
        """Go on by a cell. NEGATIVE: in the same row; ZERO: that was the last one; else a row begins."""
        p = self.p
        with p.routine("next"):
            p.increase(self.spot)
            p.increase(self.number, self.step)
            p.count_down(self.left)
            with p.when(Flag.ZERO, 0):
                p.load(-1)
                p.ret()
            p.move(self.width, self.left)
            p.call("leave row")

    def _enter_row(self) -> None:
        """Go from the end of a row to the next one; ZERO: there is none."""
        p = self.p
        with p.routine("leave row"):
            p.increase(self.number, self.skip)
            p.count_down(self.rows_left)


def array_program(parameters: Parameters, constants: ChipConstants) -> Program:
    """Return the program of an array of that size with the curves of a chip."""
    return ArrayProgram(parameters, constants).write()
