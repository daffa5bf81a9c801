"""A layer on tiles computes what its weights say, reads and pulses the cells it is asked to, and no others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwctl.protocol.cells import from_words
from hwctl.protocol.codes import Feature
from hwctl.training.mapping import PairedLayer
from hwctl.training.placement import place

ROWS, OUTPUTS = 11, 7
TILED = [(4, 6)] * 9  # smaller than the layer both ways, with ragged tiles at its edges
ARRAYS = {"whole": None, "tiled": TILED, "tiled on one": [(24, 30)]}
WAYS = pytest.mark.parametrize("arrays", ARRAYS.values(), ids=list(ARRAYS))


def scatter(cells):
    """Give cells of a chip conductances all over the range."""
    cells["state"] = np.random.default_rng(cells.size).integers(0, 0x10000, cells.shape)


def layer_of(lab, arrays=None, device="linear", **options):
    return lab.layer(device, rows=ROWS, outputs=OUTPUTS, arrays=arrays, change=scatter, **options)


def tolerance(layer, largest_input, driven, *, transposed=False):
    """Return how far converters may be off: half a step of either, at most, on every tile."""
    weights = (layer.model.g_max - layer.model.g_min) / layer.k
    of_input = driven * weights * largest_input * 0.5 / 127
    of_output = driven * largest_input * layer.model.g_max / 2047 / layer.k * (1 if transposed else 2)
    return of_input + of_output


@WAYS
@pytest.mark.parametrize("batch", [1, 3, 40])
def test_forward_is_the_product_with_the_weights_that_the_cells_hold(lab, arrays, batch):
    layer = layer_of(lab, arrays)
    x = np.random.default_rng(batch).uniform(-1, 1, (batch, ROWS))
    exact = x @ lab.true_weights(layer)
    off = np.abs(layer.forward(x) - exact)
    assert off.max() < tolerance(layer, 1.0, ROWS)
    assert off.mean() < 0.02 * np.abs(exact).mean()


@WAYS
@pytest.mark.parametrize("batch", [1, 3, 40])
def test_backward_is_the_product_with_the_transposed_weights(lab, arrays, batch):
    layer = layer_of(lab, arrays)
    deltas = np.random.default_rng(batch).uniform(-1, 1, (batch, OUTPUTS))
    exact = deltas @ lab.true_weights(layer).T
    off = np.abs(layer.backward(deltas) - exact)
    assert off.max() < tolerance(layer, 1.0, 2 * OUTPUTS, transposed=True)
    assert off.mean() < 0.02 * np.abs(exact).mean()


@settings(max_examples=20, deadline=None)
@given(size=st.floats(1.0, 1e6), seed=st.integers(0, 99))
def test_inputs_beyond_one_are_scaled_and_the_sums_back(lab, size, seed):
    layer = layer_of(lab)
    x = size * np.random.default_rng(seed).uniform(-1, 1, (2, ROWS))
    assert np.abs(layer.forward(x) - x @ lab.true_weights(layer)).max() < tolerance(layer, size, ROWS)


@settings(max_examples=20, deadline=None)
@given(sizes=st.tuples(st.floats(1e-12, 1e6), st.floats(1e-12, 1e6)), seed=st.integers(0, 99))
def test_every_vector_of_deltas_has_the_converters_full_range(lab, sizes, seed):
    layer = layer_of(lab)
    deltas = np.random.default_rng(seed).uniform(0.2, 1, (2, OUTPUTS)) * np.array(sizes)[:, None]
    off = np.abs(layer.backward(deltas) - deltas @ lab.true_weights(layer).T).max(axis=1)
    assert (off < np.array(sizes) * tolerance(layer, 1.0, 2 * OUTPUTS, transposed=True)).all()


@WAYS
def test_nothing_in_gives_nothing_out(lab, arrays):
    layer = layer_of(lab, arrays)
    np.testing.assert_array_equal(layer.forward(np.zeros((2, ROWS))), 0.0)
    np.testing.assert_array_equal(layer.backward(np.zeros((2, OUTPUTS))), 0.0)


@WAYS
def test_without_a_transposed_vmm_errors_go_back_through_the_last_reading(lab, arrays):
    layer = layer_of(lab, arrays, lacks=Feature.VMM_T)
    assert not layer.transposes
    layer.read()
    read = layer.weights()
    layer.pulse(lab.everywhere(layer), np.full(ROWS * 2 * OUTPUTS, 30), np.zeros(ROWS * 2 * OUTPUTS, np.int64))
    layer.tracker.mean[...] = lab.true_matrix(layer)
    held = layer.weights()
    assert not np.array_equal(read, held)
    deltas = np.random.default_rng(0).uniform(-1, 1, (3, OUTPUTS))
    np.testing.assert_allclose(layer.backward(deltas), deltas @ held.T)


def test_one_board_without_a_transposed_vmm_is_enough_to_go_without(lab):
    boards = [lab.board(rows=4, cols=4), lab.board(rows=4, cols=4, lacks=Feature.VMM_T)]
    tiles = place([(8, 4)], [(4, 4), (4, 4)])[0]
    model = lab.layer().model
    assert not PairedLayer(tiles, boards, model, lab.K).transposes
    assert PairedLayer(tiles, boards[:1] * 2, model, lab.K).transposes


# -- reading -------------------------------------------------------------------------------------------------------


@WAYS
def test_a_reading_of_all_cells_is_put_together_from_the_tiles(lab, arrays):
    layer = layer_of(lab, arrays)
    step = 16 * layer.tiles[0].crossbar.identity.siemens_per_code
    held = lab.true_matrix(layer)
    np.testing.assert_allclose(layer.read(), held, atol=step)
    np.testing.assert_allclose(layer.tracker.mean, held, atol=step)
    np.testing.assert_allclose(layer.plus() - layer.minus(), layer.weights() * layer.k)
    np.testing.assert_allclose(layer.weights(), lab.true_weights(layer), atol=2 * step / layer.k)


@WAYS
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_cells_that_are_read_are_known_and_no_row_without_one_is_touched(lab, arrays, data):
    layer = layer_of(lab, arrays)
    places = data.draw(st.sets(st.tuples(st.integers(0, ROWS - 1), st.integers(0, 2 * OUTPUTS - 1)), min_size=1))
    rows, lines = (np.array(axis) for axis in zip(*sorted(places), strict=True))
    boards = {id(placed.crossbar): placed.crossbar for placed in layer.tiles}.values()
    before, reads = layer.tracker.variance.copy(), sum(board.status().reads for board in boards)
    layer.read_cells((rows, lines))
    known = layer.tracker.variance < before
    assert known[rows, lines].all()
    assert sorted(set(np.nonzero(known)[0])) == sorted(set(rows))
    assert sum(board.status().reads for board in boards) - reads == known.sum()
    np.testing.assert_allclose(layer.tracker.mean[known], lab.true_matrix(layer)[known], atol=0.03e-6)


def saturate(cells):
    cells["low"], cells["span"] = 0, 0xFFFF
    cells["state"] = 0x4000
    cells["state"][0, 0] = 0xFFFF


def test_a_saturated_cell_reads_as_nan_and_keeps_what_is_believed(lab):
    layer = lab.layer(rows=3, outputs=2, change=saturate)
    believed = layer.tracker.mean[0, 0]
    found = layer.read()
    assert np.isnan(found[0, 0])
    assert np.isnan(found).sum() == 1
    layer.read_cells((np.array([0]), np.array([0])))
    assert layer.tracker.mean[0, 0] == believed
    assert np.isfinite(layer.weights()).all()


# -- pulsing -------------------------------------------------------------------------------------------------------


@WAYS
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_every_cell_gets_its_own_pulses_and_no_other_cell_any(lab, arrays, data):
    layer = lab.layer("linear", rows=ROWS, outputs=OUTPUTS, arrays=arrays)
    layer.read()
    places = data.draw(st.sets(st.tuples(st.integers(0, ROWS - 1), st.integers(0, 2 * OUTPUTS - 1)), min_size=1))
    rows, lines = (np.array(axis) for axis in zip(*sorted(places), strict=True))
    counts = np.array(data.draw(st.lists(st.integers(-390, 390), min_size=rows.size, max_size=rows.size)))
    sent = layer.pulse((rows, lines), counts, np.zeros(rows.size, np.int64))
    wanted = np.zeros((ROWS, 2 * OUTPUTS), np.int64)
    wanted[rows, lines] = counts
    np.testing.assert_array_equal(lab.counted(layer), np.abs(wanted))
    assert sent == np.abs(counts).sum()
    # 800 pulses a traverse from the middle of 10 to 90 uS: 0.1 uS each, and the state's rounding on top.
    np.testing.assert_allclose(lab.true_matrix(layer), 50e-6 + 0.1e-6 * wanted, atol=0.06e-6)
    np.testing.assert_allclose(layer.tracker.mean, lab.true_matrix(layer), atol=0.09e-6)


def test_every_cell_is_pulsed_at_its_own_drive_level(lab):
    layer, alone = (lab.layer("hfox-1t1r", rows=4, outputs=4) for _ in range(2))
    rows, lines = lab.everywhere(layer)
    counts = np.where(np.arange(rows.size) % 5 == 0, -1, 1)
    levels = np.where(counts < 0, 0, np.arange(rows.size) % 32)
    layer.pulse((rows, lines), counts, levels)
    for n in range(rows.size):
        crossbar, shapes = alone.tiles[0].crossbar, alone.tiles[0].shapes
        sets = shapes[0][levels[n]] if counts[n] > 0 else shapes[0][0]
        crossbar.pulse_cells(rows[n : n + 1], lines[n : n + 1], counts[n : n + 1], sets, shapes[1][0])
    np.testing.assert_array_equal(words(layer), words(alone))


def words(layer):
    return from_words(layer.tiles[0].crossbar.dump().words)


def random_events(layer, count, seed=0):
    """Return int8 vectors of rows (count, rows) and of lines (count, lines), a half of them 0."""
    rng = np.random.default_rng(seed)
    x, d = rng.integers(-127, 127, (count, layer.rows)), rng.integers(-127, 127, (count, layer.lines))
    return (x * rng.integers(0, 2, x.shape)).astype(np.int8), (d * rng.integers(0, 2, d.shape)).astype(np.int8)


@WAYS
def test_the_pulses_of_events_are_known_cell_by_cell(lab, arrays):
    layer = lab.layer("linear", rows=ROWS, outputs=OUTPUTS, arrays=arrays)
    layer.read()
    still = np.zeros((ROWS, 2 * OUTPUTS), np.bool_)
    pulses = sum(layer.outer_counted(*random_events(layer, 20, seed), 9, still) for seed in range(3))
    np.testing.assert_array_equal(pulses, lab.counted(layer))
    assert (pulses > 0).mean() > 0.9
    np.testing.assert_allclose(layer.tracker.mean, lab.true_matrix(layer), atol=0.3e-6)
    assert (np.abs(layer.tracker.mean - 50e-6) > 0.4e-6).any()


def test_events_widen_what_is_not_known_and_a_reading_narrows_it(lab):
    layer = lab.layer("ecram", rows=4, outputs=3)
    layer.read(64)
    certain = layer.tracker.variance.copy()
    x, d = np.full((200, 4), 127, np.int8), np.tile(np.array([127, -127] * 3, np.int8), (200, 1))
    layer.outer_counted(x, d, 1, np.zeros((4, 6), np.bool_))
    assert (layer.tracker.variance > 4 * certain).all()
    layer.read(64)
    np.testing.assert_allclose(layer.tracker.mean, lab.true_matrix(layer), atol=0.1e-6)


def test_cells_that_stand_still_are_not_believed_to_move(lab):
    layer = lab.layer("linear", rows=4, outputs=3)
    layer.read()
    before, still = layer.tracker.mean.copy(), np.zeros((4, 6), np.bool_)
    still[1, 2] = True
    layer.outer_counted(np.full((1, 4), 127, np.int8), np.full((1, 6), 127, np.int8), 32, still)
    np.testing.assert_array_equal(layer.tracker.mean == before, still)


def test_without_a_transposed_vmm_errors_go_back_through_what_events_are_known_to_have_done(lab):
    layer = lab.layer("linear", rows=4, outputs=3, lacks=Feature.VMM_T)
    layer.read()
    x, d = np.full((1, 4), 127, np.int8), np.array([[127, -127] * 3], np.int8)
    layer.outer_counted(x, d, 32, np.zeros((4, 6), np.bool_))
    assert layer.weights().min() > 0.1
    np.testing.assert_allclose(layer.weights(), lab.true_weights(layer), atol=0.01)
    np.testing.assert_allclose(layer.backward(np.eye(3)), lab.true_weights(layer).T, atol=0.01)


def test_after_events_that_nobody_counted_a_reading_replaces_what_was_believed(lab):
    layer = lab.layer("ecram", rows=4, outputs=3)
    layer.read(64)
    certain = layer.tracker.variance.copy()
    layer.outer(np.full((200, 4), 127, np.int8), np.tile(np.array([127, -127] * 3, np.int8), (200, 1)), 1)
    held = lab.true_matrix(layer)
    assert np.abs(layer.tracker.mean - held).min() > 3e-6
    layer.read(64)
    np.testing.assert_allclose(layer.tracker.mean, held, atol=0.1e-6)
    np.testing.assert_allclose(layer.tracker.variance, certain, rtol=0.01)


def test_without_a_transposed_vmm_every_event_that_nobody_counts_is_followed_by_a_reading(lab):
    layer = lab.layer("linear", rows=4, outputs=3, lacks=Feature.VMM_T)
    layer.read()
    layer.outer(np.full((1, 4), 127, np.int8), np.array([[127, -127] * 3], np.int8), 32)
    np.testing.assert_allclose(layer.weights(), lab.true_weights(layer), atol=0.01)
    assert layer.weights().min() > 0.1
