"""The command engine in Amaranth's simulator: commands in, replies out, with or without a real array behind it."""

from amaranth.hdl import Module
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import connect
from amaranth.sim import Simulator

from firmware.engine.engine import Engine
from firmware.engine.replies import fixed_replies, identity_of_build
from firmware.front.port import receive_bytes
from firmware.parameters import Parameters
from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.devices.identity import BoardCodes
from hwctl.protocol.codec import decode_reply

PARAMETERS = Parameters(rows=9, cols=6)
CHIP = fabricate(presets.get("reram-es"), 9, 6, seed=3)
KEY = 0x123456789ABCDEF
BUILD = "gateware of a test"
MOST_CLOCKS = 200_000


class EngineBench:
    """Hands commands to an engine as the session does, one after the other."""

    def __init__(self, parameters=PARAMETERS, chip=CHIP, array=None, engine=Engine):
        self.parameters = parameters
        identity = identity_of_build(parameters, chip, BUILD)
        self.engine = engine(parameters, BoardCodes.of(chip), fixed_replies(identity), KEY)
        self.array = array
        self.clocks = []

    def _module(self):
        m = Module()
        m.submodules.engine = engine = self.engine
        port = engine.session
        size = receive_bytes(self.parameters)
        m.submodules.receive = self.receive = Memory(shape=8, depth=size, init=[])
        m.submodules.reply = self.reply = Memory(shape=8, depth=self.parameters.reply_budget, init=[])
        read, write = self.receive.read_port(), self.reply.write_port()
        m.d.comb += [
            read.addr.eq(port.read_address), port.read_data.eq(read.data), port.read_valid.eq(1),
            write.addr.eq(port.write_address), write.data.eq(port.write_data), write.en.eq(port.write_en),
        ]  # fmt: skip
        if self.array is not None:
            m.submodules.array = self.array
            connect(m, engine.array, self.array.port)
        return m

    def execute(self, commands, *, start=0, reserve=None):
        """Return the bytes of the reply to each of several encoded commands."""
        return self.run(lambda ctx: self._all(ctx, commands, start, reserve))

    def decoded(self, commands, **options):
        return [decode_reply(raw) for raw in self.execute(commands, **options)]

    def run(self, testbench):
        found = []

        async def bench(ctx):
            found.append(await testbench(ctx))

        simulator = Simulator(self._module())
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()
        return found[0]

    async def _all(self, ctx, commands, start, reserve):
        answers = []
        for raw in commands:
            answers.append(await self.one(ctx, raw, start, reserve))
            start = (start + len(raw)) % receive_bytes(self.parameters)
        return answers

    async def offer(self, ctx, raw, start, reserve, *, aborted=False):
        """Put a command into the ring and let the engine take it."""
        port = self.engine.session
        for n, byte in enumerate(raw):
            ctx.set(self.receive.data[(start + n) % receive_bytes(self.parameters)], byte)
        ctx.set(port.start, start)
        ctx.set(port.length, len(raw))
        ctx.set(port.reserve, reserve or self.parameters.reply_budget - 1)
        ctx.set(port.reply_start, 5 * start % self.parameters.reply_budget)
        ctx.set(port.aborted, aborted)
        ctx.set(port.valid, 1)
        await ctx.tick().until(port.taken)
        ctx.set(port.valid, 0)

    async def one(self, ctx, raw, start, reserve=None, *, aborted=False):
        await self.offer(ctx, raw, start, reserve, aborted=aborted)
        return await self.answer(ctx, self.engine.session.finish)

    async def answer(self, ctx, ended):
        """Return the reply once `ended` is high for a clock."""
        port = self.engine.session
        for clocks in range(MOST_CLOCKS):
            _, _, over, length, first = await ctx.tick().sample(ended, port.reply_length, port.reply_start)
            if over:
                self.clocks.append(clocks)
                size = self.parameters.reply_budget
                return bytes(ctx.get(self.reply.data[(first + n) % size]) for n in range(length))
        raise AssertionError("the engine did not answer")
