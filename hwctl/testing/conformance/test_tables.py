"""Emulated boards take a seed and step curves. The last file: it leaves other noise and another curve behind."""

import numpy as np
import pytest

from hwctl.protocol import codes, commands, replies
from hwctl.protocol.codes import Polarity
from hwctl.testing.conformance.bench import Bench

pytestmark = pytest.mark.hwctl_emulated
KEYS = 0x0123456789ABCDEF, 0xFEDCBA9876543210
STEP, SHIFT = 100, 12  # of the curve, for cells with a gain of 1


def curve(sigma: int) -> commands.LoadCurve:
    """Return a curve of equal steps for the weakest level of SET."""
    mean, spread = np.full(codes.CURVE_ENTRIES, STEP, np.int16), np.full(codes.CURVE_ENTRIES, sigma, np.uint16)
    return commands.LoadCurve(Polarity.SET, 0, SHIFT, mean, spread)


def test_the_seed_decides_on_all_noise(exact: Bench) -> None:
    found = []
    for key in (KEYS[0], KEYS[1], KEYS[0]):
        exact.done(commands.Seed(key), replies.Done)
        readings = b"".join(exact.read(index).tobytes() for index in range(8))
        with exact.loaded(exact.graded()):
            for count in (3, -2):
                exact.done(exact.pulse(np.full(exact.block.shape, count)), replies.Pulsed)
            found.append((exact.words().tobytes(), readings))
    assert found[0] == found[2]
    if exact.noise > 16.0:  # above one step of the converter
        assert found[0][1] != found[1][1]


def test_a_loaded_curve_moves_cells_by_its_steps(exact: Bench) -> None:
    exact.done(curve(sigma=0), replies.Done)
    levels = exact.identity.drive_levels
    amplitude, width, gate = (int(code) for code in levels[levels[:, 0] == Polarity.SET][0][1:])
    number = 241
    exact.done(commands.ConfigureShape(number, Polarity.SET, amplitude, width, gate, 0), replies.Done)
    cells = exact.graded()
    rows, cols = (np.array([last], np.uint16) for last in (exact.rows - 1, exact.cols - 1))
    three = commands.PulseSparse(rows, cols, np.array([3], np.int8), number, exact.pair[1])
    with exact.loaded(cells):
        exact.done(three, replies.Pulsed)
        moved = exact.cells()["state"].astype(int) - cells["state"]
    assert moved[-1, -1] == 3 * STEP
    assert np.count_nonzero(moved) == 1
    exact.done(curve(sigma=3 * STEP), replies.Done)  # noisy, as devices are
