"""A budget of pulses for each cell of a board: what a command may give a cell is counted before the command is sent."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwctl.devices.planned import placed, planned_pulses
from hwctl.errors import LimitError
from hwctl.links import Link
from hwctl.protocol import commands, replies
from hwctl.protocol.codes import Refusal
from hwctl.protocol.commands import Command
from hwctl.protocol.replies import Reply


class PulseBudget:
    """Pulses that each cell of one board got by this budget's links, and may get."""

    def __init__(self, most: int, rows: int, cols: int) -> None:
        """Start with no pulse spent. most: pulses of a cell."""
        self.most = most
        self.spent: NDArray[np.int64] = np.zeros((rows, cols), np.int64)

    def metered(self, link: Link) -> "MeteredLink":
        """Return a link that spends of this budget."""
        return MeteredLink(link, self)

    def exceeded(self, pulses: int, url: str) -> None:
        """Refuse a command after which a cell would have had so many pulses. Raises LimitError."""
        raise LimitError(
            f"a cell of {url} would get {pulses} pulses, its budget is {self.most}; the command was not sent, those "
            "before it were"
        )


class MeteredLink:
    """Another link, with pulses counted. A command that goes beyond the budget is not sent."""

    def __init__(self, link: Link, budget: PulseBudget) -> None:
        """Take an open link."""
        self.url = link.url
        self.inner = link
        self._budget = budget

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    @property
    def bytes_moved(self) -> int:
        """Bytes sent and received so far."""
        return self.inner.bytes_moved

    def execute(self, command: Command) -> Reply:
        """Send a command that the budget allows and return the reply."""
        planned = self._spend([command])
        with self._unsent(planned):
            reply = self.inner.execute(command)
        self._settle(command, planned[0], reply)
        return reply

    def execute_all(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands in order and return their replies; none is sent where one goes beyond the budget."""
        planned = self._spend(commands)
        with self._unsent(planned):
            answers = self.inner.execute_all(commands)
        for command, pulses, reply in zip(commands, planned, answers, strict=False):
            self._settle(command, pulses, reply)
        for pulses in planned[len(answers) :]:  # behind a refusal nothing was sent
            if pulses is not None:
                self._budget.spent -= pulses
        return answers

    def post(self, command: Command) -> Reply | None:
        """Send a command that the budget allows without waiting for its reply."""
        with self._unsent(self._spend([command])):
            return self.inner.post(command)

    def _spend(self, several: Sequence[Command]) -> list[NDArray[np.int64] | None]:
        """Take what commands may give each cell off the budget, all or nothing, and return it."""
        spent = self._budget.spent
        planned = [planned_pulses(command, spent.shape) for command in several]
        found = [pulses for pulses in planned if pulses is not None]
        if found:
            after = spent + np.sum(found, axis=0)
            # What gives a cell nothing may pass, however much that cell has had.
            most = int(after[after > spent].max(initial=0))
            if most > self._budget.most:
                self._budget.exceeded(most, self.url)
            self._budget.spent = after
        return planned

    @contextmanager
    def _unsent(self, planned: list[NDArray[np.int64] | None]) -> Iterator[None]:
        """Put all back where a link refuses to send it."""
        try:
            yield
        except LimitError:
            for pulses in planned:
                if pulses is not None:
                    self._budget.spent -= pulses
            raise

    def _settle(self, command: Command, planned: NDArray[np.int64] | None, reply: Reply) -> None:
        """Put back what a command did not need. What no reply tells counts as spent."""
        if planned is None:
            return
        if not isinstance(reply, replies.Refused):
            _give_back(self._budget.spent, command, reply)
        elif reply.refusal != Refusal.ABORTED:
            self._budget.spent -= planned

    def close(self) -> None:
        """Leave the board SAFE and release it."""
        self.inner.close()


def beneath(link: Link, wrap: Callable[[Link], Link]) -> Link:
    """Return a link with another around it, but within the budget that meters it: a budget sees whole commands."""
    if isinstance(link, MeteredLink):
        link.inner = beneath(link.inner, wrap)
        return link
    return wrap(link)


def _give_back(spent: NDArray[np.int64], command: Command, reply: Reply) -> None:
    """Take off what a closed loop was allowed and did not need."""
    if isinstance(command, commands.WriteVerify) and isinstance(reply, replies.Verified):
        used: Any = reply.set_pulses.astype(np.int64) + reply.reset_pulses
    elif isinstance(command, commands.Form) and isinstance(reply, replies.Formed):
        used = reply.pulses.astype(np.int64)
    else:
        return
    spent -= placed(command.attempts - used, command.region, spent.shape)
