"""The front end at its pins, against frames of hwctl and its HostSession."""

import pytest
from amaranth.sim import Simulator

from firmware.front.front import Front
from firmware.parameters import Parameters
from hwctl.protocol import frame as wire
from hwctl.protocol.frame import Deframer, Frame, Kind, encode_frame, pack
from hwctl.protocol.session.host import HostSession, Phase

pytestmark = pytest.mark.slow  # deframer, session and framer in Amaranth's simulator

DIVISOR = 4
SMALL = {"receive_budget": 2048, "reply_budget": 2048, "largest_frame": 2048, "divisor": DIVISOR}


async def ticks(ctx, n):
    """Not `repeat`: at the end of a simulation Python complains of its generators in the background."""
    for _ in range(n):
        await ctx.tick()


class Bench:
    """A simulated front end, its line, and an engine that answers a command with the bytes reversed."""

    def __init__(self, **more):
        self.front = Front(Parameters(**(SMALL | more)), simulated=True)
        self.executed = []
        self.delay = 0  # clocks of a command
        self.deframer = Deframer(4096)

    def run(self, script):
        simulator = Simulator(self.front)
        simulator.add_clock(1e-6)
        simulator.add_testbench(script)
        simulator.add_testbench(self.receive_line, background=True)
        simulator.add_testbench(self.engine, background=True)
        self.received = bytearray()
        simulator.run()

    async def send(self, ctx, raw):
        for byte in raw:
            for bit in (0, *((byte >> i) & 1 for i in range(8)), 1):
                ctx.set(self.front.rx, bit)
                await ctx.tick().repeat(DIVISOR)

    async def receive_line(self, ctx):
        while True:
            while ctx.get(self.front.tx):
                await ctx.tick()
            await ticks(ctx, DIVISOR // 2)
            byte = 0
            for i in range(8):
                await ticks(ctx, DIVISOR)
                byte |= ctx.get(self.front.tx) << i
            await ticks(ctx, DIVISOR)
            assert ctx.get(self.front.tx) == 1
            self.received.append(byte)

    async def engine(self, ctx):
        port = self.front.command
        while True:
            if ctx.get(port.safe):
                ctx.set(port.at_rest, 1)
                await ctx.tick()
                ctx.set(port.at_rest, 0)
            if not ctx.get(port.valid):
                await ctx.tick()
                continue
            start, length, at = (ctx.get(getattr(port, n)) for n in ("start", "length", "reply_start"))
            aborted = ctx.get(port.aborted)
            ctx.set(port.taken, 1)
            await ctx.tick()
            ctx.set(port.taken, 0)
            command = bytes([await self.read(ctx, start + i) for i in range(length)])
            self.executed.append((command, aborted))
            for done in range(0 if aborted else self.delay):
                ctx.set(port.progress, done)
                await ctx.tick()
                if ctx.get(port.safe):
                    break
            reply = b"aborted" if aborted or ctx.get(port.safe) else command[::-1]
            await self.write(ctx, at, reply)
            stopped = ctx.get(port.safe)
            ctx.set(port.reply_length, len(reply))
            done = (port.at_rest, port.stopped) if stopped else (port.finish,)
            for signal in done:
                ctx.set(signal, 1)
            await ctx.tick()
            for signal in done:
                ctx.set(signal, 0)

    async def read(self, ctx, address):
        port = self.front.command
        ctx.set(port.read_address, address % self.front.receive_ring.size)
        await ctx.tick()
        while not ctx.get(port.read_valid):
            await ctx.tick()
        return ctx.get(port.read_data)

    async def write(self, ctx, address, raw):
        port = self.front.command
        ctx.set(port.write_en, 1)
        for i, byte in enumerate(raw):
            ctx.set(port.write_address, (address + i) % self.front.reply_ring.size)
            ctx.set(port.write_data, byte)
            await ctx.tick()
        ctx.set(port.write_en, 0)

    def frames(self):
        raw, self.received = bytes(self.received), bytearray()
        found = self.deframer.feed(raw)
        assert not self.deframer.bad.total
        return found


async def answer(bench, ctx, raw, clocks=4000):
    await bench.send(ctx, raw)
    await ctx.tick().repeat(clocks)
    return bench.frames()


def hello(session=7, number=1):
    return encode_frame(Frame(Kind.HELLO, session, number))


async def open_session(bench, ctx, session=7, replaces=0):
    (info,) = await answer(bench, ctx, hello(session))
    boot = wire.unpack(wire.HelloInfo, info.payload).boot
    (opened,) = await answer(bench, ctx, encode_frame(Frame(Kind.OPEN, session, 2, 0, pack(wire.Open(replaces, boot)))))
    assert opened.kind is Kind.OPENED
    return boot


def test_hello_tells_of_the_limits_and_a_boot_number():
    bench = Bench()

    async def script(ctx):
        (info,) = await answer(bench, ctx, hello())
        assert (info.kind, info.session, info.sequence, info.acknowledged) == (Kind.HELLO_INFO, 7, 1, 0)
        told = wire.unpack(wire.HelloInfo, info.payload)
        assert told.boot != 0
        assert told == wire.HelloInfo(1, 0, told.boot, 0, 0, 0, 2048, 2048, 2048)

    bench.run(script)


@pytest.mark.parametrize("spram", [False, True])
def test_a_command_is_executed_once_and_its_reply_comes_again_when_asked_for(spram):
    bench = Bench(spram=spram)

    async def script(ctx):
        await open_session(bench, ctx)
        command = encode_frame(Frame(Kind.COMMAND, 7, 1, 0, wire.RESERVE.pack(192) + b"\0one\0two\0"))
        for _ in range(2):
            (reply,) = await answer(bench, ctx, command)
            assert reply == Frame(Kind.REPLY, 7, 1, 1, b"\0owt\0eno\0")
        assert bench.executed == [(b"\0one\0two\0", 0)]

    bench.run(script)


def test_noise_costs_no_frame_and_is_counted():
    bench = Bench()

    async def script(ctx):
        await open_session(bench, ctx)
        await bench.send(ctx, b"\x55noise\0\x01\0\x03\x01\x02\0" + bytes([0x44] * 30) + b"\0\xff\xff")
        (info,) = await answer(bench, ctx, hello(number=9))
        assert (info.kind, info.sequence) == (Kind.HELLO_INFO, 9)
        assert ctx.get(bench.front.command.bad_frames) == 5

    bench.run(script)


def test_a_host_session_runs_commands_through_the_pins():
    bench = Bench()
    host = HostSession(0x1A2B3C4D, timeout=1e9)
    commands = [bytes([n, 0, 255 - n]) * (n * 9) for n in range(12)]

    async def exchange(ctx, until):
        for _ in range(400):
            await bench.send(ctx, host.outgoing())
            await ctx.tick().repeat(50)
            raw, bench.received = bytes(bench.received), bytearray()
            host.receive(raw, 0.0)
            if until():
                return
        raise AssertionError("the host waits")

    async def script(ctx):
        host.hello(0.0)
        await exchange(ctx, lambda: host.phase is Phase.GREETED)
        host.open(0.0, host.board.session)
        await exchange(ctx, lambda: host.phase is Phase.OPEN)
        numbers = [host.submit(command, 400) for command in commands]
        await exchange(ctx, lambda: not host.unacknowledged and not host.unsent)
        assert [host.take_reply(n) for n in numbers] == [command[::-1] for command in commands]
        assert [command for command, _ in bench.executed] == commands
        host.safe(0.0)
        await exchange(ctx, lambda: not host.pending)
        assert host.state == wire.BoardState(12, 0, 0)

    bench.run(script)


def test_safe_stops_what_runs_and_aborts_what_waits():
    bench = Bench()
    bench.delay = 100_000

    async def script(ctx):
        await open_session(bench, ctx)
        for n in (1, 2):
            await bench.send(ctx, encode_frame(Frame(Kind.COMMAND, 7, n, 0, wire.RESERVE.pack(192) + b"work")))
        await ctx.tick().repeat(500)
        frames = await answer(bench, ctx, encode_frame(Frame(Kind.SAFE, 7, 3, 0, pack(wire.Safe(2)))), 8000)
        assert {frame.kind for frame in frames} == {Kind.SAFE_DONE, Kind.REPLY}
        assert [frame.payload for frame in frames if frame.kind is Kind.REPLY] == [b"aborted", b"aborted"]
        (done,) = (frame for frame in frames if frame.kind is Kind.SAFE_DONE)
        state = wire.unpack(wire.BoardState, done.payload)
        assert (state.executed, state.running) == (0, 1)
        assert state.progress > 0
        assert [aborted for _, aborted in bench.executed] == [0, 1]

    bench.run(script)
