"""docs/board-file.md names every key that a board file may have, and its example is worked out right."""

import re
from pathlib import Path

import pytest

from firmware.analog.limits import limit_keys
from firmware.analog.parts import ADCS, DACS, SWITCHES
from firmware.analog.transfer import Transfer, exact
from firmware.analog.wiring import line_keys
from tests.firmware.analog.board_files import PASSIVE, TRANSISTORS, tomllib

PAGE = (Path(__file__).parents[2] / "docs" / "board-file.md").read_text(encoding="utf-8")
OPTIONAL = {"spi_hz", "shift_hz", "read_V", "series_ohm", "half_select", "amplitude_V", "gate_V"}


def keys(found):
    if isinstance(found, list):
        return set().union(*map(keys, found)) if found else set()
    if isinstance(found, dict):
        return set(found).union(*map(keys, found.values()))
    return set()


def test_every_key_is_described():
    known = OPTIONAL | {key for side in ("row", "col", "gate") for part in line_keys(side) for key in part}
    known |= {key for part in limit_keys() for key in part}
    known |= set().union(*(keys(tomllib.loads(path.read_text())) for path in (TRANSISTORS, PASSIVE)))
    described = set(re.findall(r"`\[*([\w.]+?)\]*`|(?<=[{,] )(\w+)(?= =)", PAGE))
    words = {part for match in described for name in match for part in name.split(".")}
    assert known - words == set()


@pytest.mark.parametrize("part", [*DACS, *ADCS, *SWITCHES])
def test_every_part_is_named(part):
    assert part in PAGE


def test_the_wiring_example_is_worked_out_right():
    line = Transfer(exact(5.0) / 4096, 2048, -1, 4095)
    assert line.steps_of(1.0) == 819
    assert "819 steps, code 2048 - 819 = 1229" in PAGE
    assert line.code_of(1.0) == 1229
    assert [round(float(end), 2) for end in line.volts] == [-2.5, 2.5]
