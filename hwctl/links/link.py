"""What every link does."""

from typing import Protocol

from hwctl.protocol.commands import Command
from hwctl.protocol.replies import Reply


class Link(Protocol):
    """A way to one board. Commands are executed in the order of the calls."""

    url: str
    """The target URL with which this board can be opened again."""

    @property
    def bytes_moved(self) -> int:
        """Bytes sent and received so far; 0 on a link that does not encode."""

    def execute(self, command: Command) -> Reply:
        """Send a command and return the reply, a refusal included."""

    def close(self) -> None:
        """Leave the board SAFE and release it."""
