"""Exactly once: the two ends of a session, without I/O and without a clock.

Bytes go in (`receive`) and out (`outgoing`); the host's end is told the time, in seconds. docs/protocol.md has the
rules.
"""

from hwctl.protocol.session.board import BoardSession
from hwctl.protocol.session.host import HostSession, Phase

__all__ = ["BoardSession", "HostSession", "Phase"]
