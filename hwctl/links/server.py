"""The board's end of a byte line for boards that have none of their own: session here, commands to a link."""

import time
from dataclasses import replace
from math import inf

from hwctl.errors import HwctlError, ProtocolError, UnknownOption
from hwctl.links.link import Link
from hwctl.protocol.codec import decode_command, encode_reply
from hwctl.protocol.codes import Refusal
from hwctl.protocol.commands import Safe
from hwctl.protocol.replies import Identity, Refused, Reply
from hwctl.protocol.session import BoardSession
from hwctl.protocol.sizes import limited

IDLE = 1e-3  # s that a read waits where nothing is to be done
LARGEST_FRAME = 8192  # bytes: what a frame costs beside its payload is then below 2%
BUDGET = 4 * LARGEST_FRAME  # bytes: frames on the way, in execution and answered at once


class BoardServer:
    """Executes what a byte line brings on an open link, each command exactly once."""

    def __init__(self, link: Link, budget: int = BUDGET, largest_frame: int = LARGEST_FRAME) -> None:
        """Take an open link to a board; budget, largest_frame: bytes."""
        self.link = link
        self.session = BoardSession(budget, budget, largest_frame)
        self._limits = budget, largest_frame
        self._aborted = encode_reply(Refused(Refusal.ABORTED, "aborted by SAFE"))

    def receive(self, data: bytes) -> None:
        """Take bytes of the host; SAFE is carried out at once, before anything that is queued."""
        self.session.receive(data)
        if self.session.safe_requested():
            self.make_safe()
            self.session.abort(self._aborted)

    def work(self) -> bool:
        """Execute one command. Returns False where none is due."""
        due = self.session.next_command()
        if due is None:
            return False
        number, raw = due
        self.session.finish(number, encode_reply(limited(self._execute(raw))))
        return True

    def make_safe(self) -> None:
        """Drive the board to rest."""
        self.link.execute(Safe())

    def _execute(self, raw: bytes) -> Reply:
        try:
            reply = self.link.execute(decode_command(raw))
        except UnknownOption as error:
            return Refused(Refusal.UNSUPPORTED, str(error))
        except ProtocolError as error:
            return Refused(Refusal.MALFORMED, str(error))
        except HwctlError as error:  # a link behind this one
            return Refused(Refusal.INTERLOCK, str(error))
        if isinstance(reply, Identity):
            budget, largest = self._limits
            reply = replace(reply, receive_budget=budget, reply_budget=budget, largest_frame=largest)
        return reply


class LoopPort:
    """A port whose other end is a server in this process: bytes without a line."""

    bytes_per_second = inf

    def __init__(self, server: BoardServer, name: str) -> None:
        """Take a server."""
        self.name = name
        self._server = server

    def read(self) -> bytes:
        """Return what the board has to say after one more command."""
        if not self._server.work():
            time.sleep(IDLE)
        return self._server.session.outgoing()

    def write(self, data: bytes) -> None:
        """Hand bytes to the board."""
        self._server.receive(data)

    def reopen(self) -> None:
        """Go on: there is nothing to open."""

    def close(self) -> None:
        """Close the link behind the server."""
        self._server.link.close()
