"""Commands and replies as bytes.

    offset  size  field
    0       1     code (Op of a command, Answer of a reply)
    1       1     number of options
    2       2     bytes of all options
    4       4     bytes of the body
    8       ...   options: code u8, flags u8, length u16, value
    ...     ...   body, as `hwctl.protocol.packing` lays out the fields of the command or reply

All integers are little-endian. Text is UTF-8 behind a u16 length. An array is an element type u8, a u32 for each
dimension, then the elements in row-major order.
"""

import struct
from typing import Any, TypeVar

from hwctl.errors import LimitError, ProtocolError, UnknownOption
from hwctl.protocol import commands, replies
from hwctl.protocol.codes import OPTION_CRITICAL, Option
from hwctl.protocol.commands import Command, RawOption
from hwctl.protocol.packing import layout_of
from hwctl.protocol.replies import Reply

HEADER = struct.Struct("<BBHI")
_OPTION = struct.Struct("<BBH")
_KNOWN_OPTIONS = frozenset(Option)

COMMANDS: dict[int, type[Command]] = {
    kind.op: kind
    for kind in vars(commands).values()
    if isinstance(kind, type) and issubclass(kind, Command) and hasattr(kind, "op")
}
REPLIES: dict[int, type[Reply]] = {
    kind.answer: kind
    for kind in vars(replies).values()
    if isinstance(kind, type) and issubclass(kind, Reply) and hasattr(kind, "answer")
}

_LAYOUTS = {kind: layout_of(kind) for kind in (*COMMANDS.values(), *REPLIES.values())}

_Item = TypeVar("_Item", Command, Reply)


def encode_command(command: Command) -> bytes:
    """Return the bytes of a command. Raises LimitError where a field is outside what any board allows."""
    command.check()
    return _encode(command.op, command)


def decode_command(raw: bytes) -> Command:
    """Return the command in `raw`.

    Raises ProtocolError on bytes that are no well-formed command, UnknownOption on a critical option that is not known.
    """
    command = _decode(raw, COMMANDS)
    try:
        command.check()
    except LimitError as error:
        raise ProtocolError(f"{type(command).__name__}: {error}") from None
    return command


def encode_reply(reply: Reply) -> bytes:
    """Return the bytes of a reply."""
    return _encode(reply.answer, reply)


def decode_reply(raw: bytes) -> Reply:
    """Return the reply in `raw`. Raises ProtocolError on bytes that are no well-formed reply."""
    return _decode(raw, REPLIES)


def _encode(code: int, item: Command | Reply) -> bytes:
    body = _LAYOUTS[type(item)].pack(item)
    options = b"".join(_OPTION.pack(kind, flags, len(value)) + value for kind, flags, value in item.options)
    return HEADER.pack(code, len(item.options), len(options), len(body)) + options + body


def _decode(raw: bytes, kinds: dict[int, type[_Item]]) -> _Item:
    if len(raw) < HEADER.size:
        raise ProtocolError(f"{len(raw)} bytes are shorter than a header of {HEADER.size}")
    code, option_count, option_bytes, body_bytes = HEADER.unpack_from(raw)
    if len(raw) != HEADER.size + option_bytes + body_bytes:
        raise ProtocolError(f"{len(raw)} bytes; the header announces {HEADER.size + option_bytes + body_bytes}")
    kind = kinds.get(code)
    if kind is None:
        raise ProtocolError(f"code {code} is unknown")
    body_start = HEADER.size + option_bytes
    options = _decode_options(raw[HEADER.size : body_start], option_count)
    found: dict[str, Any] = _LAYOUTS[kind].unpack(raw[body_start:])
    return kind(**found, options=options)


def _decode_options(raw: bytes, count: int) -> tuple[RawOption, ...]:
    options = []
    position = 0
    for _ in range(count):
        if position + _OPTION.size > len(raw):
            raise ProtocolError("options are cut off")
        code, flags, length = _OPTION.unpack_from(raw, position)
        position += _OPTION.size
        if position + length > len(raw):
            raise ProtocolError(f"option {code} is cut off")
        if code not in _KNOWN_OPTIONS and flags & OPTION_CRITICAL:
            raise UnknownOption(f"critical option {code} is unknown")
        options.append(RawOption(code, flags, raw[position : position + length]))
        position += length
    if position != len(raw):
        raise ProtocolError(f"{len(raw) - position} bytes behind the last option")
    return tuple(options)
