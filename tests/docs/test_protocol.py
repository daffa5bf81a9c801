"""The codes, field tables, formulas and hex dumps of docs/protocol.md against codec, frames and sessions."""

import re
import zlib
from enum import IntEnum, IntFlag
from pathlib import Path

import numpy as np
import pytest
from cobs import cobs

from hwctl.protocol import codec, codes, commands, replies, sizes
from hwctl.protocol import frame as wire
from hwctl.protocol.cells import WORDS_PER_CELL
from hwctl.protocol.codes import Answer, Feature, HalfSelect, Op, Option, OuterMode, Polarity, Refusal, ShapePer
from hwctl.protocol.commands import RawOption
from hwctl.protocol.frame import Deframer, Frame, Kind, encode_frame, pack
from hwctl.protocol.packing import DTYPE_CODES, Ramp, Region, layout_of
from hwctl.protocol.session import BoardSession, HostSession, Phase
from hwctl.protocol.session import host as host_session

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
SECTIONS = {
    section.splitlines()[0]: section for section in re.split(r"^#+ ", PAGE, flags=re.MULTILINE) if section.strip()
}
SESSION = 0x1A2B3C4D
REGION = Region(1, 3, 4, 5)
PAIR = np.array([[1000], [40000]], "<u2")
CELL = np.array([[32768, 3, 0, 1000, 60000, 4096, 4096, 65535, 4, 2]], "<u2")

COMMANDS = {
    Op.IDENTIFY: commands.Identify(),
    Op.CONFIGURE_SHAPE: commands.ConfigureShape(3, Polarity.RESET, 1700, 100, 5000, 0),
    Op.CONFIGURE_READ: commands.ConfigureRead(200, 4, 100, HalfSelect.V_HALF),
    Op.READ: commands.Read(REGION, 2, 4, 77),
    Op.VMM: commands.Vmm(REGION, np.array([[127, -128], [0, 5]], "i1"), codes.RANGE_AS_CONFIGURED, 9),
    Op.VMM_T: commands.VmmT(REGION, np.array([[-32768], [32767]], "<i2"), 8, 9),
    Op.MEASURE: commands.Measure(REGION, np.array([200, -50], "<i2"), np.array([25], "<i2"), 5000, 6, 1),
    Op.PULSE: commands.Pulse(
        REGION,
        np.array([[3], [-2]], "i1"),
        ShapePer.COMMAND,
        np.array([7], "u1"),
        np.array([8], "u1"),
        options=(RawOption(Option.TAG, 0, b"ab"),),
    ),
    Op.PULSE_SPARSE: commands.PulseSparse(
        np.array([1, 63], "<u2"), np.array([4, 0], "<u2"), np.array([3, -127], "i1"), 7, 8
    ),
    Op.OUTER: commands.Outer(
        REGION, np.array([[3, -1]], "i1"), np.array([[-2]], "i1"), OuterMode.COUNT, 1, 0xDEADBEEF, 17, 7, 8
    ),
    Op.WRITE_VERIFY: commands.WriteVerify(REGION, PAIR, 300, 50, 1, Ramp(0, 9, 1), Ramp(10, 10, 0), 77),
    Op.FORM: commands.Form(REGION, Ramp(100, 115, 1), 16, 5000, 0, 77),
    Op.STATUS: commands.Status(),
    Op.COUNTERS: commands.Counters(REGION),
    Op.LOAD_COUNTERS: commands.LoadCounters(REGION, np.array([[12], [4294967295]], "<u4")),
    Op.SAFE: commands.Safe(),
    Op.CONFIGURE_LIMITS: commands.ConfigureLimits(200, 1700, 0, 0, 0, 50_000, 0, 1000, 0, 2_400),
    Op.LOAD_CURVE: commands.LoadCurve(
        Polarity.SET, 0, 16, np.arange(1000, 1640, 10).astype("<i2"), np.arange(200, 264).astype("<u2")
    ),
    Op.LOAD_CELLS: commands.LoadCells(Region(0, 1, 0, 1), CELL),
    Op.DUMP: commands.Dump(REGION),
    Op.RESTORE: commands.Restore(Region(0, 1, 0, 1), CELL, 123456789, np.zeros(0, "u1")),
    Op.SEED: commands.Seed(0x0123456789ABCDEF),
    Op.WAIT: commands.Wait(100_000_000),
}
REPLIES = {
    Answer.DONE: replies.Done(),
    Answer.IDENTITY: replies.Identity(
        protocol_version=1,
        rows=64,
        cols=128,
        features=Feature.VMM | Feature.OUTER_COUNT | Feature.EMULATED,
        volts_per_code=1e-3,
        siemens_per_code=1.5e-9,
        amperes_per_code=3e-10,
        seconds_per_code=1e-8,
        compliance_per_code=1e-7,
        max_amplitude=3300,
        max_form_amplitude=5000,
        max_width=1_000_000,
        max_read=500,
        receive_budget=16384,
        reply_budget=16384,
        largest_frame=8192,
        device="linear",
        build="hwctl 0.1.0",
        tia_ranges=np.array([0, 4, 8], "u1"),
        drive_levels=np.array([[0, 1200, 100, 0], [1, 1700, 100, 5000]], "<u4"),
    ),
    Answer.READINGS: replies.Readings(np.array([[1000], [codes.NO_READING]], "<u2")),
    Answer.CURRENTS: replies.Currents(np.array([[-2048], [codes.NO_CURRENT]], "<i2"), 8),
    Answer.PULSED: replies.Pulsed(3, 2),
    Answer.VERIFIED: replies.Verified(
        np.array([[1], [0]], "u1"), PAIR, np.array([[5], [50]], "<u2"), np.zeros((2, 1), "<u2"), PAIR * 0 + 6
    ),
    Answer.FORMED: replies.Formed(np.array([[1], [0]], "u1"), PAIR, np.array([[6], [16]], "<u2")),
    Answer.STATUS: replies.BoardStatus(0, 3, 2, 1024, 500, 100_000_500, 1),
    Answer.COUNTS: replies.Counts(np.array([[12], [4294967295]], "<u4")),
    Answer.DUMPED: replies.Dumped(CELL, 123456789, np.zeros(0, "u1")),
    Answer.LIMITS: replies.Limits(200, 1700, 1_000_000, 0, 0, 50_000, 3264, 0, 0, 2_400, 0),
    Answer.REFUSED: replies.Refused(Refusal.NO_SHAPE, "shape 9 is not configured"),
}
INFO = wire.HelloInfo(1, 0x0BADCAFE, 7, 1200, 1201, 40, 16384, 16384, 8192)
FRAMES = {
    Kind.COMMAND: Frame(
        Kind.COMMAND, SESSION, 5, 4, wire.RESERVE.pack(192) + codec.encode_command(COMMANDS[Op.CONFIGURE_SHAPE])
    ),
    Kind.ACK: Frame(Kind.ACK, SESSION, 0, 5),
    Kind.HELLO: Frame(Kind.HELLO, SESSION, 1, 0),
    Kind.OPEN: Frame(Kind.OPEN, SESSION, 2, 0, pack(wire.Open(0x0BADCAFE, 7))),
    Kind.PING: Frame(Kind.PING, SESSION, 3, 4),
    Kind.SAFE: Frame(Kind.SAFE, SESSION, 4, 4, pack(wire.Safe(9))),
    Kind.REPLY: Frame(Kind.REPLY, SESSION, 5, 9, codec.encode_reply(replies.Done())),
    Kind.HELLO_INFO: Frame(Kind.HELLO_INFO, SESSION, 1, 1203, pack(INFO)),
    Kind.OPENED: Frame(Kind.OPENED, SESSION, 2, 0, pack(wire.Opened(0x0BADCAFE, 1201))),
    Kind.PONG: Frame(Kind.PONG, SESSION, 3, 9, pack(wire.BoardState(4, 5, 40))),
    Kind.SAFE_DONE: Frame(Kind.SAFE_DONE, SESSION, 4, 9, pack(wire.BoardState(5, 0, 0))),
    Kind.NO_SESSION: Frame(Kind.NO_SESSION, SESSION, 0, 0, pack(wire.NoSession(0, 8))),
    Kind.REJECTED: Frame(Kind.REJECTED, SESSION, 2, 1203, pack(wire.Rejected(wire.Rejection.REPLACES, 0x0BADCAFE, 7))),
}


def table(section):
    """The first table of a section, a dict for each row."""
    lines = [line for line in SECTIONS[section].splitlines() if line.startswith("|")]
    rows = [[cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1])] for line in lines]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]


def dump(section):
    """Bytes and comments of the hex dump of a section."""
    (block,) = re.findall(r"```\n((?:[0-9a-f]{2}[ \n].*?)+)```", SECTIONS[section], flags=re.DOTALL)
    raw, comments = b"", []
    for line in block.splitlines():
        digits, _, comment = line.partition("  ")
        raw += bytes.fromhex(digits)
        if comment:
            comments.append(comment.strip())
    return raw, comments


# -- codes --------------------------------------------------------------------------------------------------------

ENUMERATIONS = [
    kind
    for module in (codes, wire)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, IntEnum | IntFlag) and kind not in (IntEnum, IntFlag)
]


@pytest.mark.parametrize("kind", ENUMERATIONS, ids=lambda kind: kind.__name__)
def test_the_page_has_every_code_with_its_number_and_no_other(kind):
    rows = table(f"Codes: {kind.__name__}")
    assert [(int(row["code"]), row["name"]) for row in rows] == [(int(code), code.name) for code in kind]
    assert all(row["meaning"] for row in rows)


def test_the_page_has_every_enumeration():
    named = {title.removeprefix("Codes: ") for title in SECTIONS if title.startswith("Codes: ")}
    assert named == {kind.__name__ for kind in ENUMERATIONS} | {"element types"}


def test_the_page_has_the_element_types():
    found = {row["name"]: int(row["code"]) for row in table("Codes: element types")}
    assert found == {type_name(dtype): code for dtype, code in DTYPE_CODES.items()}


def test_the_page_has_the_limits():
    page = {row["limit"]: int(row["value"].replace(" ", "")) for row in table("Limits")}
    modules = (codes, wire, sizes)
    names = {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if re.fullmatch(r"[A-Z][A-Z0-9_]*", name)
    }
    limits = {name: value for name, value in names.items() if isinstance(value, int) and not isinstance(value, IntEnum)}
    assert page == limits


def test_the_page_has_the_timeouts():
    page = {row["name"]: float(row["seconds"]) for row in table("Timeouts")}
    assert page == {"FIRST_TIMEOUT": host_session.FIRST_TIMEOUT, "LAST_TIMEOUT": host_session.LAST_TIMEOUT}


# -- fields -------------------------------------------------------------------------------------------------------


def type_name(dtype):
    kind = np.dtype(dtype)
    return f"{kind.kind}{8 * kind.itemsize}"


def fields_of(kind):
    """(name, type) of every field of a command or reply in the order of its bytes."""
    layout = layout_of(kind)
    letters = iter(re.findall(r"4H|3B|[BHIQd]", layout.fixed.format))
    scalar = {"B": "u8", "H": "u16", "I": "u32", "Q": "u64", "d": "f64", "4H": "region", "3B": "ramp"}
    fields = []
    for (name, _, _), letter in zip(layout.scalars, letters, strict=True):
        fields.append((name, scalar[letter]))
    fields += [(name, "text") for name in layout.texts]
    for name, packed in layout.arrays:
        types = " or ".join(map(type_name, packed.dtypes))
        fields.append((name, f"{types} [{packed.dimensions}]"))
    return fields


def listed(section):
    """(name, type) as a section lists them, the lines of an array counted."""
    if "|" not in SECTIONS[section].replace("\\|", ""):
        return []
    shape = re.compile(r" \((.*)\)")
    return [
        (row["field"], shape.sub(lambda found: f" [{len(found[1].split(','))}]", row["type"])) for row in table(section)
    ]


@pytest.mark.parametrize("op", Op, ids=lambda op: op.name)
def test_the_page_has_every_field_of_a_command_in_order(op):
    assert listed(f"{op.name} ({int(op)})") == fields_of(codec.COMMANDS[op])


@pytest.mark.parametrize("answer", Answer, ids=lambda answer: answer.name)
def test_the_page_has_every_field_of_a_reply_in_order(answer):
    assert listed(f"{answer.name} ({int(answer)})") == fields_of(codec.REPLIES[answer])


def fields_of_frame(kind):
    """(name, type) of every field of a frame's payload."""
    letters = {"B": "u8", "I": "u32"}
    payload = wire.PAYLOADS.get(kind)
    if payload is not None:
        form = re.sub(r"(\d)([BI])", lambda found: int(found[1]) * found[2], wire.LAYOUTS[payload].format)
        return [(n, letters[c]) for n, c in zip(payload._fields, form.removeprefix("<"), strict=True)]
    return {Kind.COMMAND: [("reserve", "u32"), ("command", "bytes")], Kind.REPLY: [("reply", "bytes")]}.get(kind, [])


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.name)
def test_the_page_has_every_field_of_a_frame_in_order(kind):
    assert listed(f"{kind.name} ({int(kind)})") == fields_of_frame(kind)


# -- dumps --------------------------------------------------------------------------------------------------------


def test_every_code_has_an_example():
    assert set(COMMANDS) == set(Op)
    assert set(REPLIES) == set(Answer)
    assert set(FRAMES) == set(Kind)


@pytest.mark.parametrize("op", Op, ids=lambda op: op.name)
def test_the_dump_of_a_command_is_what_the_codec_reads_and_writes(op):
    raw, comments = dump(f"{op.name} ({int(op)})")
    assert raw == codec.encode_command(COMMANDS[op])
    assert codec.encode_command(codec.decode_command(raw)) == raw
    in_order(comments, [name for name, _ in fields_of(codec.COMMANDS[op])])


@pytest.mark.parametrize("answer", Answer, ids=lambda answer: answer.name)
def test_the_dump_of_a_reply_is_what_the_codec_reads_and_writes(answer):
    raw, comments = dump(f"{answer.name} ({int(answer)})")
    assert raw == codec.encode_reply(REPLIES[answer])
    assert codec.encode_reply(codec.decode_reply(raw)) == raw
    in_order(comments, [name for name, _ in fields_of(codec.REPLIES[answer])])


def in_order(comments, names):
    found = [comment.split()[0].rstrip(":") for comment in comments]
    assert [name for name in found if name in names] == names


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.name)
def test_the_dump_of_a_frame_is_what_a_deframer_finds_and_a_sender_sends(kind):
    raw, comments = dump(f"{kind.name} ({int(kind)})")
    line = b"\0" + cobs.encode(raw) + b"\0"
    assert Deframer(1000).feed(line) == [FRAMES[kind]]
    assert encode_frame(FRAMES[kind]) == line
    # A payload may have a field "session" of its own behind the header.
    in_order(comments[:5], ["kind", "reserved", "session", "sequence", "acknowledged"])
    in_order(comments[-1:], ["CRC-32"])


def test_the_vectors_of_cobs_hold():
    rows = table("Vectors: COBS")
    assert len(rows) >= 6
    for row in rows:
        plain, encoded = (bytes.fromhex(expand(row[name])) for name in ("bytes", "encoded"))
        assert cobs.encode(plain) == encoded
        assert cobs.decode(encoded) == plain


def expand(text):
    """`n * XX` stands for n equal bytes."""
    return re.sub(r"(\d+) \* ([0-9A-F]{2})", lambda found: int(found[1]) * found[2], text.replace("nothing", ""))


def test_the_vectors_of_the_checksum_hold():
    rows = table("Vectors: CRC-32")
    assert len(rows) >= 3
    for row in rows:
        raw = bytes.fromhex(row["bytes"].replace("nothing", ""))
        assert zlib.crc32(raw) == int(row["CRC-32"], 16) == bit_by_bit(raw)


def bit_by_bit(raw):
    """CRC-32 as the page describes it."""
    crc = 0xFFFFFFFF
    for byte in raw:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_the_header_is_laid_out_as_the_page_says():
    rows = table("Header of a frame")
    fields = [(row["field"], row["type"]) for row in rows]
    assert fields == [
        ("kind", "u8"),
        ("reserved", "u8"),
        ("session", "u32"),
        ("sequence", "u32"),
        ("acknowledged", "u32"),
    ]
    assert [int(row["offset"]) for row in rows] == [0, 1, 2, 6, 10]
    assert wire.HEADER.size == 14
    rows = table("Header of a command or reply")
    assert [(row["field"], int(row["offset"]), row["type"]) for row in rows] == [
        ("code", 0, "u8"),
        ("option_count", 1, "u8"),
        ("option_bytes", 2, "u16"),
        ("body_bytes", 4, "u32"),
    ]
    assert codec.HEADER.size == 8


# -- rules --------------------------------------------------------------------------------------------------------


def test_the_vectors_of_credit_hold():
    board = BoardSession(10**6, 10**6, 10**6)
    host = HostSession(SESSION)
    talk(host, board)
    rows = table("Vectors: credit")
    assert len(rows) >= 4
    for row in rows:
        command, reply, reserve, receive_cost, reply_cost, command_frame, reply_frame = map(int, row.values())
        host.submit(bytes(command), reply)
        queued = host._queue.pop()
        assert (queued.receive_cost, queued.reply_cost) == (receive_cost, reply_cost)
        assert wire.RESERVE.unpack_from(queued.payload) == (reserve,)
        assert (command + wire.COMMAND_WRAP, reserve + wire.REPLY_WRAP) == (command_frame, reply_frame)


def talk(host, board):
    host.hello(0.0)
    board.receive(host.outgoing())
    host.receive(board.outgoing(), 0.0)
    host.open(0.0, host.board.session)
    board.receive(host.outgoing())
    host.receive(board.outgoing(), 0.0)
    assert host.phase is Phase.OPEN


def test_the_sizes_of_replies_hold():
    rows = {row["command"]: row for row in table("Size of a reply")}
    assert set(rows) == {op.name for op in Op}
    for op, command in COMMANDS.items():
        row = rows[op.name]
        assert row["reply"] in Answer.__members__
        region = getattr(command, "region", Region(0, 1, 0, 1))
        n = region.rows * region.cols
        b = len(getattr(command, "vectors", [0]))
        lines = region.rows if op is Op.VMM_T else region.cols
        size = eval(row["bytes at most"], {"n": n, "b": b, "lines": lines})
        assert max(size, sizes.REFUSED_BYTES) == sizes.reply_bytes(command)
        if row["reply"] != "IDENTITY" and op not in (Op.DUMP, Op.RESTORE):
            reply = REPLIES[Answer[row["reply"]]]
            assert len(codec.encode_reply(reply)) <= max(size, sizes.REFUSED_BYTES)


def test_the_session_of_the_page_is_the_one_that_host_and_board_hold():
    (block,) = re.findall(r"```\n(> .*?)```", SECTIONS["A session, byte by byte"], flags=re.DOTALL)
    lines = []
    for line in block.splitlines():
        if line[0] in "<>":
            lines.append([line[0], b""])
        lines[-1][1] += bytes.fromhex(line[2:].partition("  ")[0])
    assert lines == recorded_session()


def recorded_session():
    """(direction, bytes) of a short session: a READ, one lost reply, an acknowledgement."""
    host, board = HostSession(SESSION), BoardSession(4096, 4096, 4096, boot=7)
    lines = []

    def up():
        data = host.outgoing()
        lines.append([">", data])
        board.receive(data)

    def down(lost=False):
        data = board.outgoing()
        lines.append(["<", data])
        if not lost:
            host.receive(data, 0.0)

    host.hello(0.0)
    up(), down()
    host.open(0.0, 0)
    up(), down()
    command = commands.Read(Region(0, 1, 0, 2), 0, 4, 1)
    host.submit(codec.encode_command(command), sizes.reply_bytes(command))
    up()
    sequence, raw = board.next_command()
    assert codec.encode_command(codec.decode_command(raw)) == raw
    board.finish(sequence, codec.encode_reply(replies.Readings(np.array([[1000, 40000]], "<u2"))))
    down(lost=True)
    host.tick(0.0)
    host.tick(0.25)
    up(), down()
    up(), down()
    assert host.take_reply(1) is not None
    host.tick(5.0)
    up()
    return lines


def test_a_cell_is_as_long_as_the_page_of_the_cell_law_says():
    assert CELL.shape[1] == WORDS_PER_CELL
