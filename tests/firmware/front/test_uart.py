"""The UART by itself: pin to byte and back."""

import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator

from firmware.front.uart import Receiver, Transmitter


def run(block, script):
    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(script)
    simulator.run()


async def hold(ctx, receiver, level, clocks, found):
    ctx.set(receiver.rx, level)
    for _ in range(clocks):
        await ctx.tick()
        if ctx.get(receiver.strobe):
            found.append(ctx.get(receiver.byte))


async def send(ctx, receiver, byte, clocks, found, stop=1):
    for bit in (0, *((byte >> i) & 1 for i in range(8)), stop):
        await hold(ctx, receiver, bit, clocks, found)


@pytest.mark.parametrize("divisor", [4, 5, 16])
def test_bytes_come_in_back_to_back(divisor):
    receiver, raw, found = Receiver(divisor), bytes([0, 255, 0x55, 0xAA, 1, 128, 77]), []

    async def script(ctx):
        await hold(ctx, receiver, 1, 5, found)
        for byte in raw:
            await send(ctx, receiver, byte, divisor, found)
        await hold(ctx, receiver, 1, 3 * divisor, found)
        assert bytes(found) == raw

    run(receiver, script)


@pytest.mark.parametrize("clocks", [31, 33])  # 3 % off
def test_a_rate_that_is_a_little_off_is_received(clocks):
    receiver, found = Receiver(32), []

    async def script(ctx):
        await hold(ctx, receiver, 1, 40, found)
        for byte in b"\x80\x01\xff\x00":
            await send(ctx, receiver, byte, clocks, found)
        await hold(ctx, receiver, 1, 100, found)
        assert bytes(found) == b"\x80\x01\xff\x00"

    run(receiver, script)


def test_a_byte_without_stop_bit_and_a_glitch_are_dropped():
    receiver, found = Receiver(8), []

    async def script(ctx):
        await hold(ctx, receiver, 1, 20, found)
        await hold(ctx, receiver, 0, 2, found)
        await hold(ctx, receiver, 1, 100, found)
        await send(ctx, receiver, 0x33, 8, found, stop=0)
        await hold(ctx, receiver, 0, 200, found)  # a break
        await hold(ctx, receiver, 1, 20, found)
        await send(ctx, receiver, 0x44, 8, found)
        await hold(ctx, receiver, 1, 20, found)
        assert found == [0x44]

    run(receiver, script)


@pytest.mark.parametrize("divisor", [4, 9])
def test_what_is_sent_is_received(divisor):
    m = Module()
    m.submodules.transmitter = transmitter = Transmitter(divisor)
    m.submodules.receiver = receiver = Receiver(divisor)
    m.d.comb += receiver.rx.eq(transmitter.tx)
    raw, found = bytes(range(0, 256, 5)), []

    async def script(ctx):
        left = list(raw)
        for _ in range((len(raw) + 1) * 11 * divisor):
            ctx.set(transmitter.bytes.valid, bool(left))
            ctx.set(transmitter.bytes.payload, left[0] if left else 0)
            taken = left and ctx.get(transmitter.bytes.ready)
            await ctx.tick()
            if taken:
                left.pop(0)
            if ctx.get(receiver.strobe):
                found.append(ctx.get(receiver.byte))
        assert bytes(found) == raw

    run(m, script)
