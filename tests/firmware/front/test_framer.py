"""The framer: its bytes are those of hwctl's frames."""

import zlib

import pytest
from amaranth.sim import Simulator

from firmware.front.framer import Framer
from firmware.parameters import Parameters
from hwctl.protocol import frame as wire
from hwctl.protocol.frame import Kind, Rejection

BUDGET = 2048


def framed(kind, words, reply=b"", start=0, differs=False, valid_every=1):
    """Return the bytes of one answer. valid_every: clocks of the reply ring until a read succeeds."""
    framer = Framer(Parameters(receive_budget=BUDGET, reply_budget=BUDGET, largest_frame=BUDGET))
    found = bytearray()
    ring = {(start + i) % BUDGET: byte for i, byte in enumerate(reply)}

    async def command(ctx):
        for name, value in (("set_start", start), ("set_length", len(reply))):
            ctx.set(framer.value, value)
            ctx.set(getattr(framer, name), 1)
            await ctx.tick()
            ctx.set(getattr(framer, name), 0)
        ctx.set(framer.answer, kind)
        ctx.set(framer.answer_words, len(words))
        ctx.set(framer.boot_differs, differs)
        ctx.set(framer.send, 1)
        await ctx.tick()
        ctx.set(framer.send, 0)
        ctx.set(framer.answer, 0)

    async def script(ctx):
        await command(ctx)
        clock, last = 0, False
        while not last:
            clock += 1
            ctx.set(framer.read_ready, clock % 2)
            ctx.set(framer.frame.ready, clock % 3 != 0)
            last = ctx.get(framer.frame.valid) and clock % 3 and ctx.get(framer.frame.payload.last)
            if ctx.get(framer.frame.valid) and clock % 3:
                found.append(ctx.get(framer.frame.payload.byte))
            index, address = ctx.get(framer.read_index), ctx.get(framer.read_address)
            await ctx.tick()
            ctx.set(framer.read_word, words[index] if clock % 2 and index < len(words) else 0xDEADBEEF)
            ctx.set(framer.read_valid, clock % valid_every == 0)
            ctx.set(framer.read_data, ring.get(address, 0xEE) if clock % valid_every == 0 else 0xEE)
        assert not ctx.get(framer.busy)

    simulator = Simulator(framer)
    simulator.add_clock(1e-6)
    simulator.add_testbench(script)
    simulator.run()
    return bytes(found)


def whole(kind, session, sequence, acknowledged, payload):
    body = wire.HEADER.pack(kind, 0, session, sequence, acknowledged) + payload
    return body + wire.CRC.pack(zlib.crc32(body))


@pytest.mark.parametrize("valid_every", [1, 3])
@pytest.mark.parametrize("reply", [b"", b"\0", bytes(range(256)) * 2])
def test_a_reply_comes_from_the_ring_and_wraps(reply, valid_every):
    found = framed(Kind.REPLY, [7, 8, 9], reply, start=BUDGET - 3, valid_every=valid_every)
    assert found == whole(Kind.REPLY, 7, 8, 9, reply)


def test_hello_info_begins_with_the_version():
    info = wire.HelloInfo(1, 2, 3, 4, 5, 6, 7, 8, 2**32 - 1)
    found = framed(Kind.HELLO_INFO, [0x1A2B3C4D, 1, 0, *info[1:]])
    assert found == whole(Kind.HELLO_INFO, 0x1A2B3C4D, 1, 0, wire.pack(info))


@pytest.mark.parametrize("reason", list(Rejection))
def test_rejected_begins_with_the_reason(reason):
    found = framed(Kind.REJECTED, [1, 2, 3, 4, 5], differs=reason is Rejection.BOOT)
    assert found == whole(Kind.REJECTED, 1, 2, 3, wire.pack(wire.Rejected(reason, 4, 5)))


@pytest.mark.parametrize("kind", [Kind.PONG, Kind.SAFE_DONE])
def test_the_state_has_three_words(kind):
    assert framed(kind, [1, 2, 3, 4, 5, 6]) == whole(kind, 1, 2, 3, wire.pack(wire.BoardState(4, 5, 6)))
