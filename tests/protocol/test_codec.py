"""Commands and replies as bytes: what goes in comes out, and garbage gets a named error."""

import contextlib
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwctl.errors import LimitError, ProtocolError, UnknownOption
from hwctl.protocol import codec, codes, commands, replies
from hwctl.protocol.cells import WORDS_PER_CELL
from hwctl.protocol.commands import RawOption
from hwctl.protocol.packing import Ramp, Region, layout_of

SMALL = 6


@st.composite
def regions(draw: st.DrawFn) -> Region:
    row0, col0 = draw(st.integers(0, 4000)), draw(st.integers(0, 4000))
    return Region(row0, row0 + draw(st.integers(1, SMALL)), col0, col0 + draw(st.integers(1, SMALL)))


def arrays(dtype: str, *shape: int, low: int | None = None) -> st.SearchStrategy[np.ndarray]:
    info = np.iinfo(dtype)
    size = int(np.prod(shape))
    elements = st.integers(info.min if low is None else low, info.max)
    return st.lists(elements, min_size=size, max_size=size).map(lambda v: np.array(v, dtype).reshape(shape))


def ramps() -> st.SearchStrategy[Ramp]:
    return st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(1, 255)).map(
        lambda t: Ramp(min(t[:2]), max(t[:2]), t[2])
    )


u8, u16, u32, u64 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64))
tia = st.integers(0, codes.MAX_TIA_RANGE) | st.just(codes.RANGE_AS_CONFIGURED)
averages = st.integers(0, codes.MAX_AVERAGES_LOG2)
attempts = st.integers(0, codes.MAX_ATTEMPTS)


@st.composite
def any_command(draw: st.DrawFn) -> commands.Command:
    kind = draw(st.sampled_from(sorted(codec.COMMANDS.values(), key=lambda k: k.op)))
    region = draw(regions())
    rows, cols = region.shape
    batch = draw(st.integers(1, 3))
    per = draw(st.sampled_from(codes.ShapePer))
    shapes = per.count(rows, cols)
    n = draw(st.integers(1, 5))
    fields: dict[str, Any] = {
        commands.Identify: {},
        commands.ConfigureShape: {
            "index": u8,
            "polarity": st.sampled_from(codes.Polarity),
            "amplitude": st.integers(1, 65535),
            "width": st.integers(1, 2**32 - 1),
            "gate": u16,
            "compliance": u16,
        },
        commands.ConfigureRead: {
            "voltage": st.integers(1, 65535),
            "tia_range": st.integers(0, 15),
            "settle": u32,
            "half_select": st.sampled_from(codes.HalfSelect),
        },
        commands.Read: {
            "region": region,
            "averages_log2": averages,
            "tia_range": st.integers(0, 4),
            "index": u32,
        },
        commands.Vmm: {
            "region": region,
            "vectors": arrays("i1", batch, rows) | arrays("<i2", batch, rows),
            "tia_range": tia,
            "index": u32,
        },
        commands.VmmT: {
            "region": region,
            "vectors": arrays("i1", batch, cols) | arrays("<i2", batch, cols),
            "tia_range": tia,
            "index": u32,
        },
        commands.Measure: {
            "region": region,
            "row_codes": arrays("<i2", rows),
            "col_codes": arrays("<i2", cols),
            "gate": u16,
            "tia_range": tia,
            "index": u32,
        },
        commands.Pulse: {
            "region": region,
            "counts": arrays("i1", rows, cols, low=-127),
            "per": per,
            "set_shapes": arrays("u1", shapes),
            "reset_shapes": arrays("u1", shapes),
        },
        commands.PulseSparse: {
            "rows": arrays("<u2", n),
            "cols": arrays("<u2", n),
            "counts": arrays("i1", n, low=-127),
            "set_shape": u8,
            "reset_shape": u8,
        },
        commands.Outer: {
            "region": region,
            "x": arrays("i1", batch, rows, low=-127),
            "d": arrays("i1", batch, cols, low=-127),
            "mode": codes.OuterMode.COINCIDENCE,
            "slots": st.integers(1, 32),
            "seed": u32,
            "event": u32,
            "set_shape": u8,
            "reset_shape": u8,
        },
        commands.WriteVerify: {
            "region": region,
            "targets": arrays("<u2", rows, cols),
            "tolerance": u16,
            "attempts": attempts,
            "averages_log2": averages,
            "set_ramp": ramps(),
            "reset_ramp": ramps(),
            "index": u32,
        },
        commands.Form: {
            "region": region,
            "ramp": ramps(),
            "attempts": attempts,
            "stop": u16,
            "averages_log2": averages,
            "index": u32,
        },
        commands.Status: {},
        commands.Counters: {"region": region},
        commands.LoadCounters: {"region": region, "counts": arrays("<u4", rows, cols)},
        commands.Safe: {},
        commands.ConfigureLimits: {
            "max_read": u16,
            "max_amplitude": u16,
            "max_width": u32,
            "max_form_amplitude": u16,
            "max_form_width": u32,
            "max_pulses": u32,
            "max_gate": u16,
            "max_form_gate": u16,
            "max_compliance": u16,
            "min_interval": u32,
        },
        commands.LoadCurve: {
            "polarity": st.sampled_from([codes.Polarity.SET, codes.Polarity.RESET]),
            "level": st.integers(0, 31),
            "shift": st.integers(1, 24),
            "mean": arrays("<i2", 64),
            "sigma": arrays("<u2", 64),
        },
        commands.LoadCells: {"region": region, "words": arrays("<u2", rows * cols, WORDS_PER_CELL)},
        commands.Dump: {"region": region},
        commands.Restore: {
            "region": region,
            "words": arrays("<u2", rows * cols, WORDS_PER_CELL),
            "clock": u64,
            "extra": arrays("u1", n),
        },
        commands.Seed: {"seed": u64},
        commands.Wait: {"time": u64},
    }[kind]
    values = {k: draw(v) if isinstance(v, st.SearchStrategy) else v for k, v in fields.items()}
    options = draw(
        st.lists(st.tuples(u8, st.integers(0, 127), st.binary(max_size=9)).map(lambda t: RawOption(*t)), max_size=2)
    )
    return kind(**values, options=tuple(options))


def same(a: object, b: object) -> bool:
    """Same type, same fields, same element types: arrays compare element by element."""
    if type(a) is not type(b) or a.options != b.options:
        return False
    layout = layout_of(type(a))
    names = [name for name, _, _ in layout.scalars] + list(layout.texts)
    return all(getattr(a, n) == getattr(b, n) and type(getattr(a, n)) is type(getattr(b, n)) for n in names) and all(
        np.array_equal(getattr(a, n), getattr(b, n)) and getattr(a, n).dtype == getattr(b, n).dtype
        for n, _ in layout.arrays
    )


@given(any_command())
@settings(max_examples=400, deadline=None)
def test_a_decoded_command_is_what_was_encoded(command):
    assert same(codec.decode_command(codec.encode_command(command)), command)


@given(st.binary(max_size=200))
@settings(max_examples=500)
def test_arbitrary_bytes_give_a_command_or_a_protocol_error(raw):
    try:
        command = codec.decode_command(raw)
    except ProtocolError:
        return
    assert codec.encode_command(command) == raw


@given(any_command(), st.data())
@settings(max_examples=400, deadline=None)
def test_a_flipped_or_cut_command_gives_a_command_or_a_protocol_error(command, data):
    raw = bytearray(codec.encode_command(command))
    position = data.draw(st.integers(0, len(raw) - 1))
    raw[position] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(raw), bytes(raw[:position])):
        try:
            decoded = codec.decode_command(damaged)
        except ProtocolError:
            continue
        assert codec.encode_command(decoded) == damaged


@given(st.binary(max_size=100), st.sampled_from(sorted(codec.REPLIES)))
@settings(max_examples=400)
def test_arbitrary_bytes_give_a_reply_or_a_protocol_error(body, code):
    raw = codec.HEADER.pack(code, 0, 0, len(body)) + body
    with contextlib.suppress(ProtocolError):
        codec.decode_reply(raw)


def example_replies() -> list[replies.Reply]:
    u2 = np.arange(6, dtype="<u2").reshape(2, 3)
    return [
        replies.Done(),
        replies.Readings(u2),
        replies.Currents(np.array([[-2048, codes.NO_CURRENT]], "<i2"), 7),
        replies.Pulsed(5, 2**32 - 1),
        replies.Verified(np.ones((2, 3), "u1"), u2, u2, u2, u2),
        replies.Formed(np.ones((2, 3), "u1"), u2, u2),
        replies.BoardStatus(0, 1, 2, 3, 4, 2**63, 1),
        replies.Counts(np.array([[2**32 - 1]], "<u4")),
        replies.Dumped(np.zeros((2, WORDS_PER_CELL), "<u2"), 9, np.zeros(0, "u1")),
        replies.Limits(500, 3300, 2**32 - 1, 0, 0, 100_000, 5000, 0, 2**16 - 1, 2**32 - 1, 1500),
        replies.Refused(codes.Refusal.OVER_LIMIT, "pulse of 9 V; at most 3.3 V"),
        replies.Identity(
            1,
            64,
            128,
            codes.Feature.VMM | codes.Feature.EMULATED,
            1e-3,
            1.5e-9,
            3.8e-10,
            1e-8,
            1e-7,
            3300,
            5000,
            100,
            500,
            np.arange(16, dtype="u1"),
            np.array([[0, 1000, 100, 0]], "<u4"),
            4096,
            4096,
            1024,
            "reram-es",
            "hwctl 0.1.0",
        ),
    ]


@pytest.mark.parametrize("reply", example_replies(), ids=lambda r: type(r).__name__)
def test_a_decoded_reply_is_what_was_encoded(reply):
    assert same(codec.decode_reply(codec.encode_reply(reply)), reply)


def test_every_command_and_reply_code_has_its_class():
    assert set(codec.COMMANDS) == set(codes.Op)
    assert set(codec.REPLIES) == set(codes.Answer)
    assert {type(r) for r in example_replies()} == set(codec.REPLIES.values())


def test_the_layout_of_a_pulse_command_is_the_documented_one():
    pulse = commands.Pulse(
        Region(1, 3, 4, 5),
        np.array([[3], [-2]], "i1"),
        codes.ShapePer.COMMAND,
        np.array([7], "u1"),
        np.array([8], "u1"),
        options=(RawOption(codes.Option.TAG, 0, b"ab"),),
    )
    body = struct.pack("<4HB", 1, 3, 4, 5, 0) + b"\x01" + struct.pack("<2I", 2, 1) + b"\x03\xfe"
    body += b"\x02" + struct.pack("<I", 1) + b"\x07" + b"\x02" + struct.pack("<I", 1) + b"\x08"
    expected = struct.pack("<BBHI", 8, 1, 6, len(body)) + b"\x01\x00\x02\x00ab" + body
    assert codec.encode_command(pulse) == expected


def test_an_unknown_critical_option_is_refused_and_an_uncritical_one_is_kept():
    status = commands.Status(options=(RawOption(99, 0, b"x"),))
    assert codec.decode_command(codec.encode_command(status)).options == status.options
    critical = commands.Status(options=(RawOption(99, codes.OPTION_CRITICAL, b"x"),))
    with pytest.raises(UnknownOption, match="99"):
        codec.decode_command(codec.encode_command(critical))


@pytest.mark.parametrize(
    "command",
    [
        commands.Read(Region(3, 3, 0, 1), 0, 4, 0),
        commands.Read(Region(0, 4097, 0, 1), 0, 4, 0),
        commands.Read(Region(0, 2048, 0, 2048), 0, 4, 0),
        commands.Read(Region(0, 1, 0, 1), 13, 4, 0),
        commands.Read(Region(0, 1, 0, 1), 0, 5, 0),
        commands.Vmm(Region(0, 2, 0, 1), np.zeros((1, 3), "i1"), 0, 0),
        commands.Pulse(
            Region(0, 1, 0, 1),
            np.array([[-128]], "i1"),
            codes.ShapePer.COMMAND,
            np.zeros(1, "u1"),
            np.zeros(1, "u1"),
        ),
        commands.Pulse(
            Region(0, 2, 0, 2),
            np.zeros((2, 2), "i1"),
            codes.ShapePer.ROW,
            np.zeros(1, "u1"),
            np.zeros(2, "u1"),
        ),
        commands.Outer(
            Region(0, 1, 0, 1),
            np.array([[64]], "i1"),
            np.array([[2]], "i1"),
            codes.OuterMode.COUNT,
            1,
            0,
            0,
            0,
            1,
        ),
        commands.WriteVerify(Region(0, 1, 0, 1), np.zeros((1, 1), "<u2"), 1, 1, 0, Ramp(3, 2, 1), Ramp(0, 0, 0), 0),
    ],
    ids=lambda c: type(c).__name__,
)
def test_what_no_board_allows_is_rejected_before_it_is_sent(command):
    with pytest.raises(LimitError):
        codec.encode_command(command)
