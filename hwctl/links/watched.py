"""A link that shows somebody what passes it: recordings and pulse logs are made this way."""

from collections.abc import Callable, Sequence

from hwctl.errors import LinkError
from hwctl.links.link import Link
from hwctl.protocol.commands import Command
from hwctl.protocol.replies import Reply

Wrap = Callable[[Link], Link]
"""Takes a link as it was opened and returns the one to use."""


class WatchedLink:
    """Another link, every command of which is shown with its reply, in the order of execution."""

    def __init__(
        self, link: Link, seen: Callable[[Command, Reply], None], doubted: Callable[[Command], None] = lambda _: None
    ) -> None:
        """Take an open link.

        seen: called once a reply is there, a refusal included. doubted: where the line was lost, with each command
        that was sent and not answered.
        """
        self.url = link.url
        self._link = link
        self._seen = seen
        self._doubted = doubted

    @property
    def bytes_moved(self) -> int:
        """Bytes sent and received so far."""
        return self._link.bytes_moved

    def execute(self, command: Command) -> Reply:
        """Send a command and return the reply, a refusal included."""
        return self.execute_all([command])[0]

    def execute_all(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands in order, up to the first that is refused, and return their replies."""
        try:
            answers = self._link.execute_all(commands)
        except LinkError as error:
            for command, reply in error.answered:
                self._seen(command, reply)
            for command in error.in_doubt:
                self._doubted(command)
            raise
        for command, reply in zip(commands, answers, strict=False):  # behind a refusal nothing was sent
            self._seen(command, reply)
        return answers

    def post(self, command: Command) -> Reply:
        """Send a command and wait for its reply: a link that does not wait shows it to nobody."""
        return self.execute(command)

    def close(self) -> None:
        """Leave the board SAFE and release it."""
        self._link.close()
