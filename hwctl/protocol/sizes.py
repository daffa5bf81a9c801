"""How long the reply to a command can be, computed from the command alone."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from operator import mul
from types import MappingProxyType
from typing import Any, cast

import numpy as np

from hwctl.protocol import codes, commands, replies
from hwctl.protocol.cells import CELL
from hwctl.protocol.codec import HEADER, REPLIES
from hwctl.protocol.commands import Command
from hwctl.protocol.packing import layout_of
from hwctl.protocol.replies import Identity, Refused, Reply

MAX_DETAIL = 160  # bytes of UTF-8 of a refusal's detail
MAX_NAME = 64  # bytes of UTF-8 of each name in Identity
MAX_EXTRA_PER_CELL = 16  # bytes that layers of a board may add to a cell in Dumped
_CUT = "…"
_LISTED_LEVELS = 3 * codes.MAX_LEVELS  # of SET, RESET and FORM


def reply_bytes(command: Command) -> int:
    """Return the most bytes that the encoded reply to a command takes, a refusal included."""
    return max(_ANSWERS[type(command)](command), REFUSED_BYTES)


def shorten(text: str, most: int = MAX_DETAIL) -> str:
    """Return a text of at most `most` bytes of UTF-8: itself, or its beginning and an ellipsis."""
    raw = text.encode(errors="replace")
    if len(raw) <= most:
        return raw.decode()
    return raw[: most - len(_CUT.encode())].decode(errors="ignore") + _CUT


def limited(reply: Reply) -> Reply:
    """Return a reply with its texts shortened to what `reply_bytes` counts; boards send no other."""
    if isinstance(reply, Refused):
        return replace(reply, detail=shorten(reply.detail))
    if isinstance(reply, Identity):
        return replace(reply, device=shorten(reply.device, MAX_NAME), build=shorten(reply.build, MAX_NAME))
    return reply


def _parts(kind: type[Reply]) -> tuple[int, int, tuple[int, ...]]:
    """Return the bytes beside texts and elements, the number of texts, and the bytes of an element of each array."""
    layout = layout_of(kind)
    shapes = sum(1 + 4 * packed.dimensions for _, packed in layout.arrays)
    items = tuple(np.dtype(packed.dtypes[0]).itemsize for _, packed in layout.arrays)
    return HEADER.size + layout.fixed.size + shapes, len(layout.texts), items


def _size(kind: type[Reply], *elements: int, text: int = 0) -> int:
    """Return the bytes of a reply. elements: of each array in order; text: most bytes of each text."""
    beside, texts, items = _PARTS[kind]
    return beside + texts * (2 + text) + sum(map(mul, elements, items))


_PARTS = {kind: _parts(kind) for kind in REPLIES.values()}
REFUSED_BYTES = _size(Refused, text=MAX_DETAIL)
_DONE = _size(replies.Done)
_IDENTITY = _size(Identity, codes.MAX_TIA_RANGE + 1, 4 * _LISTED_LEVELS, text=MAX_NAME)
_PULSED = _size(replies.Pulsed)
_STATUS = _size(replies.BoardStatus)
_LIMITS = _size(replies.Limits)


def _done(_: Command) -> int:
    return _DONE


def _pulsed(_: Command) -> int:
    return _PULSED


def _cells(command: Any) -> int:
    return cast("int", command.region.rows * command.region.cols)


def _currents(command: Any) -> int:
    lines = command.region.rows if isinstance(command, commands.VmmT) else command.region.cols
    batch = 1 if isinstance(command, commands.Measure) else len(command.vectors)
    return _size(replies.Currents, batch * lines)


def _dumped(command: Any) -> int:
    cells = _cells(command)
    return _size(replies.Dumped, cells * (CELL.itemsize // 2), cells * MAX_EXTRA_PER_CELL)


_ANSWERS: Mapping[type[Command], Callable[[Any], int]] = MappingProxyType(
    {
        commands.Identify: lambda _: _IDENTITY,
        commands.ConfigureShape: _done,
        commands.ConfigureRead: _done,
        commands.Read: lambda command: _size(replies.Readings, _cells(command)),
        commands.Vmm: _currents,
        commands.VmmT: _currents,
        commands.Measure: _currents,
        commands.Pulse: _pulsed,
        commands.PulseSparse: _pulsed,
        commands.Outer: _pulsed,
        commands.WriteVerify: lambda command: _size(replies.Verified, *5 * [_cells(command)]),
        commands.Form: lambda command: _size(replies.Formed, *3 * [_cells(command)]),
        commands.Status: lambda _: _STATUS,
        commands.Counters: lambda command: _size(replies.Counts, _cells(command)),
        commands.LoadCounters: _done,
        commands.Safe: _done,
        commands.ConfigureLimits: lambda _: _LIMITS,
        commands.LoadCurve: _done,
        commands.LoadCells: _done,
        commands.Dump: _dumped,
        commands.Restore: _done,
        commands.Seed: _done,
        commands.Wait: _done,
    }
)
