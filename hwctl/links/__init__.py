"""How commands travel: a link takes a command to a board and brings the reply back. `open_link` finds it by URL."""

from hwctl.links.link import Link
from hwctl.links.target import Target, open_link

__all__ = ["Link", "Target", "open_link"]
