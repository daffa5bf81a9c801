"""A host on a bus that sends any bytes as commands."""

import numpy as np

from hwctl.protocol.registers import COMMANDS, REPLIES, WORD_BYTES, offset_of

LOOKS = 100_000  # at the board until it must have answered


class RawBus:
    """One session, one record at a time."""

    def __init__(self, bus, session=1):
        self.bus, self.head, self.tail = bus, 0, 0
        self.sizes = {ring: self.get(f"{ring}_BYTES") for ring in ("COMMAND", "REPLY")}
        self.set("SESSION", session)
        assert self.get("SESSION") == session

    def get(self, name):
        return self.bus.read(offset_of(name))

    def set(self, name, value):
        self.bus.write(offset_of(name), value)

    def put(self, raw, reserve, length=None):
        """Put a record into the ring without telling the board of it. length: what the record says of itself."""
        record = np.array([len(raw) if length is None else length, reserve], "<u4").tobytes() + raw
        for word in np.frombuffer(record + bytes(-len(record) % WORD_BYTES), "<u4").tolist():
            self.bus.write(COMMANDS.offset + self.tail % self.sizes["COMMAND"], word)
            self.tail += WORD_BYTES

    def go(self):
        self.set("COMMAND_TAIL", self.tail)

    def wait(self, name, value):
        for _ in range(LOOKS):
            if self.get(name) == value:
                return
        raise AssertionError(f"{name} is {self.get(name)}, not {value}")

    def take(self):
        """Return the next reply, once it is there."""
        for _ in range(LOOKS):
            if self.get("REPLY_TAIL") != self.head:
                break
        length = self.word()
        raw = b"".join(self.word().to_bytes(4, "little") for _ in range(-(-length // WORD_BYTES)))
        self.set("REPLY_HEAD", self.head)
        return raw[:length]

    def word(self):
        found = self.bus.read(REPLIES.offset + self.head % self.sizes["REPLY"])
        self.head += WORD_BYTES
        return found

    def execute(self, raws, reserve):
        """Send commands one after the other and return their replies."""
        found = []
        for raw in raws:
            self.put(raw, reserve)
            self.go()
            found.append(self.take())
        return found
