"""The one suite for every kind of board, on the real gateware."""

import re
import subprocess
import sys

import pytest

from tests.firmware.simulation.geometry import COLS, LANES, ROWS

pytestmark = pytest.mark.slow  # models are compiled

BOARDS = {  # options, and the tests that such a board must pass at least: the others need what it has not
    "reram-es": (("--seed", "2", "--lanes", str(LANES["reram-es"])), 400),
    "hfox-1t1r": (("--device", "hfox-1t1r"), 400),
    "compact": (("--seed", "2", "--compact"), 300),
}


@pytest.fixture
def board(request):
    """Start a simulated board. Returns the path of its pseudo-terminal, and how many tests it must pass."""
    options, least = BOARDS[request.param]
    process = subprocess.Popen(
        [sys.executable, "-m", "firmware", "simulate", "--pty", "--rows", str(ROWS), "--cols", str(COLS), *options],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    said = process.stdout.readline().strip()
    assert said, process.communicate()
    yield said, least
    process.stdin.close()
    process.wait(30)
    process.stdout.close()
    process.stderr.close()


@pytest.mark.parametrize("board", BOARDS, indirect=True)
def test_the_gateware_conforms(run_as_user, board):
    path, least = board
    code, output = run_as_user("--pyargs", "hwctl.testing.conformance", "--hwctl-target", path)
    assert code == 0, output[-3000:]
    assert int(re.search(r"(\d+) passed", output).group(1)) >= least
