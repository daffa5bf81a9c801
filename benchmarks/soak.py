"""Soak of the exactly-once session: many frames through a line that drops, flips, doubles, truncates, delays and cuts.

Host and board sessions run against each other in this process, with an emulated board behind; simulated time, so that
the run takes no longer than its work. Afterwards the pulses that the board executed are compared with those that the
host commanded, cell by cell, and replies with those of an undisturbed board. Bounded by --frames.
"""

import argparse
import time
from collections.abc import Iterator

import numpy as np

from hwctl.errors import LinkClosed
from hwctl.links import open_link
from hwctl.links.faulty import Faults, FaultyPort
from hwctl.links.server import BoardServer
from hwctl.protocol import commands, replies
from hwctl.protocol.codec import decode_reply, encode_command
from hwctl.protocol.codes import ShapePer
from hwctl.protocol.packing import Region
from hwctl.protocol.session import HostSession, Phase
from hwctl.protocol.sizes import reply_bytes

ROWS, COLS = 16, 16
TARGET = f"emulator:?device=reram-es&rows={ROWS}&cols={COLS}&seed=1"
TICK = 0.01  # s of simulated time between looks


class Wire:
    """The line of a FaultyPort: what the host writes reaches the board, what the board says is read."""

    name = "soak"
    bytes_per_second = 3e5

    def __init__(self, server: BoardServer) -> None:
        self.server = server
        self.frames = 0

    def write(self, data: bytes) -> None:
        self.frames += data.count(b"\0") // 2
        self.server.receive(data)

    def read(self) -> bytes:
        while self.server.work():
            pass
        said = self.server.session.outgoing()
        self.frames += said.count(b"\0") // 2
        return said

    def reopen(self) -> None:
        pass

    def close(self) -> None:
        self.server.link.close()


def traffic(rng: np.random.Generator) -> Iterator[commands.Command]:
    """Yield pulses of random cells, and a reading now and then."""
    region = Region(0, ROWS, 0, COLS)
    sets, resets = np.array([0], np.uint8), np.array([1], np.uint8)
    index = 0
    while True:
        if rng.random() < 0.1:
            yield commands.Read(region, 0, 4, index)
            index += 1
        elif rng.random() < 0.5:
            counts = rng.integers(-1, 2, (ROWS, COLS)).astype(np.int8)
            yield commands.Pulse(region, counts, ShapePer.COMMAND, sets, resets)
        else:
            cells = rng.integers(0, ROWS * COLS, 4)
            rows, cols = (cells // COLS).astype(np.uint16), (cells % COLS).astype(np.uint16)
            yield commands.PulseSparse(rows, cols, rng.integers(1, 3, 4).astype(np.int8), 0, 1)


def commanded(command: commands.Command) -> np.ndarray:
    """Return the pulses of each cell that a command asks for."""
    counts = np.zeros((ROWS, COLS), np.int64)
    if isinstance(command, commands.Pulse):
        counts += np.abs(command.counts)
    elif isinstance(command, commands.PulseSparse):
        np.add.at(counts, (command.rows, command.cols), np.abs(command.counts))
    return counts


class Soak:
    """Both ends and the line between them, in simulated time."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self.server = BoardServer(open_link(TARGET))
        self.wire = Wire(self.server)
        self.port = FaultyPort(self.wire, faults)
        self.host = HostSession(1 + seed)
        self.now = 0.0
        self.cuts = 0

    def step(self) -> None:
        """Carry bytes both ways once and let a little time pass."""
        self.now += TICK
        self.host.tick(self.now)
        out = self.host.outgoing()
        if out:
            try:
                self.port.write(out)
            except LinkClosed:
                self.cuts += 1  # what was written is lost as a whole
        self.host.receive(self.port.read(), self.now)

    def open(self) -> None:
        """Greet the board and open the session."""
        while self.host.phase is not Phase.OPEN:
            if self.host.phase is Phase.NEW and not self.host.pending:
                self.host.hello(self.now)
            elif self.host.phase is Phase.GREETED and not self.host.pending and self.host.board:
                self.host.open(self.now, self.host.board.session)
            self.step()


def run(frames: int, faults: Faults, seed: int) -> bool:
    """Soak until so many frames have passed. Returns whether nothing was lost, doubled or wrong."""
    started = time.perf_counter()
    soak = Soak(faults, seed)
    quiet = open_link(TARGET)
    soak.open()
    rng = np.random.default_rng(seed)
    source = traffic(rng)
    expected = np.zeros((ROWS, COLS), np.int64)
    waiting: dict[int, bytes] = {}
    sent = wrong = 0

    def submit(command: commands.Command) -> None:
        nonlocal sent
        number = soak.host.submit(encode_command(command), reply_bytes(command))
        reply = quiet.execute(command)
        waiting[number] = b"" if isinstance(reply, replies.Refused) else _essence(reply)
        expected[...] += commanded(command)
        sent += 1

    identity = quiet.execute(commands.Identify())
    assert isinstance(identity, replies.Identity)
    for polarity, amplitude, width, gate in identity.drive_levels.tolist():
        submit(commands.ConfigureShape(polarity, polarity, amplitude, width, gate, 0))
    shown = time.perf_counter()
    while soak.wire.frames < frames or waiting:
        if soak.wire.frames < frames and len(waiting) < 24:
            submit(next(source))
        soak.step()
        for number in list(waiting):
            raw = soak.host.take_reply(number)
            if raw is not None:
                wrong += _essence(decode_reply(raw)) != waiting.pop(number)
        if time.perf_counter() - shown > 10:
            shown = time.perf_counter()
            print(f"  {soak.wire.frames:,} frames, {sent:,} commands, {wrong} wrong", flush=True)
    region = Region(0, ROWS, 0, COLS)
    counts = soak.server.link.execute(commands.Counters(region))
    assert isinstance(counts, replies.Counts)
    off = counts.counts.astype(np.int64) - expected
    bad = soak.server.session.bad.total + soak.host.bad.total
    met = ", ".join(f"{kind} {count:,}" for kind, count in soak.port.met.items())
    print(
        f"{soak.wire.frames:,} frames, {sent:,} commands, {expected.sum():,} pulses commanded, "
        f"{counts.counts.sum():,} executed\n"
        f"  cells with lost pulses {(off < 0).sum()}, with doubled ones {(off > 0).sum()}; wrong replies {wrong}\n"
        f"  faults: {met}; cut off {soak.cuts:,}; broken frames found {bad:,}, repeated commands "
        f"{soak.server.session.repeats:,}\n"
        f"  {soak.now:,.0f} s of simulated time in {time.perf_counter() - started:,.0f} s"
    )
    return not off.any() and wrong == 0


def _essence(reply: replies.Reply) -> bytes:
    """Return what a reply says, for a comparison."""
    if isinstance(reply, replies.Readings):
        return reply.readings.tobytes()
    if isinstance(reply, replies.Pulsed):
        return f"{reply.set_pulses} {reply.reset_pulses}".encode()
    return type(reply).__name__.encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=1_000_000, help="frames that pass the line, in both directions")
    parser.add_argument("--share", type=float, default=0.01, help="of frames that meet each kind of fault")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    share = options.share
    # A frame has about 100 bytes: one in a hundred is flipped where a byte is with a hundredth of that.
    faults = Faults(share / 100, share, share, share, share, share, options.seed)
    if not run(options.frames, faults, options.seed):
        raise SystemExit("FAILED: pulses executed are not pulses commanded")


if __name__ == "__main__":
    main()
