"""Two records of one chip: what changed is found, what did not is not."""

import numpy as np
import pytest

from hwctl.calibration.compare import compare, named
from hwctl.calibration.plan import Plan
from hwctl.calibration.probe import Probe
from hwctl.calibration.procedure import calibrate
from hwctl.calibration.record import Record
from hwctl.calibration.twin import twin
from hwctl.crossbar import Crossbar
from hwctl.errors import RunError


def recorded(crossbar, **about):
    probe = Probe(crossbar, crossbar.region(slice(None)), 16, 60)
    found = calibrate(probe, Plan.of(60), np.random.default_rng(0), lambda stage: None)
    chip = twin(found, crossbar.identity, probe.shapes, crossbar.rows, crossbar.cols, crossbar.read_voltage)
    return Record.of(found, chip, {"device": "neurram", "row0": 0, "col0": 0, **about})


@pytest.fixture(scope="module")
def records():
    """One chip twice, and a third time after three cells have died and all G_max have fallen by 5%."""
    with Crossbar.open("emulator:?device=neurram&rows=16&cols=16&seed=1") as crossbar:
        first, second = recorded(crossbar), recorded(crossbar)
        cells = crossbar.link._board._array._cells
        cells["flags"].reshape(-1)[[3, 77, 200]] = 2
        cells["span"] = (cells["span"] * 0.95).astype(cells["span"].dtype)
        crossbar.link._board._array.refresh(crossbar.region(slice(None)))
        return first, second, recorded(crossbar)


def test_a_chip_that_did_not_change_shows_no_change(records):
    found = compare(records[0], records[1])
    assert not found.died.any()
    assert not found.revived.any()
    for part in found.cells:
        assert part.sure.mean() < 0.02, part.name
    assert found.pulses.sum() == 0


def test_cells_that_died_and_ranges_that_shrank_are_found(records):
    found = compare(records[0], records[2])
    assert np.flatnonzero(found.died).tolist() == [3, 77, 200]
    assert "stuck" in named(int(found.flags.reshape(-1)[3]))
    change = {part.name: part for part in found.cells}
    assert change["g_max"].mean.value == pytest.approx(-0.05 * 39e-6, rel=0.1)
    assert change["g_max"].sure.mean() > 0.9
    assert change["g_min"].sure.mean() < 0.02
    assert set(found.pulses.reshape(-1)) == set((records[1].cells("pulses")).reshape(-1))


@pytest.mark.parametrize("about", [{"device": "ecram"}, {"row0": 8}, {"chip": "other", "device": "neurram"}])
def test_records_of_different_chips_are_not_compared(records, about):
    mine = Record({**records[0].attributes, "chip": "mine"}, records[0].arrays)
    other = Record({**mine.attributes, **about}, mine.arrays)
    with pytest.raises(RunError, match="same chip and region"):
        compare(mine, other)
