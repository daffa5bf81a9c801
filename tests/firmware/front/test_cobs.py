"""COBS in gateware against the cobs package."""

import pytest
from amaranth.sim import Simulator
from cobs import cobs
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware.front.cobs import Decoder, Encoder

VECTORS = [
    b"\0",
    b"\0\0",
    b"\x11\x22\0\x33",
    b"\x11\0\0\0",
    b"\x01" * 253,
    b"\x01" * 254,
    b"\x01" * 255,
    b"\x01" * 254 + b"\0",
    b"\0" + b"\x01" * 254,
    b"\x07" * 508,
    b"\x07" * 508 + b"\x08",
]


def simulate(block, script):
    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(script)
    simulator.run()


def encoded(frames):
    encoder, out = Encoder(), bytearray()

    async def script(ctx):
        waiting = [(byte, i == len(raw) - 1) for raw in frames for i, byte in enumerate(raw)]
        ctx.set(encoder.line.ready, 1)
        quiet = 0
        while quiet < 1000:
            ctx.set(encoder.frame.valid, bool(waiting))
            if waiting:
                ctx.set(encoder.frame.payload.byte, waiting[0][0])
                ctx.set(encoder.frame.payload.last, waiting[0][1])
            taken = waiting and ctx.get(encoder.frame.ready)
            quiet += 1
            if ctx.get(encoder.line.valid):
                out.append(ctx.get(encoder.line.payload))
                quiet = 0
            await ctx.tick()
            if taken:
                waiting.pop(0)

    simulate(encoder, script)
    return bytes(out)


@pytest.mark.parametrize("raw", VECTORS)
def test_encoder_vectors(raw):
    assert encoded([raw]) == b"\0" + cobs.encode(raw) + b"\0"


@settings(max_examples=15, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=3))
def test_encoder_frames_one_after_the_other(frames):
    assert encoded(frames) == b"".join(b"\0" + cobs.encode(raw) + b"\0" for raw in frames)


def decoded(raw):
    """Return the frames between zero bytes; None for what is no COBS."""
    decoder, frames = Decoder(), []

    async def script(ctx):
        part = bytearray()
        ctx.set(decoder.strobe, 1)
        for byte in raw:
            ctx.set(decoder.byte, byte)
            if ctx.get(decoder.valid):
                part.append(ctx.get(decoder.decoded))
            if ctx.get(decoder.end):
                frames.append(None if ctx.get(decoder.broken) else bytes(part))
                part.clear()
            await ctx.tick()

    simulate(decoder, script)
    return frames


def expected(raw):
    frames = []
    for part in raw.split(b"\0")[:-1]:
        if part:
            try:
                frames.append(cobs.decode(part))
            except cobs.DecodeError:
                frames.append(None)
    return frames


@pytest.mark.parametrize("raw", VECTORS)
def test_decoder_vectors(raw):
    assert decoded(b"\0" + cobs.encode(raw) + b"\0") == [raw]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([0, 1, 2, 3, 4, 255, 9]), max_size=60).map(bytes))
@example(b"\x01\0")
@example(b"\x05\x01\x01\0\x02\x01\0")
def test_decoder_takes_what_cobs_takes(raw):
    assert decoded(raw + b"\0") == expected(raw + b"\0")
