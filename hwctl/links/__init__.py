"""How commands travel: a link takes a command to a board and brings the reply back. `open_link` finds it by URL."""

from hwctl.links.instrument import Drive, InstrumentLink, Refuse
from hwctl.links.link import Link
from hwctl.links.target import Target, open_link

__all__ = ["Drive", "InstrumentLink", "Link", "Refuse", "Target", "open_link"]
