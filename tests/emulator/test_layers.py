"""Each analog layer has the effect that its name says."""

from dataclasses import fields, replace

import numpy as np
import pytest

from hwctl.crossbar.driver import Crossbar
from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.devices.wires import WireNetwork
from hwctl.emulator import layers as module
from hwctl.emulator.board import EmulatedBoard
from hwctl.emulator.layers import LAYER_OPTIONS, OFF, LayerOptions, Layers
from hwctl.errors import BoardError, DeviceError, LimitError, TargetError
from hwctl.links.inprocess import InProcessLink
from hwctl.links.target import open_link
from hwctl.protocol.cells import as_words
from hwctl.protocol.codes import CellFlag, Feature, OuterMode, Polarity
from hwctl.protocol.commands import LoadCells, Measure, Read, Vmm, VmmT
from hwctl.protocol.replies import Dumped

LINES = 16
CODE = 100e-6 / 65535  # S of a code of preset linear
WIRES = {"row-ohm": 10.0, "col-ohm": 20.0}


def crossbar_of(device="linear", rows=LINES, cols=LINES, change=None, **options):
    chip = fabricate(presets.get(device), rows, cols, 3)
    rng = np.random.default_rng(1)
    cells = chip.cells.copy()
    cells["state"] = rng.integers(5_000, 60_000, cells.shape)
    if change:
        change(cells)
    layers = Layers.build(chip, **options)
    board = EmulatedBoard(replace(chip, cells=cells), seed=9, layers=layers)
    return Crossbar(InProcessLink(board, "test"))


def shapes_of(crossbar):
    """One SET and one RESET shape."""
    return [crossbar.drive_levels(polarity)[-1] for polarity in (Polarity.SET, Polarity.RESET)]


def ideal():
    return crossbar_of().read(averages=1)


def test_options_have_ranges_and_every_one_a_field():
    assert set(LAYER_OPTIONS) == {field.name.replace("_", "-") for field in fields(LayerOptions)}
    assert all(low <= OFF[name] <= high and low < high for name, (low, high) in LAYER_OPTIONS.items())
    assert {name.replace("-", "_"): value for name, value in OFF.items()} == vars(LayerOptions())
    assert all(f"\n{name}" in module.__doc__ or f" {name}" in module.__doc__ for name in LAYER_OPTIONS)


@pytest.mark.parametrize(
    "options",
    [
        {"row-ohm": -1.0},
        {"sneak": 0.5},
        {"drift": float("nan")},
        {"adc-bits": 3.0},
        {"adc-bits": 6.5},
        {"unknown": 1.0},
        {"drift": 0.1, "device-drift": 1.0},
        {"device-drift": 1.0},
    ],
)
def test_bad_options_are_refused(options):
    with pytest.raises(DeviceError, match=r"give|known"):
        Layers.build(fabricate(presets.get("linear"), 2, 2, 0), **options)


def test_the_target_url_takes_the_options():
    board = Crossbar(open_link("emulator:?device=linear&rows=8&cols=8&row-ohm=50&col-ohm=50"))
    plain = Crossbar(open_link("emulator:?device=linear&rows=8&cols=8"))
    assert (board.read() < plain.read()).all()
    for query in ("row-ohm=-1", "sneak=0.5", "row_ohm=3", "adc-bits=0"):
        with pytest.raises(TargetError):
            open_link(f"emulator:?device=linear&{query}")


def test_layers_without_an_effect_change_no_bit():
    plain = fabricate(presets.get("reram-es"), LINES, LINES, 3)
    boards = [EmulatedBoard(plain, seed=4, layers=layers) for layers in (None, Layers.build(plain))]
    crossbars = [Crossbar(InProcessLink(board, "test")) for board in boards]
    rng = np.random.default_rng(0)
    volts = rng.uniform(-0.19, 0.19, (3, LINES))
    rows, cols = rng.uniform(-0.1, 0.1, (2, LINES))
    results = [
        (c.read(), c.vmm(volts), c.vmm(volts, bits=16), c.vmm_t(volts), c.measure(rows, cols)) for c in crossbars
    ]
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


# -- wires ---------------------------------------------------------------------------------------------------------


def test_wires_are_those_of_the_network():
    G = ideal()
    network = WireNetwork(G, 10.0, 20.0)
    crossbar = crossbar_of(**WIRES)
    volts = np.random.default_rng(0).uniform(-0.19, 0.19, (3, LINES))
    scale = 16 * CODE  # READ's converter
    np.testing.assert_allclose(crossbar.read(), network.read_cells(1.0), atol=1.5 * scale)
    step = crossbar.identity.amperes_per_code * 2**8
    np.testing.assert_allclose(crossbar.vmm(volts, bits=16), network.vmm(volts), atol=step)
    np.testing.assert_allclose(crossbar.vmm_t(volts, bits=16), network.vmm_t(volts), atol=step)
    rows, cols = volts[0] / 2, volts[1] / 2
    measured = crossbar.measure(rows, cols)
    expected = network.terminals(np.round(rows, 3), np.round(cols, 3))[1]
    np.testing.assert_allclose(measured, expected, atol=step)


def test_ir_drop_lowers_the_cells_far_from_drivers_and_sense_amplifiers_most():
    def level(cells):
        cells["state"] = 0x8000

    share = crossbar_of(**WIRES, change=level).read() / crossbar_of(change=level).read()
    assert (share < 1.0).all()
    assert share[0, -1] < 0.9 * share[-1, 0]  # rows are driven at the left, columns sensed at the bottom
    assert (np.diff(share, axis=1) < 1e-3).all()
    assert (np.diff(share, axis=0) > -1e-3).all()


def test_a_part_of_the_array_is_the_same_in_the_whole_network():
    crossbar = crossbar_of(**WIRES)
    rows, cols = slice(3, 9), slice(2, 12)
    volts = np.random.default_rng(0).uniform(-0.19, 0.19, (2, 6))
    padded = np.zeros((2, LINES))
    padded[:, rows] = volts
    step = crossbar.identity.amperes_per_code * 2**8
    part, whole = crossbar.vmm(volts, rows, cols, bits=16), crossbar.vmm(padded, bits=16)[:, cols]
    np.testing.assert_allclose(part, whole, atol=2 * step)


def test_sneak_paths_hide_an_open_cell():
    def open_one(cells):
        cells["state"] = 0x8000
        cells["low"], cells["span"] = 0, 10_000
        cells["state"][4, 4] = 0

    assert crossbar_of(change=open_one).read()[4, 4] < 1e-7
    G = crossbar_of(change=open_one).read()
    seen = crossbar_of(change=open_one, sneak=1).read()
    np.testing.assert_allclose(seen, WireNetwork(G, 0.0, 0.0).read_cells(1.0, "floating"), rtol=2e-3, atol=2e-8)
    assert seen[4, 4] > 20e-6  # through three cells in series, LINES times side by side
    both = crossbar_of(change=open_one, sneak=1, **WIRES).read()
    np.testing.assert_allclose(both, WireNetwork(G, 10.0, 20.0).read_cells(1.0, "floating"), rtol=2e-3, atol=2e-8)


def test_a_series_of_vmms_solves_the_network_once_and_a_pulse_again(monkeypatch):
    solved = []

    def counting(*arguments):
        solved.append(1)
        return WireNetwork(*arguments)

    monkeypatch.setattr(module, "WireNetwork", counting)
    crossbar = crossbar_of(**WIRES, drift=0.05)
    volts = np.full((2, LINES), 0.1)
    before = [crossbar.vmm(volts) for _ in range(3)]
    crossbar.read()
    assert len(solved) == 1
    np.testing.assert_array_equal(before[0], before[2])
    up, down = shapes_of(crossbar)
    crossbar.pulse(np.full((LINES, LINES), 50), up, down)
    assert (crossbar.vmm(volts) > before[0]).all()
    assert len(solved) == 2


# -- conduction and converters -------------------------------------------------------------------------------------


def test_alpha_bends_the_current_and_leaves_the_reading_at_the_nominal_voltage():
    alpha, nominal = 3.0, 0.2
    crossbar = crossbar_of(alpha=alpha)
    G = ideal()
    np.testing.assert_allclose(crossbar.read(), G, atol=1e-9)
    volts = np.full((1, LINES), 0.05)
    expected = (G * 0.05).sum(axis=0) * (1 + alpha * 0.05**2) / (1 + alpha * nominal**2)
    np.testing.assert_allclose(crossbar.vmm(volts, bits=16)[0], expected, rtol=2e-3)
    np.testing.assert_allclose(crossbar.measure(volts[0], np.zeros(LINES)), expected, rtol=4e-3)
    crossbar.configure_read(0.4)
    steeper = (1 + alpha * 0.4**2) / (1 + alpha * nominal**2)
    shown = crossbar.read(over_range="nan")
    held = np.isfinite(shown)
    assert held.mean() > 0.2
    np.testing.assert_allclose(shown[held], (G * steeper)[held], rtol=2e-3)


def test_converters_of_the_columns_have_offset_and_gain_of_their_own():
    G = ideal()
    offset = crossbar_of(**{"adc-offset": 300.0}).read() - G
    np.testing.assert_allclose(offset, np.broadcast_to(offset[0], G.shape), atol=17 * CODE)
    assert 150 * CODE < offset[0].std() < 600 * CODE
    gain = crossbar_of(**{"adc-gain": 0.02}).read() / G
    np.testing.assert_allclose(gain, np.broadcast_to(gain.mean(axis=0), G.shape), atol=2e-3)
    assert 0.01 < gain.mean(axis=0).std() < 0.04


def test_an_offset_is_the_same_current_in_a_read_a_vmm_and_a_measurement():
    crossbar = crossbar_of(**{"adc-offset": 2000.0})
    amperes = crossbar.identity.amperes_per_code
    idle = np.zeros((1, LINES))
    offset = crossbar.vmm(idle, bits=16)[0]
    np.testing.assert_allclose(crossbar.vmm(idle)[0], offset, atol=amperes * 2**8)
    drive = np.zeros(LINES)
    np.testing.assert_allclose(crossbar.measure(drive, drive, tia_range=2), offset, atol=amperes * 2**8)
    np.testing.assert_allclose((crossbar.read() - ideal())[3] * 0.2, offset, atol=amperes * 2**8)
    rows = crossbar.vmm_t(idle, bits=16)[0]
    assert abs(np.corrcoef(rows, offset)[0, 1]) < 0.9  # rows have converters of their own


def test_a_converter_of_few_bits_gives_only_its_own_codes():
    coarse, fine = crossbar_of(**{"adc-bits": 4}), crossbar_of()
    whole, volts = coarse.region(slice(None), slice(None)), np.linspace(-99, 99, 8 * LINES).reshape(8, LINES)
    vectors, row, col = volts.astype(np.int8), volts[7].astype(np.int16), np.zeros(LINES, np.int16)
    measure = Measure(whole, row, col, 0, 8, 0)
    for command in (Read(whole, 0, 4, 0), Vmm(whole, vectors, 8, 0), VmmT(whole, vectors, 8, 0), measure):
        few, many = (crossbar.link.execute(command) for crossbar in (coarse, fine))
        few, many = (getattr(reply, "readings", getattr(reply, "currents", None)) for reply in (few, many))
        step = 1 << (8 + 4 * isinstance(command, Read))  # a reading in the least sensitive range counts in 16 codes
        assert (few % step == 0).all()
        assert len(np.unique(few)) > 1, command
        assert (np.abs(few.astype(int) - many) <= step // 2).all()


def test_what_rounds_beyond_the_highest_code_is_over_range():
    def change(cells):
        cells["state"] = np.linspace(0, 65535, cells.size).reshape(cells.shape)

    coarse = crossbar_of(change=change, **{"adc-bits": 4}).read(over_range="nan")
    fine = crossbar_of(change=change).read(over_range="nan")
    np.testing.assert_array_equal(np.isnan(coarse), ~(fine < 15.5 / 16 * 65536 * CODE))


def test_noise_that_is_averaged_is_finer_than_the_steps_of_the_converter():
    coarse, fine = (crossbar_of("neurram", **options) for options in ({"adc-bits": 6}, {}))
    step = 64 * 16 * coarse.identity.siemens_per_code
    error = coarse.read(averages=1024) - fine.read(averages=1024)
    assert np.abs(error).max() <= step / 2
    assert error.std() < 0.8 * (coarse.read() - fine.read()).std()


# -- time ----------------------------------------------------------------------------------------------------------


def test_drift_follows_its_power_law():
    crossbar = crossbar_of(drift=0.05)
    before = crossbar.read()
    crossbar.wait(0.5)
    np.testing.assert_allclose(crossbar.read(), before, rtol=1e-4)  # none before 1 s
    crossbar.wait(10.0)
    first = crossbar.read()
    crossbar.wait(1000.0 - 10.5)
    later = crossbar.read()
    nu = -np.log(later / first) / np.log(1000 / 10.5)
    assert abs(nu.mean() - 0.05) < 0.002
    assert 0.007 < nu.std() < 0.013


def test_a_pulse_starts_the_clock_of_its_cell_anew():
    crossbar = crossbar_of(drift=0.1)
    crossbar.wait(1e4)
    aged = crossbar.read()
    up, down = shapes_of(crossbar)
    crossbar.pulse(np.ones((1, LINES), np.int8), up, down, slice(2, 3))
    after = crossbar.read()
    np.testing.assert_allclose(np.delete(after, 2, axis=0), np.delete(aged, 2, axis=0), rtol=1e-3)
    np.testing.assert_allclose(after[2], ideal()[2] + 0.1e-6, atol=20 * CODE)


def test_the_device_drifts_with_its_own_exponent():
    crossbar = crossbar_of("pcm", **{"device-drift": 1})
    before = crossbar.read(averages=256)
    crossbar.wait(1e3)
    held = before > 5e-6
    nu = -np.log(crossbar.read(averages=256)[held] / before[held]) / np.log(1e3)
    assert abs(nu.mean() - 0.05) < 0.004


def test_relaxation_spreads_cells_by_its_sigma_per_decade():
    crossbar = crossbar_of(rows=32, cols=32, relaxation=0.02)
    before = crossbar.read()
    crossbar.wait(1.0)
    spread = np.log(crossbar.read() / before)
    assert abs(spread.mean()) < 0.006
    assert abs(spread.std() - 0.02 * 3) < 0.006  # three decades after 1 ms


def test_rtn_takes_its_share_from_some_cells_and_gives_it_back():
    crossbar = crossbar_of(rows=32, cols=32, rtn=0.2)
    full = crossbar_of(rows=32, cols=32).read()
    low = []
    for _ in range(12):
        crossbar.wait(0.05)
        share = crossbar.read() / full
        assert (np.isclose(share, 1.0, atol=3e-3) | np.isclose(share, 0.8, atol=3e-3)).all()
        low.append(share < 0.9)
    ever = np.any(low, axis=0)
    assert abs(ever.mean() - module.RTN_FRACTION) < 0.04
    assert abs(np.mean(low, axis=0)[ever].mean() - 0.5) < 0.1


# -- disturb -------------------------------------------------------------------------------------------------------


def states(crossbar):
    return crossbar.dump().words[:, 0].reshape(crossbar.rows, crossbar.cols).astype(int)


def stick(cells):
    cells["flags"][0, 3] = CellFlag.STUCK_ON


@pytest.mark.parametrize("sign", [1, -1])
def test_half_select_moves_the_cells_that_share_a_line(sign):
    share = 1e-4
    crossbar = crossbar_of(change=stick, **{"half-select": share})
    up, down = shapes_of(crossbar)
    before = states(crossbar)
    counts = np.zeros((LINES, LINES), np.int8)
    counts[0, 5] = 100 * sign
    crossbar.pulse(counts, up, down)
    moved = states(crossbar) - before
    left = (65536 - before) if sign > 0 else -before
    expected = left * (1 - (1 - share) ** 100)
    sharing = np.zeros((LINES, LINES), bool)
    sharing[0], sharing[:, 5] = True, True
    sharing[0, 5] = sharing[0, 3] = False
    assert (np.abs(moved - expected)[sharing] <= 1.0).all()
    sharing[0, 5] = True
    assert (moved[~sharing] == 0).all()


def test_v_third_disturbs_the_rest_the_other_way():
    crossbar = crossbar_of(**{"half-select": 1e-4, "v-third": 1})
    up, down = shapes_of(crossbar)
    before = states(crossbar)
    crossbar.pulse_cells([3], [3], [100], up, down)
    moved = states(crossbar) - before
    assert (np.delete(moved[3], 3) > 0).all()
    assert (np.delete(np.delete(moved, 3, 0), 3, 1) < 0).all()


def test_disturb_below_one_state_code_adds_up():
    crossbar = crossbar_of(**{"half-select": 1e-6})
    up, down = shapes_of(crossbar)
    before = states(crossbar)
    for _ in range(400):
        crossbar.pulse_cells([3], [3], [1], up, down)
    expected = (65536 - before[3]) * (1 - (1 - 1e-6) ** 400)
    assert (np.abs((states(crossbar) - before)[3] - expected)[np.arange(LINES) != 3] <= 1.0).all()
    assert expected.max() > 2.0


def test_an_outer_disturbs_like_the_pulses_that_it_stands_for():
    x, d = np.array([[3, -2, *[0] * (LINES - 2)], [1] * LINES]), np.array([[2, *[0] * (LINES - 2), -1], [1] * LINES])
    batch, single = (crossbar_of(**{"half-select": 1e-4}) for _ in range(2))
    up, down = shapes_of(batch)
    batch.outer(x, d, up, down, mode=OuterMode.COUNT)
    up, down = shapes_of(single)
    for n in range(2):
        single.pulse(np.multiply.outer(x[n], d[n]), up, down)
    np.testing.assert_array_equal(states(batch), states(single))


@pytest.mark.parametrize("share", [2e-5, -2e-5])
def test_reads_disturb_the_cells_that_are_read(share):
    crossbar = crossbar_of(**{"read-disturb": share})
    before = states(crossbar)
    crossbar.read(slice(2, 4), averages=64)
    moved = states(crossbar) - before
    left = (65536 - before) if share > 0 else -before
    expected = left * (1 - (1 - abs(share)) ** 64)
    assert (np.abs(moved - expected)[2:4] <= 1.0).all()
    assert (np.delete(moved, [2, 3], axis=0) == 0).all()


# -- the board -----------------------------------------------------------------------------------------------------


def test_write_verify_reaches_its_targets_through_the_wires():
    crossbar = crossbar_of(**WIRES)
    assert not crossbar.has(Feature.WRITE_VERIFY)  # the loop runs on the host, whose reads see the layers
    up, down = shapes_of(crossbar)
    result = crossbar.write_verify(np.full((4, 4), 30e-6), 1e-6, [up], [down], slice(0, 4), slice(0, 4), attempts=500)
    assert result.reached.mean() > 0.9
    seen = crossbar.read(slice(0, 4), slice(0, 4))
    assert abs(np.median(seen) - 30e-6) < 3e-6


EVERYTHING = {
    **WIRES, "alpha": 0.5, "drift": 0.05, "relaxation": 0.02, "rtn": 0.1, "half-select": 1e-5, "read-disturb": 1e-6,
    "adc-offset": 10.0, "adc-gain": 0.01,
}  # fmt: skip


def work(crossbar, seed):
    rng = np.random.default_rng(seed)
    up, down = shapes_of(crossbar)
    crossbar.noise_index = seed
    for _ in range(3):
        crossbar.pulse(rng.integers(-3, 4, (LINES, LINES)), up, down)
        crossbar.wait(float(rng.uniform(0, 3)))
        crossbar.read(slice(0, 8))
    volts = rng.uniform(-0.1, 0.1, (2, LINES))
    results = crossbar.read(), crossbar.vmm(volts), crossbar.vmm_t(volts), crossbar.measure(volts[0], volts[1])
    dumped = crossbar.dump()
    return [array.tobytes() for array in (*results, dumped.words, dumped.extra)], dumped.clock


def test_a_restored_board_continues_to_the_same_bits_with_all_layers_on():
    plain, other = (crossbar_of("reram-es", **EVERYTHING) for _ in range(2))
    work(plain, 1)
    dumped = plain.dump()
    work(other, 2)
    other.restore(dumped)
    assert work(plain, 3) == work(other, 3)


def test_layer_state_of_another_array_is_refused_and_nothing_restored():
    crossbar, plain = crossbar_of(drift=0.05), crossbar_of()
    work(crossbar, 1)
    dumped = crossbar.dump()
    for extra in (dumped.extra[:-1], np.zeros(0, np.uint8), np.full(dumped.extra.size, 0xFF, np.uint8)):
        with pytest.raises((BoardError, LimitError), match="layer state"):
            crossbar.restore(Dumped(np.zeros_like(dumped.words), 0, extra))
        assert crossbar.dump().words.tobytes() == dumped.words.tobytes()
        assert crossbar.dump().extra.tobytes() == dumped.extra.tobytes()
    plain.restore(dumped)


def test_a_flagged_cell_loaded_later_is_left_alone_by_disturb():
    crossbar = crossbar_of(**{"half-select": 0.01})
    chip = fabricate(presets.get("linear"), LINES, LINES, 3)
    cells = chip.cells.copy()
    cells["flags"] = CellFlag.UNFORMED
    crossbar.link.execute(LoadCells(crossbar.region(slice(None), slice(None)), as_words(cells)))
    before = states(crossbar)
    up, down = shapes_of(crossbar)
    crossbar.pulse(np.full((LINES, LINES), 20), up, down)
    np.testing.assert_array_equal(states(crossbar), before)
