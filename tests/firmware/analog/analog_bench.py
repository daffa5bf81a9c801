"""A front end with the parts of a board file around it, and an engine by hand."""

import numpy as np
from amaranth.sim import Simulator

from firmware.analog.array import AnalogArray
from firmware.analog.pins import driven_pins
from firmware.parameters import Parameters
from firmware.port import Operation
from firmware.simulation.physical import PhysicalBoard


def parameters_of(board):
    return Parameters(
        rows=len(board.rows), cols=len(board.cols), physical=True, transposed=False, outer=False, receive_budget=2048,
        reply_budget=2048, largest_frame=2048,
    )  # fmt: skip


class Bench:
    """A front end, the parts around it, and an engine by hand."""

    def __init__(self, board, g):
        self.board, self.parameters = board, parameters_of(board)
        self.array = AnalogArray(board, self.parameters)
        self.physical = PhysicalBoard(board, g, self._note)
        self.conversions = self.clock = self.words = 0
        self.ends = []  # clocks at which cells were left alone

    def _note(self, applied):
        self.physical.applied.append(applied)
        self.ends.append(self.clock)

    def run(self, script):
        array = self.array

        async def look(ctx):
            before = -1
            while True:
                await ctx.tick()
                pins = {name: ctx.get(getattr(array, name)) for name in driven_pins(self.board)}
                for name, lines in self.physical.see(pins).items():
                    ctx.set(getattr(array, name), lines)
                levels = array.guard.levels
                assert not ctx.get(array.switching & (levels.gate | ~levels.ground)), "a pattern is not there yet"
                self.clock += 1
                self.words += (pins["dac_sync_n"] & ~before) != 0  # of each word a select rises
                before = pins["dac_sync_n"]

        async def power_up(ctx):
            self.ctx = ctx
            ctx.set(array.heard, 1)
            await ctx.tick().until(array.guard.running)
            await script(self)

        simulator = Simulator(array)
        simulator.add_clock(1 / self.board.clock)
        simulator.add_testbench(look, background=True)
        simulator.add_testbench(power_up)
        simulator.run()

    async def ask(self, operation, elements=(), results=0, **fields):
        """Ask for an operation; return its results."""
        ctx, port = self.ctx, self.array.port
        request = {"row1": 1, "col1": 1, "voltage": 256, "tia_range": 4, "words": 1, **fields}
        ctx.set(port.request, {"operation": operation, **request})
        ctx.set(port.start, 1)
        await ctx.tick()
        ctx.set(port.start, 0)
        found, left = [], list(elements)
        ctx.set(port.results.ready, 1)
        while ctx.get(port.busy) or left:
            ctx.set(port.elements.valid, bool(left))
            ctx.set(port.elements.payload, left[0] if left else 0)
            taken = left and ctx.get(port.elements.ready)
            if ctx.get(port.results.valid):
                found.append(ctx.get(port.results.payload))
            await ctx.tick()
            if taken:
                left.pop(0)
        ctx.set(port.elements.valid, 0)
        assert len(found) == results
        return found

    async def pulse_cell(self, row, col, count, level, width, **fields):
        await self.ask(
            Operation.PULSE_CELL, row0=row, row1=row + 1, col0=col, col1=col + 1, count=count & 0xFF,
            set_level=level, reset_level=level, set_width=width, reset_width=width, **fields,
        )  # fmt: skip

    async def read(self, rows, cols, **fields):
        (row0, row1), (col0, col1) = rows, cols
        shape = row1 - row0, col1 - col0
        found = await self.ask(
            Operation.READ, results=shape[0] * shape[1], row0=row0, row1=row1, col0=col0, col1=col1, **fields
        )
        return np.array(found).reshape(shape)

    def pulses(self):
        """Return what cells got beyond what a reading gives, and forget it."""
        found, self.physical.applied = self.physical.applied, []
        most = self.board.sense.read + 1e-9
        return [one for one in found if abs(one.volts) > most]


def conductances(board, seed=0):
    return np.random.default_rng(seed).uniform(5e-6, 40e-6, (len(board.rows), len(board.cols)))
