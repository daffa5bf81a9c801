"""Gradients go to a second array, which forgets them, and reach the weights through readings of it."""

import numpy as np
import pytest

from hwctl.errors import BadInput
from hwctl.training import schedules
from hwctl.training.config import TrainConfig
from hwctl.training.schedules.tikitaka import zero_shift

ROWS, OUTPUTS = 6, 4


def schedule_of(lab, device="tiox-passive", **options):
    movers = [lab.mover(device, rows=ROWS, outputs=OUTPUTS) for _ in range(2)]
    kind = schedules.get("tiki-taka")
    return kind(movers[:1], TrainConfig(**options), np.random.default_rng(0), movers[1:])


def rate_for(schedule, pulses):
    """Return the learning rate at which x = d = 1 is a number of pulses."""
    layer = schedule.movers[0].layer
    return pulses * layer.model.quantum / layer.k


def test_zero_shifting_finds_the_symmetry_point_of_each_cell(lab):
    mover = lab.mover("ecram", rows=ROWS, outputs=OUTPUTS)
    model = mover.layer.model
    once, again = (zero_shift(mover, 1000) for _ in range(2))
    middle = lab.true_matrix(mover.layer).mean()
    assert abs(middle - model.symmetry_point) < 0.03 * (model.g_max - model.g_min)
    # c2c noise stays on a cell for as many pulses as it takes to forget: what is found is each cell's own, but noisy.
    assert np.corrcoef(once.ravel(), again.ravel())[0, 1] > 0.5


def test_a_steady_gradient_moves_the_weights_against_it(lab):
    schedule = schedule_of(lab, zero_shift=150, transfer_rate=0.5)
    schedule.prepare()
    layer = schedule.movers[0].layer
    before, pulses = lab.true_weights(layer), lab.counted(layer).sum()
    x, d = np.ones((1, ROWS)), np.tile([1.0, -1.0], OUTPUTS // 2)[None]
    for _ in range(20 * ROWS):
        schedule.apply_events([x], [d], rate_for(schedule, 2.0))
    moved = lab.true_weights(layer) - before
    assert (moved[:, 0::2] < 0).all()
    assert (moved[:, 1::2] > 0).all()
    assert lab.counted(layer).sum() > pulses


def test_a_gradient_of_mean_zero_moves_the_weights_little(lab):
    def moved(signs):
        schedule = schedule_of(lab, zero_shift=300, transfer_rate=0.2)
        schedule.prepare()
        before = lab.true_weights(schedule.movers[0].layer)
        for sign in signs:
            schedule.apply_events([np.ones((1, ROWS))], [np.full((1, OUTPUTS), sign)], rate_for(schedule, 2.0))
        return np.abs(lab.true_weights(schedule.movers[0].layer) - before).mean()

    signs = np.random.default_rng(0).permutation(np.repeat([1.0, -1.0], 10 * ROWS))
    assert moved(signs) < 0.35 * moved(np.ones(20 * ROWS))


def test_the_second_array_forgets_what_it_was_told(lab):
    schedule = schedule_of(lab, zero_shift=150)
    schedule.prepare()
    second, event = schedule.beside[0].layer, (np.ones((1, ROWS)), np.ones((1, OUTPUTS)))
    for _ in range(50):
        schedule.apply_events([event[0]], [event[1]], rate_for(schedule, 2.0))
    told = lab.true_weights(second).mean()
    for sign in np.random.default_rng(0).choice([-1.0, 1.0], 800):
        schedule.apply_events([event[0]], [sign * event[1]], rate_for(schedule, 2.0))
    assert told < 0
    assert abs(lab.true_weights(second).mean()) < 0.4 * abs(told)


def test_a_device_without_a_symmetry_point_is_refused(lab):
    with pytest.raises(BadInput, match="cancel somewhere within their range"):
        schedule_of(lab, "linear")


def test_one_row_is_read_at_a_time_and_in_turns(lab):
    schedule = schedule_of(lab, zero_shift=1, transfer_every=2)
    schedule.prepare()
    second = schedule.beside[0].layer.tiles[0].crossbar
    before, zeros = second.status().reads, (np.zeros((1, ROWS)), np.zeros((1, OUTPUTS)))
    for _ in range(2 * ROWS):
        schedule.apply_events([zeros[0]], [zeros[1]], 1.0)
    assert second.status().reads - before == ROWS * 2 * OUTPUTS
