"""The emulated array of a small FPGA: docs/cell-law.md as a program, behind the array port."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from firmware.array.array import STEADY
from firmware.array.constants import ChipConstants
from firmware.compact.array.memory import CellMemory
from firmware.compact.array.ports import BITS, FIELDS, FLAGS, OUTER_FIELDS, Port
from firmware.compact.array.program import array_program
from firmware.parameters import Parameters
from firmware.port import ArrayPort
from firmware.processor.core import Processor
from hwctl.protocol.codes import MAX_AVERAGES_LOG2, MAX_PULSES, MAX_SLOTS


class CompactArray(wiring.Component):
    """Does what `EmulatedArray` does, a cell after the other: some hundred clocks for each pulse or product.

    Lanes and stages of the parameters mean nothing here.
    """

    def __init__(
        self, parameters: Parameters, constants: ChipConstants, *, steady: bool = False, simulated: bool = False
    ) -> None:
        """Build an array of that size with the curves, and perhaps the cells, of a chip.

        steady: whoever asks lets the whole request stand still while `busy`, so that none of it is kept here.
        simulated: with a model of the vendor's memory cell. With `parameters.spram` the cells are zeros at first, and
        `busy` is high from power-up until they are.
        """
        self.program = array_program(parameters, constants)
        super().__init__({"port": In(ArrayPort(parameters))})
        self.parameters, self._steady = parameters, steady
        self.memory = CellMemory(parameters, constants, simulated)
        self.processor = Processor(self.program, FLAGS)

    def elaborate(self, _: object) -> Module:
        """Connect processor, memory and port."""
        self.m = m = Module()
        m.submodules.memory, m.submodules.processor = self.memory, self.processor
        self._request()
        self._flags()
        self._memory()
        self._inputs()
        self._outputs()
        return m

    def _request(self) -> None:
        """Keep what the port shows for one clock only."""
        m, port = self.m, self.port
        self.request = Signal.like(port.request)
        for name in port.request.shape().members:
            if name in STEADY or self._steady:
                m.d.comb += self.request[name].eq(port.request[name])
            else:
                with m.If(port.start):
                    m.d.sync += self.request[name].eq(port.request[name])

    def _flags(self) -> None:
        m, port = self.m, self.port
        busy, offered = Signal(init=self.parameters.spram), Signal()
        with m.If(port.start):
            m.d.sync += busy.eq(1)
        with m.Elif(self._writes(Port.DONE)):
            m.d.sync += busy.eq(0)
        with m.If(self._writes(Port.RESULT)):
            m.d.sync += offered.eq(1)
        with m.Elif(port.results.ready):
            m.d.sync += offered.eq(0)
        bits = [self.request[name] for name in BITS]
        m.d.comb += [
            port.busy.eq(busy),
            port.results.valid.eq(offered),
            port.results.payload.eq(self.processor.value_out),
            self.processor.flags.eq(Cat(busy, port.elements.valid, offered, port.stop, *bits)),
        ]

    def _is(self, number: Port) -> Value:
        return self.processor.number[:6] == number

    def _writes(self, number: Port) -> Value:
        return self.processor.write & self._is(number)

    def _memory(self) -> None:
        """Let the address go on by itself: words of a cell come one after the other."""
        m, memory, processor = self.m, self.memory, self.processor
        address = Signal.like(memory.address)
        with m.If(self._writes(Port.ADDRESS)):
            m.d.sync += address.eq(processor.value_out)
        with m.Elif((processor.write | processor.read) & self._is(Port.DATA)):
            m.d.sync += address.eq(address + 1)
        m.d.comb += [
            memory.address.eq(address),
            memory.data_in.eq(processor.value_out),
            memory.write_en.eq(self._writes(Port.DATA)),
        ]

    def _inputs(self) -> None:
        m, port, processor = self.m, self.port, self.processor
        payload = port.elements.payload
        values = {
            Port.DATA: self.memory.data_out, Port.KEY_LOW: port.key[:32], Port.KEY_HIGH: port.key[32:],
            Port.ELEMENT_HIGH: payload[32:40], Port.ELEMENT: payload[:32],
        }  # fmt: skip
        names = (*FIELDS, *OUTER_FIELDS) if self.parameters.outer else FIELDS
        values |= {Port.FIRST_FIELD + n: self.request[name] for n, name in enumerate(names)}
        with m.Switch(processor.number[:6]):
            for number, value in values.items():
                with m.Case(number):
                    m.d.comb += processor.value_in.eq(value)
            with m.Default():
                m.d.comb += processor.value_in.eq(self.memory.data_out)
        m.d.comb += port.elements.ready.eq(processor.read & self._is(Port.ELEMENT))

    def _outputs(self) -> None:
        """Show what a request took, in registers as wide as one request can need."""
        m, parameters, spent = self.m, self.parameters, self.port.spent
        cells = parameters.rows * parameters.cols
        pulses = (cells * max(MAX_PULSES, MAX_SLOTS)).bit_length()
        time = 32 + MAX_AVERAGES_LOG2 + parameters.row_bits
        widths = {
            Port.ROWS_DONE: (self.port.rows_done, parameters.row_bits),
            Port.SET_PULSES: (spent.set_pulses, min(pulses, 32)),
            Port.RESET_PULSES: (spent.reset_pulses, min(pulses, 32)),
            Port.CONVERSIONS: (spent.conversions, min((cells << MAX_AVERAGES_LOG2).bit_length(), 32)),
            Port.TIME_LOW: (spent.time[:32], 32),
            Port.TIME_HIGH: (spent.time[32:], min(time - 32, 32)),
        }
        for number, (out, bits) in widths.items():
            held = Signal(bits, name=f"held_{number.name.lower()}")
            with m.If(self._writes(number)):
                m.d.sync += held.eq(self.processor.value_out)
            m.d.comb += out.eq(held)
