"""Ports: where bytes of a link go in and out. What goes wrong with one is a LinkError that says what to do next."""

from typing import Protocol

READ_TIMEOUT = 0.02  # s that one read waits for bytes, so that the session's clock is looked at
WRITE_TIMEOUT = 5.0  # s that a line may refuse to take bytes


class Port(Protocol):
    """An open byte line."""

    name: str
    """For messages."""
    bytes_per_second: float
    """At least so fast is the line: waits allow for it."""

    def read(self) -> bytes:
        """Return bytes that came, within READ_TIMEOUT; none where there are none. Raises LinkClosed."""

    def write(self, data: bytes) -> None:
        """Send bytes. Raises LinkClosed, LinkTimeout."""

    def reopen(self) -> None:
        """Open the line again after it was lost. Raises LinkClosed."""

    def close(self) -> None:
        """Release the line."""
