"""`python -m firmware simulate --board FILE`: what it refuses before anything is built."""

import subprocess
import sys

import pytest

from hwctl.errors import TargetError
from hwctl.links import open_link
from tests.firmware.analog.board_files import PASSIVE, TRANSISTORS, changed


def said(*arguments):
    """Run the command; return its exit code and what it says of an error."""
    command = [sys.executable, "-m", "firmware", "simulate", "--pty", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    return done.returncode, done.stderr.strip()


@pytest.mark.parametrize("option", [("--rows", 4), ("--device", "linear"), ("--lanes", 2), ("--compact",)])
def test_a_board_file_says_what_the_array_is(option):
    code, error = said("--board", TRANSISTORS, *option)
    assert code == 1
    assert error == ("firmware: a board file says what the array is; give --seed, --unformed, --wires and --vcd alone")


def test_an_emulated_array_has_no_wires():
    assert said("--wires", 3)[1] == "firmware: an emulated array has no wires; give --board FILE.toml as well"


@pytest.mark.parametrize(
    ("source", "changes", "error"),
    [
        (TRANSISTORS, {"pulse.timed_by": "latch"}, "time by 'enable'"),
        (TRANSISTORS, {"watchdog.rest_clocks": 20}, "give as many, or faster switches"),
        (PASSIVE, {"board.cell": "1t1r"}, "board.half_select"),
    ],
)
def test_a_board_that_cannot_be_driven_is_refused_in_one_line(source, changes, error, tmp_path):
    file = changed(source, changes, tmp_path)
    code, line = said("--board", file)
    assert code == 1
    assert error in line
    assert "\n" not in line
    with pytest.raises(TargetError, match="target 'sim:"):
        open_link(f"sim:?board={file}")
