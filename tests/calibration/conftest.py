"""Emulated chips whose truth is known, and probes of them."""

from typing import NamedTuple

import numpy as np
import pytest

from hwctl.calibration.probe import Probe
from hwctl.crossbar import Crossbar
from hwctl.devices import presets
from hwctl.devices.chip import fabricate

AVERAGES = 16


class Bench(NamedTuple):
    crossbar: Crossbar
    chip: object
    sigma: float
    """S, of a reading of AVERAGES conversions."""

    def probe(self, budget=400, **options):
        return Probe(self.crossbar, self.crossbar.region(slice(None)), AVERAGES, budget, **options)

    def truth(self, name):
        """Return a field of the cells (cells,), conductances in S."""
        found = self.chip.cells[name].reshape(-1).astype(np.float64)
        return found * self.chip.scales.siemens if name in ("low", "span") else found

    @property
    def ranges(self):
        """Lower and upper bounds of the cells in S."""
        return self.truth("low"), self.truth("low") + self.truth("span")

    @property
    def moving(self):
        return self.chip.cells["flags"].reshape(-1) == 0


@pytest.fixture
def bench():
    """Return a function that opens an emulated chip."""
    opened = []

    def start(device, rows=16, cols=16, seed=0, unformed=0.0, **layers):
        effects = "".join(f"&{name.replace('_', '-')}={value}" for name, value in layers.items())
        target = f"emulator:?device={device}&rows={rows}&cols={cols}&seed={seed}&unformed={unformed}{effects}"
        crossbar = Crossbar.open(target)
        opened.append(crossbar)
        chip = fabricate(presets.get(device), rows, cols, seed, unformed)
        return Bench(crossbar, chip, chip.device.read_noise / np.sqrt(AVERAGES))

    yield start
    for crossbar in opened:
        crossbar.close()
