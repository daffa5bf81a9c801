"""[fpga] of a board file: which pin of which FPGA board has which signal, checked without knowing that board."""

import subprocess
import sys

import pytest

from firmware.analog.boardfile import BoardFile
from firmware.analog.fpga import FpgaPin, bits_of
from firmware.analog.pins import pins_of
from firmware.errors import BoardFileError
from tests.firmware.analog.board_files import GONE, PASSIVE, TRANSISTORS, changed, loaded, on_pins, smaller


def test_every_signal_of_the_gateware_has_its_pins():
    board = BoardFile.load(TRANSISTORS)
    assert board.fpga.platform == "ulx3s-85f"
    assert {name: len(pins) for name, pins in board.fpga.pins.items()} == {
        name: member.shape for name, member in pins_of(board).items()
    }
    assert board.fpga.pins["dac_sync_n"] == (
        FpgaPin("gpio", 0, "1+"), FpgaPin("gpio", 0, "1-"), FpgaPin("gpio", 0, "2+"),
    )  # fmt: skip


@pytest.mark.parametrize("path", [TRANSISTORS, PASSIVE], ids=lambda path: path.stem)
def test_bits_go_to_the_parts_in_the_order_of_the_file(path):
    board = BoardFile.load(path)
    bits = bits_of(board)
    assert bits["enable_n"] == bits["ds"] == tuple(board.chains)
    assert bits["dac_sync_n"] == tuple(board.dacs)
    assert bits["adc_sdo"] == tuple(board.adcs)
    assert set(bits) == set(pins_of(board))


def test_switches_on_pins_have_a_pin_each_and_registers_theirs(tmp_path):
    changes = on_pins(16, 16, ("col_drive", "col_sense")) | smaller(16, 16)
    board = loaded(TRANSISTORS, changes, tmp_path)
    bits = bits_of(board)
    assert bits["enable_n"] == ("row_drive", "gate_drive", "ground")
    assert bits["switch_pins"][:2] == ("col_drive.0", "col_drive.1")
    assert bits["switch_pins"][16:18] == ("col_sense.0", "col_sense.1")
    assert {name: len(goes_to) for name, goes_to in bits.items()} == {
        name: member.shape for name, member in pins_of(board).items()
    }


def test_without_registers_there_are_no_pins_for_them(tmp_path):
    board = loaded(TRANSISTORS, smaller(2, 3) | on_pins(2, 3), tmp_path)
    assert not {"shcp", "ds", "stcp", "enable_n"} & set(bits_of(board))


def test_range_pins_are_none_where_there_are_none(tmp_path):
    changes = {"sense.range_pins": 0, "sense.tia_ohm": [2.5e3], "sense.range_codes": [0]}
    changes |= {"times.sense_settle_s": [2e-6]}
    with pytest.raises(BoardFileError, match=r"fpga.pins.range_pins: no such key"):
        loaded(TRANSISTORS, changes, tmp_path)
    board = loaded(TRANSISTORS, changes | {"fpga.pins.range_pins": GONE}, tmp_path)
    assert "range_pins" not in board.fpga.pins


def test_a_pin_may_name_a_connector_of_its_own(tmp_path):
    board = loaded(TRANSISTORS, {"fpga.pins.dac_sclk": ["pmod:1:3"], "fpga.standard": GONE}, tmp_path)
    assert board.fpga.pins["dac_sclk"] == (FpgaPin("pmod", 1, "3"),)
    assert board.fpga.standard == "LVCMOS33"


def test_a_file_without_it_is_complete():
    assert BoardFile.load(PASSIVE).fpga is None


ERRORS = [
    ({"fpga.platform": GONE}, "fpga.platform is missing; give it"),
    ({"fpga.platfrom": "x"}, "fpga.platfrom: no such key; did you mean platform?"),
    ({"fpga.seed": -1}, "fpga.seed = -1; give a whole number from 0"),
    ({"fpga.standard": "SSTL15"}, "fpga.standard = 'SSTL15'; give 'LVCMOS33' or "),
    ({"fpga.connector": "gpio"}, "fpga.connector = 'gpio'; write it as NAME:NUMBER, such as 'gpio:0'"),
    ({"fpga.pins": ["0+"]}, "fpga.pins = ['0+']; write it as a table [fpga.pins]"),
    ({"fpga.pins.ds": GONE}, "fpga.pins.ds is missing; give it"),
    ({"fpga.pins.dac_sclck": ["6+"]}, "fpga.pins.dac_sclck: no such key; did you mean dac_sclk?"),
    ({"fpga.pins.dac_sclk": "0+"}, "fpga.pins.dac_sclk = '0+'; give a list"),
    ({"fpga.pins.dac_sclk": [0]}, "fpga.pins.dac_sclk[0] = 0; give a text"),
    (
        {"fpga.pins.dac_sync_n": ["1+", "1-"]},
        "fpga.pins.dac_sync_n has 2 entries for 3: rows; cols; gates; give one each, in order",
    ),
    (
        {"fpga.pins.ds.4": "gpio:0:14-"},
        "fpga.pins.ds[4] and fpga.pins.ds[0] are both 'gpio:0:14-'; give each one of its own",
    ),
    ({"fpga.pins.ds.4": "0 +"}, "fpga.pins.ds[4] = '0 +'; write a pin of the connector, such as '0+'"),
    ({"fpga.pins.ds.4": "gpio:0+"}, "fpga.pins.ds[4] = 'gpio:0+'; write a pin of the connector, such as '0+'"),
    ({"fpga.pins.ds.4": ":0+"}, "fpga.pins.ds[4] = ':0+'; write a pin of the connector, such as '0+'"),
    ({"fpga.connector": GONE}, "fpga.pins.dac_sclk[0] = '0+' names no connector; give fpga.connector"),
]


@pytest.mark.parametrize(("changes", "message"), ERRORS, ids=[message[:50] for _, message in ERRORS])
def test_a_mistake_ends_in_one_line(changes, message, tmp_path):
    path = changed(TRANSISTORS, changes, tmp_path)
    with pytest.raises(BoardFileError) as raised:
        BoardFile.load(path)
    assert str(raised.value).startswith(f"{path}: {message}")
    assert "\n" not in str(raised.value)


def test_loading_needs_no_gateware():
    code = (
        "import sys; from pathlib import Path; from firmware.analog.boardfile import BoardFile;"
        "BoardFile.load(Path(sys.argv[1])); assert not {'amaranth', 'amaranth_boards'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(TRANSISTORS)], check=True)
