"""A record comes back as it was, and its twin behaves as the chip that was measured."""

import h5py
import numpy as np
import pytest

from hwctl.calibration.partial import Partial
from hwctl.calibration.plan import Plan
from hwctl.calibration.probe import Known
from hwctl.calibration.procedure import calibrate
from hwctl.calibration.record import Record
from hwctl.calibration.twin import twin
from hwctl.crossbar import Crossbar
from hwctl.devices.chipfile import load_chip
from hwctl.errors import DeviceError, LimitError, RunError
from hwctl.protocol.cells import from_words


def measured(crossbar, budget=60, **options):
    from hwctl.calibration.probe import Probe

    probe = Probe(crossbar, crossbar.region(slice(None)), 16, budget, **options)
    found = calibrate(probe, Plan.of(budget), np.random.default_rng(0), lambda stage: None)
    return found, twin(found, crossbar.identity, probe.shapes, crossbar.rows, crossbar.cols, crossbar.read_voltage)


def test_stuck_cells_that_relaxation_moves_are_named_and_left_out_of_the_curves():
    with Crossbar.open("emulator:?device=neurram&rows=24&cols=24&seed=1&stuck=0.03&relaxation=0.01") as crossbar:
        works = from_words(crossbar.dump().words)["flags"] == 0
        found, _ = measured(crossbar)
    np.testing.assert_array_equal(found.usable, works)
    np.testing.assert_array_equal(found.response.flags == 0, works)
    assert max(curves.sigma.max() for curves in found.curves) < 0.5


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    with Crossbar.open("emulator:?device=hfox-1t1r&rows=32&cols=24&seed=5") as crossbar:
        found, chip = measured(crossbar)
    path = tmp_path_factory.mktemp("record") / "chip.h5"
    Record.of(found, chip, {"chip": "seven", "device": "hfox-1t1r"}).save(path)
    return path, found, chip


def test_what_was_measured_comes_back(record):
    path, found, _ = record
    loaded = Record.load(path)
    assert loaded.attributes["chip"] == "seven"
    np.testing.assert_array_equal(loaded.cells("g_max").reshape(-1), found.upper.found)
    np.testing.assert_array_equal(loaded.arrays["curves/set/mean"], found.curves[0].mean)
    np.testing.assert_array_equal(loaded.arrays["trace/after"], found.trace["after"])
    assert loaded.cells("pulses").max() <= 60


def test_arrays_carry_their_units(record):
    with h5py.File(record[0]) as file:
        assert file["cells/g_min"].attrs["units"] == "S"
        assert file["trace/time"].attrs["units"] == "s"


def test_a_twin_comes_back_to_the_bit(record):
    path, _, chip = record
    loaded = load_chip(path)
    np.testing.assert_array_equal(loaded.cells, chip.cells)
    assert loaded.scales == chip.scales
    assert (loaded.read_code, loaded.write_code) == (chip.read_code, chip.write_code)
    for mine, its in zip(loaded.curves, chip.curves, strict=True):
        for one, other in zip(mine, its, strict=True):
            np.testing.assert_array_equal(one.mean, other.mean)
            np.testing.assert_array_equal(one.sigma, other.sigma)
            assert one.shift == other.shift
    assert loaded.levels[0] == chip.levels[0]


def test_a_twin_begins_where_the_chip_was_left(record):
    path, found, chip = record
    with Crossbar.open(f"emulator:{path}?seed=3") as crossbar:
        assert (crossbar.rows, crossbar.cols) == (32, 24)
        assert crossbar.identity.device.startswith("hfox-1t1r-twin@")
        shown = crossbar.read(averages=64).reshape(-1)
        np.testing.assert_array_equal(crossbar.pulse_counts().reshape(-1), found.spent)
    assert np.nanmax(np.abs(shown - found.last)) < 8 * found.noise.of(16) + chip.device.highest / 4096


@pytest.mark.slow  # up to half a minute and more
def test_a_twin_measured_again_gives_the_same_figures():
    with Crossbar.open("emulator:?device=neurram&rows=32&cols=32&seed=1") as crossbar:
        first, chip = measured(crossbar, 400)
    from hwctl.emulator.board import EmulatedBoard
    from hwctl.links.inprocess import InProcessLink

    with Crossbar(InProcessLink(EmulatedBoard(chip, seed=99), "emulator:")) as crossbar:
        second, _ = measured(crossbar, 400)
    for p in (0, 1):
        for level in range(4, 26):
            one, other = first.curves[p], second.curves[p]
            both = np.hypot(one.pooled_error[level], other.pooled_error[level])
            assert np.mean(np.abs(one.pooled[level] - other.pooled[level]) < 3 * both) > 0.85
    assert abs(np.corrcoef(first.cells.offset, second.cells.offset)[0, 1]) > 0.9
    for name in ("lower", "upper"):
        one, other = getattr(first, name), getattr(second, name)
        reached = one.reached & other.reached
        assert reached.mean() > 0.95
        apart = np.abs(one.found - other.found)[reached]
        assert np.median(apart) < 0.2e-6
        assert apart.max() < 1e-6
    assert second.noise.pooled[0] == pytest.approx(first.noise.pooled[0], rel=0.03)


@pytest.mark.parametrize("damage", ["missing", "no-hdf5", "no-twin", "cut-off"])
def test_a_file_that_is_no_record_is_named(record, tmp_path, damage):
    path = tmp_path / "chip.h5"
    if damage == "no-hdf5":
        path.write_text("chip")
    elif damage != "missing":
        path.write_bytes(record[0].read_bytes())
        with h5py.File(path, "r+") as file:
            if damage == "no-twin":
                del file["twin"]
            else:
                del file.attrs["complete"]
    with pytest.raises(DeviceError, match=r"chip\.h5"):
        load_chip(path)


def test_cells_that_do_not_move_end_the_calibration():
    with Crossbar.open("emulator:?device=neurram&rows=4&cols=4&unformed=1") as crossbar:
        with pytest.raises(DeviceError, match="none of 16 cells moves"):
            measured(crossbar)
        assert crossbar.pulse_counts().max() <= 28


def test_a_budget_that_finds_no_range_is_refused():
    with pytest.raises(LimitError, match="give at least 40"):
        Plan.of(39)


def test_a_part_of_another_calibration_is_not_gone_on_with(tmp_path):
    part = Partial.beside(tmp_path / "chip.h5", {"budget": 60, "device": "neurram"})
    assert part.load() is None
    part.save(Known(np.array([3, 4]), [np.array([1.0, np.nan])], [0.5]))
    known = part.load()
    np.testing.assert_array_equal(known.readings, [[1.0, np.nan]])
    assert known.counted.tolist() == [3, 4]
    assert known.times == [0.5]
    with pytest.raises(RunError, match="has budget 60, not 400; delete it to begin anew"):
        Partial.beside(tmp_path / "chip.h5", {"budget": 400, "device": "neurram"}).load()
    part.remove()
    assert not part.path.exists()
