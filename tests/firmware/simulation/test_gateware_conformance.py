"""The one suite for every kind of board, on the real gateware."""

import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow  # models are compiled

BOARDS = {
    "reram-es": ("--rows", "9", "--cols", "8", "--seed", "2", "--lanes", "2"),
    "hfox-1t1r": ("--rows", "5", "--cols", "7", "--device", "hfox-1t1r"),
}


@pytest.fixture
def path(request):
    """Start a simulated board and return the path of its pseudo-terminal."""
    process = subprocess.Popen(
        [sys.executable, "-m", "firmware", "simulate", "--pty", *BOARDS[request.param]],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    said = process.stdout.readline().strip()
    assert said, process.communicate()
    yield said
    process.stdin.close()
    process.wait(30)
    process.stdout.close()
    process.stderr.close()


@pytest.mark.parametrize("path", BOARDS, indirect=True)
def test_the_gateware_conforms(run_as_user, path):
    code, output = run_as_user("--pyargs", "hwctl.testing.conformance", "--hwctl-target", path)
    assert code == 0, output[-3000:]
    assert int(re.search(r"(\d+) passed", output).group(1)) > 400
