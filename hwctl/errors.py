"""Every error that hwctl raises on purpose.

    HwctlError
    ├── BadInput            a value, file or option that cannot be used
    │   ├── TaskError       a data set is missing or malformed
    │   ├── DeviceError     a device preset or table is unknown or inconsistent
    │   ├── TargetError     a target URL names no board that can be opened
    │   ├── RunError        a run folder or checkpoint is damaged or of another run
    │   └── SweepError      a sweep's file or results cannot be used, or one of its runs failed
    ├── LimitError          a region, voltage, width or count outside what the board allows
    ├── ProtocolError       bytes that are no valid command or reply
    │   └── UnknownOption   a critical option that this version does not know
    ├── LinkError           the way to the board is unusable
    │   ├── LinkTimeout     the board did not answer in time
    │   ├── LinkClosed      the link was closed, or its port is gone
    │   └── SessionLost     the board was reset or taken over; commands may be in doubt
    ├── BoardError          the board refused a command, or SAFE stopped it
    │   └── Unsupported     the board lacks this command
    ├── MissingPackage      a package is not installed that this needs
    ├── OverRange           a converter saturated: the reading is no conductance
    └── Interrupted         stopped by the user after a checkpoint and SAFE

Each message is one line: what happened, and what to do next.
"""

import typing


class HwctlError(Exception):
    """Base of everything that hwctl raises on purpose."""


class BadInput(HwctlError):
    """A value, file or option that cannot be used."""


class TaskError(BadInput):
    """A data set is missing, malformed or unknown."""


class DeviceError(BadInput):
    """A device preset or its tables are unknown or inconsistent."""


class TargetError(BadInput):
    """A target URL names no board that can be opened."""


class RunError(BadInput):
    """A run folder or checkpoint is damaged, or belongs to another run."""


class SweepError(BadInput):
    """A sweep's file or results cannot be used, or one of its runs failed."""


class LimitError(HwctlError):
    """A region, voltage, pulse width or count is outside what the board allows."""


class ProtocolError(HwctlError):
    """Bytes are no valid command or reply."""


class UnknownOption(ProtocolError):
    """A command carries a critical option that this version does not know."""


class LinkError(HwctlError):
    """The way to the board is unusable, or not in the state that a call needs."""

    def __init__(self, what: str, todo: str = "") -> None:
        """Say what happened and what to do next; who knows better what to do sets `todo` and raises again."""
        super().__init__(what, todo)
        self.what = what
        self.todo = todo
        self.answered: tuple[tuple[typing.Any, typing.Any], ...] = ()
        """Commands of the call that were answered before, with their replies."""
        self.in_doubt: tuple[typing.Any, ...] = ()
        """Commands that were sent and not answered: executed, in part or not at all. Each is named by one error."""

    def __str__(self) -> str:
        return f"{self.what}; {self.todo}" if self.todo else self.what


class LinkTimeout(LinkError):
    """The board did not answer in time."""


class LinkClosed(LinkError):
    """The link was closed, or its port is gone."""


class SessionLost(LinkError):
    """The board was reset or taken over by another host; commands that it did not answer are in doubt."""


class BoardError(HwctlError):
    """The board refused a command and executed nothing, or aborted it."""

    aborted = False
    """SAFE stopped the command: it was executed in part or not at all."""


class Unsupported(BoardError):
    """The board lacks this command."""


class MissingPackage(HwctlError):
    """A package is not installed that this needs, as on machines that have no wheel of it."""


class OverRange(HwctlError):
    """A converter saturated; the reading is no conductance or current."""


class Interrupted(HwctlError):
    """The user stopped a job; a checkpoint is written and the board is SAFE."""
