"""What a board said of itself, and how commands get to it: whole, in order, in parts that fit its budgets."""

from collections.abc import Sequence
from typing import TypeVar

from hwctl.crossbar.arguments import region_of, split
from hwctl.crossbar.results import Lines
from hwctl.crossbar.units import Units
from hwctl.errors import BoardError, ProtocolError, Unsupported
from hwctl.links import Link
from hwctl.protocol import codes, commands, replies
from hwctl.protocol.codes import Feature, Refusal
from hwctl.protocol.packing import Region

OVERHEAD = 96  # bytes of a frame besides its arrays' elements, at most

_Reply = TypeVar("_Reply", bound=replies.Reply)


class Port:
    """One board behind an open link, identified."""

    def __init__(self, link: Link) -> None:
        """Ask the board what it is. Raises ProtocolError where it speaks another protocol."""
        self.link = link
        self.identity = self.ask(commands.Identify(), replies.Identity)
        identity = self.identity
        if identity.protocol_version != codes.PROTOCOL_VERSION:
            raise ProtocolError(
                f"{link.url} speaks protocol {identity.protocol_version}, this hwctl {codes.PROTOCOL_VERSION}; "
                "update the older one"
            )
        self.units = Units(identity, link.url)
        self.room = min(identity.receive_budget, identity.reply_budget, identity.largest_frame) - OVERHEAD
        """Bytes that the arrays of one command, or of its reply, may take."""
        self._features = int(identity.features)

    def has(self, feature: Feature) -> bool:
        """Return whether the board itself has a feature."""
        return bool(self._features & feature.value)

    def region(self, rows: Lines, cols: Lines) -> Region:
        """Return rows and columns as a region. Raises LimitError where it is empty or leaves the array.

        A region that this method returned may stand for `rows`; it is not checked again.
        """
        if isinstance(rows, Region):
            return rows
        return region_of(rows, cols, (self.identity.rows, self.identity.cols))

    def parts(self, region: Region, bytes_per_cell: int) -> list[Region]:
        """Split a region so that command and reply of each part fit the board's budgets."""
        return split(region, max(min(codes.MAX_CELLS, self.room // bytes_per_cell), 1))

    def ask(self, command: commands.Command, expected: type[_Reply]) -> _Reply:
        """Execute a command whose reply must be of type `expected`. Raises BoardError where the board refuses."""
        return self._checked(command, self.link.execute(command), expected)

    def ask_all(self, several: Sequence[commands.Command], expected: type[_Reply]) -> list[_Reply]:
        """Execute commands in order, without waiting in between where the link can; as `ask`."""
        answers = self.link.execute_all(several)
        return [self._checked(command, reply, expected) for command, reply in zip(several, answers, strict=True)]

    def _checked(self, command: commands.Command, reply: replies.Reply, expected: type[_Reply]) -> _Reply:
        if isinstance(reply, expected):
            return reply
        if isinstance(reply, replies.Refused):
            kind = Unsupported if reply.refusal == Refusal.UNSUPPORTED else BoardError
            raise kind(f"{self.link.url} refused {command.op.name}: {reply.detail}; nothing was executed")
        raise ProtocolError(f"{self.link.url} answered {command.op.name} with {type(reply).__name__}")
