"""A short program of commands in CXXRTL: the replies are those of the software board."""

import numpy as np
import pytest

from firmware.board import Board
from firmware.parameters import Parameters
from firmware.simulation.second import answers, second_program
from firmware.simulation.top import CORE
from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.emulator.board import EmulatedBoard
from hwctl.protocol import commands
from hwctl.protocol.codec import encode_command, encode_reply
from hwctl.protocol.codes import Feature, Polarity, ShapePer
from hwctl.protocol.frame import Deframer, Frame, HelloInfo, Kind, Open, encode_frame, pack, unpack
from hwctl.protocol.packing import Region
from hwctl.protocol.sizes import reply_bytes

ROWS, COLS, KEY, SESSION = 3, 4, 77, 0x1A2B3C4D


def program(chip):
    """Return a few commands that move, multiply and read cells."""
    region = Region(0, ROWS, 0, COLS)
    for polarity in (Polarity.SET, Polarity.RESET):
        level = chip.levels[polarity][0]
        volts, seconds = chip.scales.volts, chip.scales.seconds
        yield commands.ConfigureShape(
            polarity, polarity, round(level.amplitude / volts), round(level.width / seconds), 0, 0
        )
    counts = np.arange(-6, 6, dtype=np.int8).reshape(ROWS, COLS)
    yield commands.Pulse(region, counts, ShapePer.COMMAND, np.zeros(1, np.uint8), np.ones(1, np.uint8))
    yield commands.Read(region, 2, 4, 9)
    yield commands.Vmm(region, np.array([[5, -7, 100]], np.int8), 6, 3)
    yield commands.Dump(region)
    yield commands.Status()


@pytest.mark.slow
def test_a_second_simulator_gives_the_replies_of_the_software_board(tmp_path):
    chip = fabricate(presets.get("reram-es"), ROWS, COLS, seed=4)
    board = Board(Parameters(rows=ROWS, cols=COLS, divisor=4), chip, KEY, build="x", initial=True, core=CORE)
    built = second_program(board, tmp_path)
    hello = encode_frame(Frame(Kind.HELLO, SESSION, 1, 0, b""))
    (info,) = Deframer(4096).feed(answers(built, hello))
    boot = unpack(HelloInfo, info.payload).boot
    sent = hello + encode_frame(Frame(Kind.OPEN, SESSION, 2, 0, pack(Open(0, boot))))
    expected, reference = {}, EmulatedBoard(chip, seed=KEY, lacks=Feature.MEASURE)
    for number, command in enumerate(program(chip), 1):
        reserve = max(reply_bytes(command), 192).to_bytes(4, "little")
        sent += encode_frame(Frame(Kind.COMMAND, SESSION, number, 0, reserve + encode_command(command)))
        expected[number] = encode_reply(reference.execute(command))
    frames = Deframer(4096).feed(answers(built, sent))
    assert {frame.sequence: frame.payload for frame in frames if frame.kind is Kind.REPLY} == expected
