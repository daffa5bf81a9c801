"""Any bytes on the UART: the board stays alive, executes nothing of them, counts them, and answers the next frame."""

import random
import time

import numpy as np
import pytest
from cobs import cobs

from firmware.simulation.board import simulated
from hwctl.links.uart import SerialPort
from hwctl.protocol import commands
from hwctl.protocol.codec import decode_reply, encode_command
from hwctl.protocol.frame import Frame, Kind, encode_frame
from hwctl.protocol.packing import Region
from tests.firmware.rawhost import RawHost
from tests.firmware.simulation.geometry import COLS, LANES, ROWS

pytestmark = pytest.mark.slow  # models are compiled

REGION = Region(0, ROWS, 0, COLS)


@pytest.fixture(scope="module")
def board():
    with simulated("reram-es", ROWS, COLS, seed=1, lanes=LANES["reram-es"]) as started:
        yield started


def state(path):
    """Return the cells, the totals and the number of bad frames."""
    host = RawHost(path)
    try:
        raws = [encode_command(command) for command in (commands.Dump(REGION), commands.Status())]
        dumped, status = map(decode_reply, host.execute(raws, 2000))
    finally:
        host.close()
    totals = status.set_pulses, status.reset_pulses, status.reads, status.busy
    return dumped.words.tobytes(), totals, status.faults >> 16


def hostile(rng):
    """Yield pieces of noise: bytes, broken frames, whole frames of no session, of boards and of unknown kinds."""
    pulse = commands.PulseSparse(np.zeros(1, np.uint16), np.zeros(1, np.uint16), np.ones(1, np.int8), 0, 0)
    good = encode_frame(
        Frame(Kind.COMMAND, rng.getrandbits(32) or 1, 1, 0, bytes((192, 0, 0, 0)) + encode_command(pulse))
    )
    yield rng.randbytes(rng.randrange(400))
    yield bytes([0]) * rng.randrange(9) + bytes([rng.randrange(256)]) * rng.randrange(6000)
    damaged = bytearray(good)
    damaged[rng.randrange(1, len(good) - 1)] ^= 1 << rng.randrange(8)
    yield bytes(damaged)
    yield good[: rng.randrange(len(good))]
    yield good
    yield b"\0" + cobs.encode(rng.randbytes(rng.randrange(5000))) + b"\0"
    yield encode_frame(Frame(rng.choice(list(Kind)), rng.getrandbits(32), rng.getrandbits(32), 7, rng.randbytes(40)))


@pytest.mark.parametrize("seed", range(6))
def test_no_bytes_harm_the_board(board, seed):
    rng = random.Random(seed)
    words, totals, _ = state(board.path)
    port = SerialPort(board.path, 115_200)
    for _ in range(10):
        pieces = list(hostile(rng))
        rng.shuffle(pieces)
        for piece in pieces:
            port.write(piece)
        time.sleep(0.01)
        port.read()
    port.close()
    assert not board.ended
    after = state(board.path)
    assert after[:2] == (words, totals)
    assert after[2] > 0
