"""A link in front of the software board that shows what the driver sends and may change what the board says."""

from dataclasses import replace

import pytest

from hwctl.crossbar import Crossbar
from hwctl.links import open_link
from hwctl.protocol import replies
from hwctl.protocol.codec import encode_command, encode_reply


class Recorder:
    """Notes the commands that pass. `says`: fields of Identity to change; `instead`: replies by type of command."""

    def __init__(self, url, says):
        self.url = url
        self.sent = []
        self.instead = {}
        self._link = open_link(url)
        self._says = says
        self._frame = self._reply = float("inf")

    @property
    def bytes_moved(self):
        return self._link.bytes_moved

    def execute(self, command):
        self.sent.append(command)
        reply = self.instead.get(type(command)) or self._link.execute(command)
        if isinstance(reply, replies.Identity):
            reply = replace(reply, **self._says)
            self._frame = min(reply.receive_budget, reply.largest_frame)
            self._reply = min(reply.reply_budget, reply.largest_frame)
        elif not isinstance(reply, replies.Refused):
            assert len(encode_command(command)) <= self._frame
            assert len(encode_reply(reply)) <= self._reply
        return reply

    def post(self, command):
        return self.execute(command)

    def execute_all(self, commands):
        return [self.execute(command) for command in commands]

    def close(self):
        self._link.close()


@pytest.fixture(scope="session")
def opened():
    """Return a function that opens a board of 5 x 7 cells, whose driver's link is a Recorder."""

    def opened(options="", **says):
        more = f"&{options}" if options else ""
        crossbar = Crossbar(Recorder(f"emulator:?rows=5&cols=7&seed=3{more}", says))
        crossbar.link.sent.clear()
        return crossbar

    return opened
