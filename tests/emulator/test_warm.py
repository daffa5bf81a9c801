"""Kernels are compiled before a host waits for them, and the board does not notice."""

import re
from pathlib import Path

import pytest

from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.emulator import array, kernels
from hwctl.emulator.board import EmulatedBoard
from hwctl.emulator.layers import Layers
from hwctl.emulator.warm import compile_kernels
from hwctl.protocol import commands
from hwctl.protocol.codec import encode_reply
from hwctl.protocol.codes import Feature
from hwctl.protocol.packing import Region


def board(**options):
    return EmulatedBoard(fabricate(presets.get("reram-es"), 3, 4, seed=1), seed=5, **options)


def seen(of):
    return [encode_reply(of.execute(command)) for command in (commands.Status(), commands.Dump(Region(0, 3, 0, 4)))]


@pytest.mark.parametrize("lacks", [Feature(0), Feature.VMM_T | Feature.OUTER_COUNT | Feature.WRITE_VERIFY])
def test_a_board_stays_as_it_is(lacks):
    prepared = board(lacks=lacks)
    compile_kernels(prepared)
    assert seen(prepared) == seen(board(lacks=lacks))


def test_a_board_with_analog_layers_stays_as_it_is():
    chip = fabricate(presets.get("reram-es"), 3, 4, seed=1)
    prepared, other = (EmulatedBoard(chip, seed=5, layers=Layers.build(chip, row_ohm=2.0)) for _ in range(2))
    compile_kernels(prepared)
    assert seen(prepared) == seen(other)


def test_every_kernel_that_a_command_calls_is_called(monkeypatch):
    called = set()

    class Recorder:
        def __getattr__(self, name):
            called.add(name)
            return getattr(kernels, name)

    named = set(re.findall(r"kernels\.([a-z]\w+)\(", Path(array.__file__).read_text()))
    monkeypatch.setattr(array, "kernels", Recorder())
    compile_kernels(board())
    seldom = {"refresh_region", "form_region"}  # of LOAD_CELLS, RESTORE and FORM
    layers = {"column_sums", "row_sums"}  # of boards with analog layers
    assert named - called <= seldom | layers
