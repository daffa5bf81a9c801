"""Moves keep pulse budgets, find stuck cells and leave them alone, and say what they expect to have changed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hwctl.protocol.codes import CellFlag
from hwctl.training.pairs import needs_rebalance

ROWS, OUTPUTS = 5, 4
CELLS = ROWS * 2 * OUTPUTS


def mover_of(lab, device="linear", **options):
    return lab.mover(device, rows=ROWS, outputs=OUTPUTS, **options)


def all_weights(mover):
    return tuple(grid.ravel() for grid in np.indices((mover.layer.rows, mover.layer.outputs)))


def board(mover):
    return mover.layer.tiles[0].crossbar


# -- budgets -------------------------------------------------------------------------------------------------------

wishes = st.lists(arrays(np.float64, ROWS * OUTPUTS, elements=st.floats(-30e-6, 30e-6)), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("device", "policy"),
    [("linear", "bidirectional"), ("reram-es", "fixed-reference"), ("tiox-passive", "bidirectional"),
     ("pcm", "set-only")],
)  # fmt: skip
@settings(max_examples=15, deadline=None)
@given(program=wishes, budget=st.integers(1, 60))
def test_no_cell_takes_more_pulses_than_its_budget(lab, device, policy, program, budget):
    mover = mover_of(lab, device, policy=policy, pulse_budget=budget)
    for wish in program:
        mover.move_weights(*all_weights(mover), wish)
        counted = lab.counted(mover.layer)
        assert counted.max() <= budget
        np.testing.assert_array_equal(counted, mover.spent)


def test_a_cell_that_has_spent_its_budget_is_never_pulsed_again(lab):
    mover = mover_of(lab, pulse_budget=40)
    rng = np.random.default_rng(0)
    for _ in range(60):
        frozen, spent = mover.frozen.copy(), lab.counted(mover.layer)
        mover.move_weights(*all_weights(mover), rng.normal(0, 2e-6, ROWS * OUTPUTS))
        np.testing.assert_array_equal(lab.counted(mover.layer)[frozen], spent[frozen])
    assert mover.frozen.all()
    assert lab.counted(mover.layer).max() <= 40
    assert lab.counted(mover.layer).min() > 20


def test_without_a_budget_nothing_is_held_back(lab):
    mover = mover_of(lab)
    for n in range(20):
        mover.move_weights(*all_weights(mover), np.full(ROWS * OUTPUTS, 5e-6 if n % 2 else -5e-6))
    assert lab.counted(mover.layer).min() > 400
    assert not mover.frozen.any()


def test_resets_of_one_way_devices_keep_the_budget_as_well(lab):
    mover = mover_of(lab, "pcm", policy="set-only", pulse_budget=6)
    rng = np.random.default_rng(0)
    for _ in range(30):
        mover.program(rng.uniform(0, 30e-6, (ROWS, 2 * OUTPUTS)), 1)
    assert lab.counted(mover.layer).max() <= 6


# -- moves ---------------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(wish=arrays(np.float64, ROWS * OUTPUTS, elements=st.floats(-30e-6, 30e-6)))
def test_what_is_expected_is_what_happens_on_an_ideal_device(lab, wish):
    mover = mover_of(lab)
    before = lab.true_weights(mover.layer)
    expected = mover.move_weights(*all_weights(mover), wish).reshape(ROWS, OUTPUTS)
    moved = (lab.true_weights(mover.layer) - before) * mover.layer.k
    np.testing.assert_allclose(moved, expected, atol=0.06e-6)
    # Each cell of a pair is rounded to its nearest whole pulse.
    np.testing.assert_allclose(expected.ravel(), wish, atol=mover.layer.model.quantum * 1.001)


def test_a_fixed_reference_keeps_its_g_minus(lab):
    mover = mover_of(lab, policy="fixed-reference")
    mover.move_weights(*all_weights(mover), np.full(ROWS * OUTPUTS, -7e-6))
    counted = lab.counted(mover.layer)
    assert not counted[:, 1::2].any()
    np.testing.assert_array_equal(counted[:, 0::2], 70)


def test_set_only_never_resets(lab):
    mover = mover_of(lab, "pcm", policy="set-only")
    rng = np.random.default_rng(0)
    for _ in range(10):
        mover.move_weights(*all_weights(mover), rng.normal(0, 3e-6, ROWS * OUTPUTS))
    status = board(mover).status()
    assert status.set_pulses > 50
    assert status.reset_pulses == 0


def test_set_only_never_resets_the_partner_of_a_stuck_cell(lab):
    mover = mover_of(lab, "pcm", policy="set-only")
    mover.program(np.full((ROWS, 2 * OUTPUTS), 20e-6), 2)
    mover.frozen[:, 0::2] = True
    before = board(mover).status().reset_pulses
    mover.move_weights(*all_weights(mover), np.full(ROWS * OUTPUTS, 10e-6))
    assert board(mover).status().reset_pulses == before


# -- readings ------------------------------------------------------------------------------------------------------


def test_uncertain_cells_are_read_before_they_are_moved_and_the_reads_are_counted(lab):
    mover = mover_of(lab, "ecram", reread_share=0.5)
    tracker = mover.layer.tracker
    tracker.variance[2] = (5e-6) ** 2
    tracker.mean[2] += 5e-6
    reads = board(mover).status().reads
    wish = np.full(2 * OUTPUTS, 1e-6)
    mover.move_cells((np.full(2 * OUTPUTS, 2), np.arange(2 * OUTPUTS)), wish)
    assert board(mover).status().reads == reads + 2 * OUTPUTS
    np.testing.assert_allclose(tracker.mean[2], lab.true_matrix(mover.layer)[2], atol=0.5e-6)


def test_a_change_that_is_large_against_what_is_not_known_reads_nothing(lab):
    mover = mover_of(lab, "ecram", reread_share=0.5)
    mover.layer.tracker.variance[...] = (5e-6) ** 2
    reads = board(mover).status().reads
    mover.move_cells(lab.everywhere(mover.layer), np.full(CELLS, 10.1e-6))
    assert board(mover).status().reads == reads
    mover.layer.tracker.variance[...] = (5e-6) ** 2
    mover.move_cells(lab.everywhere(mover.layer), np.full(CELLS, -9.9e-6))
    assert board(mover).status().reads == reads + CELLS


# -- programming and stuck cells -----------------------------------------------------------------------------------


def test_an_ideal_array_is_programmed_to_its_targets(lab):
    mover = mover_of(lab)
    targets = np.random.default_rng(3).uniform(15e-6, 85e-6, (ROWS, 2 * OUTPUTS))
    mover.program(targets, 2)
    np.testing.assert_allclose(lab.true_matrix(mover.layer), targets, atol=0.08e-6)
    assert not mover.frozen.any()
    np.testing.assert_array_equal(mover.spent, lab.counted(mover.layer))


STUCK = {(0, 1): CellFlag.STUCK_ON, (2, 2): CellFlag.STUCK_OFF, (4, 7): CellFlag.STUCK_ON}


def stick(cells):
    for place, flag in STUCK.items():
        cells["flags"][place] = flag


def programmed_with_stuck_cells(lab):
    mover = mover_of(lab, change=stick)
    targets = np.full((ROWS, 2 * OUTPUTS), 30e-6)
    targets[:, ::3] = 70e-6
    mover.program(targets, 2)
    return mover


def test_stuck_cells_are_found_where_cells_are_moved_far(lab):
    mover = programmed_with_stuck_cells(lab)
    assert set(zip(*(axis.tolist() for axis in np.nonzero(mover.frozen)), strict=True)) == set(STUCK)


def test_stuck_cells_take_no_pulse_and_their_partners_the_whole_change(lab):
    mover = programmed_with_stuck_cells(lab)
    counted, before = lab.counted(mover.layer), lab.true_weights(mover.layer)
    mover.move_weights(*all_weights(mover), np.full(ROWS * OUTPUTS, 6e-6))
    np.testing.assert_array_equal((lab.counted(mover.layer) - counted)[mover.frozen], 0)
    moved = (lab.true_weights(mover.layer) - before) * mover.layer.k
    np.testing.assert_allclose(moved, 6e-6, atol=0.21e-6)
    for row, line in STUCK:
        assert (lab.counted(mover.layer) - counted)[row, line ^ 1] == 60


def test_a_pair_of_two_stuck_cells_moves_by_nothing(lab):
    mover = mover_of(lab)
    mover.frozen[1, 2:4] = True
    expected = mover.move_weights(*all_weights(mover), np.full(ROWS * OUTPUTS, 6e-6)).reshape(ROWS, OUTPUTS)
    assert expected[1, 1] == 0
    assert np.count_nonzero(expected) == expected.size - 1


def stuck_off(cells):
    cells["flags"][:, ::3] = CellFlag.STUCK_OFF


def test_stuck_cells_are_found_with_the_weights_that_training_starts_from(lab):
    mover = mover_of(lab, "hfox-1t1r", policy="set-only", change=stuck_off)
    targets = np.full((ROWS, 2 * OUTPUTS), 30e-6)  # six deviations of a SET above the bottom
    mover.program(targets, 2)
    assert mover.frozen[:, ::3].all()


def test_a_one_way_device_is_reset_where_it_stands_too_high_and_then_set(lab):
    mover = mover_of(lab, "pcm", policy="set-only")
    mover.program(np.full((ROWS, 2 * OUTPUTS), 25e-6), 3)
    before, high = board(mover).status(), lab.true_matrix(mover.layer).copy()
    targets = np.full((ROWS, 2 * OUTPUTS), 10e-6)
    targets[:, 1::2] = 35e-6
    mover.program(targets, 3)
    status = board(mover).status()
    assert (high[:, 0::2] > 15e-6).all()
    assert status.reset_pulses - before.reset_pulses == ROWS * OUTPUTS
    after = lab.true_matrix(mover.layer)
    assert np.abs(after[:, 0::2] - 10e-6).mean() < 4e-6
    assert (after[:, 1::2] > high[:, 1::2]).mean() > 0.8


# -- rebalance -----------------------------------------------------------------------------------------------------


def near_top(cells):
    cells["state"][:, :] = np.uint16(0.97 * 0x10000)
    cells["state"][:, 1::2] = np.uint16(0.93 * 0x10000)
    cells["state"][0] = 0x8000
    cells["state"][1, 0] = 0x4000


def test_a_rebalance_keeps_the_weights_and_moves_pairs_off_the_bound(lab):
    mover = mover_of(lab, change=near_top)
    layer = mover.layer
    before, counted = lab.true_weights(layer), lab.counted(layer)
    needed = needs_rebalance(layer.plus(), layer.minus(), layer.model, layer.model)
    assert needed.sum() == (ROWS - 1) * OUTPUTS - 1
    assert mover.rebalance() == needed.sum() == mover.rebalances
    np.testing.assert_allclose(lab.true_weights(layer), before, atol=0.22e-6 / layer.k)
    held = lab.true_matrix(layer)
    assert not needs_rebalance(held[:, 0::2], held[:, 1::2], layer.model, layer.model).any()
    pulsed = lab.counted(layer) != counted
    np.testing.assert_array_equal(pulsed[:, 0::2] | pulsed[:, 1::2], needed)
    assert mover.rebalance() == 0
    assert mover.rebalances == needed.sum()


def test_a_rebalance_leaves_pairs_with_a_stuck_cell_alone(lab):
    mover = mover_of(lab, change=near_top)
    mover.frozen[2, 3] = True
    counted = lab.counted(mover.layer)
    assert mover.rebalance() == (ROWS - 1) * OUTPUTS - 2
    np.testing.assert_array_equal(lab.counted(mover.layer)[2, 2:4], counted[2, 2:4])


def test_a_one_way_pair_is_rebalanced_through_the_bottom(lab):
    mover = mover_of(lab, "pcm", policy="set-only")
    wanted = np.full((ROWS, 2 * OUTPUTS), 38e-6)
    mover.program(wanted, 4)
    layer = mover.layer
    needed = needs_rebalance(layer.plus(), layer.minus(), layer.model, layer.model)
    assert needed.any()
    assert mover.rebalance() == needed.sum()
    held = lab.true_matrix(layer)
    assert (np.minimum(held[:, 0::2], held[:, 1::2])[needed] < 8e-6).all()


def test_the_clipped_share_counts_weights_at_their_largest(lab):
    def at_bounds(cells):
        cells["state"][0, 0], cells["state"][0, 1] = 0xFFFF, 0
        cells["state"][3, 4], cells["state"][3, 5] = 0, 0xFFFF
        cells["state"][2, 2] = 0xFFFF

    mover = mover_of(lab, change=at_bounds)
    assert mover.clipped_share() == 2 / (ROWS * OUTPUTS)
    assert mover_of(lab).clipped_share() == 0
