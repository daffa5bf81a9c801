"""Frames on a byte line: header, payload, CRC-32, COBS-encoded between zero bytes.

    offset  size  field
    0       1     kind (Kind)
    1       1     reserved, 0
    2       4     session id, drawn by the host, never 0
    6       4     sequence number of a command or reply; number of a request
    10      4     host: last reply up to which it holds all; board: last command that it accepted
    14      ...   payload
    end     4     CRC-32 of all bytes before it

All integers are little-endian. docs/protocol.md is the normative page.
"""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from cobs import cobs  # type: ignore[import-untyped]

HEADER = struct.Struct("<BBIII")
CRC = struct.Struct("<I")
RESERVE = struct.Struct("<I")  # first field of a COMMAND's payload
DELIMITER = b"\0"

FRAME_OVERHEAD = 32  # bytes that one command or reply counts in a budget beside its own
COMMAND_WRAP = HEADER.size + RESERVE.size + CRC.size  # bytes of a COMMAND frame beside the command
REPLY_WRAP = HEADER.size + CRC.size  # bytes of a REPLY frame beside the reply
SMALLEST_RESERVE = 192  # bytes that every command reserves for its reply, so that a refusal always fits
LAST_SEQUENCE = 2**32 - 2
ORPHAN = 2**32 - 1  # "running" where the command is one of a session that was replaced


class Kind(IntEnum):
    """What a frame is; those of the board have the highest bit."""

    COMMAND = 1
    ACK = 2
    HELLO = 3
    OPEN = 4
    PING = 5
    SAFE = 6
    REPLY = 129
    HELLO_INFO = 131
    OPENED = 132
    PONG = 133
    SAFE_DONE = 134
    NO_SESSION = 135
    REJECTED = 136


class Rejection(IntEnum):
    """Why an OPEN was rejected."""

    REPLACES = 1
    BOOT = 2


class Open(NamedTuple):
    """Payload of OPEN."""

    replaces: int
    """Session that the board is to forget; 0: it holds none."""
    boot: int
    """As HELLO_INFO said."""


class Safe(NamedTuple):
    """Payload of SAFE."""

    through: int
    """Last sequence number that the host gave out: commands up to it are aborted, also where they arrive later."""


class BoardState(NamedTuple):
    """Payload of PONG, and of SAFE_DONE: there of the moment at which the lines came to rest."""

    executed: int
    """Last sequence number that was executed to its end."""
    running: int
    """Sequence number in execution; 0: none; ORPHAN: one of a session that was replaced."""
    progress: int
    """How far the command in execution is."""


class HelloInfo(NamedTuple):
    """Payload of HELLO_INFO."""

    protocol_version: int
    session: int
    """Session that the board holds; 0: none."""
    boot: int
    """A number that changes with every reset of the board, as far as the board can."""
    executed: int
    running: int
    progress: int
    receive_budget: int
    """Bytes of commands that may be in flight."""
    reply_budget: int
    """Bytes of replies that the board stores."""
    largest_frame: int
    """Bytes from header to CRC, before COBS, in both directions."""


class Opened(NamedTuple):
    """Payload of OPENED."""

    replaced: int
    """Session that the board forgot; 0: it held none."""
    executed: int
    """Last sequence number of that session that was begun."""


class NoSession(NamedTuple):
    """Payload of NO_SESSION."""

    session: int
    boot: int


class Rejected(NamedTuple):
    """Payload of REJECTED."""

    reason: Rejection
    session: int
    """Session that the board holds; 0: none."""
    boot: int


Payload = Open | Safe | BoardState | HelloInfo | Opened | NoSession | Rejected
_Payload = TypeVar("_Payload", Open, Safe, BoardState, HelloInfo, Opened, NoSession, Rejected)

LAYOUTS: Mapping[type, struct.Struct] = MappingProxyType(
    {
        Open: struct.Struct("<II"),
        Safe: struct.Struct("<I"),
        BoardState: struct.Struct("<III"),
        HelloInfo: struct.Struct("<B8I"),
        Opened: struct.Struct("<II"),
        NoSession: struct.Struct("<II"),
        Rejected: struct.Struct("<BII"),
    }
)
#: Payload of each kind; the kinds that are not here have none, or bytes of a command or reply.
PAYLOADS: Mapping[Kind, type] = MappingProxyType(
    {
        Kind.OPEN: Open,
        Kind.SAFE: Safe,
        Kind.HELLO_INFO: HelloInfo,
        Kind.OPENED: Opened,
        Kind.PONG: BoardState,
        Kind.SAFE_DONE: BoardState,
        Kind.NO_SESSION: NoSession,
        Kind.REJECTED: Rejected,
    }
)
_KINDS = {int(kind): (kind, LAYOUTS[PAYLOADS[kind]].size if kind in PAYLOADS else 0) for kind in Kind}


class Frame(NamedTuple):
    """One frame."""

    kind: Kind
    session: int
    sequence: int = 0
    acknowledged: int = 0
    payload: bytes = b""


def pack(payload: Payload) -> bytes:
    """Return the bytes of a payload."""
    return LAYOUTS[type(payload)].pack(*payload)


def unpack(kind: type[_Payload], raw: bytes) -> _Payload:
    """Return the payload in the bytes of a frame that a Deframer returned; later versions may append to it."""
    return kind(*LAYOUTS[kind].unpack_from(raw))


def encode_frame(frame: Frame) -> bytes:
    """Return a frame as it goes on the line, a delimiter before and behind it."""
    body = HEADER.pack(frame.kind, 0, frame.session, frame.sequence, frame.acknowledged) + frame.payload
    return DELIMITER + cobs.encode(body + CRC.pack(zlib.crc32(body))) + DELIMITER


@dataclass
class BadFrames:
    """How many frames were dropped, and why."""

    encoding: int = 0
    """No COBS."""
    checksum: int = 0
    unknown: int = 0
    """A kind that is not known, or a reserved byte that is not 0."""
    long: int = 0
    short: int = 0
    """Shorter than a header, or than the payload of its kind."""

    @property
    def total(self) -> int:
        """Number of frames that were dropped."""
        return sum(astuple(self))


class Deframer:
    """Finds the frames in what a line delivers; what is no frame is dropped and counted."""

    def __init__(self, largest: int) -> None:
        """Take frames of at most `largest` bytes from header to CRC."""
        self.largest = largest
        self.bad = BadFrames()
        self._part = bytearray()
        self._overlong = False

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that end in `data`."""
        head, *tails = bytes(data).split(DELIMITER)
        self._extend(head)
        frames = []
        for tail in tails:
            frame = self._end()
            if frame is not None:
                frames.append(frame)
            self._extend(tail)
        return frames

    def _extend(self, part: bytes) -> None:
        self._overlong |= len(self._part) + len(part) > self.largest + self.largest // 254 + 1
        if self._overlong:
            self._part.clear()
        else:
            self._part += part

    def _end(self) -> Frame | None:
        encoded = bytes(self._part)
        self._part.clear()
        if self._overlong:
            self._overlong = False
            self.bad.long += 1
            return None
        return self._decode(encoded) if encoded else None

    def _decode(self, encoded: bytes) -> Frame | None:
        try:
            raw = cobs.decode(encoded)
        except cobs.DecodeError:
            self.bad.encoding += 1
            return None
        end = len(raw) - CRC.size
        if end < HEADER.size:
            self.bad.short += 1
        elif end + CRC.size > self.largest:
            self.bad.long += 1
        elif zlib.crc32(raw[:end]) != CRC.unpack_from(raw, end)[0]:
            self.bad.checksum += 1
        else:
            return self._parse(raw, end)
        return None

    def _parse(self, raw: bytes, end: int) -> Frame | None:
        code, reserved, session, sequence, acknowledged = HEADER.unpack_from(raw)
        kind, payload_bytes = _KINDS.get(code, (None, 0))
        if kind is None or reserved:
            self.bad.unknown += 1
        elif end < HEADER.size + payload_bytes:
            self.bad.short += 1
        else:
            return Frame(kind, session, sequence, acknowledged, raw[HEADER.size : end])
        return None
