"""A limit of pulses of a cell in a second: a host asks for no more, however soon the board would take them."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwctl.devices.planned import planned_pulses
from hwctl.errors import LimitError, LinkError
from hwctl.links.link import Link
from hwctl.protocol import commands
from hwctl.protocol.codes import Refusal
from hwctl.protocol.commands import Command
from hwctl.protocol.replies import Pulsed, Refused, Reply


class Pace:
    """When each cell of one board may be pulsed again, by what was asked for so far."""

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
        self._again = np.full((rows, cols), -np.inf)  # s of the clock
        self._clock, self._sleep = clock, sleep

    def planned(self, command: Command) -> NDArray[np.int64]:
        """Return how many pulses a command may give each cell (rows, cols)."""
        found = planned_pulses(command, self._again.shape)
        return np.zeros(self._again.shape, np.int64) if found is None else found

    def wait(self, pulses: NDArray[np.int64]) -> None:
        """Let pass what is missing until cells may have the first of these pulses (rows, cols), and count them.

        It lasts at most until all pulses that were asked for before are over, at the limit's rate.
        """
        pulsed = pulses > 0
        if not pulsed.any():
            return
        missing = float(self._again[pulsed].max()) - self._clock()
        if missing > 0:
            self._sleep(missing)
        self._again[pulsed] = self._clock() + pulses[pulsed] * self.interval


class PacedLink:
    """Another link, on which no cell is pulsed sooner than its pace allows.

    A board that keeps no limit itself would give a cell the pulses of one command in a row: it gets them in commands of
    one pulse a cell.
    """

    def __init__(self, link: Link, pace: Pace, *, splits: bool) -> None:
        """Take an open link. splits: whether the board keeps no limit itself."""
        self.url = link.url
        self.pace = pace
        self._link = link
        self._splits = splits

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)

    @property
    def bytes_moved(self) -> int:
        """Bytes sent and received so far."""
        return self._link.bytes_moved

    def execute(self, command: Command) -> Reply:
        """Send a command as soon as its cells may be pulsed, and return the reply."""
        planned = self.pace.planned(command)
        if self._splits and planned.max() > 1:
            return self._one_by_one(command)
        self.pace.wait(planned)
        return self._link.execute(command)

    def execute_all(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands in order, all of them once their cells may be pulsed, and return the replies."""
        together = sum((self.pace.planned(command) for command in commands), np.int64(0))
        if not (self._splits and np.max(together) > 1):
            self.pace.wait(np.asarray(together))
            return self._link.execute_all(commands)
        done: list[Reply] = []
        for command in commands:
            try:
                done.append(self.execute(command))
            except LinkError as lost:
                lost.answered = tuple(zip(commands, done, strict=False))
                raise
            if isinstance(done[-1], Refused):
                break
        return done

    def post(self, command: Command) -> Reply | None:
        """Send a command as soon as its cells may be pulsed, without waiting for its reply."""
        planned = self.pace.planned(command)
        if self._splits and planned.max() > 1:
            return self._one_by_one(command)
        self.pace.wait(planned)
        return self._link.post(command)

    def close(self) -> None:
        """Leave the board SAFE and release it."""
        self._link.close()

    def _one_by_one(self, command: Command) -> Reply:
        """Send a command in parts of at most one pulse a cell; of one that fails, all is in doubt."""
        sets = resets = parts = 0
        for part in single_pulses(command, self.url):
            self.pace.wait(self.pace.planned(part))
            try:
                reply = self._link.execute(part)
            except LinkError as lost:
                lost.in_doubt = (command,)
                raise
            if not isinstance(reply, Pulsed):
                return _aborted(reply, parts)
            sets, resets, parts = sets + reply.set_pulses, resets + reply.reset_pulses, parts + 1
        return Pulsed(sets, resets)


def _aborted(reply: Reply, parts: int) -> Reply:
    """Say of a part that was refused behind others that the whole was not refused whole."""
    if parts and isinstance(reply, Refused):
        return Refused(Refusal.ABORTED, f"aborted after {parts} pulses of each cell: {reply.detail}")
    return reply


def single_pulses(command: Command, url: str) -> Iterator[Command]:
    """Return commands of at most one pulse a cell that do together what one does, each cell's in its order.

    Raises LimitError where a board does what it is to do in a loop of its own.
    """
    if isinstance(command, commands.Pulse):
        sizes = np.abs(command.counts.astype(np.int64))
        for done in range(int(sizes.max())):
            yield replace(command, counts=np.where(sizes > done, np.sign(command.counts), 0).astype(np.int8))
    elif isinstance(command, commands.PulseSparse):
        sizes = np.abs(command.counts.astype(np.int64))
        entries = np.repeat(np.arange(len(sizes)), sizes)
        if not entries.size:
            return
        cells = command.rows[entries].astype(np.int64) << 16 | command.cols[entries]
        turns = _occurrence(cells)
        for turn in range(int(turns.max()) + 1):
            now = entries[turns == turn]
            signs = np.sign(command.counts[now]).astype(np.int8)
            yield replace(command, rows=command.rows[now], cols=command.cols[now], counts=signs)
    else:
        raise LimitError(
            f"{command.op.name} pulses cells as fast as {url} can, which keeps no limit of pulses a second; use "
            "single pulses there (PULSE), or no limit"
        )


def _occurrence(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each entry how many before it are equal to it."""
    order = np.argsort(cells, kind="stable")
    ordered = cells[order]
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    starts = np.maximum.accumulate(np.where(first, np.arange(len(cells)), 0))
    found = np.empty(len(cells), np.int64)
    found[order] = np.arange(len(cells)) - starts
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
