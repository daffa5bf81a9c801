"""Bytes that move weights: commands and replies as a byte link would encode them, but for passes of the network."""

from typing import Any

from hwctl.links.link import Link
from hwctl.links.watched import WatchedLink
from hwctl.protocol import commands
from hwctl.protocol.codec import encode_command, encode_reply
from hwctl.protocol.commands import Command
from hwctl.protocol.replies import Reply
from hwctl.sweeps.point import measure
from hwctl.training.config import TrainConfig

PASSES = (commands.Vmm, commands.VmmT)


class UpdateTraffic(WatchedLink):
    """A link whose bytes are those of PULSE, OUTER, and what else is no VMM: the readings that a schedule asks for."""

    def __init__(self, link: Link) -> None:
        """Take an open link."""
        super().__init__(link, self._count)
        self._bytes = 0
        self.passes = 0
        """Bytes of VMM and transposed VMM."""

    def _count(self, command: Command, reply: Reply) -> None:
        size = len(encode_command(command)) + len(encode_reply(reply))
        if isinstance(command, PASSES):
            self.passes += size
        else:
            self._bytes += size

    @property
    def bytes_moved(self) -> int:
        """Bytes that move weights, so far."""
        return self._bytes


def with_traffic(config: TrainConfig) -> dict[str, Any]:
    """Train once; link_bytes are those of UpdateTraffic."""
    return measure(config, [UpdateTraffic])
