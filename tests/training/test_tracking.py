"""What the host believes about a cell: predictions that match the board's statistics, and readings that narrow them."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hwctl.devices import presets
from hwctl.devices.presets.linear import Linear
from hwctl.devices.steps import StepModel
from hwctl.training.tracking import Tracker

WRITE = 0.4e-6
READ = 0.2e-6


@dataclass(frozen=True)
class Noisy(Linear):
    """Linear steps with spread, all cells alike, so that nothing but noise makes them differ."""

    write: float = 0.0
    read: float = 0.0
    spread: float = field(default=2.0)

    @property
    def write_noise(self):
        return self.write

    @property
    def read_noise(self):
        return self.read

    def curve(self, level, position):
        mean, _ = super().curve(level, position)
        return mean, self.spread * mean


def model_of(device):
    return StepModel.of(presets.get(device) if isinstance(device, str) else device)


def tracker_of(device, shape=(2, 3)):
    tracker = Tracker(model_of(device), shape)
    return tracker, tuple(grid.ravel() for grid in np.indices(shape))


def observed(tracker, readings, averages=1):
    tracker.observe((slice(None), slice(None)), readings, averages)
    return tracker


# -- predictions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "write"), [(1, 0.0), (1, WRITE), (9, 0.0), (-25, WRITE), (60, 0.0), (-60, 0.0)])
def test_a_prediction_has_the_mean_and_the_variance_that_a_board_shows(lab, count, write):
    device = Noisy(write=write)
    layer = lab.layer(device, rows=60, outputs=30)
    crossbar = layer.tiles[0].crossbar
    start = lab.true_matrix(layer)
    tracker, cells = tracker_of(device, start.shape)
    tracker.mean[...], tracker.variance[...] = start, 0.0
    counts, levels = np.full(start.size, count), np.zeros(start.size, np.int64)
    tracker.predict(cells, counts, levels)
    layer.pulse(cells, counts, levels)
    change = crossbar.read(averages=4096) - start
    # 3600 cells: a mean is known to 1.7% of the deviation, a deviation to 1.2%; a converter's step is 0.024 uS.
    deviation = np.sqrt(tracker.variance.mean() + write**2)  # a reading shows the pulse's write noise as well
    assert (tracker.mean - start).mean() == pytest.approx(change.mean(), abs=0.08 * deviation + 0.02e-6)
    assert deviation == pytest.approx(change.std(), rel=0.08, abs=0.01e-6)


@pytest.mark.parametrize("device", ["ecram", "tiox-passive"])
def test_a_long_train_on_cells_that_differ_is_predicted_as_uncertain_as_it_is(lab, device):
    layer = lab.layer(device, rows=40, outputs=20)
    crossbar = layer.tiles[0].crossbar
    before = crossbar.read(averages=64)
    layer.tracker.mean[...], layer.tracker.variance[...] = before, 0.0
    cells = lab.everywhere(layer)
    layer.pulse(cells, np.full(before.size, 20), np.zeros(before.size, np.int64))
    error = crossbar.read(averages=64) - layer.tracker.mean
    assert np.sqrt((error**2).mean()) < 1.3 * np.sqrt(layer.tracker.variance.mean())


def test_every_cell_moves_by_its_own_count_and_level_at_its_own_conductance():
    tracker, (rows, cols) = tracker_of("hfox-1t1r", (3, 2))
    model = model_of("hfox-1t1r")
    tracker.mean[...] = start = np.array([[20e-6, 90e-6], [150e-6, 20e-6], [20e-6, 60e-6]])
    unknown = tracker.variance.copy()
    tracker.variance[...] = 0.0
    counts = np.array([1, -1, 0, 1, 0, -1])
    levels = np.array([10, 0, 0, 20, 0, 0])
    tracker.predict((rows, cols), counts, levels)
    for i, j, count, level in zip(rows, cols, counts, levels, strict=True):
        at = round((start[i, j] - model.g_min) / (model.g_max - model.g_min) * 255)
        step = 0.0 if count == 0 else model.means[int(count < 0)][level, at]
        sigma = 0.0 if count == 0 else model.sigmas[int(count < 0)][level, at]
        own = model.gain_spread[int(count < 0)] * step
        assert tracker.mean[i, j] == pytest.approx(start[i, j] + step)
        assert tracker.variance[i, j] == pytest.approx(min(sigma**2 + own**2, unknown[i, j]))


def test_cells_that_are_not_pulsed_are_left_alone():
    tracker, _ = tracker_of(Noisy(write=WRITE))
    tracker.variance[...] = 0.0
    mean, variance = tracker.mean.copy(), tracker.variance.copy()
    tracker.predict((np.array([1]), np.array([2])), np.array([3]), np.array([0]))
    changed = np.zeros(mean.shape, bool)
    changed[1, 2] = True
    np.testing.assert_array_equal(tracker.mean != mean, changed)
    np.testing.assert_array_equal(tracker.variance != variance, changed)


def test_write_noise_does_not_add_up_and_no_cell_is_less_known_than_not_at_all():
    tracker, cells = tracker_of(Noisy(write=WRITE))
    unknown = tracker.variance.copy()
    tracker.variance[...] = 0.0
    one = np.ones(tracker.mean.size, np.int64)
    for _ in range(200):
        tracker.predict(cells, one, one * 0)
    np.testing.assert_allclose(np.sqrt(tracker.variance), np.sqrt(200) * 0.2e-6, rtol=0.01)  # steps of 0.1 +- 0.2 uS
    for _ in range(100):
        tracker.predict(cells, one * 400, one * 0)
    np.testing.assert_allclose(tracker.variance, unknown)


@settings(deadline=None)
@given(st.lists(arrays(np.int64, 6, elements=st.integers(-400, 400)), min_size=1, max_size=5))
def test_no_prediction_leaves_the_range(trains):
    tracker, cells = tracker_of("reram-es")
    model = model_of("reram-es")
    for counts in trains:
        tracker.predict(cells, counts, np.zeros(6, np.int64))
        assert (tracker.mean >= model.g_min).all()
        assert (tracker.mean <= model.g_max).all()


# -- readings ------------------------------------------------------------------------------------------------------


def test_a_start_without_knowledge_believes_the_first_reading():
    tracker, _ = tracker_of(Noisy(read=READ))
    wanted = np.linspace(20e-6, 80e-6, 6).reshape(2, 3)
    observed(tracker, wanted)
    np.testing.assert_allclose(tracker.mean, wanted, rtol=1e-3)
    np.testing.assert_allclose(tracker.variance, READ**2, rtol=1e-3)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(10e-6, 90e-6), st.sampled_from([1, 4, 64])), min_size=1, max_size=5))
def test_readings_are_weighted_as_their_noise_demands_and_never_widen(readings):
    tracker, _ = tracker_of(Noisy(read=READ, write=WRITE), (1, 1))
    weights, values = [1 / tracker.variance[0, 0]], [tracker.mean[0, 0]]
    for value, averages in readings:
        before = tracker.variance[0, 0]
        observed(tracker, np.array([[value]]), averages)
        assert tracker.variance[0, 0] < before
        weights.append(1 / (WRITE**2 + READ**2 / averages))
        values.append(value)
    assert tracker.mean[0, 0] == pytest.approx(np.average(values, weights=weights), rel=1e-6)
    assert tracker.variance[0, 0] == pytest.approx(1 / sum(weights), rel=1e-6)


def test_a_saturated_reading_leaves_its_cell_alone():
    tracker, _ = tracker_of(Noisy(read=READ))
    mean, variance = tracker.mean.copy(), tracker.variance.copy()
    readings = np.full((2, 3), 30e-6)
    readings[0, 1] = np.nan
    observed(tracker, readings)
    assert np.isfinite(tracker.mean).all()
    np.testing.assert_array_equal(tracker.mean == mean, np.isnan(readings))
    np.testing.assert_array_equal(tracker.variance == variance, np.isnan(readings))


def test_what_is_forgotten_is_as_uncertain_as_at_the_start():
    tracker, _ = tracker_of("linear")
    start = tracker.variance.copy()
    observed(tracker, np.full((2, 3), 30e-6)).forget()
    np.testing.assert_array_equal(tracker.variance, start)


# -- when to read again --------------------------------------------------------------------------------------------


def test_a_cell_is_stale_where_the_wish_is_small_against_what_is_not_known():
    tracker, cells = tracker_of(Noisy(read=READ))
    deviation = np.sqrt(tracker.variance.ravel())
    wish = deviation * np.array([0.09, 0.11, -0.09, -0.11, 11.0, 1e-9])
    np.testing.assert_array_equal(tracker.stale(wish, cells, 10.0), [True, False, True, False, False, True])
    np.testing.assert_array_equal(tracker.stale(wish, cells, 0.1), [True, True, True, True, False, True])


@pytest.mark.parametrize("device", [Noisy(read=READ), Noisy(write=WRITE, read=READ)])
def test_a_cell_that_was_just_read_is_not_stale_however_small_the_wish(device):
    tracker, cells = tracker_of(device)
    tiny = np.full(6, 1e-12)
    assert tracker.stale(tiny, cells, 10.0).all()
    observed(tracker, np.full((2, 3), 50e-6))
    assert not tracker.stale(tiny, cells, 10.0).any()
    for _ in range(50):
        tracker.predict(cells, np.full(6, 20), np.zeros(6, np.int64))
        tracker.predict(cells, np.full(6, -20), np.zeros(6, np.int64))
    assert tracker.stale(tiny, cells, 10.0).all()


def test_a_device_without_noise_needs_one_reading_only():
    tracker, cells = tracker_of(Linear())
    assert tracker.stale(np.full(6, 1e-12), cells, 10.0).all()
    observed(tracker, np.full((2, 3), 50e-6))
    tracker.predict(cells, np.full(6, 20), np.zeros(6, np.int64))
    assert not tracker.stale(np.full(6, 1e-12), cells, 10.0).any()


def test_a_layer_is_unsure_where_pulses_have_left_its_cells_uncertain():
    tracker, cells = tracker_of(Noisy(read=READ))
    span = tracker._model.g_max - tracker._model.g_min
    observed(tracker, np.full((2, 3), 30e-6), 64)
    assert not tracker.unsure(0.05)
    tracker.variance[cells] += (0.06 * span) ** 2
    assert tracker.unsure(0.05)
    assert not tracker.unsure(0.07)


def test_a_layer_whose_readings_are_noise_is_not_read_for_ever():
    tracker, _ = tracker_of(Noisy(write=20 * WRITE, read=READ))
    observed(tracker, np.full((2, 3), 30e-6), 1)
    assert not tracker.unsure(1e-6)
