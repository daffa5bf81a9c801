"""Which device a host takes an array's cells for, and what cannot be theirs."""

from dataclasses import replace

import pytest

from hwctl.arrayfile import write_arrays
from hwctl.crossbar import Crossbar
from hwctl.crossbar.known import device_of
from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.devices.chipfile import FORMAT, KIND, chip_arrays
from hwctl.devices.presetfile import save_device
from hwctl.devices.tabulated import tabulate
from hwctl.errors import DeviceError

BOARD = "emulator:?device=neurram&rows=4&cols=3"


@pytest.fixture
def crossbar():
    with Crossbar.open(BOARD) as opened:
        yield opened


@pytest.fixture
def record(tmp_path):
    """Return a function that writes the record of a chip that was measured on a board of a named device."""

    def write(measured):
        attributes, arrays = chip_arrays(fabricate(tabulate(presets.get("neurram"), "mine"), 4, 3, 1))
        path = tmp_path / "chip.h5"
        write_arrays(path, KIND, FORMAT, attributes | {"device": measured}, arrays, {})
        return path

    return write


def test_the_record_of_a_chip_of_the_boards_device_is_taken(crossbar, record):
    path = record("neurram")
    device = device_of(crossbar, str(path))
    assert device.name == "mine"
    with Crossbar.open(f"emulator:{path}") as twin:
        assert device_of(twin, str(path)).reference == device_of(twin).reference == device.reference


def test_the_record_of_a_chip_of_another_device_is_named_with_the_boards(crossbar, record):
    with pytest.raises(DeviceError, match=r"chip.h5 is the record of a chip of ecram, emulator:.* has neurram"):
        device_of(crossbar, str(record("ecram")))


def test_a_device_of_other_drive_levels_is_named_with_the_boards(crossbar, tmp_path):
    with pytest.raises(DeviceError, match=r"ecram has 1 SET levels, emulator:.* \(neurram\) has 29"):
        device_of(crossbar, "ecram")
    whole = tabulate(presets.get("neurram"), "mine")
    save_device(replace(whole, tables=whole.tables[:-1]), tmp_path / "mine.toml")
    with pytest.raises(DeviceError, match=r"mine.toml has 28 RESET levels"):
        device_of(crossbar, str(tmp_path / "mine.toml"))
