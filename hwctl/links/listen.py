"""Serving a board: byte streams of a pseudo-terminal or a loopback TCP port, one client at a time."""

import contextlib
import os
import select
import socket
import time
import tty
from collections.abc import Callable
from typing import Protocol

from hwctl.errors import HwctlError, TargetError
from hwctl.links.ports import Port
from hwctl.links.server import BoardServer

POLL = 0.02  # s between looks at a line on which nothing happens
CHUNK = 65536  # bytes taken from a stream at once
LOOPBACK = "127.0.0.1"
BUSY = b"hwctl: another client is connected; try again when it is gone\n"


class Far(Protocol):
    """What stands behind the served line."""

    def receive(self, data: bytes) -> None:
        """Take bytes of the client."""

    def work(self) -> bool:
        """Do one piece of work. Returns False where there is none."""

    def outgoing(self) -> bytes:
        """Return bytes for the client."""

    def client_left(self) -> None:
        """Leave the board SAFE, ready for the next client."""


class Served:
    """A board without a byte line: the session ends here."""

    def __init__(self, server: BoardServer) -> None:
        """Take a server around an open link."""
        self._server = server
        self.receive, self.work = server.receive, server.work

    def outgoing(self) -> bytes:
        """Return bytes for the client."""
        return self._server.session.outgoing()

    def client_left(self) -> None:
        """Drive the board to rest. What is left of a command, and what is queued, waits for the next client."""
        self._server.make_safe()


class Relay:
    """A board with a byte line: frames pass unchanged, the session ends at the board."""

    def __init__(self, port: Port) -> None:
        """Take an open port."""
        self._port = port

    def receive(self, data: bytes) -> None:
        """Pass bytes on."""
        self._port.write(data)

    def work(self) -> bool:
        """Nothing is to be done here."""
        return False

    def outgoing(self) -> bytes:
        """Return what the board said."""
        return self._port.read()

    def client_left(self) -> None:
        """Ask the board for rest with a session of our own number, which needs no opening."""
        from hwctl.protocol.frame import Frame, Kind, Safe, encode_frame, pack  # noqa: PLC0415

        with contextlib.suppress(HwctlError):
            self._port.write(encode_frame(Frame(Kind.SAFE, 2**32 - 1, 1, payload=pack(Safe(0)))))


class PtyStream:
    """The master side of a pseudo-terminal."""

    def __init__(self) -> None:
        """Make a pseudo-terminal; `url` is its device's path."""
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.url = os.ttyname(slave)
        os.set_blocking(self._master, False)
        os.close(slave)  # so that a client's end is seen

    def wait(self, writing: bool, patience: float) -> tuple[bool, bool, bool]:
        """Return whether there is a client, whether it sent something, and whether it takes something.

        patience: s that this may take where there is a client and nothing happens.
        """
        poll = select.poll()
        poll.register(self._master, select.POLLIN | (select.POLLOUT if writing else 0))
        events = dict(poll.poll(patience * 1000)).get(self._master, 0)
        if events & select.POLLHUP:
            time.sleep(POLL)
            return False, False, False
        return True, bool(events & select.POLLIN), bool(events & select.POLLOUT)

    def read(self) -> bytes:
        """Return bytes of the client. Raises OSError where it left."""
        return os.read(self._master, CHUNK)

    def write(self, data: bytes) -> int:
        """Send what the client takes. Returns how many bytes that were."""
        return os.write(self._master, data)

    def close(self) -> None:
        """Take the pseudo-terminal away."""
        os.close(self._master)


class TcpStream:
    """A loopback port that one client at a time may connect to."""

    def __init__(self, port: int) -> None:
        """Listen on a port of the loopback, 0: any free one. Raises TargetError where it is taken."""
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listener.bind((LOOPBACK, port))
        except OSError as error:
            self._listener.close()
            raise TargetError(f"cannot listen on {LOOPBACK}:{port} ({error.strerror}); choose another port") from None
        self._listener.listen()
        self._client: socket.socket | None = None
        self.url = f"socket://{LOOPBACK}:{self._listener.getsockname()[1]}"

    def wait(self, writing: bool, patience: float) -> tuple[bool, bool, bool]:
        """Return whether there is a client, whether it sent something, and whether it takes something.

        patience: s that this may take where there is a client and nothing happens.
        """
        client = [self._client] if self._client else []
        patience = patience if client else POLL
        readable, writable, _ = select.select([self._listener, *client], client if writing else [], [], patience)
        if self._listener in readable:
            self._accept()
        return self._client is not None, self._client in readable, self._client in writable

    def _accept(self) -> None:
        new, _ = self._listener.accept()
        if self._client is None:
            new.setblocking(False)
            new.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._client = new
            return
        with contextlib.suppress(OSError):
            new.sendall(BUSY)
        new.close()

    def read(self) -> bytes:
        """Return bytes of the client. Raises OSError where it left."""
        assert self._client is not None
        data = self._client.recv(CHUNK)
        if not data:
            raise ConnectionResetError
        return data

    def write(self, data: bytes) -> int:
        """Send what the client takes. Returns how many bytes that were."""
        assert self._client is not None
        return self._client.send(data)

    def drop(self) -> None:
        """Let the client go."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def close(self) -> None:
        """Stop listening."""
        self.drop()
        self._listener.close()


def serve(stream: PtyStream | TcpStream, far: Far, stop: Callable[[], bool]) -> None:
    """Carry bytes between clients and a board until `stop`. Raises LinkClosed where the board is gone."""
    waiting, present, worked = b"", False, False
    while not stop():
        here, readable, writable = stream.wait(bool(waiting), 0.0 if worked else POLL)
        try:
            if here and readable:
                far.receive(stream.read())
            if here and writable and waiting:
                waiting = waiting[stream.write(waiting) :]
        except BlockingIOError:
            pass
        except OSError:  # the client left in the middle
            here = False
            if isinstance(stream, TcpStream):
                stream.drop()
        if present and not here:
            waiting = b""
            far.client_left()
        present = here
        if present:
            worked = far.work()
            waiting += far.outgoing()
