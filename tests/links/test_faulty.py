import os
import pty
import tty

import pytest

from hwctl.links.faulty import Faults, FaultyPort
from hwctl.links.uart import SerialPort
from hwctl.protocol.frame import Frame, Kind, encode_frame


@pytest.fixture
def line():
    """A pseudo-terminal: the board's end, and a port at the other."""
    board, other = pty.openpty()
    tty.setraw(other)
    port = SerialPort(os.ttyname(other), 115_200)
    yield board, port
    port.close()
    os.close(board)
    os.close(other)


def test_shares_are_of_frames_on_a_line_that_brings_them_in_crumbs(line):
    board, port = line
    faulty = FaultyPort(port, Faults.parse("drop=0.3,seed=5"))
    frames = [encode_frame(Frame(Kind.REPLY, 7, n, 0, bytes(range(1, 60)))) for n in range(1, 21)]
    arrived = b""
    for frame in frames:
        for first in range(0, len(frame), 9):
            os.write(board, frame[first : first + 9])
            arrived += faulty.read()
    whole = sum(frame.strip(b"\0") in arrived for frame in frames)
    assert arrived.replace(b"\0", b"") == b"".join(f.strip(b"\0") for f in frames if f.strip(b"\0") in arrived)
    assert 10 <= whole < 20


def test_bytes_without_a_delimiter_arrive_once_the_line_is_silent(line):
    board, port = line
    os.write(board, b"ERROR\r\n")
    assert read_all(FaultyPort(port, Faults.parse("drop=0.0,seed=5"))) == b"ERROR\r\n"


def read_all(port):
    return port.read() + port.read() + port.read()
