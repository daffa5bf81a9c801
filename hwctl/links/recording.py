"""Recordings of what passed one or more links, which `replay:FILE` plays back.

    hwctl-recording 1                                                a line, ended by LF
    tag u8, length u32, that many bytes, CRC-32 u32 of all three     as often as needed

The tag is the number of the link, in the order of opening, plus 128 in a reply. Each command, as
`hwctl.protocol.codec` encodes it, is followed by its reply. Integers are little-endian.
"""

import struct
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from hwctl.errors import RunError, TargetError
from hwctl.links.link import Link
from hwctl.links.watched import WatchedLink
from hwctl.protocol.codec import encode_command, encode_reply
from hwctl.protocol.commands import Command
from hwctl.protocol.replies import Reply

WORD = b"hwctl-recording "
MAGIC = WORD + b"1\n"
REPLY = 128  # added to the tag of a reply
LINKS = 128
_AGAIN = "record again"
_HEAD = struct.Struct("<BI")
_CRC = struct.Struct("<I")


class Recording:
    """A recording that is being made."""

    def __init__(self, path: Path) -> None:
        """Make the file. Raises RunError where one of that name exists, or none can be written."""
        self._path = path
        self._links = 0
        self._empty = True
        try:
            self._file: BinaryIO = path.open("xb")
        except FileExistsError:
            raise RunError(f"{path} exists; name another file for the recording, or remove it") from None
        except OSError as error:
            raise RunError(f"cannot write {path} ({error.strerror or error}); choose another file") from None
        self._write(MAGIC)

    def __enter__(self) -> "Recording":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def wrap(self, link: Link) -> Link:
        """Return a link that writes every command and reply of another one here. Raises RunError beyond 128 links."""
        if self._links == LINKS:
            raise RunError(f"{self._path} holds {LINKS} links, no more; record fewer targets")
        number, self._links = self._links, self._links + 1
        return WatchedLink(link, partial(self._take, number))

    def close(self) -> None:
        """Close the file; one in which no command is, is removed."""
        self._file.close()
        if self._empty:
            self._path.unlink(missing_ok=True)

    def _take(self, number: int, command: Command, reply: Reply) -> None:
        # In one piece: whatever ends this process leaves whole pairs.
        self._write(_record(number, encode_command(command)) + _record(number + REPLY, encode_reply(reply)))
        self._empty = False

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            reason = error.strerror or error
            raise RunError(f"cannot write {self._path} ({reason}); make room, or record to another folder") from None


def _record(tag: int, content: bytes) -> bytes:
    head = _HEAD.pack(tag, len(content))
    return head + content + _CRC.pack(zlib.crc32(content, zlib.crc32(head)))


def exchanges(file: BinaryIO, name: str) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield link number, command and reply of each exchange of a recording, from its beginning.

    Raises TargetError where it is no recording, of another version, cut off or damaged.
    """
    file.seek(0)
    _check_magic(file.readline(64), name)
    place = 0
    while (asked := _next(file, name, place)) is not None:
        answered = _next(file, name, place + 1)
        if answered is None:
            raise TargetError(f"{name} was cut off: a reply was expected behind record {place}, none came; {_AGAIN}")
        if asked[0] >= REPLY or answered[0] != asked[0] + REPLY:
            raise TargetError(
                f"{name} is damaged: a command and its reply were expected in records {place} and {place + 1}, "
                f"tags {asked[0]} and {answered[0]} came; {_AGAIN}"
            )
        yield asked[0], asked[1], answered[1]
        place += 2


def _check_magic(found: bytes, name: str) -> None:
    if found == MAGIC:
        return
    wanted = MAGIC.decode().strip()
    if not found.strip():
        raise TargetError(f"{name} is no recording: '{wanted}' was expected, it is empty; {_AGAIN}")
    shown = found[:32].decode("ascii", "backslashreplace").strip()
    if found.startswith(WORD):
        raise TargetError(f"{name}: '{wanted}' was expected, {shown!r} came; use the hwctl that recorded it")
    raise TargetError(f"{name} is no recording: '{wanted}' was expected, {shown!r} came; name a file of --record")


def _next(file: BinaryIO, name: str, place: int) -> tuple[int, bytes] | None:
    """Return tag and content of the record at hand, or None at the end. place: its number, for messages."""
    head = file.read(_HEAD.size)
    if not head:
        return None
    tag, length = _HEAD.unpack(head.ljust(_HEAD.size, b"\0"))
    wanted = length + _CRC.size if len(head) == _HEAD.size else _HEAD.size
    rest = file.read(wanted) if len(head) == _HEAD.size else head
    if len(rest) < wanted:
        raise TargetError(
            f"{name} was cut off: record {place} was expected to go on for {wanted} bytes, {len(rest)} came; {_AGAIN}"
        )
    content, crc = rest[:length], _CRC.unpack(rest[length:])[0]
    found = zlib.crc32(content, zlib.crc32(head))
    if found != crc:
        raise TargetError(
            f"{name} is damaged: CRC-32 {crc:08x} was expected in record {place}, {found:08x} came; {_AGAIN}"
        )
    return tag, content
