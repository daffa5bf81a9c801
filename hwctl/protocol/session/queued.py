"""A command on its way, and what it counts in the board's budgets."""

from typing import NamedTuple


class Queued(NamedTuple):
    """One command."""

    sequence: int
    payload: bytes
    """At the host behind its reserve, at the board without it."""
    receive_cost: int
    reply_cost: int
