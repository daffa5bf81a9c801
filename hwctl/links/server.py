"""The board's end of a byte line for boards that have none of their own: session here, commands to a link."""

import time
from collections import deque
from dataclasses import replace
from math import inf

import numpy as np

from hwctl.errors import HwctlError, LinkError, ProtocolError, UnknownOption
from hwctl.links.link import Link
from hwctl.links.slices import Slice, joined, slices
from hwctl.protocol.codec import decode_command, encode_reply
from hwctl.protocol.codes import Feature, Refusal, ShapePer
from hwctl.protocol.commands import Command, ConfigureLimits, Dump, Identify, Pulse, PulseSparse, Safe
from hwctl.protocol.packing import Region
from hwctl.protocol.replies import Dumped, Identity, Limits, Refused, Reply
from hwctl.protocol.session import BoardSession
from hwctl.protocol.sizes import limited, reply_bytes

IDLE = 1e-3  # s that a read waits where nothing is to be done
LARGEST_FRAME = 8192  # bytes: what a frame costs beside its payload is then below 2%
BUDGET = 4 * LARGEST_FRAME  # bytes: frames on the way, in execution and answered at once


class BoardServer:
    """Executes what a byte line brings on an open link, each command exactly once; SAFE acts between slices of one."""

    def __init__(self, link: Link, budget: int = BUDGET, largest_frame: int = LARGEST_FRAME) -> None:
        """Take an open link to a board; budget, largest_frame: bytes."""
        self.link = link
        self.session = BoardSession(budget, budget, largest_frame)
        self._limits = budget, largest_frame
        self._aborted = encode_reply(Refused(Refusal.ABORTED, "aborted by SAFE before it began"))
        self._board: Identity | None = None  # what the link said; None: not asked yet
        self._layered = False
        self._limited = False  # pulses of cells are, in all or in time: slices would change what happens
        self._number = 0  # of the command whose slices are left
        self._left: deque[Slice] = deque()
        self._done: list[Reply] = []

    def receive(self, data: bytes) -> None:
        """Take bytes of the host; SAFE is carried out at once, before anything that is queued."""
        self.session.receive(data)
        if self.session.safe_requested():
            self.make_safe()
            stopped = Refused(Refusal.ABORTED, f"aborted by SAFE when its progress was {self.session.progress}")
            self.session.abort(self._aborted, encode_reply(stopped))

    def work(self) -> bool:
        """Execute a command, or a slice of one. Returns False where nothing is due."""
        if not self._left or self._number != self.session.in_execution:  # else it was aborted, or the board reset
            due = self.session.next_command()
            if due is None:
                self._left.clear()
                return False
            self._begin(*due)
        if self._left:
            self._step()
        return True

    def make_safe(self) -> None:
        """Drive the board to rest."""
        self.link.execute(Safe())

    def _begin(self, number: int, raw: bytes) -> None:
        self._number, self._done = number, []
        self._left.clear()
        try:
            command = decode_command(raw)
        except UnknownOption as error:
            self._finish(Refused(Refusal.UNSUPPORTED, str(error)))
        except ProtocolError as error:
            self._finish(Refused(Refusal.MALFORMED, str(error)))
        else:
            if reply_bytes(command) > self.session.reserved():
                self._finish(
                    Refused(Refusal.OVER_LIMIT, f"the reply may take {reply_bytes(command)} bytes; reserve them")
                )
                return
            parts = slices(command) if self._divisible(command) else [Slice(command, 0)]
            refused = self._refused_whole(command) if len(parts) > 1 else None
            if refused is None:
                self._left.extend(parts)
            else:
                self._finish(refused)

    def _step(self) -> None:
        part = self._left.popleft()
        reply = self._execute(part.command)
        self._done.append(reply)
        if isinstance(reply, Refused):
            self._left.clear()
            if self.session.progress:  # every other refusal says that nothing was executed
                told = f"aborted after a progress of {self.session.progress}: {reply.detail}"
                reply = Refused(Refusal.ABORTED, told)
            self._finish(reply)
            return
        self.session.progress += part.progress
        if not self._left:
            self._finish(joined(self._done))

    def _finish(self, reply: Reply) -> None:
        self.session.finish(self._number, encode_reply(limited(reply)))

    def _execute(self, command: Command) -> Reply:
        try:
            reply = self.link.execute(command)
        except LinkError as error:  # of a link behind this one: how far the command came, nobody knows
            return Refused(Refusal.ABORTED, f"aborted: {error}")
        except HwctlError as error:
            return Refused(Refusal.INTERLOCK, str(error))
        if isinstance(command, ConfigureLimits) and isinstance(reply, Limits):
            self._limited = self._limited or command.max_pulses > 0 or command.min_interval > 0
        if isinstance(reply, Identity):
            budget, largest = self._limits
            reply = replace(reply, receive_budget=budget, reply_budget=budget, largest_frame=largest)
        return reply

    def _divisible(self, command: Command) -> bool:
        """Return whether slices of a command are refused only where its first one is, and change no bit.

        What may be refused as a whole goes to the board as a whole, as does all where layers keep their own time.
        """
        if self._board is None:
            self._board = self._ask_board()
        if self._layered or self._limited:
            return False
        rows, cols = self._board.rows, self._board.cols
        if isinstance(command, PulseSparse):
            return bool((command.rows < rows).all() and (command.cols < cols).all())
        region = getattr(command, "region", None)
        return region is not None and region.row1 <= rows and region.col1 <= cols

    def _ask_board(self) -> Identity:
        identity = self.link.execute(Identify())
        if not isinstance(identity, Identity):
            raise ProtocolError(f"{self.link.url} answered IDENTIFY with {identity}; no board can be served there")
        if identity.features & Feature.EMULATED:
            dumped = self.link.execute(Dump(Region(0, 1, 0, 1)))
            self._layered = isinstance(dumped, Dumped) and dumped.extra.size > 0
        return identity

    def _refused_whole(self, command: Command) -> Refused | None:
        """Return the refusal of a PULSE with many shapes, one of which a later slice may lack: asked without pulses."""
        if not isinstance(command, Pulse) or command.per not in (ShapePer.ROW, ShapePer.CELL):
            return None
        reply = self._execute(replace(command, counts=np.zeros_like(command.counts)))
        return reply if isinstance(reply, Refused) else None


class LoopPort:
    """A port whose other end is a server in this process: bytes without a line."""

    bytes_per_second = inf

    def __init__(self, server: BoardServer, name: str) -> None:
        """Take a server."""
        self.name = name
        self._server = server

    def read(self) -> bytes:
        """Return what the board has to say after one more command, or slice of one."""
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
