"""Use of a serial line in a model of it: 3 Mbaud, 1 ms from one end to the other, simulated time, so exact.

For bulk traffic it prints the share of bytes on the line that carry payload (pulse counts, targets, readings), and the
share of the time that the line's busier direction is busy.
"""

import argparse
from collections.abc import Callable, Sequence

import numpy as np

from hwctl.links import open_link
from hwctl.links.server import BUDGET, LARGEST_FRAME, BoardServer
from hwctl.protocol import commands, replies
from hwctl.protocol.codec import encode_command
from hwctl.protocol.codes import ShapePer
from hwctl.protocol.packing import Ramp, Region
from hwctl.protocol.session import HostSession, Phase
from hwctl.protocol.sizes import reply_bytes

SIDE = 256
TARGET = f"emulator:?device=linear&rows={SIDE}&cols={SIDE}"
ROOM = LARGEST_FRAME - 96  # bytes of a frame's arrays
STEP = 20e-6  # s of simulated time between looks


class Direction:
    """One way of the line: bytes leave one after the other and arrive a while later."""

    def __init__(self, bytes_per_second: float, delay: float) -> None:
        self._rate, self._delay = bytes_per_second, delay
        self._queue = bytearray()
        self._flying: list[tuple[float, bytes]] = []
        self._credit = 0.0
        self.moved = 0
        self.busy = 0.0

    def send(self, data: bytes) -> None:
        self._queue += data

    def step(self, now: float) -> bytes:
        """Let STEP pass. Returns what arrives."""
        self._credit += STEP * self._rate
        count = min(int(self._credit), len(self._queue))
        if count:
            self._flying.append((now + self._delay, bytes(self._queue[:count])))
            del self._queue[:count]
            self.moved += count
            self.busy += count / self._rate
        self._credit = min(self._credit - count, 1.0) if len(self._queue) == 0 else self._credit - count
        arrived = b"".join(data for due, data in self._flying if due <= now)
        self._flying = [(due, data) for due, data in self._flying if due > now]
        return arrived


class Model:
    """A host and a board with a line between them."""

    def __init__(self, baud: float, delay: float) -> None:
        self.server = BoardServer(open_link(TARGET), BUDGET, LARGEST_FRAME)
        self.host = HostSession(1)
        self.there, self.back = (Direction(baud / 10, delay) for _ in range(2))
        self.now = 0.0
        for act in (self.host.hello, lambda now: self.host.open(now, 0)):
            act(self.now)
            self.until(lambda: not self.host.pending)
        assert self.host.phase is Phase.OPEN

    def until(self, done: Callable[[], bool]) -> None:
        while not done():
            self.now += STEP
            self.host.tick(self.now)
            self.there.send(self.host.outgoing())
            self.server.receive(self.there.step(self.now))
            while self.server.work():
                pass
            self.back.send(self.server.session.outgoing())
            self.host.receive(self.back.step(self.now), self.now)

    def run(self, traffic: Sequence[commands.Command]) -> tuple[float, float, int]:
        """Send commands. Returns time in s, time that the busier direction was busy, and bytes that it moved."""
        began, moved, busy = self.now, (self.there.moved, self.back.moved), (self.there.busy, self.back.busy)
        numbers = [self.host.submit(encode_command(c), reply_bytes(c)) for c in traffic]
        waiting = set(numbers)

        def answered() -> bool:
            waiting.difference_update([n for n in list(waiting) if self.host.take_reply(n) is not None])
            return not waiting

        self.until(answered)
        used = [
            (self.there.busy - busy[0], self.there.moved - moved[0]),
            (self.back.busy - busy[1], self.back.moved - moved[1]),
        ]
        return self.now - began, *max(used)


def parts(cells: int) -> list[Region]:
    """Return regions of whole rows with at most so many cells, that cover the array."""
    height = cells // SIDE
    return [Region(i, min(i + height, SIDE), 0, SIDE) for i in range(0, SIDE, height)]


def bulk() -> dict[str, tuple[list[commands.Command], int]]:
    """Return commands and their payload bytes for each kind of bulk traffic."""
    rng = np.random.default_rng(0)
    sets, resets = np.array([0], np.uint8), np.array([1], np.uint8)
    found: dict[str, tuple[list[commands.Command], int]] = {}
    pulses: list[commands.Command] = [
        commands.Pulse(r, rng.integers(-2, 3, r.shape).astype(np.int8), ShapePer.COMMAND, sets, resets)
        for r in parts(ROOM)
    ]
    found["pulses"] = pulses * 4, 4 * SIDE * SIDE
    reads: list[commands.Command] = [commands.Read(r, 0, 4, 0) for r in parts(ROOM // 2)]
    found["readings"] = reads * 4, 4 * 2 * SIDE * SIDE
    targets: list[commands.Command] = [
        commands.WriteVerify(
            r, rng.integers(20000, 40000, r.shape).astype(np.uint16), 200, 1, 0, Ramp(0, 0, 0), Ramp(1, 1, 0), 0
        )
        for r in parts(ROOM // 9)
    ]
    found["write-verify"] = targets, 9 * SIDE * SIDE
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--baud", type=float, default=3e6)
    parser.add_argument("--delay", type=float, default=1e-3, help="s from one end to the other")
    options = parser.parse_args()
    model = Model(options.baud, options.delay)
    link = model.server.link
    identity = link.execute(commands.Identify())
    assert isinstance(identity, replies.Identity)
    for polarity, amplitude, width, gate in identity.drive_levels.tolist():
        link.execute(commands.ConfigureShape(polarity, polarity, amplitude, width, gate, 0))
    print(f"{options.baud / 1e6:g} Mbaud, {1e3 * options.delay:g} ms one way, frames of {LARGEST_FRAME} bytes")
    for name, (traffic, payload) in bulk().items():
        seconds, busy, moved = model.run(traffic)
        print(
            f"  {name}: {len(traffic)} commands, {payload:,} bytes of payload in {moved:,} of the busier direction: "
            f"{100 * payload / moved:.1f}%; busy {100 * busy / seconds:.1f}% of {1e3 * seconds:.1f} ms"
        )


if __name__ == "__main__":
    main()
