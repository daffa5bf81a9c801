"""What a board said of itself, and how commands get to it: whole, in order, in parts that fit its budgets."""

from collections.abc import Sequence
from typing import TypeVar

from hwctl.crossbar.arguments import region_of, split
from hwctl.crossbar.limits import NO_LIMITS, HostLimits, limits_said, narrower_of
from hwctl.crossbar.results import Lines
from hwctl.crossbar.trips import said, trips_of
from hwctl.crossbar.units import Units
from hwctl.errors import BoardError, LimitError, ProtocolError, Unsupported
from hwctl.links import Link
from hwctl.protocol import codes, commands, replies
from hwctl.protocol.codes import Feature, Refusal, Trip
from hwctl.protocol.packing import Region

OVERHEAD = 96  # bytes of a frame besides its arrays' elements, at most

NOTHING_EXECUTED = "nothing was executed"

_Reply = TypeVar("_Reply", bound=replies.Reply)


class Port:
    """One board behind an open link, identified."""

    def __init__(self, link: Link) -> None:
        """Ask the board what it is. Raises ProtocolError where it speaks another protocol."""
        self.link = link
        self.limits = HostLimits(NO_LIMITS)
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
        self.limits.holds = self.limits_said()

    def has(self, feature: Feature) -> bool:
        """Return whether the board itself has a feature."""
        return bool(self._features & feature.value)

    def do_without(self, features: Feature) -> None:
        """Take features of the board for lacking from now on."""
        self._features &= ~int(features)

    def limits_said(self) -> replies.Limits:
        """Return what the board says of its limits now, or has said where it cannot narrow any."""
        said = limits_said(self.identity)
        if not self.has(Feature.LIMITS):
            return said
        return narrower_of(said, self.ask(commands.ConfigureLimits(), replies.Limits))

    def region(self, rows: Lines, cols: Lines) -> Region:
        """Return rows and columns as a region. Raises LimitError where it is empty or leaves the array.

        A region that this method returned may stand for `rows`; it is not checked again.
        """
        if isinstance(rows, Region):
            if cols != slice(None):
                raise LimitError("a region stands for rows and columns; give it alone")
            return rows
        return region_of(rows, cols, (self.identity.rows, self.identity.cols))

    def parts(self, region: Region, bytes_per_cell: int) -> list[Region]:
        """Split a region so that command and reply of each part fit the board's budgets."""
        return split(region, max(min(codes.MAX_CELLS, self.room // bytes_per_cell), 1))

    def check_room(self, needed: int) -> None:
        """Raise LimitError where the arrays of one command take more bytes than the board does."""
        if needed > self.room:
            raise LimitError(
                f"a command for this region takes {needed} bytes, more than the {self.room} bytes of {self.link.url}; "
                "tile it"
            )

    def ask(self, command: commands.Command, expected: type[_Reply], told: str = NOTHING_EXECUTED) -> _Reply:
        """Execute a command whose reply must be of type `expected`.

        Raises BoardError where the board refuses; told: what its message says was executed.
        """
        self.allow(command)
        return self._checked(command, self.link.execute(command), expected, told)

    def post(self, command: commands.Command, expected: type[_Reply]) -> None:
        """Execute a command whose reply tells nothing new, without waiting; a refusal may be raised by a later call."""
        self.allow(command)
        reply = self.link.post(command)
        if reply is not None:
            self._checked(command, reply, expected, NOTHING_EXECUTED)

    def ask_all(self, several: Sequence[commands.Command], expected: type[_Reply]) -> list[_Reply]:
        """Execute the parts of a whole in order, without waiting in between where the link can; as `ask`."""
        for command in several:
            self.allow(command)
        answers = self.link.execute_all(several)
        executed = sum(isinstance(reply, expected) for reply in answers)
        told = parts_executed(executed, len(several))
        return [self._checked(command, reply, expected, told) for command, reply in zip(several, answers, strict=False)]

    def allow(self, command: commands.Command) -> None:
        """Raise LimitError on a command that uses what is beyond limits by now."""
        if self.limits.exceeded:
            self.limits.check(command)

    def _checked(self, command: commands.Command, reply: replies.Reply, expected: type[_Reply], told: str) -> _Reply:
        if isinstance(reply, expected):
            return reply
        if isinstance(reply, replies.Refused) and reply.refusal == Refusal.ABORTED:
            error = BoardError(f"{self.link.url} {self._refused(command, reply)}; read its cells back")
            error.aborted = True
            raise error
        if isinstance(reply, replies.Refused):
            kind = Unsupported if reply.refusal == Refusal.UNSUPPORTED else BoardError
            raise kind(f"{self.link.url} {self._refused(command, reply)}; {told}")
        raise ProtocolError(f"{self.link.url} answered {command.op.name} with {type(reply).__name__}")

    def _refused(self, command: commands.Command, reply: replies.Refused) -> str:
        """Say what was refused, and why; where an interlock has tripped, which one."""
        if reply.refusal in (Refusal.ABORTED, Refusal.INTERLOCK):
            status = self.link.execute(commands.Status())
            trips = trips_of(status.faults) if isinstance(status, replies.BoardStatus) else Trip(0)
            if trips:
                took = f"and took no more of {command.op.name}"
                return f"has tripped by {said(trips)} {took}; see to the cause, then 'hwctl safe'"
        return f"refused {command.op.name}: {reply.detail}"


def parts_executed(done: int, parts: int) -> str:
    """Say how much of a command was executed that was sent in parts."""
    return f"{done} of its {parts} parts were executed" if done else NOTHING_EXECUTED
