"""Layers whose cells a calibration knows: cells go where they are wished to, and stuck ones get no pulse at all."""

from dataclasses import replace

import numpy as np
import pytest

from hwctl.crossbar import Crossbar
from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.devices.knownchip import KnownChip
from hwctl.devices.steps import StepModel
from hwctl.devices.tabulated import Spread, StepTable, tabulate
from hwctl.emulator.board import EmulatedBoard
from hwctl.errors import DeviceError, LimitError
from hwctl.links.inprocess import InProcessLink
from hwctl.protocol.cells import GAIN_ONE
from hwctl.protocol.codes import CellFlag
from hwctl.training.config import TrainConfig
from hwctl.training.mapping import PairedLayer
from hwctl.training.moves import Mover
from hwctl.training.pairs import balanced, clipped, needs_rebalance
from hwctl.training.placement import place
from hwctl.training.schedules import get
from hwctl.training.setup import start_targets

ROWS, OUTPUTS, K = 12, 8, 20e-6
BOARD = ROWS, 2 * OUTPUTS
US = 1e-6
GAINS = Spread(gain_set=0.25, gain_reset=0.25, low=3 * US, high=6 * US)
SHIFTS = Spread(offset=2.0)
DEVICES = {"gains and bounds": ("linear", GAINS), "thresholds": ("neurram", SHIFTS)}
STUCK = {(0, 1): CellFlag.STUCK_ON, (2, 2): CellFlag.STUCK_OFF, (4, 7): CellFlag.STUCK_ON, (5, 0): CellFlag.STUCK_OFF}


def device_of(name, spread):
    """Return a preset as tables without noise, whose cells differ."""
    exact = tabulate(presets.get(name), "mine")
    tables = tuple(StepTable(t.level, t.mean, np.zeros_like(t.sigma)) for t in exact.tables)
    return replace(exact, tables=tables, spread=spread, write_sigma=0.0, read_sigma=0.0)


def known_of(chip, crossbar):
    """Return what a calibration that measures without error says of a chip."""
    cells, siemens, device = chip.cells, chip.scales.siemens, chip.device
    errors = tuple(np.zeros((len(device.levels_of(p)), 64)) for p in (0, 1))
    low, span = cells["low"] * siemens, cells["span"] * siemens
    gain = np.array([cells["gain_set"], cells["gain_reset"]]) / GAIN_ONE
    return KnownChip(
        source="chip7.h5", measured_on="mine", board=(chip.rows, chip.cols), device=replace(device, name="twin"),
        curve_errors=errors,
        row0=0, col0=0, low=low, high=low + span, own=np.ones(low.shape, np.bool_), gain=gain,
        gain_error=0.01 * gain, offset=cells["offset"].astype(np.int64), flags=cells["flags"].astype(np.int64),
        last=crossbar.read(averages=64), pulses=np.zeros(low.shape, np.int64),
    )  # fmt: skip


class Bench:
    """A chip with much d2d, and movers of layers on it, with and without what is known of it."""

    def __init__(self, kind="gains and bounds", stuck=(), board=BOARD, policy="bidirectional"):
        self.device = device_of(*DEVICES[kind])
        chip = fabricate(self.device, *board, seed=3)
        cells = chip.cells.copy()
        for where, flag in dict(stuck).items():
            cells["flags"][where] = flag
        self.chip = replace(chip, cells=cells)
        self.policy = policy

    def mover(self, known=True, tiles=BOARD, change=lambda known: known):
        crossbar = Crossbar(InProcessLink(EmulatedBoard(self.chip, seed=8), "test"))
        found = change(known_of(self.chip, crossbar)) if known else None
        model = StepModel.of(self.device) if found is None else found.model
        placed = place([BOARD], [tiles])[0] if tiles == BOARD else tiles
        mover = Mover(
            PairedLayer(placed, [crossbar], model, K, found), self.policy, reread_share=10.0, averages=16,
            pulse_budget=None,
        )  # fmt: skip
        mover.layer.read(16)
        return mover


def weights_of(mover):
    return tuple(grid.ravel() for grid in np.indices((mover.layer.rows, mover.layer.outputs)))


def weights_read(mover):
    """Return the weights as an independent reading shows them, stuck cells as well."""
    g = mover.layer.tiles[0].crossbar.read(averages=256)
    return (g[:, 0::2] - g[:, 1::2]) / K


@pytest.mark.parametrize("kind", DEVICES)
def test_known_cells_move_by_what_was_wished(lab, kind):
    """Against the pooled model, on the same chip and for the same wishes."""
    wish = np.random.default_rng(1).uniform(-6, 6, ROWS * OUTPUTS) * US
    errors = []
    for known in (True, False):
        mover = Bench(kind).mover(known)
        before = lab.true_weights(mover.layer)
        expected = mover.move_weights(*weights_of(mover), wish)
        moved = ((lab.true_weights(mover.layer) - before) * K).ravel()
        errors.append([np.abs(moved - wish).mean(), np.abs(moved - expected).mean()])
    (of_wish, of_expected), (pooled_wish, pooled_expected) = errors
    assert of_wish < 0.35 * pooled_wish
    assert of_expected < 0.35 * pooled_expected


@pytest.mark.parametrize(("kind", "count"), [("gains and bounds", 12), ("thresholds", 2)])
def test_predictions_of_known_cells_are_as_near_as_they_say(lab, kind, count):
    off, said = [], []
    for known in (True, False):
        layer = Bench(kind).mover(known).layer
        layer.tracker.mean[...], layer.tracker.variance[...] = lab.true_matrix(layer), 0.0
        cells = lab.everywhere(layer)
        level = np.full(cells[0].size, layer.model.usual[0])
        layer.pulse(cells, np.full(cells[0].size, count), level)
        off.append(np.abs(layer.tracker.mean - lab.true_matrix(layer)).mean())
        said.append(np.sqrt(layer.tracker.variance.mean()))
    assert off[0] < 0.5 * off[1]
    assert said[0] < 0.5 * said[1]  # the pool's d2d is no part of it


def test_predictions_stay_within_each_cells_own_bounds(lab):
    layer = Bench().mover().layer
    cells = lab.everywhere(layer)
    for count in (2000, -4000):
        layer.pulse(cells, np.full(cells[0].size, count), np.zeros(cells[0].size, np.int64))
        np.testing.assert_allclose(layer.tracker.mean, lab.true_matrix(layer), atol=0.15 * US)


@pytest.mark.parametrize("policy", ["bidirectional", "fixed-reference", "set-only"])
def test_stuck_cells_get_no_pulse_from_the_first_one_on_and_their_partners_make_up_for_them(lab, policy):
    mover = Bench(stuck=STUCK, policy=policy).mover()
    wanted = np.random.default_rng(2).uniform(-0.3, 0.3, (ROWS, OUTPUTS))
    mover.program(start_targets(mover, wanted), 8)
    held = weights_read(mover)
    bounds = mover.layer.bounds
    np.testing.assert_allclose(held, bounds.nearest(wanted, K), atol=0.3 * US / K)
    rows, outputs = weights_of(mover)
    for name in ("accumulate", "cell", "sign", "verify"):
        schedule = get(name)([mover], TrainConfig(fire_threshold=1.0), np.random.default_rng(0))
        schedule.apply([np.random.default_rng(4).normal(0.0, 0.05, (ROWS, OUTPUTS))])
    mover.rebalance()
    counted = lab.counted(mover.layer)
    assert [int(counted[where]) for where in STUCK] == [0] * len(STUCK)
    assert (np.delete(counted.ravel(), [r * 2 * OUTPUTS + c for r, c in STUCK]) > 0).mean() > 0.4
    np.testing.assert_array_equal(np.argwhere(mover.frozen), sorted(STUCK))
    before = weights_read(mover)
    mover.move_weights(rows, outputs, np.full(ROWS * OUTPUTS, 2 * US))
    moved = (weights_read(mover) - before) * K / US
    for row, line in STUCK:
        room = (bounds.highest - before * K)[row, line // 2] / US
        assert moved[row, line // 2] == pytest.approx(min(2.0, room), abs=0.3)


def test_a_verified_change_of_known_cells_arrives(lab):
    mover = Bench("thresholds", stuck=STUCK).mover()
    before = weights_read(mover)
    get("verify")([mover], TrainConfig(), np.random.default_rng(0)).apply([np.full((ROWS, OUTPUTS), 0.1)])
    moved = (weights_read(mover) - before) * K
    room = mover.layer.bounds.highest - before * K
    able = room > 2.2 * US
    assert able.mean() > 0.9
    np.testing.assert_allclose(moved[able], 2 * US, atol=0.4 * US)
    assert [int(lab.counted(mover.layer)[where]) for where in STUCK] == [0] * len(STUCK)


def test_a_rebalance_brings_known_pairs_off_their_own_bounds_and_keeps_the_weights():
    mover = Bench().mover()
    layer = mover.layer
    own = mover._own()
    plus, minus = own[0].g_max - 0.2 * US, own[1].g_max - 1.1 * US
    assert needs_rebalance(plus, minus, *own).all()
    raised, lowered = balanced(plus, minus, *own)
    np.testing.assert_allclose(raised - lowered, plus - minus, atol=1e-15)
    for g, cells in ((raised, own[0]), (lowered, own[1])):
        assert ((g > cells.g_min) & (g < cells.g_max)).all()
    assert not needs_rebalance(raised, lowered, *own).any()
    assert clipped(own[0].g_max, own[1].g_min, *own).all()
    assert not clipped(raised, lowered, *own).any()
    assert layer.bounds is not None


def test_tiles_get_their_own_cells(lab):
    half = [(ROWS // 2, 2 * OUTPUTS)]
    bench = Bench(stuck=STUCK)
    whole = bench.mover().layer
    upper, lower = place(half * 2, [BOARD])
    tiles = [upper[0], lower[0]._replace(first_input=ROWS // 2)]
    tiled = bench.mover(tiles=tiles).layer
    for name in ("g_min", "g_max", "low", "stretch", "gain", "gain_error", "offset"):
        np.testing.assert_array_equal(getattr(tiled.steps, name), getattr(whole.steps, name))
    np.testing.assert_array_equal(tiled.bounds.stuck, whole.bounds.stuck)


def upper_half(known):
    """Return a record that lacks the lower rows."""
    names = ("low", "high", "own", "gain", "gain_error", "offset", "flags", "last", "pulses")
    return replace(known, **{name: getattr(known, name)[..., : ROWS // 2, :] for name in names})


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (upper_half, LimitError, r"are not all in chip7.h5, which holds rows 0:6, columns 0:16; calibrate them"),
        (lambda known: replace(upper_half(known), board=(64, 64)), DeviceError,
         r"chip7.h5 is the record of a board of 64 x 64 cells, this one has 12 x 16; name its own record"),
        (lambda known: replace(known, measured_on="ecram"), DeviceError, "of a chip of ecram, the board has mine"),
    ],
    ids=["region", "board", "device"],
)  # fmt: skip
def test_a_record_that_is_another_boards_or_lacks_cells_is_refused(change, error, says):
    with pytest.raises(error, match=says):
        Bench().mover(change=change)
