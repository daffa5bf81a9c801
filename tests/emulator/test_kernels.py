"""The compiled loops against the numpy reference, to the bit."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hwctl.devices import law, presets
from hwctl.devices.chip import fabricate
from hwctl.devices.draws import threefry2x32
from hwctl.emulator import kernels
from hwctl.emulator.array import MATMUL_BATCH, EmulatedArray
from hwctl.protocol.cells import CELL
from hwctl.protocol.codes import NO_CURRENT, NO_READING
from hwctl.protocol.packing import Region

ROWS, COLS = 3, 4
WHOLE = Region(0, ROWS, 0, COLS)
NUMBERS = np.arange(ROWS * COLS)
LAST = 0xFFFFFFFF
words32, words64 = st.integers(0, LAST), st.integers(0, 2**64 - 1)


def near(*values, low, high):
    return st.one_of(st.sampled_from(values), st.integers(low, high))


@st.composite
def one_cell(draw):
    low = draw(near(0, 0xFFFF, low=0, high=0xFFFF))
    return (
        draw(near(0, 1, 0xFFFF, 0x8000, low=0, high=0xFFFF)),
        draw(near(0, 0xFFFF, 0x10000, LAST - 1, LAST, low=0, high=LAST)),
        low,
        draw(near(0, 0xFFFF - low, low=0, high=0xFFFF - low)),
        draw(near(0, 4096, 0xFFFF, low=0, high=0xFFFF)),
        draw(near(0, 4096, 0xFFFF, low=0, high=0xFFFF)),
        draw(near(-0x8000, -1, 0, 1, 0x7FFF, low=-40, high=40)),
        draw(st.sampled_from([0, 0, 0, 0, 1, 2, 3, 4, 5, 6])),
        draw(st.integers(0, 15)),
    )


chips_cells = st.lists(one_cell(), min_size=ROWS * COLS, max_size=ROWS * COLS).map(lambda c: np.array(c, CELL))
curves = st.builds(
    law.Curve,
    arrays(np.int16, 64, elements=near(-0x8000, 0x7FFF, 0, low=-0x8000, high=0x7FFF), fill=st.just(7)),
    arrays(np.uint16, 64, elements=near(0xFFFF, 0, low=0, high=0xFFFF), fill=st.just(900)),
    st.integers(11, 24),
)


def reference_pulses(cells, counts, tables, levels, seed):
    for done in range(int(np.abs(counts).max(initial=0))):
        for polarity in (0, 1):
            due = (counts.reshape(-1) * (1 - 2 * polarity)) > done
            part = cells[due]
            law.pulse(part, NUMBERS[due], polarity, np.full(len(part), levels[polarity]), tables[polarity], seed)
            cells[due] = part


def check_pulses(chip, cells, counts, levels, seed):
    array = EmulatedArray(replace(chip, cells=cells.reshape(ROWS, COLS)), seed)
    array.set_shape(9, levels[0], 100)
    array.set_shape(200, levels[1], 30)
    np.testing.assert_array_equal(array.visible.reshape(-1), law.visible(cells, NUMBERS, chip.write_code, seed))
    array.pulse(WHOLE, counts, np.array([9], np.uint8), np.array([200], np.uint8), (0, 0))
    reference_pulses(cells, counts.astype(int), chip.curves, levels, seed)
    np.testing.assert_array_equal(array.cells(WHOLE).reshape(-1), cells)
    np.testing.assert_array_equal(array.visible.reshape(-1), law.visible(cells, NUMBERS, chip.write_code, seed))


@pytest.mark.parametrize("name", sorted(presets.PRESETS))
@settings(max_examples=12, deadline=None)
@given(data=st.data(), cells=chips_cells, seed=words64)
def test_pulses_of_every_preset_are_those_of_the_reference(name, data, cells, seed):
    chip = fabricate(presets.get(name), ROWS, COLS, 1)
    levels = tuple(data.draw(st.integers(0, len(chip.curves[p]) - 1)) for p in (0, 1))
    counts = data.draw(arrays(np.int8, (ROWS, COLS), elements=st.integers(-6, 6)))
    check_pulses(chip, cells, counts, levels, seed)


@settings(max_examples=60, deadline=None)
@given(
    cells=chips_cells,
    seed=words64,
    tables=st.tuples(*2 * [st.lists(curves, min_size=1, max_size=3)]),
    counts=arrays(np.int8, (ROWS, COLS), elements=near(-127, 127, 0, low=-9, high=9)),
    write=near(0, 1, 60000, low=0, high=30000),
)
def test_pulses_of_any_curve_and_cell_are_those_of_the_reference(cells, seed, tables, counts, write):
    chip = replace(fabricate(presets.get("linear"), ROWS, COLS, 1), curves=tables, write_code=write)
    check_pulses(chip, cells, counts, (len(tables[0]) - 1, 0), seed)


@settings(deadline=None)
@given(words32, words32, words32, words32)
def test_hash_is_threefry_with_eight_rounds(key0, key1, x0, x1):
    expected = threefry2x32((key0, key1), (x0, x1), rounds=8)
    assert kernels.hash_pair(key0, key1, x0, x1) == tuple(int(word[0]) for word in expected)
    seed = key0 | key1 << 32
    assert tuple(int(w[0]) for w in law.draw(seed, x0 >> 24, x0 & 0xFFFFFF, x1)) == kernels.hash_pair(
        key0, key1, x0, x1
    )


def test_xi_has_the_moments_that_the_tables_are_scaled_with():
    words = law.draw(3, law.PULSE, np.arange(200_000), 1)[0]
    noise = law.xi(words)
    assert noise.min() >= -510
    assert noise.max() <= 510
    assert abs(noise.mean()) < 4 * law.XI_SIGMA / np.sqrt(noise.size)
    assert abs(noise.std() - law.XI_SIGMA) < 4 * law.XI_SIGMA / np.sqrt(2 * noise.size)
    assert abs(law.XI_SIGMA**2 - 4 * (256**2 - 1) / 12) < 10
    assert [int(kernels._xi(int(w))) for w in words[:500]] == noise[:500].tolist()


def flipped_words(word, bit):
    """Output words of counters as a board uses them, and of the same with one counter bit flipped."""
    n = 1 << 17
    rng = np.random.default_rng(1)
    counter = np.stack([rng.integers(0, 1 << 14, n) | law.PULSE << 24, rng.integers(1, 1 << 12, n)])
    changed = counter.copy()
    changed[word] ^= 1 << bit
    return (threefry2x32((5, 7), tuple(c), rounds=law.ROUNDS) for c in (counter, changed))


@pytest.mark.parametrize(("word", "bits"), [(0, [*range(14), 24, 25, 26]), (1, range(12))])
def test_noise_of_counters_that_differ_in_one_bit_is_all_but_uncorrelated(word, bits):
    """Eight rounds are not perfect: the page gives the worst correlation and bias."""
    for bit in bits:
        for before, after in zip(*flipped_words(word, bit), strict=True):
            assert abs(np.corrcoef(law.xi(before), law.xi(after))[0, 1]) < 0.02 + 4 / np.sqrt(before.size)
            share = ((before ^ after)[:, None] >> np.arange(32, dtype=np.uint32) & 1).mean(axis=0)
            assert np.abs(share - 0.5).max() < 0.09


def test_successive_pulses_of_a_cell_draw_independent_noise():
    n = 1 << 18
    first = law.xi(law.draw(1, law.PULSE, 77, np.arange(n))[0])
    for lag in (1, 2, 3, 4, 8, 64):
        assert abs(np.corrcoef(first[lag:], first[:-lag])[0, 1]) < 4.5 / np.sqrt(n)


def exact_array(visible):
    chip = fabricate(presets.get("linear"), *visible.shape, 0)
    array = EmulatedArray(chip, 0)
    array.visible[...] = visible
    return array


@pytest.mark.parametrize(("dtype", "value"), [("i1", 127), ("i1", -128), ("i2", 32767), ("i2", -32768)])
@pytest.mark.parametrize("transposed", [False, True])
def test_sums_of_785_full_lines_are_exact(dtype, value, transposed):
    array = exact_array(np.full((3, 785) if transposed else (785, 3), 0xFFFF, np.uint16))
    region = Region(0, array.rows, 0, array.cols)
    for batch in (1, MATMUL_BATCH):
        sums = array.sums(region, np.full((batch, 785), value, dtype), transposed)
        assert sums.dtype == np.int64
        assert (sums == 785 * value * 0xFFFF).all()


@pytest.mark.parametrize("transposed", [False, True])
@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(["i1", "i2"]), st.integers(0, 2**32))
def test_sums_are_an_exact_matrix_product(transposed, data, dtype, seed):
    rng = np.random.default_rng(seed)
    rows, cols = data.draw(st.sampled_from([(1, 1), (5, 7), (300, 3), (3, 300), (520, 2)]))
    visible = rng.choice(np.array([0, 1, 0xFFFF, 0x8000, 12345], np.uint16), (rows, cols))
    row0, col0 = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, cols - 1))
    region = Region(row0, rows, col0, cols)
    info = np.iinfo(dtype)
    lines = region.cols if transposed else region.rows
    vectors = rng.choice(np.array([info.min, info.max, 0, 0, 1, -1]), (MATMUL_BATCH + 1, lines)).astype(dtype)
    block = visible[row0:, col0:].astype(np.int64)
    expected = vectors.astype(np.int64) @ (block.T if transposed else block)
    array = exact_array(visible)
    np.testing.assert_array_equal(array.sums(region, vectors, transposed), expected)
    loops = [array.sums(region, vectors[b : b + 1], transposed)[0] for b in range(len(vectors))]
    np.testing.assert_array_equal(loops, expected)


def settings_of(key, read=0, vmm=0):
    entries = np.zeros(len(kernels.SETTINGS), np.int64)
    for name, value in {"cols": COLS, "key0": key & LAST, "key1": key >> 32, "read": read, "vmm": vmm}.items():
        entries[kernels.SETTINGS[name]] = value
    return entries


@settings(deadline=None)
@given(
    arrays(np.uint16, (2, 2)),
    words64,
    near(0, 20_000, low=0, high=300),
    near(1, 256, 640, low=1, high=640),
    st.integers(0, 4),
    st.integers(0, 4),
    near(0, LAST, low=0, high=LAST),
)
def test_readings_are_those_of_the_page(codes, key, noise, voltage, averages_log2, tia_range, index):
    visible = np.zeros((ROWS, COLS), np.uint16)
    visible[1:3, 2:4] = codes
    out = np.empty((2, 2), np.uint16)
    kernels.read_region(visible, 1, 2, voltage, averages_log2, tia_range, index, settings_of(key, read=noise), out)
    for (i, j), code in np.ndenumerate(codes):
        unit = (1 + i) * COLS + 2 + j
        indices = index + np.arange(1 << averages_log2)
        noisy = (int(code) * voltage >> 8) + (noise * law.xi(law.draw(key, law.READ, unit, indices)[0]) >> 8)
        converted = noisy + (1 << tia_range >> 1) >> tia_range
        total = int(np.maximum(converted, 0).sum())
        expected = (total << tia_range) + (1 << averages_log2 >> 1) >> averages_log2
        assert out[i, j] == (NO_READING if converted.max() > 4095 else expected)


@settings(deadline=None)
@given(
    arrays(np.int64, (2, 3), elements=st.integers(-(2**44), 2**44)),
    words64,
    near(0, 20_000, low=0, high=300),
    near(1, 256, 640, low=1, high=640),
    st.sampled_from([7, 15]),
    st.integers(0, 15),
    near(0, LAST, low=0, high=LAST),
    st.booleans(),
)
def test_currents_are_those_of_the_page(sums, key, noise, voltage, scale, tia_range, index, by_row):
    out = np.empty(sums.shape, np.int16)
    kernels.convert_sums(sums, 1, by_row, voltage, scale, tia_range, index, settings_of(key, vmm=noise), out)
    kind = law.ROW if by_row else law.COLUMN
    drawn = law.xi(law.draw(key, kind, 1 + np.arange(3)[None, :], (index + np.arange(2))[:, None])[0])
    total = (sums * voltage >> 8) + ((noise * drawn << scale) >> 8)
    shift = scale + tia_range
    code = total + (1 << shift >> 1) >> shift
    np.testing.assert_array_equal(out, np.where((code >= -2048) & (code <= 2047), code, NO_CURRENT))


def test_quantised_curves_hold_the_steps_that_they_were_made_of():
    rng = np.random.default_rng(0)
    for size in (1e-5, 1e-3, 0.3):
        mean, sigma = size * rng.uniform(-1, 1, 64), size * rng.uniform(0, 2, 64)
        curve = law.quantise_curve(mean, sigma)
        back = law.curve_steps(curve)
        assert law.MIN_SHIFT <= curve.shift <= law.MAX_SHIFT
        quantum = 2.0**-16 * 2.0**-curve.shift
        np.testing.assert_allclose(back[0], mean, atol=quantum * 4096 * 0.51)
        np.testing.assert_allclose(back[1], sigma, atol=quantum * law.XI_SIGMA * 32 * 0.51)
