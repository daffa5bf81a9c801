"""What a session may spend of a physical array: pulses are counted before they are sent."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hwctl.crossbar.planned import placed, planned_pulses
from hwctl.links import Link
from hwctl.protocol import commands, replies
from hwctl.protocol.codes import Refusal
from hwctl.protocol.commands import Command
from hwctl.protocol.replies import Reply


class PulseBudget:
    """Pulses that each cell of one board got in this session, and may get."""

    def __init__(self, most: int, rows: int, cols: int) -> None:
        """Start with no pulse spent. most: pulses of a cell."""
        self.most = most
        self.spent: NDArray[np.int64] = np.zeros((rows, cols), np.int64)

    def metered(self, link: Link) -> "MeteredLink":
        """Return a link that spends of this budget."""
        return MeteredLink(link, self)

    def check(self, planned: NDArray[np.int64], url: str) -> None:
        """Skip the test where a cell would get more pulses (rows, cols of the array) than it may."""
        most = int((self.spent + planned).max())
        if most > self.most:
            pytest.skip(f"a cell of {url} would get {most} pulses in this session; --hwctl-pulses allows {self.most}")


class MeteredLink:
    """Another link, with pulses counted. A command that goes beyond the budget skips the test, and is not sent."""

    def __init__(self, link: Link, budget: PulseBudget) -> None:
        """Take an open link."""
        self.url = link.url
        self._link = link
        self._budget = budget

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)

    @property
    def bytes_moved(self) -> int:
        """Bytes sent and received so far."""
        return self._link.bytes_moved

    def execute(self, command: Command) -> Reply:
        """Send a command that the budget allows and return the reply."""
        planned = self._spend(command)
        reply = self._link.execute(command)
        self._settle(command, planned, reply)
        return reply

    def execute_all(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands in order and return their replies; none is sent where one goes beyond the budget."""
        planned = [self._spend(command) for command in commands]
        answers = self._link.execute_all(commands)
        for command, pulses, reply in zip(commands, planned, answers, strict=False):
            self._settle(command, pulses, reply)
        return answers

    def post(self, command: Command) -> Reply | None:
        """Send a command that the budget allows without waiting for its reply."""
        self._spend(command)
        return self._link.post(command)

    def _spend(self, command: Command) -> NDArray[np.int64] | None:
        """Take what a command may give each cell off the budget, and return it."""
        planned = planned_pulses(command, self._budget.spent.shape)
        if planned is not None:
            self._budget.check(planned, self.url)
            self._budget.spent += planned
        return planned

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
        self._link.close()


def _give_back(spent: NDArray[np.int64], command: Command, reply: Reply) -> None:
    """Take off what a closed loop was allowed and did not need."""
    if isinstance(command, commands.WriteVerify) and isinstance(reply, replies.Verified):
        used: Any = reply.set_pulses.astype(np.int64) + reply.reset_pulses
    elif isinstance(command, commands.Form) and isinstance(reply, replies.Formed):
        used = reply.pulses.astype(np.int64)
    else:
        return
    spent -= placed(command.attempts - used, command.region, spent.shape)
