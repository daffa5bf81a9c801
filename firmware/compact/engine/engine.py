"""The command engine as a program: `firmware.engine.engine.Engine` for small FPGAs, many clocks a byte."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from firmware.compact.engine.outside import Registers
from firmware.compact.engine.program import EngineProgram
from firmware.compact.engine.registers import Outside
from firmware.engine.replies import FixedReplies
from firmware.front.port import CommandPort
from firmware.parameters import Parameters
from firmware.port import ArrayPort
from firmware.processor.core import Processor
from hwctl.devices.identity import BoardCodes
from hwctl.protocol.codes import MAX_BATCH


class CompactEngine(wiring.Component):
    """Executes commands on an array. All fields of a request stand still while the array is busy with it."""

    def __init__(self, parameters: Parameters, codes: BoardCodes, replies: FixedReplies, key: int) -> None:
        """key: 64 bits of noise until SEED."""
        self.parameters, self.fixed_replies = parameters, replies
        self.program = EngineProgram(parameters, codes, replies, key).p
        super().__init__(
            {"session": In(CommandPort(parameters)), "array": Out(ArrayPort(parameters)), "executing": Out(1)}
        )

    def elaborate(self, _: object) -> Module:
        """Put registers around the processor."""
        m = Module()
        m.submodules.processor = processor = Processor(self.program, flags=len(Outside))
        progress = bits_for(max(self.parameters.rows * self.parameters.cols, MAX_BATCH))
        outside = Registers(m, processor, self.session, self.array, self.fixed_replies.memory, progress)
        m.d.comb += self.executing.eq(~outside.asleep)
        return m
