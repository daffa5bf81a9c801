"""The emulated array: docs/cell-law.md behind the array port.

A sequencer (the states in `words.py`, `pulsing.py`, `outer.py`, `sensing.py`) sends cells into the lanes, one column
group a clock, and what is to be converted to the converter.
"""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In

from firmware.array import outer, pulsing, sensing, words
from firmware.array.constants import ChipConstants
from firmware.array.converter import Converter
from firmware.array.curves import CurveWrite
from firmware.array.delays import Delays
from firmware.array.issue import Issue, Timing
from firmware.array.lane import Lane
from firmware.array.operands import OperandWrite
from firmware.array.spending import LongestTrain, Spending
from firmware.array.walker import Walker
from firmware.parameters import Parameters
from firmware.port import ArrayPort, Operation
from hwctl.devices import law

#: Fields of a request that must not change while it runs.
STEADY = frozenset({"voltage", "settle", "set_width", "reset_width"})


class EmulatedArray(wiring.Component):
    """Cells that behave like those of a chip; `port` is what the command engine sees."""

    def __init__(self, parameters: Parameters, constants: ChipConstants) -> None:
        """Build an array of that size with the curves, and perhaps the cells, of a chip."""
        self.parameters, self.constants = parameters, constants
        super().__init__({"port": In(ArrayPort(parameters))})

    def elaborate(self, _: object) -> Module:
        """Put the parts together."""
        self.m = Module()
        self._parts()
        self._request()
        self._hold_element()
        self._lanes()
        self._convert()
        self._spend()
        sensing.stage(self)
        outer_product = outer.Outer(self) if self.parameters.outer else None
        with self.m.FSM() as fsm:
            self._begin()
            words.states(self)
            pulsing.states(self)
            sensing.states(self)
            if outer_product:
                outer_product.states()
            self._drain()
        self._hold_result(~fsm.ongoing("IDLE"))
        return self.m

    def _parts(self) -> None:
        m, parameters, constants = self.m, self.parameters, self.constants
        self.time, self.late = Timing(parameters), Delays(m)
        self.issue, self.staged = Issue(parameters), OperandWrite(parameters)
        self.curve_write = CurveWrite(constants)
        self.lanes = [
            Lane(parameters, constants, number, self.issue, self.staged, self.curve_write)
            for number in range(parameters.lanes)
        ]
        for number, lane in enumerate(self.lanes):
            m.submodules[f"lane{number}"] = lane
        m.submodules.converter = self.converter = Converter(parameters)
        m.submodules.walker = self.walker = Walker(parameters)
        m.submodules.spending = self.spending = Spending(parameters)
        m.submodules.trains = self.trains = LongestTrain()
        self.elements, self.results = stream.Signature(48).create(), stream.Signature(16).create()
        self.wait = Signal(range(self.time.done + 1))  # clocks until the lanes are ready for what comes next
        self.pending = Signal()  # the sums of a column group wait for the converter, or will
        self.first, self.round = Signal(init=1), Signal(8, init=1)  # of a row: nothing sent yet; number of the round
        with m.If(self.wait != 0):
            m.d.sync += self.wait.eq(self.wait - 1)

    def _request(self) -> None:
        """Keep the request, as the port shows it for one clock; what stands still on the port needs no registers."""
        m, port = self.m, self.port
        self.request = request = Signal.like(port.request)
        for name in port.request.shape().members:
            if name in STEADY:
                m.d.comb += request[name].eq(port.request[name])
            else:
                with m.If(port.start):
                    m.d.sync += request[name].eq(port.request[name])
        walker = self.walker
        m.d.comb += [
            walker.row0.eq(request.row0), walker.row1.eq(request.row1),
            walker.col0.eq(request.col0), walker.col1.eq(request.col1),
        ]  # fmt: skip

    def is_(self, *operations: Operation) -> Signal:
        """Return whether the running request is one of these."""
        return Cat(self.request.operation == operation for operation in operations).any()

    def _lanes(self) -> None:
        m, issue, walker, request = self.m, self.issue, self.walker, self.request
        lane_bits = self.parameters.lanes.bit_length() - 1
        m.d.comb += [
            issue.address.eq(walker.address),
            issue.unit.eq(walker.address << lane_bits),
            issue.spot.eq(walker.spot),
            issue.mask.eq(walker.mask),
            issue.kind.eq(Mux(issue.see, law.WRITE, law.PULSE)),
            issue.index.eq(request.index),
            issue.own_level.eq(self.is_(Operation.PULSE)),
            issue.set_level.eq(request.set_level),
            issue.reset_level.eq(request.reset_level),
            self.staged.spot.eq(walker.spot),
            self.staged.data.eq(self.elements.payload),
            self.staged.mask.eq(walker.mask),
        ]
        self.stream_key = Signal()
        key = self.port.key
        if self.parameters.outer:
            key = Mux(self.stream_key, request.seed, key)
        m.d.comb += [lane.key.eq(key) for lane in self.lanes]
        self.more = Cat(lane.more for lane in self.lanes).any()

    def _convert(self) -> None:
        m, converter, request = self.m, self.converter, self.request
        late, issue, time = self.late, self.issue, self.time
        drawn = late(issue.draw, time.product + 1) & late(issue.valid, time.product + 1)
        summed = late(issue.last, time.held) & late(issue.see, time.held) & late(issue.valid, time.held)
        reading = self.is_(Operation.READ)
        m.d.comb += [
            converter.reading.eq(reading), converter.transposed.eq(request.transposed & self.parameters.transposed),
            converter.wide.eq(request.wide), converter.voltage.eq(request.voltage),
            converter.tia_range.eq(request.tia_range), converter.averages_log2.eq(request.averages_log2),
            converter.lane.eq(self.walker.col), converter.line0.eq(request.col0), converter.line1.eq(request.col1),
            converter.go.eq(Mux(reading, drawn, summed & self.is_(Operation.VMM))),
        ]  # fmt: skip
        for number, lane in enumerate(self.lanes):
            m.d.comb += [converter.sums[number].eq(lane.sum), converter.noises[number].eq(lane.noise)]
        m.d.comb += converter.results.ready.eq(self.results.ready)
        with m.If(converter.results.valid):
            m.d.comb += self.results.valid.eq(1)
        with m.If(converter.released):
            m.d.sync += self.pending.eq(0)

    def _hold_element(self) -> None:
        """Take elements into a register: they come from the block RAM of the front end, and late in a clock."""
        m, offered, held = self.m, self.port.elements, self.elements
        m.d.comb += offered.ready.eq(held.ready | ~held.valid)
        with m.If(offered.ready):
            m.d.sync += [held.valid.eq(offered.valid), held.payload.eq(offered.payload)]

    def _hold_result(self, running: Value) -> None:
        """Give results out of a register: they come from block RAM far away. The request lasts until it is empty."""
        m, port, results, held = self.m, self.port, self.results, Signal()
        m.d.comb += [results.ready.eq(~held), port.results.valid.eq(held), port.busy.eq(running | held)]
        with m.If(~held):
            m.d.sync += [port.results.payload.eq(results.payload), held.eq(results.valid)]
        with m.Elif(port.results.ready):
            m.d.sync += held.eq(0)

    def _spend(self) -> None:
        m, spending = self.m, self.spending
        moves = self.late(self.issue.pulse, 1) | self.late(self.issue.form, 1)
        m.d.sync += [  # counted one clock later: what was hit is known late in a clock
            spending.hits.eq(Cat(lane.hit & moves for lane in self.lanes)),
            spending.polarities.eq(Cat(lane.polarity for lane in self.lanes)),
        ]
        m.d.comb += [
            spending.converted.eq(self.converter.converted),
            spending.hidden.eq(self.is_(Operation.COUNTS, Operation.DRIVES)),
            self.port.spent.eq(spending.spent),
        ]

    # -- tools of the states -------------------------------------------------------------------------------------------

    def of_lane(self, values: list[Value]) -> Value:
        """Choose from one value a lane that of the lane of the walker's column."""
        if len(values) == 1:
            return values[0]
        return Array(values)[self.walker.col[: len(values).bit_length() - 1]]

    def send(self, **fields: object) -> None:
        """Let the cells at hand into the lanes, in this clock."""
        self.m.d.comb += self.issue.valid.eq(1)
        self.m.d.comb += [getattr(self.issue, name).eq(value) for name, value in fields.items()]

    def take_time(self, codes: object) -> None:
        """Add time codes to what the request took, in this clock."""
        self.m.d.comb += [self.spending.later.eq(1), self.spending.time.eq(codes)]

    def finish(self) -> None:
        """Go to the end of the request once the lanes are empty."""
        self.m.d.sync += self.wait.eq(self.time.done)
        self.m.next = "DRAIN"

    # -- states --------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        m, port = self.m, self.port
        firsts = {
            Operation.WRITE_WORDS: "WORDS", Operation.READ_WORDS: "WORDS", Operation.WRITE_CURVE: "CURVE",
            Operation.READ: "READ", Operation.VMM: "VMM", Operation.COUNTS: "COUNTS", Operation.DRIVES: "DRIVES",
            Operation.PULSE: "PULSE", Operation.PULSE_CELL: "CELL",
        }  # fmt: skip
        if self.parameters.loops:
            firsts[Operation.FORM_CELL] = "CELL"
        if self.parameters.outer:
            firsts[Operation.OUTER] = "OUTER X"
        with m.State("IDLE"), m.If(port.start):
            m.next = "BEGIN"
        with m.State("BEGIN"):
            m.d.comb += [
                self.walker.load.eq(1),
                self.converter.start.eq(1),
                # The time of a PULSE is found while it is staged.
                self.spending.clear.eq(~self.is_(Operation.DRIVES, Operation.PULSE)),
            ]
            m.d.sync += [port.rows_done.eq(0), self.wait.eq(0)]
            m.next = "IDLE"
            with m.Switch(self.request.operation):
                for operation, state in firsts.items():
                    with m.Case(operation):
                        m.next = state

    def _drain(self) -> None:
        m = self.m
        with m.State("DRAIN"), m.If((self.wait == 0) & ~self.pending & ~self.converter.busy):
            m.next = "IDLE"
