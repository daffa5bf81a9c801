"""Readings, products and measurements are the cells' conductances in SI units, to the converter's precision."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hwctl.devices import presets
from hwctl.errors import LimitError, OverRange
from hwctl.protocol import commands
from hwctl.protocol.cells import from_words
from hwctl.protocol.codes import Polarity

SET, RESET = Polarity.SET, Polarity.RESET
READ_STEP = 16  # conductance codes: READ spans all of them with 12 bits
NAN = float("nan")


def scattered(opened, device="linear", **says):
    """Return a board whose cells stand all over their range, and their conductances in S."""
    crossbar = opened(f"device={device}", **says)
    shapes = [crossbar.drive_levels(polarity)[0] for polarity in (SET, RESET)]
    for seed in (1, 2, 3):
        crossbar.pulse(np.random.default_rng(seed).integers(-127, 128, (5, 7)), *shapes)
    truth = conductances(crossbar)
    crossbar.link.sent.clear()
    return crossbar, truth


def conductances(crossbar):
    cells = (
        from_words(crossbar.dump().words)
        .reshape(5, 7)
        .astype([(name, np.int64) for name in ("state", "count", "low", "span", "a", "b", "c", "d", "e")])
    )
    return (cells["low"] + (cells["state"] * cells["span"] >> 16)) * crossbar.identity.siemens_per_code


# -- READ ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("volts", [0.05, 0.1, 0.15, 0.2])
def test_a_reading_is_the_conductance_to_half_a_step_of_the_converter(opened, volts):
    crossbar, truth = scattered(opened)
    crossbar.configure_read(volts)
    step = READ_STEP * crossbar.identity.siemens_per_code * 0.2 / volts
    np.testing.assert_allclose(crossbar.read(), truth, atol=0.51 * step)
    assert np.ptp(truth) > 10e-6


@settings(max_examples=20, deadline=None)
@given(st.floats(0.02, 0.2))
def test_at_any_read_voltage_a_reading_is_right_to_one_256th_of_the_nominal_voltage(opened, volts):
    crossbar, truth = scattered(opened)
    crossbar.configure_read(volts)
    step = READ_STEP * crossbar.identity.siemens_per_code * 0.2 / crossbar.read_voltage
    # A board counts its read voltage in 256ths of the nominal one, rounded down.
    np.testing.assert_allclose(crossbar.read(), truth, atol=0.6 * step, rtol=0.2 / crossbar.read_voltage / 256)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_a_region_reads_as_in_the_whole_array(opened, data):
    crossbar, _ = scattered(opened, "reram-es")
    rows = sorted(data.draw(st.lists(st.integers(0, 5), min_size=2, max_size=2, unique=True)))
    cols = sorted(data.draw(st.lists(st.integers(0, 7), min_size=2, max_size=2, unique=True)))
    whole = crossbar.read(averages=2)
    crossbar.noise_index = 0
    part = crossbar.read(slice(*rows), slice(*cols), averages=2)
    np.testing.assert_array_equal(part, whole[slice(*rows), slice(*cols)])
    crossbar.noise_index = 0
    np.testing.assert_array_equal(crossbar.read(crossbar.region(slice(*rows), slice(*cols)), averages=2), part)


def test_readings_differ_by_their_noise_and_the_index_put_back_gives_the_same_bits(opened):
    crossbar, _ = scattered(opened, "reram-es")
    first, second = crossbar.read(averages=4), crossbar.read(averages=4)
    assert crossbar.noise_index == 8
    assert (first != second).any()
    crossbar.noise_index = 0
    np.testing.assert_array_equal(crossbar.read(averages=4), first)


def test_averages_lower_the_noise_by_their_root(opened):
    crossbar, _ = scattered(opened, "hfox-1t1r")
    noise = {}
    for averages in (1, 64):
        many = np.array([crossbar.read(averages=averages) for _ in range(200)])
        noise[averages] = np.median(many.std(axis=0))
    assert noise[1] == pytest.approx(presets.get("hfox-1t1r").read_noise, rel=0.1)
    assert noise[1] / noise[64] == pytest.approx(8, rel=0.1)


def test_a_saturated_reading_is_an_error_or_nan_and_never_a_number(opened):
    crossbar, truth = scattered(opened)
    crossbar.configure_read(0.4)  # full scale is then 50 uS
    beyond = truth > 50e-6
    assert 5 < beyond.sum() < 30
    with pytest.raises(OverRange, match=rf"{beyond.sum()} of 35 cells saturate the converter; lower the read voltage"):
        crossbar.read()
    found = crossbar.read(over_range="nan")
    np.testing.assert_array_equal(np.isnan(found), beyond)
    np.testing.assert_allclose(found[~beyond], truth[~beyond], atol=READ_STEP * crossbar.identity.siemens_per_code)


# -- VMM -----------------------------------------------------------------------------------------------------------


def voltages(batch, lines):
    return arrays(np.float64, (batch, lines), elements=st.floats(-0.198, 0.198))


@pytest.mark.parametrize("transposed", [False, True])
@settings(max_examples=40, deadline=None)
@given(data=st.data(), batch=st.integers(1, 12), bits=st.sampled_from([8, 16]), bound=st.booleans())
def test_a_product_is_the_sum_of_conductances_times_voltages(opened, transposed, data, batch, bits, bound):
    crossbar, truth = scattered(opened)
    rows, cols = slice(1, data.draw(st.integers(2, 5))), slice(data.draw(st.integers(0, 5)), 7)
    g = truth[rows, cols].T if transposed else truth[rows, cols]
    v = data.draw(voltages(batch, len(g)))
    g_max = 90e-6 if bound else None
    multiply = crossbar.vmm_t if transposed else crossbar.vmm
    found = multiply(v, rows, cols, bits=bits, g_max=g_max)
    (sent,) = crossbar.link.sent
    code = 0.2 / (1 << bits - 1)
    driven = np.rint(v / code) * code
    step = crossbar.identity.amperes_per_code * (1 << sent.tia_range)
    np.testing.assert_allclose(found, driven @ g, atol=0.51 * step + crossbar.identity.amperes_per_code)
    # The range is the most sensitive one that holds the worst case.
    worst = np.abs(driven).sum(axis=1).max() * (g_max or 100e-6)
    assert sent.tia_range == 0 or step <= 2.001 * worst / 2047
    assert sent.vectors.dtype == (np.int8 if bits == 8 else np.int16)


def test_a_transposed_product_is_the_transpose(opened):
    crossbar, _ = scattered(opened)
    rng = np.random.default_rng(1)
    x, d = rng.uniform(-0.19, 0.19, (3, 5)), rng.uniform(-0.19, 0.19, (3, 7))
    forward, backward = crossbar.vmm(x, bits=16), crossbar.vmm_t(d, bits=16)
    assert (forward.shape, backward.shape) == ((3, 7), (3, 5))
    np.testing.assert_allclose((forward * d).sum(axis=1), (backward * x).sum(axis=1), atol=3e-8)


def test_a_sensed_line_carries_the_noise_of_one_reading(opened):
    crossbar = opened("device=hfox-1t1r")
    found = crossbar.vmm(np.zeros((4096, 5)), g_max=1e-9)
    expected = presets.get("hfox-1t1r").read_noise * 0.2
    assert found.std() == pytest.approx(expected, rel=0.02)
    assert abs(found.mean()) < 5 * expected / np.sqrt(found.size)


@pytest.mark.parametrize("transposed", [False, True])
def test_a_bound_that_is_too_low_costs_repeats_and_no_current(opened, transposed):
    crossbar, truth = scattered(opened)
    multiply, g = (crossbar.vmm_t, truth.T) if transposed else (crossbar.vmm, truth)
    v = np.full((2, len(g)), 0.15)
    found = multiply(v, g_max=1e-6)
    ranges = [command.tia_range for command in crossbar.link.sent]
    assert ranges == list(range(ranges[0], ranges[0] + len(ranges)))
    assert len(ranges) > 3
    np.testing.assert_allclose(found, v @ g, atol=crossbar.identity.amperes_per_code * (1 << ranges[-1]))


def test_a_current_beyond_the_last_range_is_an_error_or_nan(opened):
    crossbar, truth = scattered(opened, tia_ranges=np.array([0, 1, 8], np.uint8))
    crossbar.link.sent.clear()
    v = np.full((1, 5), 0.198)
    code = crossbar.identity.amperes_per_code
    np.testing.assert_allclose(crossbar.vmm(v)[0], v[0] @ truth, rtol=0.02, atol=256 * code)
    assert {command.tia_range for command in crossbar.link.sent} == {8}
    crossbar, truth = scattered(opened, tia_ranges=np.array([0, 6], np.uint8))
    beyond = v[0] @ truth > 2047.5 * 64 * code
    assert 0 < beyond.sum() < 7
    with pytest.raises(OverRange, match=rf"{beyond.sum()} of 7 lines saturate"):
        crossbar.vmm(v)
    found = crossbar.vmm(v, over_range="nan")[0]
    np.testing.assert_array_equal(np.isnan(found), beyond)
    np.testing.assert_allclose(found[~beyond], (v[0] @ truth)[~beyond], rtol=0.02, atol=64 * code)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("wrong", [NAN, np.inf, -np.inf, 0.2, -0.2, 1.0])
@pytest.mark.parametrize("transposed", [False, True])
def test_an_input_that_the_converter_cannot_hold_is_refused_before_anything_is_sent(opened, wrong, bits, transposed):
    crossbar = opened()
    v = np.zeros((3, 7 if transposed else 5))
    v[1, 2] = wrong
    with pytest.raises(LimitError, match=r"an input voltage is NaN or beyond 0\.1[0-9]+ V; scale the inputs"):
        (crossbar.vmm_t if transposed else crossbar.vmm)(v, bits=bits)
    with pytest.raises(LimitError, match="inputs of 12 bits; give 8 or 16"):
        crossbar.vmm(np.zeros((1, 5)), bits=12)
    assert crossbar.link.sent == []


def test_the_largest_inputs_are_127_128ths_of_the_read_voltage(opened):
    crossbar = opened()
    for sign in (1, -1):
        crossbar.vmm(np.full((1, 5), sign * 0.2 * 127 / 128))
        crossbar.vmm(np.full((1, 5), sign * 0.2 * 32767 / 32768), bits=16)
    assert [np.abs(command.vectors.astype(int)).max() for command in crossbar.link.sent] == [127, 32767] * 2


def test_a_batch_of_more_vectors_than_a_command_takes_is_split(opened):
    crossbar, truth = scattered(opened)
    v = np.random.default_rng(1).uniform(-0.19, 0.19, (5000, 5))
    np.testing.assert_allclose(crossbar.vmm(v), v @ truth, atol=1e-6)


# -- MEASURE -------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.float64, 4, elements=st.floats(-0.25, 0.25)),
    arrays(np.float64, 3, elements=st.floats(-0.25, 0.25)),
)
def test_a_column_carries_the_sum_of_conductance_times_voltage_across(opened, row_volts, col_volts):
    crossbar, truth = scattered(opened)
    found = crossbar.measure(row_volts, col_volts, slice(1, 5), slice(2, 5))
    across = np.rint(row_volts / 1e-3)[:, None] * 1e-3 - np.rint(col_volts / 1e-3) * 1e-3
    (sent,) = crossbar.link.sent
    step = crossbar.identity.amperes_per_code * (1 << sent.tia_range)
    expected = (truth[1:5, 2:5] * across).sum(axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=0.51 * step + crossbar.identity.amperes_per_code)


@pytest.mark.parametrize(
    ("rows", "cols", "gate"),
    [
        (np.full(5, 0.501), np.zeros(7), 0.0),
        (np.full(5, 0.3), np.full(7, -0.21), 0.0),
        (np.array([0, 0, NAN, 0, 0]), np.zeros(7), 0.0),
        (np.zeros(5), np.full(7, NAN), 0.0),
        (np.zeros(5), np.full(7, np.inf), 0.0),
        (np.zeros(4), np.zeros(7), 0.0),
        (np.zeros((5, 1)), np.zeros(7), 0.0),
        (np.zeros(5), np.zeros(5), 0.0),
        (np.zeros(5), np.zeros(7), -1.0),
        (np.zeros(5), np.zeros(7), NAN),
        (np.zeros(5), np.zeros(7), 70.0),
    ],
)
def test_a_measurement_beyond_the_limits_is_refused_before_anything_is_sent(opened, rows, cols, gate):
    crossbar = opened()
    with pytest.raises(LimitError):
        crossbar.measure(rows, cols, gate=gate)
    assert crossbar.link.sent == []


def test_a_measurement_that_saturates_is_an_error_or_nan(opened):
    crossbar, truth = scattered(opened)
    volts = np.full(5, 0.5), np.zeros(7)
    with pytest.raises(OverRange):
        crossbar.measure(*volts, tia_range=0)
    assert np.isnan(crossbar.measure(*volts, tia_range=0, over_range="nan")).all()
    np.testing.assert_allclose(crossbar.measure(*volts), 0.5 * truth.sum(axis=0), rtol=0.01)


@pytest.mark.parametrize("volts", [0.1, 0.5])
def test_the_read_voltage_does_not_matter_to_a_measurement(opened, volts):
    crossbar, _ = scattered(opened)
    shapes = [crossbar.drive_levels(polarity)[0] for polarity in (SET, RESET)]
    for _ in range(7):
        crossbar.pulse(np.full((5, 7), 127), *shapes)
    crossbar.configure_read(volts)
    np.testing.assert_allclose(crossbar.measure(np.full(5, 0.5), np.zeros(7)), 5 * 0.5 * 90e-6, rtol=0.01)


# -- noise ---------------------------------------------------------------------------------------------------------


def draws(command):
    """Return (kind of draw, cell or line, index) of every draw of noise that a command makes."""
    region = getattr(command, "region", None)
    if isinstance(command, commands.Measure):
        return {("column", j, command.index) for j in range(region.col0, region.col1)}
    if isinstance(command, commands.Vmm):
        by_row = isinstance(command, commands.VmmT)
        lines = range(region.row0, region.row1) if by_row else range(region.col0, region.col1)
        indices = [command.index + n & 0xFFFFFFFF for n in range(len(command.vectors))]
        return {("row" if by_row else "column", line, index) for line in lines for index in indices}
    if isinstance(command, commands.Read | commands.WriteVerify | commands.Form):
        readings = 1 if isinstance(command, commands.Read) else command.attempts + 1
        indices = [command.index + n & 0xFFFFFFFF for n in range(readings << command.averages_log2)]
        cells = [(i, j) for i in range(region.row0, region.row1) for j in range(region.col0, region.col1)]
        return {("cell", cell, index) for cell in cells for index in indices}
    return set()


@pytest.mark.parametrize("lacks", ["", "write_verify,form", "vmm,measure"])
@pytest.mark.parametrize("budget", [120, 1 << 20])
@pytest.mark.parametrize("start", [0, 2**32 - 40])
def test_no_cell_or_line_ever_draws_from_one_index_twice(opened, lacks, budget, start):
    crossbar = opened(f"device=reram-es&lacks={lacks}" if lacks else "device=reram-es", receive_budget=budget)
    sets, resets = (crossbar.drive_levels(polarity)[0] for polarity in (SET, RESET))
    crossbar.noise_index = start
    form = [crossbar.shape(Polarity.FORM, 5.0, 1e-3)]
    for _ in range(2):
        crossbar.read(averages=8)
        crossbar.vmm(np.zeros((9, 5)))
        crossbar.vmm_t(np.zeros((9, 7)))
        crossbar.measure(np.zeros(5), np.zeros(7))
        crossbar.write_verify(np.full((5, 7), 50e-6), 0.0, [sets], [resets], attempts=6, averages=2)
        if not lacks.startswith("write"):
            crossbar.form(form, 1e-6, attempts=3, averages=2)
    used = [draw for command in crossbar.link.sent for draw in draws(command)]
    assert len(used) > 1000
    assert len(used) == len(set(used))
    assert 0 <= crossbar.noise_index < 1 << 32
