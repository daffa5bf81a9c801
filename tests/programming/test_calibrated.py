"""Cells that a calibration knows: fewer pulses and readings, none for stuck ones, and what is out of reach is named."""

from dataclasses import replace

import numpy as np
import pytest

from hwctl.calibration.plan import Plan
from hwctl.calibration.probe import Probe
from hwctl.calibration.procedure import calibrate
from hwctl.calibration.record import Record
from hwctl.calibration.twin import twin
from hwctl.crossbar import Crossbar
from hwctl.devices.knownchip import load_known
from hwctl.devices.steps import StepModel
from hwctl.errors import DeviceError, LimitError
from hwctl.programming.calibrated import bounds_of
from hwctl.programming.fine import Fine
from hwctl.programming.linemap import LineMap
from hwctl.programming.matrix import program_weights
from hwctl.programming.modelbased import ModelBased, model_based
from hwctl.programming.precise import read_precisely
from hwctl.programming.weights import Bounds
from hwctl.protocol.cells import from_words

US = 1e-6
ROWS, COLS = 16, 12


def opened(device="neurram", seed=5, stuck=0.1, **options):
    more = "".join(f"&{name}={value}" for name, value in options.items())
    return Crossbar.open(f"emulator:?device={device}&rows={ROWS}&cols={COLS}&seed={seed}&stuck={stuck}{more}")


def measured(crossbar, path, budget=400):
    """Calibrate an array and return what its record says."""
    probe = Probe(crossbar, crossbar.region(slice(None)), 16, budget)
    found = calibrate(probe, Plan.of(budget), np.random.default_rng(0), lambda stage: None)
    chip = twin(found, crossbar.identity, probe.shapes, ROWS, COLS, crossbar.read_voltage)
    about = {"device": crossbar.identity.device, "board_rows": ROWS, "board_cols": COLS}
    Record.of(found, chip, about).save(path)
    return load_known(path)


@pytest.fixture
def lab(tmp_path):
    """Return an array that was just calibrated, what its record says, and which cells work."""
    with opened() as crossbar:
        known = measured(crossbar, tmp_path / "chip.h5")
        yield crossbar, known, from_words(crossbar.dump().words)["flags"].reshape(ROWS, COLS) == 0


def targets(seed=1):
    return np.random.default_rng(seed).uniform(2, 39, (ROWS, COLS)) * US


def method(known, **options):
    return ModelBased(known.model, US, pulse_cost=1.0, known=known, **options)


def spent(crossbar, done, before):
    """The board's totals since `before` are those of the result."""
    after = crossbar.status()
    assert after.reads - before.reads == done.reads.sum()
    assert after.set_pulses - before.set_pulses == done.set_pulses.sum()
    assert after.reset_pulses - before.reset_pulses == done.reset_pulses.sum()


def test_known_cells_take_fewer_pulses_and_readings_than_unknown_ones(lab):
    crossbar, known, works = lab
    plain = model_based(crossbar, targets(2), US, model=StepModel.of(known.device), pulse_cost=1.0)
    before = crossbar.status()
    done = method(known).program(crossbar, targets())
    spent(crossbar, done, before)
    assert done.reached[works].all()
    held = crossbar.read(averages=256)
    assert (np.abs(held - targets()) <= US)[works].mean() > 0.99
    assert done.pulses[works].sum() < 0.95 * plain.pulses[works].sum()
    assert done.reads[works].sum() < 0.95 * plain.reads[works].sum()


def test_cells_that_do_not_move_get_no_pulse_and_are_listed(lab):
    crossbar, known, works = lab
    wanted = targets()
    assert not works.all()
    done = method(known).program(crossbar, wanted)
    near = np.abs(known.last - wanted) <= method(known).band
    np.testing.assert_array_equal(done.unreachable, ~works & ~near)
    assert (done.pulses[~works] == 0).all()
    assert (done.reads[~works & ~near] == 0).all()
    assert set(map(tuple, np.argwhere(done.unreachable).tolist())) <= set(done.missed())


def test_a_stuck_cell_that_happens_to_be_on_target_is_read_and_not_pulsed(lab):
    crossbar, known, works = lab
    wanted = np.where(works, targets(), known.last)
    done = method(known).program(crossbar, wanted)
    assert done.reached.all()
    assert (done.pulses[~works] == 0).all()
    assert (done.reads[~works] == 1).all()


def test_a_cell_that_was_not_pulsed_since_is_not_read_first(lab):
    crossbar, known, works = lab
    first = method(known).program(crossbar, targets())
    again = method(known).program(crossbar, targets(2))
    far = np.abs(targets(2) - targets()) > 2 * US
    moved = works & (first.pulses > 0)
    assert moved.sum() > 100
    assert (again.reads[moved & far] >= 2).all()  # before and after its first move
    assert (first.reads[works] == 1).mean() > 0.2


def test_a_stale_record_is_corrected_by_what_the_cells_show(lab):
    crossbar, known, works = lab
    wrong = replace(known, gain=1.8 * known.gain)
    done = method(wrong).program(crossbar, targets())
    assert done.reached[works].mean() > 0.98


def test_targets_beyond_a_cells_own_range_are_named_and_nothing_is_pulsed(lab):
    crossbar, known, works = lab
    wanted, (i, j) = targets(), map(int, np.argwhere(works)[7])
    wanted[i, j] = known.high[i, j] + 1.2 * US
    before = crossbar.status()
    with pytest.raises(LimitError, match=rf"1 targets are outside .*chip.h5.*\({i}, {j}\), or allow unreachable cells"):
        method(known).program(crossbar, wanted)
    assert crossbar.status() == before
    done = method(known).program(crossbar, wanted, allow_unreachable=True)
    assert done.unreachable[i, j]
    assert done.pulses[i, j] == done.reads[i, j] == 0


def test_a_saturated_stuck_cell_is_at_the_converters_end_and_no_reason_to_refuse(lab):
    crossbar, known, works = lab
    i, j = np.argwhere(~works)[0]
    last = known.last.copy()
    last[i, j] = np.nan
    blind = replace(known, last=last)
    done = method(blind).program(crossbar, targets())
    assert done.unreachable[i, j]
    bounds = bounds_of(blind, crossbar, crossbar.region(slice(None)))
    assert bounds.low[i, j] == bounds.high[i, j] > known.device.highest


def test_the_fine_stage_takes_cells_as_they_were_calibrated(lab):
    crossbar, known, works = lab
    wanted, fine = targets(), Fine(known.model, 0.1 * US, 0.02 * US, known=known)
    i, j = map(int, np.argwhere(works)[7])
    wanted[i, j] = known.high[i, j] + 0.5 * US  # within a coarse tolerance of its range, not within this one
    before = crossbar.status()
    with pytest.raises(LimitError, match=rf"1 targets are outside .*chip.h5.*\({i}, {j}\)"):
        fine.program(crossbar, wanted)
    assert crossbar.status() == before
    done = fine.program(crossbar, wanted, allow_unreachable=True)
    spent(crossbar, done, before)
    assert (done.pulses[~works] == 0).all()
    assert done.unreachable[i, j]
    assert done.pulses[i, j] == done.reads[i, j] == 0
    np.testing.assert_array_equal(done.reached, ~done.unreachable)
    held = crossbar.read(averages=4096)
    assert (np.abs(held - wanted) <= 0.1 * US)[done.reached].mean() > 0.98


def test_small_pulses_that_quieten_are_not_for_stuck_cells(tmp_path):
    with opened(rtn=0.05, stuck=0) as crossbar:
        known = measured(crossbar, tmp_path / "chip.h5", 60)
        seen = read_precisely(crossbar, *np.indices((ROWS, COLS)).reshape(2, -1), 0.1 * US, pause=0.02)
        noisy, at = seen.noisy.reshape(ROWS, COLS), seen.mean.reshape(ROWS, COLS)
        held = replace(known, flags=np.where(noisy, 1, 0), last=np.where(noisy, at, known.last))
        fine = Fine(known.model, 2 * US, 0.1 * US, pause=0.02, denoise=2, known=held)
        done = fine.program(crossbar, at)
    assert (done.noisy & done.reached & noisy).sum() > 3
    assert not (done.reached & done.unreachable).any()
    assert not done.pulses[noisy].any()


def test_weights_take_cells_as_they_were_calibrated(lab):
    crossbar, known, works = lab
    drawn = np.random.default_rng(3).normal(0, 0.3, (ROWS, COLS // 2))
    region = crossbar.region(slice(None))
    bounds, straight = bounds_of(known, crossbar, region), LineMap.straight(*drawn.shape)
    np.testing.assert_array_equal(bounds.stuck, ~works)
    plain = ModelBased(StepModel.of(known.device), US, pulse_cost=1.0)
    taken, device = {}, Bounds.of(plain.model, region.shape).holding(~works, known.last)
    for name, asked, weights, within in (("plain", plain, -drawn, device), ("known", method(known), drawn, bounds)):
        done = program_weights(crossbar, weights, 30 * US, region, asked, within, straight)
        assert done.result.reached[works].all()
        assert (done.result.pulses[~works] == 0).all()
        taken[name] = done.result.pulses[works].sum(), done.result.reads[works].sum()
    assert taken["known"][0] < 0.95 * taken["plain"][0]
    assert taken["known"][1] < 0.95 * taken["plain"][1]


def test_a_twin_is_programmed_by_its_record(lab):
    _, known, works = lab
    with Crossbar.open(f"emulator:{known.source}") as crossbar:
        done = method(known).program(crossbar, targets())
    assert done.reached[works].all()


@pytest.mark.parametrize(("device", "budget"), [("hfox-1t1r", 100), ("tiox-passive", 400), ("pcm", 400)])
def test_other_devices_are_programmed_by_their_records(tmp_path, device, budget):
    with opened(device) as crossbar:
        known = measured(crossbar, tmp_path / "chip.h5", budget)
        works = ~known.stuck
        share = np.random.default_rng(1).uniform(0.2, 0.7, (ROWS, COLS))
        wanted = np.where(works, known.low + share * (known.high - known.low), known.last)
        tolerance = 0.03 * (known.device.highest - known.device.lowest)
        done = ModelBased(known.model, tolerance, averages=4, known=known).program(crossbar, wanted)
    assert done.reached[works].mean() > 0.9


def test_a_record_of_another_board_is_named(lab):
    _, known, _ = lab
    with opened("ecram") as other, pytest.raises(DeviceError, match=r"a chip of neurram, the board has ecram"):
        method(known).program(other, targets())
    larger, says = "emulator:?device=neurram&rows=20&cols=12", "of a board of 16 x 12 cells, this one has 20 x 12"
    with Crossbar.open(larger) as other, pytest.raises(DeviceError, match=says):
        method(known).program(other, targets(), slice(0, ROWS))
