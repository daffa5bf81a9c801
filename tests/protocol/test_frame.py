"""Frames: what is sent is found again, and noise costs frames but never gives a wrong one."""

import struct
import zlib
from itertools import pairwise

import pytest
from cobs import cobs
from hypothesis import given, settings
from hypothesis import strategies as st

from hwctl.protocol import frame as wire
from hwctl.protocol.frame import Deframer, Frame, Kind, encode_frame, pack, unpack

LARGEST = 600
u32 = st.integers(0, 2**32 - 1)
EXAMPLES = [
    wire.Open(0xAABBCCDD, 7),
    wire.Safe(12),
    wire.BoardState(5, 6, 7),
    wire.HelloInfo(1, 2, 3, 4, 5, 6, 7, 8, 9),
    wire.Opened(3, 4),
    wire.NoSession(0, 9),
    wire.Rejected(wire.Rejection.BOOT, 1, 2),
]


@st.composite
def frames(draw):
    kind = draw(st.sampled_from(Kind))
    smallest = wire.LAYOUTS[wire.PAYLOADS[kind]].size if kind in wire.PAYLOADS else 0
    payload = draw(st.binary(min_size=smallest, max_size=LARGEST - wire.REPLY_WRAP) | st.just(bytes(300)))
    return Frame(kind, draw(u32), draw(u32), draw(u32), payload)


def in_pieces(line, cuts):
    places = [0, *sorted(cut % (len(line) + 1) for cut in cuts), len(line)]
    return [line[a:b] for a, b in pairwise(places)]


@given(st.lists(frames(), max_size=5), st.lists(st.integers(0, 5000), max_size=8))
@settings(max_examples=150, deadline=None)
def test_frames_are_found_again_however_the_line_cuts_them(sent, cuts):
    deframer = Deframer(LARGEST)
    found = [frame for piece in in_pieces(b"".join(map(encode_frame, sent)), cuts) for frame in deframer.feed(piece)]
    assert found == sent
    assert all(isinstance(frame.kind, Kind) for frame in found)
    assert deframer.bad.total == 0


@given(st.lists(frames(), min_size=1, max_size=4), st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_line_gives_fewer_frames_but_none_that_was_not_sent(sent, data):
    line = bytearray(b"".join(map(encode_frame, sent)))
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(0, len(line) - 1))
        damage = data.draw(st.sampled_from(["flip", "lose", "insert"]))
        if damage == "flip":
            line[where] ^= 1 << data.draw(st.integers(0, 7))
        elif damage == "lose":
            del line[where : where + data.draw(st.integers(1, 40))]
        else:
            line[where:where] = data.draw(st.binary(min_size=1, max_size=20))
        if not line:
            return
    left = list(sent)
    for frame in Deframer(LARGEST).feed(bytes(line)):
        assert frame in left
        left.remove(frame)


@given(st.binary(max_size=400), frames())
@settings(max_examples=200, deadline=None)
def test_a_frame_behind_noise_is_found(noise, frame):
    deframer = Deframer(LARGEST)
    deframer.feed(noise)
    assert deframer.feed(encode_frame(frame))[-1] == frame


def test_endless_noise_takes_no_memory_and_counts_as_one_frame():
    deframer = Deframer(LARGEST)
    for _ in range(200):
        deframer.feed(b"\x55" * 997)
        assert len(deframer._part) <= LARGEST + LARGEST // 254 + 1
    frame = Frame(Kind.PING, 1)
    assert deframer.feed(encode_frame(frame)) == [frame]
    assert (deframer.bad.long, deframer.bad.total) == (1, 1)


@pytest.mark.parametrize("filler", [b"\0", b"\1", bytes(range(256))])
def test_the_largest_frame_fits_and_one_byte_more_does_not(filler):
    payload = (filler * LARGEST)[: LARGEST - wire.REPLY_WRAP]
    deframer = Deframer(LARGEST)
    assert len(deframer.feed(encode_frame(Frame(Kind.REPLY, 1, 1, 0, payload)))) == 1
    assert deframer.feed(encode_frame(Frame(Kind.REPLY, 1, 1, 0, payload + b"x"))) == []
    assert (deframer.bad.long, deframer.bad.total) == (1, 1)


def raw(body, crc=None):
    return cobs.encode(body + struct.pack("<I", zlib.crc32(body) if crc is None else crc)) + b"\0"


HEADER = struct.pack("<BBIII", Kind.PING, 0, 1, 2, 3)
OPEN = struct.pack("<BBIII", Kind.OPEN, 0, 1, 2, 3)


@pytest.mark.parametrize(
    ("line", "counter"),
    [
        (b"\x05abc\0", "encoding"),
        (raw(HEADER, crc=1), "checksum"),
        (raw(b"\x07" + HEADER[1:]), "unknown"),
        (raw(HEADER[:1] + b"\x01" + HEADER[2:]), "unknown"),
        (raw(HEADER[:-1]), "short"),
        (b"\x01\0", "short"),
        (raw(OPEN + bytes(7)), "short"),
        (raw(HEADER + bytes(LARGEST)), "long"),
    ],
)
def test_each_bad_frame_is_counted_for_what_it_is(line, counter):
    deframer = Deframer(LARGEST)
    assert deframer.feed(line) == []
    assert getattr(deframer.bad, counter) == deframer.bad.total == 1


def test_delimiters_alone_are_no_frames():
    deframer = Deframer(LARGEST)
    assert deframer.feed(bytes(50)) == []
    assert deframer.bad.total == 0


@pytest.mark.parametrize("payload", EXAMPLES, ids=lambda p: type(p).__name__)
def test_a_payload_is_found_again_also_where_a_later_version_appends_to_it(payload):
    packed = pack(payload)
    assert len(packed) == wire.LAYOUTS[type(payload)].size
    assert unpack(type(payload), packed) == payload
    assert unpack(type(payload), packed + b"more") == payload


def test_every_payload_has_an_example_and_every_overhead_covers_its_frame():
    assert {type(payload) for payload in EXAMPLES} == set(wire.LAYOUTS) == set(wire.PAYLOADS.values())
    assert max(wire.COMMAND_WRAP, wire.REPLY_WRAP) <= wire.FRAME_OVERHEAD
    assert all(bool(kind & 0x80) == (kind >= Kind.REPLY) for kind in Kind)
