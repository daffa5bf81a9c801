"""A second matrix holds what the first one lacks, many times over, so that its own errors count little."""

import numpy as np
from verify_lab import US, bench

from hwctl.programming.linemap import LineMap
from hwctl.programming.matrix import program_weights
from hwctl.programming.modelbased import ModelBased
from hwctl.programming.residual import best_gain, program_residual
from hwctl.programming.weights import Bounds

K = 15 * US
PRECISION = 0.01 * US


def corrected(lab, rows=12, outputs=3):
    weights = np.clip(np.random.default_rng(3).normal(0, 1, (rows, outputs)), -2.4, 2.4)
    first, second = (
        lab.crossbar.region(slice(0, rows), slice(start, start + 2 * outputs)) for start in (0, 2 * outputs)
    )
    bounds, method = Bounds.of(lab.model, (rows, 2 * outputs)), ModelBased(lab.model, US)
    done = program_weights(lab.crossbar, weights, K, first, method, bounds, LineMap.straight(rows, outputs))
    return program_residual(lab.crossbar, done, second, method, bounds, PRECISION)


def off(lab, found, with_second):
    """Errors by readings of their own."""
    rows, outputs = found.first.weights.shape
    seen = lab.crossbar.read(slice(0, rows), slice(0, 4 * outputs), averages=4096)
    first, second = ((part[:, 0::2] - part[:, 1::2]) / K for part in (seen[:, : 2 * outputs], seen[:, 2 * outputs :]))
    return first + with_second * second / found.gain - found.first.weights


def rms(values):
    return float(np.sqrt((values**2).mean()))


def test_the_error_falls_by_about_the_gain_and_every_pulse_and_conversion_is_counted():
    lab = bench()
    found = corrected(lab)
    status, results = lab.crossbar.status(), (found.first.result, found.second.result)
    assert status.set_pulses + status.reset_pulses == sum(done.pulses.sum() for done in results)
    assert status.reads == sum(done.reads.sum() for done in results) + found.conversions
    assert found.gain > 8
    assert rms(off(lab, found, 1)) < 2.5 * rms(off(lab, found, 0)) / found.gain
    np.testing.assert_allclose(found.effective - found.first.weights, off(lab, found, 1), atol=8 * PRECISION / K)
    assert found.second.expected.shape == (12, 3)


def test_a_residual_makes_up_for_stuck_cells_of_the_first_matrix_too():
    lab = bench(stuck=0.06)
    found = corrected(lab)
    assert not lab.works[:12, :6].all()
    assert not lab.works[:12, 6:12].all()
    first, both = off(lab, found, 0), off(lab, found, 1)
    assert rms(both) < 0.1 * rms(first)
    stuck = ~(lab.works[:12, 0:6:2] & lab.works[:12, 1:6:2])
    assert np.abs(both[stuck]).max() < 0.2 * np.abs(first[stuck]).max()


def test_the_gain_leaves_an_outlier_where_the_others_gain_more():
    lab = bench()
    bounds, sure = Bounds.of(lab.model, (10, 20)), np.ones((10, 10), np.bool_)
    lacking = np.random.default_rng(0).uniform(-0.05, 0.05, (10, 10))
    gain = best_gain(lacking, K, bounds, sure)
    assert 39 * US / K / gain >= 0.95 * np.abs(lacking).max()  # all are within reach
    assert gain > 30
    lacking[0, 0], sure[0, 0] = 0.06, False
    assert best_gain(lacking, K, bounds, sure) > 0.8 * gain
    assert best_gain(np.where(sure, lacking, 2.5), K, bounds, sure) < 3  # one that is worth more than all others
