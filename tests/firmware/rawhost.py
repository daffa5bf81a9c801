"""A host that sends bytes as they are: whole sessions on a real serial port, commands that nobody checks."""

import secrets
import time

from hwctl.links.uart import SerialPort
from hwctl.protocol.frame import Kind
from hwctl.protocol.session import HostSession, Phase

DEADLINE = 60.0  # s


class RawHost:
    """Executes encoded commands on the board behind a pseudo-terminal."""

    def __init__(self, path):
        self.port = SerialPort(path, 115_200)
        self.session = HostSession(secrets.randbelow(2**32 - 1) + 1)
        self.session.hello(time.monotonic())
        self.pump(lambda: Kind.HELLO not in self.session.pending)
        self.session.open(time.monotonic(), self.session.board.session)
        self.pump(lambda: self.session.phase is Phase.OPEN)

    def pump(self, done):
        deadline = time.monotonic() + DEADLINE
        while not done():
            assert time.monotonic() < deadline, "the board does not answer"
            self.session.tick(time.monotonic())
            out = self.session.outgoing()
            if out:
                self.port.write(out)
            data = self.port.read()
            if data:
                self.session.receive(data, time.monotonic())

    def execute(self, raws, reserve):
        """Return the encoded replies; reserve: bytes that each may take."""
        numbers = [self.session.submit(raw, reserve) for raw in raws]
        found = {}

        def take():
            for number in numbers:
                reply = None if number in found else self.session.take_reply(number)
                if reply is not None:
                    found[number] = reply
            return len(found) == len(numbers)

        self.pump(take)
        return [found[number] for number in numbers]

    def close(self):
        self.port.close()
