"""A limit of pulses of a cell in a second: a host asks for no more, however soon the board would take them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwctl.devices.planned import planned_pulses
from hwctl.errors import LimitError, LinkError
from hwctl.links.link import Link, in_order
from hwctl.protocol import commands
from hwctl.protocol.codes import Refusal
from hwctl.protocol.commands import Command
from hwctl.protocol.replies import Pulsed, Refused, Reply

Cells = NDArray[np.bool_]


class Pace:
    """When each cell of one board was last pulsed, and for how long it rests since."""

    def __init__(
        self,
        interval: float,
        rows: int,
        cols: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """interval: s from one pulse of a cell to its next; clock, sleep: in s."""
        self.interval = interval
        self._last = np.full((rows, cols), -np.inf)  # s of the clock, at the latest
        self._clock, self._sleep = clock, sleep

    def planned(self, command: Command) -> NDArray[np.int64]:
        """Return how many pulses a command may give each cell (rows, cols)."""
        found = planned_pulses(command, self._last.shape)
        return np.zeros(self._last.shape, np.int64) if found is None else found

    def missing(self, cells: Cells) -> float:
        """Return the s, 0 or less for none, until all of some cells (rows, cols) may be pulsed."""
        return float(self._last[cells].max(initial=-np.inf)) + self.interval - self._clock()

    def wait(self, cells: Cells) -> None:
        """Let pass what is missing until cells (rows, cols) may be pulsed."""
        missing = self.missing(cells)
        if missing > 0:
            self._sleep(missing)

    def asked(self, pulses: NDArray[np.int64]) -> None:
        """Take note that a board begins with so many pulses (rows, cols) now, or later."""
        cells = pulses > 0
        self._last[cells] = self._clock() + (pulses[cells] - 1) * self.interval

    def pulsed(self, cells: Cells) -> None:
        """Take note that cells (rows, cols) may have been pulsed up to now."""
        self._last[cells] = self._clock()


class PacedLink:
    """Another link, on which no cell is asked for a pulse sooner than its pace allows.

    A board that keeps no limit itself would give a cell the pulses of one command in a row: it gets them in commands of
    one pulse a cell, each once the reply to the one before is there. Of a board that keeps it, replies need not be
    awaited; behind commands that it may still execute nobody sleeps, as a link looks after its board only while it
    waits for a reply, and the board's own limit holds.
    """

    def __init__(self, link: Link, pace: Pace, *, splits: bool) -> None:
        """Take an open link. splits: whether the board keeps no limit itself."""
        self.url = link.url
        self.pace = pace
        self.splits = splits
        self._link = link
        self._posted: Cells = pace.planned(commands.Status()) > 0  # cells whose pulses may not be over yet

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)

    @property
    def bytes_moved(self) -> int:
        """Bytes sent and received so far."""
        return self._link.bytes_moved

    def execute(self, command: Command) -> Reply:
        """Send a command as soon as its cells may be pulsed, and return the reply.

        Raises LimitError, with nothing sent, where a board that keeps no limit would pulse in a loop of its own.
        """
        planned = self.pace.planned(command)
        if self.splits and planned.max() > 1:
            return self._one_by_one(command)
        return self._sent([command], planned > 0)[0]

    def execute_all(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands in order, all of them once their cells may be pulsed, and return the replies; as `execute`."""
        planned = [self.pace.planned(command) for command in commands]
        together = np.sum(planned, axis=0) if planned else np.zeros(1, np.int64)
        if not (self.splits and together.max() > 1):
            return self._sent(commands, together > 0)
        for command, pulses in zip(commands, planned, strict=True):
            if pulses.max() > 1:
                single_pulses(command, self.url)  # none is sent where one cannot be
        return in_order(self.execute, commands)

    def post(self, command: Command) -> Reply | None:
        """Send a command, without waiting for its reply unless the board is asked for more than the pace allows."""
        pulses = self.pace.planned(command)
        cells = pulses > 0
        if self.splits or (self._posted.any() and self.pace.missing(cells) > 0):
            return self.execute(command)
        self.pace.wait(cells)
        reply = self._link.post(command)
        self.pace.asked(pulses)
        if reply is None:
            self._posted |= cells
        return reply

    def close(self) -> None:
        """Leave the board SAFE and release it."""
        self._link.close()

    def _sent(self, several: Sequence[Command], cells: Cells) -> list[Reply]:
        """Send commands that may pulse these cells once they may be, and note when they were at the latest."""
        if not self._posted.any():
            self.pace.wait(cells)
        try:
            return [self._link.execute(several[0])] if len(several) == 1 else self._link.execute_all(several)
        finally:
            self.pace.pulsed(cells | self._posted)  # after a reply, all before it is over
            self._posted[:] = False

    def _one_by_one(self, command: Command) -> Reply:
        """Send a command in parts of at most one pulse a cell."""
        sets = resets = 0
        for done, part in enumerate(single_pulses(command, self.url)):
            try:
                (reply,) = self._sent([part], self.pace.planned(part) > 0)
            except LinkError as lost:
                others = tuple(one for one in lost.in_doubt if one is not part)
                doubtful = done or len(others) < len(lost.in_doubt)
                lost.in_doubt = (*others, command) if doubtful else others
                raise
            if not isinstance(reply, Pulsed):
                return _aborted(reply, done)
            sets, resets = sets + reply.set_pulses, resets + reply.reset_pulses
        return Pulsed(sets, resets)


def _aborted(reply: Reply, parts: int) -> Reply:
    """Say of a part that was refused behind others that the whole was not refused whole."""
    if parts and isinstance(reply, Refused):
        return Refused(Refusal.ABORTED, f"aborted after {parts} pulses of each cell: {reply.detail}")
    return reply


def single_pulses(command: Command, url: str) -> list[Command]:
    """Return commands of at most one pulse a cell that do together what one does, each cell's in its order.

    Raises LimitError where a board does what it is to do in a loop of its own.
    """
    if isinstance(command, commands.Pulse):
        sizes = np.abs(command.counts.astype(np.int64))
        signs = np.sign(command.counts)
        return [
            replace(command, counts=np.where(sizes > done, signs, 0).astype(np.int8)) for done in range(sizes.max())
        ]
    if isinstance(command, commands.PulseSparse):
        sizes = np.abs(command.counts.astype(np.int64))
        entries = np.repeat(np.arange(len(sizes)), sizes)
        turns = _occurrence(command.rows[entries].astype(np.int64) << 16 | command.cols[entries])
        return [_listed(command, entries[turns == turn]) for turn in range(turns.max(initial=-1) + 1)]
    raise LimitError(
        f"{command.op.name} pulses cells as fast as {url} can, which keeps no limit of pulses a second; use single "
        "pulses there (PULSE), or no limit"
    )


def _listed(command: commands.PulseSparse, entries: NDArray[np.int64]) -> Command:
    """Return a list of one pulse for each of some entries."""
    signs = np.sign(command.counts[entries]).astype(np.int8)
    return replace(command, rows=command.rows[entries], cols=command.cols[entries], counts=signs)


def _occurrence(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each entry how many before it are equal to it."""
    order = np.argsort(cells, kind="stable")
    ordered, at = cells[order], np.arange(len(cells))
    first = np.ones(len(cells), np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    found = np.empty(len(cells), np.int64)
    found[order] = at - np.maximum.accumulate(np.where(first, at, 0))
    return found


def keep_pace(link: Link, interval: float, shape: tuple[int, int], *, splits: bool) -> Link:
    """Return a link that keeps an interval in s between pulses of a cell: the same, where it keeps one already.

    shape: rows and columns. splits: whether the board keeps no limit itself.
    """
    kept: Pace | None = getattr(link, "pace", None)
    if kept is None:
        return PacedLink(link, Pace(interval, *shape), splits=splits)
    kept.interval = max(kept.interval, interval)
    return link
