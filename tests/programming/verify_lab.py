"""What the tests of write-verify methods share: an array, targets and which of its cells work."""

from dataclasses import dataclass

import numpy as np

from hwctl.crossbar import Crossbar
from hwctl.devices import presets
from hwctl.devices.steps import StepModel
from hwctl.protocol.cells import from_words

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


def agrees_with_the_board(bench, done):
    """The board's totals are those of the result, and nothing outside the region was touched."""
    status = bench.crossbar.status()
    assert status.reads == done.reads.sum()
    assert (status.set_pulses, status.reset_pulses) == (done.set_pulses.sum(), done.reset_pulses.sum())
    np.testing.assert_array_equal(bench.crossbar.pulse_counts(), done.pulses)
