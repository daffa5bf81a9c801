"""Operands of the cells of one lane: pulses to come and their drive levels, or the inputs of a VMM."""

from amaranth.hdl import Elaboratable, Module, Signal

from firmware.array.issue import operand_depth
from firmware.array.ram import Ram
from firmware.parameters import Parameters


class OperandWrite:
    """What all lanes' operands are told to take: the low byte (count), the high byte (level), or both."""

    def __init__(self, parameters: Parameters) -> None:
        """Make the signals."""
        self.spot = Signal(range(operand_depth(parameters)))
        self.data = Signal(16)
        self.mask = Signal(parameters.lanes)
        self.low, self.high = Signal(), Signal()


class Operands(Elaboratable):
    """`data` is the operand at `spot`, one clock later."""

    def __init__(self, parameters: Parameters, write: OperandWrite, lane: int) -> None:
        """Make the memory."""
        self._memory = Ram(16, operand_depth(parameters), granularity=8)
        self._write, self._lane = write, lane
        self.spot, self.data = Signal.like(write.spot), Signal(16)

    def elaborate(self, _: object) -> Module:
        """Connect the ports."""
        m, write, memory = Module(), self._write, self._memory
        m.submodules.memory = memory
        enable = write.mask[self._lane]
        m.d.comb += [
            memory.address.eq(self.spot), self.data.eq(memory.data),
            memory.write_address.eq(write.spot), memory.write_data.eq(write.data),
            memory.write_en[0].eq(write.low & enable), memory.write_en[1].eq(write.high & enable),
        ]  # fmt: skip
        return m
