"""A physical array behind the array port: converters, switches and gates in the emulated array's place.

Cells are pulsed one after the other, and read a row at a time, with all ADCs at once. Of the port's operations there
are READ, VMM, COUNTS, DRIVES, PULSE, PULSE_CELL, FORM_CELL, and of a cell's words the pulse counter and the flag
"unformed", which says that nobody knows: forming looks at readings. Where the guard goes to rest, what is left of a
request is not done, and its readings are none.
"""

from amaranth.hdl import Array, Cat, Const, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect

from firmware.analog import narrowing, product, pulsing, reading
from firmware.analog.adc import Adcs
from firmware.analog.boardfile import BoardFile
from firmware.analog.bounds import TRIP_BITS
from firmware.analog.dac import Dacs
from firmware.analog.guard import Guard
from firmware.analog.guarded import guard_of
from firmware.analog.lookup import Selection, kind_of, levels_of, outputs_of, pattern
from firmware.analog.outputs import Side
from firmware.analog.pins import pins_of
from firmware.analog.sequence import Sequencer, Times
from firmware.analog.switches import Switches, SwitchPins
from firmware.analog.transfer import ticks_up
from firmware.parameters import Parameters
from firmware.port import ArrayPort, Operation
from hwctl.protocol.cells import CELL
from hwctl.protocol.codes import CellFlag, HalfSelect, Trip

COUNT_WORD = CELL.fields["count"][1] // 2
FLAGS_WORD = CELL.fields["flags"][1] // 2


class AnalogArray(wiring.Component):
    """Pins of a board file's parts on one side, the array port on the other.

    `safe` brings all to rest; `heard`, `bad_frame` and `executing` are those of the guard.
    """

    def __init__(self, board: BoardFile, parameters: Parameters) -> None:
        """Make the ports. board: one of which `check_buildable` has nothing to say; parameters: of a physical build."""
        self.board, self.parameters = board, parameters
        super().__init__(
            {
                "port": In(ArrayPort(parameters)),
                "safe": In(1),
                "heard": In(1),
                "bad_frame": In(1),
                "executing": In(1),
                "trips": Out(TRIP_BITS),
                "resting": Out(1),
                **pins_of(board),
            }
        )

    def elaborate(self, _: object) -> Module:
        """Put the parts together, and all states into one machine."""
        self.m = m = Module()
        self._declare()
        self._parts()
        self._switches()
        self._wires()
        pulsing.beside(self)
        reading.beside(self)
        with m.FSM(name="operation") as machine:
            m.d.comb += self.port.busy.eq(~machine.ongoing("IDLE"))
            self._begin()
            pulsing.states(self)
            reading.states(self)
            if self.parameters.vmm:
                product.states(self)
            narrowing.states(self)
        return m

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _declare(self) -> None:
        p = self.parameters
        self.row, self.col = Signal(p.row_bits), Signal(p.col_bits)
        self.side, self.is_reading = Signal(Side), Signal()
        self.selected = Signal()  # lines were selected; at first all switches are as at rest
        # Whose lines they are: those of the next cell only once it is known, as each pattern takes its time.
        self.chosen_row, self.chosen_col = Signal.like(self.row), Signal.like(self.col)
        self.leaving = Signal(init=1)  # behind the last cell of a passive array: all lines go to their rest codes
        self.forming = Signal()
        self.whole = Signal()  # of a VMM: all rows of the region take part, not the row at hand alone
        self.held = Signal()  # rows and gates have codes of the last VMM, of rows
        self.held_row0, self.held_row1 = Signal(p.row_bits), Signal(p.row_bits)
        self.settle = Signal(32)  # clocks from the read voltage on until amplifiers are converted
        self.lost = Signal()  # the guard went to rest while the request ran
        self.range = Signal(range(max(len(self.board.codes.ranges), 2)))
        self.request = Signal.like(self.port.request)
        self.scheme = self.request.half_select
        self.biased = Signal()  # unselected lines have a bias while a cell is pulsed
        self.m.d.comb += self.biased.eq((self.scheme != HalfSelect.GROUNDED) if self.passive else 0)
        self.switching = Signal()  # patterns are on their way to switches
        self.at = Signal(range(max(self.cells, 2)))  # number of the cell at hand
        self.m.d.comb += self.at.eq(self.row * p.cols + self.col)
        self.channel = Signal(range(len(self.board.lines)))
        self.steps, self.code = Signal(16), Signal(16)
        self.blocked = Signal(TRIP_BITS)
        self.budget = Signal(32, init=self.board.codes.pulse_budget)  # pulses of a cell in all

    def _parts(self) -> None:
        m, board, codes = self.m, self.board, self.board.codes
        first = next(iter(board.dacs.values()))
        adc = next(iter(board.adcs.values()))
        m.submodules.guard = self.guard = Guard(guard_of(board))
        times = Times(
            switch=codes.switch_settle,
            converter=codes.dac_settle, gate=max(codes.gate_settle, 1), dead=codes.switch_settle,
            discharge=codes.discharge,
        )  # fmt: skip
        self.sequencer = Sequencer(times)
        m.submodules.sequencer = ResetInserter(~self.guard.running)(self.sequencer)
        internal = [dac.internal for dac in board.dacs.values()]
        half = max(dac.half_period for dac in board.dacs.values())
        wait = ticks_up(first.part.read_sync_high, board.clock) if board.readback else None
        m.submodules.dacs = self.dacs = Dacs(first.part, outputs_of(board), internal, half, 1, wait)
        half = max(one.half_period for one in board.adcs.values())
        m.submodules.adcs = self.adcs = Adcs(adc.part, len(board.adcs), adc.span, half, max(half - 1, 1))
        connect(m, self.guard.written, self.dacs.codes)
        rests = [line.transfer.zero for line in board.lines]
        falls = [line.transfer.polarity < 0 for line in board.lines]
        m.submodules.rests = rests_of = Memory(shape=17, depth=max(len(rests), 2), init=[
            rest | fall << 16 for rest, fall in zip(rests, falls, strict=True)
        ])  # fmt: skip
        self.rest = rests_of.read_port()
        levels = levels_of(board)
        m.submodules.levels = table = Memory(shape=32, depth=len(levels), init=levels)
        self.level = table.read_port()
        m.submodules.counters = counters = Memory(shape=32, depth=max(self.cells, 2), init=[])
        self.counter, self.count_up = counters.read_port(), counters.write_port()

    @property
    def passive(self) -> bool:
        """Whether no transistors select."""
        return not self.board.gates

    @property
    def cells(self) -> int:
        """Cells of the array."""
        return self.parameters.rows * self.parameters.cols

    def _switches(self) -> None:
        """Let patterns follow what is selected, and enables the guard's levels."""
        m, board, levels = self.m, self.board, self.guard.levels
        request = self.request
        every_row, every_col = range(len(board.rows)), range(len(board.cols))
        pulsed = self.selected & ~self.is_reading
        in_region = [(request.row0 <= n) & (n < request.row1) for n in every_row]
        of_row = [self.selected & Mux(self.whole, in_region[n], self.chosen_row == n) for n in every_row]
        of_col = [pulsed & (self.chosen_col == n) for n in every_col]
        driven_row, driven_col = self.is_reading | (self.side == Side.ROW), self.side == Side.COL
        bias = pulsed & self.biased
        rows = [(of_row[n] & driven_row) | (bias & (self.chosen_row != n)) for n in every_row]
        cols = [(of_col[n] & driven_col) | (bias & (self.chosen_col != n)) for n in every_col]
        sensed = [self.selected & self.is_reading & (request.col0 <= n) & (n < request.col1) for n in every_col]
        selection = Selection(
            rows, cols, sensed, gates=of_row if board.gates else [],
            # Of the side that is returned, one line is at ground: another would pulse its cell, too, if its gate is on.
            grounded_rows=[~rows[n] & (~pulsed | driven_row | of_row[n]) for n in every_row],
            grounded_cols=[~cols[n] & ~sensed[n] & (~pulsed | driven_col | of_col[n]) for n in every_col],
        )  # fmt: skip
        enabled = {
            "row": levels.drive_row | levels.bias, "col": levels.drive_col | levels.bias,
            "line": levels.drive_row | levels.drive_col | levels.bias,
            "gate": levels.gate, "sense": levels.sense, "ground": ~levels.ground,
        }  # fmt: skip
        busy = []
        for n, chain in enumerate(board.registers):
            switches = Switches(chain.outputs, chain.half_period, board.rest_pattern(chain.name))
            m.submodules[f"chain_{chain.name}"] = switches
            busy.append(switches.busy)
            m.d.comb += [
                switches.pattern.eq(Cat(pattern(board, chain, selection))),
                self.shcp[n].eq(switches.shcp), self.ds[n].eq(switches.ds), self.stcp[n].eq(switches.stcp),
                self.enable_n[n].eq(~enabled[kind_of(board, chain)]),
            ]  # fmt: skip
        for chain in board.switch_pins:
            pins = SwitchPins(chain.outputs, board.rest_pattern(chain.name))
            m.submodules[f"pins_{chain.name}"] = pins
            busy.append(pins.busy)
            m.d.comb += [
                pins.pattern.eq(Cat(pattern(board, chain, selection))),
                pins.enable.eq(enabled[kind_of(board, chain)]),
                self.switch_pins[board.first_pin(chain) :][: chain.outputs].eq(pins.pins),
            ]
        m.d.comb += self.switching.eq(Cat(busy).any())

    def _wires(self) -> None:
        m, guard, port = self.m, self.guard, self.port
        m.d.comb += [
            guard.wish.eq(self.sequencer.wish), guard.safe.eq(self.safe), guard.heard.eq(self.heard),
            guard.bad_frame.eq(self.bad_frame), guard.executing.eq(self.executing | port.busy),
            guard.acknowledge.eq(port.acknowledge), port.trips.eq(guard.trips),
            guard.forming.eq(self.forming), guard.reading.eq(self.is_reading),
            guard.blocked.eq(self.blocked | Mux(self.dacs.wrong, Trip.READBACK, 0)),
            guard.stands.eq(self.dacs.stands), self.dacs.check.eq(self.sequencer.busy),
            self.sequencer.stands.eq(self.dacs.stands & ~guard.written.valid),
            guard.rested.eq(self.dacs.rested), self.dacs.to_rest.eq(guard.to_rest),
            self.trips.eq(guard.trips), self.resting.eq(guard.resting),
            self.dac_sclk.eq(self.dacs.sclk), self.dac_sdi.eq(self.dacs.sdi), self.dac_sync_n.eq(self.dacs.sync_n),
            self.adc_sclk.eq(self.adcs.sclk), self.adc_sdi.eq(self.adcs.sdi), self.adc_cs_n.eq(self.adcs.cs_n),
            self.adcs.sdo.eq(self.adc_sdo), *([self.dacs.sdo.eq(self.dac_sdo)] if self.board.readback else []),
            self.sequencer.side.eq(self.side), self.sequencer.sense.eq(self.is_reading), self.sequencer.pulses.eq(1),
            self.sequencer.bias.eq(self.biased),
            self.range_pins.eq(Array([Const(one.pins, 8) for one in self.board.codes.ranges])[self.range]),
            guard.write.payload.channel.eq(self.channel), guard.write.payload.code.eq(self.code),
        ]  # fmt: skip
        with m.If(~guard.running):
            m.d.sync += [self.lost.eq(1), self.held.eq(0)]
        driving = guard.levels.drive_row | guard.levels.drive_col
        with m.If(driving):
            m.d.sync += port.spent.time.eq(port.spent.time + 1)

    # -- tools of the states -------------------------------------------------------------------------------------------

    def write(self, state: str, channel: Value, steps: Value | int, then: str, *, waits: bool = True) -> None:
        """Make states that put a code on a channel, `steps` above its rest, and go on once it is sent.

        waits: else they go on before; `codes_sent` tells when.
        """
        m, guard = self.m, self.guard
        rest, falls = self.rest.data[:16], self.rest.data[16]
        with m.State(state):
            m.d.comb += self.rest.addr.eq(channel)
            m.d.sync += [self.channel.eq(channel), self.steps.eq(steps)]
            m.next = f"{state} REST"
        with m.State(f"{state} REST"):
            m.d.sync += self.code.eq(Mux(falls, rest - self.steps, rest + self.steps))
            m.next = f"{state} CODE"
        with m.State(f"{state} CODE"):
            m.d.comb += guard.write.valid.eq(1)
            with m.If(guard.write.ready):
                m.next = f"{state} SENT" if waits else then
        if waits:
            with m.State(f"{state} SENT"), m.If(self.codes_sent):
                m.next = then

    @property
    def codes_sent(self) -> Value:
        """Whether no code is on its way to a converter; in the clock behind one that was taken at the soonest."""
        return ~self.guard.written.valid & ~self.dacs.busy

    def choose(self) -> None:
        """Select the lines of the cell at hand, in this clock."""
        self.m.d.sync += [self.selected.eq(1), self.chosen_row.eq(self.row), self.chosen_col.eq(self.col)]

    def of_row(self) -> Value:
        """Return the channel of the row at hand."""
        return self.row

    def of_col(self) -> Value:
        """Return the channel of the column at hand."""
        return len(self.board.rows) + self.col

    def of_gate(self) -> Value:
        """Return the channel of the gate at hand."""
        return len(self.board.rows) + len(self.board.cols) + self.row

    # -- states --------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        m, port = self.m, self.port
        firsts = {
            Operation.READ: "READ", Operation.COUNTS: "COUNTS", Operation.DRIVES: "DRIVES", Operation.PULSE: "PULSE",
            Operation.PULSE_CELL: "ONE CELL", Operation.FORM_CELL: "ONE CELL", Operation.READ_WORDS: "READ WORDS",
            Operation.WRITE_WORDS: "WRITE WORDS",
        }  # fmt: skip
        if self.parameters.vmm:
            firsts[Operation.VMM] = "VMM"
        request = self.request
        with m.State("IDLE"), m.If(port.start | port.narrow):
            m.d.sync += [
                self.request.eq(port.request), self.row.eq(port.request.row0), self.col.eq(port.request.col0),
                port.rows_done.eq(0), port.spent.as_value().eq(0), self.lost.eq(~self.guard.running),
                self.forming.eq(0),
            ]  # fmt: skip
            m.next = "BEGIN"
            narrowing.begin(self)
        with m.State("BEGIN"):
            m.next = "IDLE"
            with m.Switch(request.operation):
                for operation, state in firsts.items():
                    with m.Case(operation):
                        m.next = state
            if self.parameters.vmm:
                same = (self.held_row0 == request.row0) & (self.held_row1 == request.row1)
                with m.If(self.held & ~((request.operation == Operation.VMM) & same)):
                    m.next = "LET GO"
        _words(self)

    def step(self, then: str, end: str) -> None:
        """Go on to the next cell of the region in this clock, row by row; `end` behind the last."""
        m, request = self.m, self.request
        m.d.sync += self.col.eq(self.col + 1)
        m.next = then
        with m.If(self.col + 1 == request.col1):
            m.d.sync += [self.col.eq(request.col0), self.row.eq(self.row + 1)]
            with m.If(self.row + 1 == request.row1):
                m.next = end


def _words(a: AnalogArray) -> None:
    """Read and write the words of cells that a physical array has: the counter, and the flags."""
    m, request, port = a.m, a.request, a.port
    word, kept = Signal(4), Signal(16)
    found = {
        COUNT_WORD: a.counter.data[:16], COUNT_WORD + 1: a.counter.data[16:],
        FLAGS_WORD: Const(CellFlag.UNFORMED, 16),
    }  # fmt: skip
    m.d.comb += [a.counter.addr.eq(a.at), a.count_up.addr.eq(a.at)]
    with m.State("READ WORDS"):
        m.d.sync += word.eq(request.word0)
        m.next = "WORD LOOKED UP"
    with m.State("WORD LOOKED UP"):
        m.next = "READ WORD"
    with m.State("READ WORD"):
        m.d.comb += port.results.valid.eq(1)
        with m.Switch(word):
            for number, value in found.items():
                with m.Case(number):
                    m.d.comb += port.results.payload.eq(value)
        with m.If(port.results.ready):
            m.d.sync += word.eq(word + 1)
            with m.If(word + 1 == request.word0 + request.words):
                m.d.sync += word.eq(request.word0)
                a.step("WORD LOOKED UP", "IDLE")
    with m.State("WRITE WORDS"):
        m.d.sync += word.eq(request.word0)
        m.next = "WRITE WORD"
    with m.State("WRITE WORD"):
        m.d.comb += port.elements.ready.eq(1)
        with m.If(port.elements.valid):
            m.d.sync += word.eq(word + 1)
            with m.If(word == COUNT_WORD):
                m.d.sync += kept.eq(port.elements.payload)
            with m.If(word == COUNT_WORD + 1):
                m.d.comb += [a.count_up.en.eq(1), a.count_up.data.eq(Cat(kept, port.elements.payload[:16]))]
            with m.If(word + 1 == request.word0 + request.words):
                m.d.sync += word.eq(request.word0)
                a.step("WRITE WORD", "IDLE")
