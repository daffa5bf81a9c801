"""What the tests of write-verify methods share: an array, targets and which of its cells work."""

from dataclasses import dataclass

import numpy as np

from hwctl.crossbar import Crossbar
from hwctl.devices import law, presets
from hwctl.devices.chip import fabricate, noise_key
from hwctl.devices.device import DriveLevel
from hwctl.devices.steps import StepModel
from hwctl.devices.tabulated import Spread, StepTable, TabulatedDevice
from hwctl.emulator.board import EmulatedBoard
from hwctl.links.inprocess import InProcessLink
from hwctl.protocol.cells import from_words
from hwctl.protocol.codes import Polarity

US = 1e-6


@dataclass
class Bench:
    crossbar: Crossbar
    model: StepModel
    targets: np.ndarray
    works: np.ndarray


def bench(device="neurram", rows=16, cols=12, seed=5, **options):
    more = "".join(f"&{name}={value}" for name, value in options.items())
    crossbar = Crossbar.open(f"emulator:?device={device}&rows={rows}&cols={cols}&seed={seed}{more}")
    model = StepModel.of(presets.get(device))
    share = np.random.default_rng(seed).uniform(0.1, 0.9, (rows, cols))
    works = from_words(crossbar.dump().words)["flags"].reshape(rows, cols) == 0
    return Bench(crossbar, model, model.g_min + share * (model.g_max - model.g_min), works)


def finely_stepped(noise):
    """A device with 12 drive levels of steps from 0.005% to 10% of 30 to 4200 uS, c2c 30%, d2d 10%; noise in S."""
    centres, tables = law.entry_centres(), []
    for polarity, room in ((Polarity.SET, 1.0 - centres), (Polarity.RESET, centres)):
        for number, size in enumerate(np.geomspace(5e-5, 0.1, 12)):
            level = DriveLevel(polarity, round(1.0 + 0.1 * number, 3), 1e-6, 0.0)
            tables.append(StepTable(level, 2.0 * size * room, 0.6 * size * room))
    return TabulatedDevice(
        name="fine", lowest=30 * US, highest=4200 * US, tables=tuple(tables), spread=Spread(0.1, 0.1), read_sigma=noise
    )


def opened(device, rows, cols, seed=5):
    board = EmulatedBoard(fabricate(device, rows, cols, seed), seed=noise_key(seed))
    return Crossbar(InProcessLink(board, "emulator:"))


def agrees_with_the_board(bench, done):
    """The board's totals are those of the result, and nothing outside the region was touched."""
    status = bench.crossbar.status()
    assert status.reads == done.reads.sum()
    assert (status.set_pulses, status.reset_pulses) == (done.set_pulses.sum(), done.reset_pulses.sum())
    np.testing.assert_array_equal(bench.crossbar.pulse_counts(), done.pulses)
