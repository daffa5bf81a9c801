"""The digital twin of a chip on the gateware: as in the emulator, to the bit."""

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from firmware.__main__ import app as firmware
from firmware.simulation.board import simulated
from hwctl.arrayfile import write_arrays
from hwctl.calibration.plan import Plan
from hwctl.calibration.probe import Probe
from hwctl.calibration.procedure import calibrate
from hwctl.calibration.twin import twin
from hwctl.cli.app import app as hwctl
from hwctl.crossbar import Crossbar
from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.devices.chipfile import FORMAT, KIND, chip_arrays
from tests.firmware.simulation.geometry import COLS, LANES, ROWS

pytestmark = pytest.mark.slow  # models are compiled

DEVICE = "reram-es"
SEED = 9  # of the noise


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Return a record, always of the same bytes: the model is compiled once. Its noise is the preset's."""
    with Crossbar.open(f"emulator:?device={DEVICE}&rows={ROWS}&cols={COLS}&seed=4") as crossbar:
        probe = Probe(crossbar, crossbar.region(slice(None)), 16, 60)
        found = calibrate(probe, Plan.of(60), np.random.default_rng(0), lambda stage: None)
        chip = twin(found, crossbar.identity, probe.shapes, ROWS, COLS, crossbar.read_voltage)
    preset = fabricate(presets.get(DEVICE), ROWS, COLS, 0)
    chip = replace(chip, write_code=preset.write_code, read_code=preset.read_code)
    path = tmp_path_factory.mktemp("twin") / "chip.h5"
    write_arrays(path, KIND, FORMAT, *chip_arrays(chip), {})
    return path


def session(target):
    """Return everything that a board answers to readings, products and pulses, and its cells at the end."""
    with Crossbar.open(target) as crossbar:
        rng = np.random.default_rng(3)
        (weak, *_), (back, *_) = (crossbar.drive_levels(p) for p in (0, 1))
        seen = []
        for _ in range(4):
            seen.append(crossbar.read(averages=4, over_range="nan"))
            seen.append(crossbar.vmm(rng.uniform(-0.1, 0.1, (3, ROWS)), over_range="nan"))
            crossbar.pulse(rng.integers(-20, 21, (ROWS, COLS)), weak, back)
        status = crossbar.status()
        seen.append(np.array([status.set_pulses, status.reset_pulses, status.reads]))
        return seen, crossbar.identity.device, crossbar.dump().words


def test_a_twin_in_the_gateware_is_the_emulators_to_the_bit(record):
    gateware = session(f"sim:{record}?seed={SEED}&lanes={LANES[DEVICE]}")
    emulator = session(f"emulator:{record}?seed={SEED}")
    assert np.ptp(emulator[0][0]) > 0
    np.testing.assert_equal(gateware, emulator)


def test_a_twin_that_is_loaded_into_a_board_is_the_emulators_to_the_bit(record):
    with simulated(DEVICE, ROWS, COLS, 2, lanes=LANES[DEVICE]) as board:
        done = CliRunner().invoke(hwctl, ["load", str(record), "--target", board.path, "--seed", str(SEED)])
        assert done.exit_code == 0, done.output
        assert f"noise stay those of the board's {DEVICE}" in done.output
        seen, named, words = session(board.path)
    expected, _, cells = session(f"emulator:{record}?seed={SEED}")
    assert named == DEVICE
    np.testing.assert_equal(seen, expected)
    np.testing.assert_array_equal(words, cells)


@pytest.mark.parametrize("command", [["simulate", "--pty", "--rows", "7"], ["build", "ulx3s-85f", "--cols", "8"]])
def test_a_record_leaves_no_geometry_to_be_chosen(record, command):
    done = CliRunner().invoke(firmware, [*command, "--chip", str(record)])
    assert done.exit_code == 1
    assert "a record says" in str(done.exception)
