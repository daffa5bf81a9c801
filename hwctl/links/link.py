"""What every link does."""

from collections.abc import Callable, Sequence
from typing import Protocol

from hwctl.errors import BoardError, LinkError, ProtocolError
from hwctl.protocol.codes import PROTOCOL_VERSION, Refusal
from hwctl.protocol.commands import Command
from hwctl.protocol.replies import Refused, Reply


class Link(Protocol):
    """A way to one board. Commands are executed in the order of the calls."""

    url: str
    """The target URL with which this board can be opened again."""

    @property
    def bytes_moved(self) -> int:
        """Bytes sent and received so far; 0 on a link that does not encode."""

    def execute(self, command: Command) -> Reply:
        """Send a command and return the reply, a refusal included."""

    def execute_all(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands in order and return their replies; several may be under way at once.

        Where one is refused, those that were not sent yet are not, and have no reply.
        """

    def post(self, command: Command) -> Reply | None:
        """Send a command without waiting for its reply, which is returned where it is there at once.

        A reply that comes later is looked at by the next call; a refusal is then raised as BoardError.
        """

    def close(self) -> None:
        """Leave the board SAFE and release it."""


def check_version(url: str, version: int) -> None:
    """Raise ProtocolError where the board at `url` speaks another version of the protocol."""
    if version != PROTOCOL_VERSION:
        raise ProtocolError(f"{url} speaks protocol {version}, this hwctl {PROTOCOL_VERSION}; update the older one")


def check_posted(url: str, name: str, reply: Reply) -> None:
    """Raise BoardError where a command of that name, for whose reply nobody waits, was refused."""
    if isinstance(reply, Refused):
        told = "read its cells back" if reply.refusal == Refusal.ABORTED else "nothing of it was executed"
        raise BoardError(f"{url} refused {name}: {reply.detail}; {told}")


def in_order(execute: Callable[[Command], Reply], commands: Sequence[Command]) -> list[Reply]:
    """Execute commands one after the other, up to the first that is refused, and return the replies.

    A LinkError holds those that were answered before it.
    """
    done: list[Reply] = []
    for command in commands:
        try:
            done.append(execute(command))
        except LinkError as lost:
            lost.answered = tuple(zip(commands, done, strict=False))
            raise
        if isinstance(done[-1], Refused):
            break
    return done
