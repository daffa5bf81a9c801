"""A recording as a board: `replay:FILE?link=N` answers each command with what was recorded, and nothing else."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from hwctl.errors import LinkClosed, LinkError, ProtocolError, TargetError
from hwctl.links.link import in_order
from hwctl.links.naming import command_name
from hwctl.links.recording import LINKS, exchanges
from hwctl.links.target import Target
from hwctl.protocol.codec import decode_command, decode_reply, encode_command
from hwctl.protocol.commands import Command
from hwctl.protocol.replies import Reply


class ReplayLink:
    """Answers the commands of one link of a recording, in their order."""

    def __init__(self, file: BinaryIO, number: int, url: str) -> None:
        """Take an open recording, which this link closes, and the number of the link in it."""
        self.url = url
        self._file = file
        self._number = number
        self._exchanges = exchanges(file, url)
        self._asked = 0
        self._next = self._advance()

    @property
    def bytes_moved(self) -> int:
        """0: nothing goes to a board."""
        return 0

    def execute(self, command: Command) -> Reply:
        """Return the recorded reply. Raises LinkError where another command was recorded, or none."""
        if self._file.closed:
            raise LinkClosed(f"{self.url} is closed", "open it again")
        if self._next is None:
            raise LinkError(
                f"{self.url}: {self._asked} commands were recorded, now command {self._asked + 1} "
                f"({command_name(command)}) is asked; record again"
            )
        recorded, reply = self._next
        if encode_command(command) != recorded:
            raise LinkError(
                f"{self.url}: command {self._asked + 1} was {_differences(recorded, command)} is asked; record again"
            )
        self._asked += 1
        self._next = self._advance()
        return decode_reply(reply)

    def execute_all(self, commands: Sequence[Command]) -> list[Reply]:
        """Return the recorded replies, up to the first refusal; errors as in `execute`."""
        return in_order(self.execute, commands)

    def post(self, command: Command) -> Reply:
        """Return the recorded reply; errors as in `execute`."""
        return self.execute(command)

    def close(self) -> None:
        """Close the recording, whether all of it was played or not."""
        self._file.close()

    def _advance(self) -> tuple[bytes, bytes] | None:
        return next(((asked, reply) for link, asked, reply in self._exchanges if link == self._number), None)


def _differences(recorded: bytes, command: Command) -> str:
    """Say what was recorded and what is asked."""
    asked = command_name(command)
    try:
        before = decode_command(recorded)
    except ProtocolError as error:
        return f"unreadable ({error}) when it was recorded, now {asked}"
    was = command_name(before)
    if was != asked:
        return f"{was} when it was recorded, now {asked}"
    other = [f.name for f in fields(command) if not _same(getattr(before, f.name), getattr(command, f.name))]
    return f"{was} when it was recorded, now one with other {', '.join(other)}"


def _same(one: Any, other: Any) -> bool:
    return np.array_equal(one, other) if isinstance(one, np.ndarray) else bool(one == other)


def _check_links(found: set[int], number: int, url: str) -> None:
    if number not in found:
        known = ", ".join(map(str, sorted(found))) or "none"
        raise TargetError(f"target '{url}': link={number} is not in this recording; it has {known}")


def open_replay(target: Target) -> ReplayLink:
    """Open `replay:FILE`; option link: which of the recorded links, default 0.

    Raises TargetError where the file is no whole recording, or has no such link.
    """
    target.only("link")
    number = target.integer("link", 0, 0, LINKS - 1)
    if not target.path:
        raise TargetError(f"target '{target.url}' names no recording; give a file of --record: 'replay:run.rec'")
    try:
        file = Path(target.path).open("rb")  # noqa: SIM115  the link closes it
    except OSError as error:
        reason = error.strerror or error
        raise TargetError(f"target '{target.url}' cannot be read ({reason}); name a file of --record") from None
    try:
        _check_links({link for link, _, _ in exchanges(file, target.path)}, number, target.url)
        return ReplayLink(file, number, target.url)
    except BaseException:
        file.close()
        raise
