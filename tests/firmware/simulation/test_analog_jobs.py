"""The jobs of the command line over a UART, gateware and SPI on an array of floats: training, and calibration."""

import re
import subprocess
import sys

import pytest

from firmware.analog.boardfile import BoardFile
from firmware.simulation.floatcells import FloatCells
from hwctl.calibration.record import Record
from tests.firmware.simulation.analog_boards import board_file

pytestmark = pytest.mark.slow  # models are compiled

START = [sys.executable, "-c", "from hwctl.cli import main; main()"]
TIMEOUT = 900.0  # s, the model's compilation on a busy machine included


def run(*arguments):
    """Run hwctl; return what it says."""
    done = subprocess.run([*START, *map(str, arguments)], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_wbc_is_learned_on_a_physical_array_within_its_pulse_budget(tmp_path):
    target = f"sim:?board={board_file('ideal', tmp_path)}&seed=1"
    said = run(
        "train", "wbc", "--target", target, "--hidden", 6, "--epochs", 1, "--pulse-budget", 1000,
        "--run", tmp_path / "run",
    )  # fmt: skip
    assert float(re.search(r"test accuracy ([\d.]+)%", said).group(1)) > 90
    assert int(re.search(r"worst cell (\d+)", said).group(1)) <= 1000


def test_a_physical_array_is_calibrated_within_its_pulse_budget(tmp_path):
    file, out = board_file("1t1r", tmp_path), tmp_path / "chip.h5"
    said = run(
        "calibrate", "--target", f"sim:?board={file}&seed=1", "--rows", "0:3", "--cols", "0:3", "--budget", 60,
        "--out", out,
    )  # fmt: skip
    cells = FloatCells(BoardFile.load(file), 1)
    stuck = int(cells.stuck[:3, :3].sum())
    assert f"9 cells: {9 - stuck} moving" in said
    found = re.search(r"G_min ([\d.]+) uS .*, G_max ([\d.]+) uS", said)
    moving = ~cells.stuck[:3, :3]
    for value, bound in zip(found.groups(), (cells.low, cells.high), strict=True):
        assert float(value) * 1e-6 == pytest.approx(bound[:3, :3][moving].mean(), rel=0.1, abs=3e-6)
    assert Record.load(out) is not None
