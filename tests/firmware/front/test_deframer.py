"""The deframer against hwctl's, on good frames and on noise."""

import zlib

import pytest
from amaranth.sim import Simulator
from cobs import cobs
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.front.deframer import HOST_KINDS, Deframer
from firmware.front.state import FRAME_WORDS
from firmware.parameters import Parameters
from hwctl.protocol import frame as wire
from hwctl.protocol.frame import Frame, Kind, encode_frame

LARGEST = 2048
TAIL = 4090  # the ring wraps behind 4096 bytes


class Run:
    """What the deframer tells of some bytes."""

    def __init__(self, raw):
        self.block = Deframer(Parameters(receive_budget=2048, reply_budget=2048, largest_frame=LARGEST))
        self.raw, self.frames, self.bad, self.writes = raw, [], 0, []
        simulator = Simulator(self.block)
        simulator.add_clock(1e-6)
        simulator.add_testbench(self.script)
        simulator.run()

    async def script(self, ctx):
        block, self.words, self.ring = self.block, [0] * FRAME_WORDS, {}
        ctx.set(block.tail, TAIL)
        for byte in self.raw:
            ctx.set(block.byte, byte)
            for clock in range(10):  # fewer than a byte takes on the line
                ctx.set(block.strobe, clock == 0)
                ctx.set(block.word_ready, clock == 2)
                if ctx.get(block.word_valid) and clock == 2:
                    self.words[ctx.get(block.word_index)] = ctx.get(block.word)
                if ctx.get(block.write_en):
                    self.ring[ctx.get(block.write_address)] = ctx.get(block.write_data)
                    self.writes.append(ctx.get(block.write_address))
                found = ctx.get(block.frame)
                self.bad += ctx.get(block.bad)
                await ctx.tick()
                if found:
                    self.frames.append(self.frame(ctx))

    def frame(self, ctx):
        block, (session, sequence, acknowledged, first, second) = self.block, self.words
        payload, kind = b"", Kind(ctx.get(block.kind))
        if kind is Kind.COMMAND and not ctx.get(block.question):
            command = bytes(self.ring[(TAIL + i) % 4096] for i in range(ctx.get(block.length)))
            payload = wire.RESERVE.pack(first) + command
        if kind is Kind.OPEN:
            payload = wire.pack(wire.Open(first, second))
        if kind is Kind.SAFE:
            payload = wire.pack(wire.Safe(first))
        return Frame(kind, session, sequence, acknowledged, payload)


def cut(frame):
    """Return what a board looks at."""
    if frame.kind is Kind.COMMAND:
        return frame if len(frame.payload) >= 4 else frame._replace(payload=b"")
    size = wire.LAYOUTS[wire.PAYLOADS[frame.kind]].size if frame.kind in wire.PAYLOADS else 0
    return frame._replace(payload=frame.payload[:size])


def compare(raw):
    run, theirs = Run(raw), wire.Deframer(LARGEST)
    frames = [cut(frame) for frame in theirs.feed(raw) if frame.kind in HOST_KINDS]
    assert run.frames == frames
    assert run.bad == theirs.bad.total
    return run


number = st.integers(0, 2**32 - 1)
payloads = st.one_of(
    st.binary(max_size=40), st.sampled_from([0, 3, 4, 8, 9, 33]).flatmap(lambda n: st.binary(min_size=n))
)
frames = st.builds(Frame, st.sampled_from(Kind), number, number, number, payloads)


@settings(max_examples=40, deadline=None)
@given(st.lists(frames, min_size=1, max_size=3))
def test_frames_of_every_kind_and_length(several):
    compare(b"".join(map(encode_frame, several)))


@settings(max_examples=40, deadline=None)
@given(st.lists(frames, min_size=2, max_size=3), st.data())
def test_damaged_frames_are_dropped_and_counted(several, data):
    raw = bytearray(b"".join(map(encode_frame, several)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        action = data.draw(st.sampled_from(["flip", "drop", "insert"]))
        if action == "flip":
            raw[at] ^= 1 << data.draw(st.integers(0, 7))
        elif action == "drop":
            del raw[at]
        else:
            raw.insert(at, data.draw(st.integers(0, 255)))
    compare(bytes(raw) + b"\0")


def damaged(kind=1, reserved=0, payload=b""):
    body = wire.HEADER.pack(kind, reserved, 1, 2, 3) + payload
    return b"\0" + cobs.encode(body + wire.CRC.pack(zlib.crc32(body))) + b"\0"


@pytest.mark.parametrize(
    "raw", [damaged(kind=7), damaged(kind=0), damaged(reserved=1), damaged(kind=130), damaged(kind=4)]
)
def test_a_frame_that_is_whole_and_wrong_is_bad(raw):
    assert compare(raw + encode_frame(Frame(Kind.HELLO, 5))).bad == 1


@pytest.mark.slow
@pytest.mark.parametrize("size", [LARGEST - 18, LARGEST - 17, 5000])
@pytest.mark.parametrize("byte", [b"\0", b"\x55"])
def test_the_largest_frame_and_what_is_too_long(size, byte):
    run = compare(encode_frame(Frame(Kind.COMMAND, 1, 2, 3, byte * size)) + encode_frame(Frame(Kind.PING, 5)))
    assert run.bad == (size > LARGEST - 18)
    assert len(run.writes) <= LARGEST - 18
