"""Commands in slices, so that SAFE can act between them: executed one after the other they are the whole command.

Commands on different cells commute, and the host's noise indices belong to cells, lines and events: what is split by
rows, by cells of a list, by vectors or by events changes no bit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from hwctl.protocol import commands, replies
from hwctl.protocol.codes import OuterMode, ShapePer
from hwctl.protocol.commands import Command
from hwctl.protocol.packing import Region
from hwctl.protocol.replies import Reply

WORK = 1 << 12  # pulses or conversions of a slice: a fraction of a millisecond on the emulator
PRODUCTS = 16  # products of a VMM that take as long as one of these


class Slice(NamedTuple):
    """A part of a command, and by how much it moves the command's progress."""

    command: Command
    progress: int


class Splitting(NamedTuple):
    """How a kind of command is split."""

    units: Callable[[Any], int]
    """Rows, cells of a list, vectors or events."""
    work: Callable[[Any], int]
    """Of all units, in pulses or conversions."""
    part: Callable[[Any, int, int], Any]
    """From a first unit to an end."""


def slices(command: Command) -> list[Slice]:
    """Return the slices of a command that passes its own check; one, where it is short or cannot be split."""
    how = _SPLITTINGS.get(type(command))
    if how is None:
        return [Slice(command, 0)]
    units = how.units(command)
    each = max(WORK * units // max(how.work(command), 1), 1)
    if each >= units:
        return [Slice(command, 0)]
    width = command.region.cols if how.units is _rows else 1  # type: ignore[attr-defined]  # all of these have one
    return [
        Slice(how.part(command, first, end), (end - first) * width)
        for first, end in ((n, min(n + each, units)) for n in range(0, units, each))
    ]


def joined(parts: Sequence[Reply]) -> Reply:
    """Return the reply to a whole command from those to its slices."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if isinstance(first, replies.Pulsed):
        return replace(first, **{name: sum(getattr(part, name) for part in parts) for name in _SUMS})
    together: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS[type(first)]
    }
    if isinstance(first, replies.Currents):
        together["counted"] = None
    return replace(first, **together)


_SUMS = ("set_pulses", "reset_pulses")
_ARRAYS: Mapping[type[Reply], tuple[str, ...]] = MappingProxyType(
    {
        replies.Readings: ("readings",),
        replies.Currents: ("currents",),
        replies.Verified: ("reached", "readings", "set_pulses", "reset_pulses", "reads"),
        replies.Formed: ("formed", "readings", "pulses"),
    }
)


def _rows(command: Any) -> int:
    return int(command.region.rows)


def _region(command: Any, first: int, end: int) -> Region:
    row0, _, col0, col1 = command.region
    return Region(row0 + first, row0 + end, col0, col1)


def _cells(command: Any) -> int:
    return int(command.region.rows * command.region.cols)


def _pulses(command: Any) -> int:
    return int(np.abs(command.counts.astype(np.int64)).sum())


def _pulse_part(command: commands.Pulse, first: int, end: int) -> commands.Pulse:
    def of_part(shapes: Any) -> Any:
        if command.per == ShapePer.ROW:
            return shapes[first:end]
        if command.per == ShapePer.CELL:
            return shapes[first * command.region.cols : end * command.region.cols]
        return shapes

    return replace(
        command, region=_region(command, first, end), counts=command.counts[first:end],
        set_shapes=of_part(command.set_shapes), reset_shapes=of_part(command.reset_shapes),
    )  # fmt: skip


def _sparse_part(command: commands.PulseSparse, first: int, end: int) -> commands.PulseSparse:
    chosen = slice(first, end)
    return replace(command, rows=command.rows[chosen], cols=command.cols[chosen], counts=command.counts[chosen])


def _outer_work(command: commands.Outer) -> int:
    if command.mode != OuterMode.COUNT:
        return len(command.x) * _cells(command)
    x, d = (np.abs(vectors.astype(np.int64)).sum(axis=1) for vectors in (command.x, command.d))
    return int((x * d).sum())


def _outer_part(command: commands.Outer, first: int, end: int) -> commands.Outer:
    event = command.event + first & 0xFFFFFFFF
    return replace(command, x=command.x[first:end], d=command.d[first:end], event=event)


def _vmm_part(command: commands.Vmm, first: int, end: int) -> commands.Vmm:
    return replace(command, vectors=command.vectors[first:end], index=command.index + first & 0xFFFFFFFF)


def _loop_work(command: Any) -> int:
    return _cells(command) * (command.attempts + 1) << command.averages_log2


def _of_region(command: Any, first: int, end: int) -> Any:
    return replace(command, region=_region(command, first, end))


_VECTORS = Splitting(
    lambda command: len(command.vectors), lambda command: len(command.vectors) * _cells(command) // PRODUCTS, _vmm_part
)
_SPLITTINGS: Mapping[type[Command], Splitting] = MappingProxyType(
    {
        commands.Read: Splitting(_rows, lambda command: _cells(command) << command.averages_log2, _of_region),
        commands.Pulse: Splitting(_rows, _pulses, _pulse_part),
        commands.PulseSparse: Splitting(lambda command: len(command.counts), _pulses, _sparse_part),
        commands.Outer: Splitting(lambda command: len(command.x), _outer_work, _outer_part),
        commands.WriteVerify: Splitting(
            _rows, _loop_work,
            lambda command, first, end: replace(
                command, region=_region(command, first, end), targets=command.targets[first:end]
            ),
        ),
        commands.Form: Splitting(_rows, _loop_work, _of_region),
        commands.Vmm: _VECTORS,
        commands.VmmT: _VECTORS,
    }
)  # fmt: skip
