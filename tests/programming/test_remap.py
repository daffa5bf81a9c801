"""Programming around stuck cells: those that a pass finds are mapped around in the next one."""

import numpy as np
import pytest
from verify_lab import US, bench

from hwctl.crossbar.driver import ALL
from hwctl.errors import LimitError
from hwctl.programming.linemap import LineMap
from hwctl.programming.matrix import program_weights
from hwctl.programming.modelbased import ModelBased
from hwctl.programming.remap import mapped_scale, program_mapped
from hwctl.programming.weights import Bounds

K = 15 * US


def wanted():
    return np.clip(np.random.default_rng(2).normal(0, 1, (12, 5)), -2.4, 2.4)


def errors(lab, done):
    """By a reading of its own, with the map alone."""
    seen = lab.crossbar.read(ALL, averages=64)[np.ix_(done.line_map.rows, done.line_map.columns)]
    return (seen[:, 0::2] - seen[:, 1::2]) / K - done.weights


def test_the_weights_come_nearer_than_without_a_map_and_every_pulse_is_counted():
    rms = []
    for mapped in (False, True):
        lab = bench(stuck=0.08)
        region, bounds, method = lab.crossbar.region(ALL), Bounds.of(lab.model, (16, 12)), ModelBased(lab.model, US)
        if mapped:
            found = program_mapped(lab.crossbar, wanted(), K, region, method, bounds, np.random.default_rng(0))
            done = found.done
            assert found.passes > 1
            assert found.error_after < 0.1 * found.error_before
        else:
            done = program_weights(lab.crossbar, wanted(), K, region, method, bounds, LineMap.straight(12, 5))
        rms.append(float(np.sqrt((errors(lab, done) ** 2).mean())))
        status, counts = lab.crossbar.status(), lab.crossbar.pulse_counts()
        assert counts.sum() == status.set_pulses + status.reset_pulses
        assert counts.sum() == done.result.pulses.sum() + done.abandoned_pulses
        np.testing.assert_array_equal(counts[np.ix_(done.line_map.rows, done.line_map.columns)], done.result.pulses)
    assert rms[1] < 0.2 * rms[0]
    np.testing.assert_array_equal(done.stuck, ~lab.works[np.ix_(done.line_map.rows, done.line_map.columns)])


def test_a_chip_without_stuck_cells_is_programmed_once_with_its_lines_in_order():
    lab = bench()
    found = program_mapped(
        lab.crossbar, wanted(), K, lab.crossbar.region(ALL), ModelBased(lab.model, US), Bounds.of(lab.model, (16, 12)),
        np.random.default_rng(0),
    )  # fmt: skip
    assert (found.passes, found.error_before, found.error_after, found.done.abandoned_pulses) == (1, 0.0, 0.0, 0)
    np.testing.assert_array_equal(found.done.line_map.rows, np.arange(12))


def test_the_scale_is_that_of_the_device_unless_weak_pairs_cannot_be_avoided():
    lab = bench()
    whole, rng = Bounds.of(lab.model, (16, 12)), np.random.default_rng(0)
    weak = Bounds(whole.low, np.where(np.arange(12) < 2, 15 * US, whole.high), whole.stuck)  # the first pair of columns
    full = 39 * US / np.abs(wanted()).max()
    assert mapped_scale(wanted(), whole, whole, 0.0, rng) == (pytest.approx(full), None)
    assert mapped_scale(wanted(), weak, whole, 0.0, rng) == (pytest.approx(full), None)  # there is a sixth pair
    everywhere = Bounds(whole.low, np.full((16, 12), 15 * US), whole.stuck)
    k, (row, output) = mapped_scale(wanted(), everywhere, whole, 0.0, rng)
    assert k == pytest.approx(14 / 39 * full)
    assert abs(wanted()[row, output]) == np.abs(wanted()).max()


def test_weights_beyond_the_range_are_refused_before_a_pulse_unless_that_is_wished():
    lab = bench()
    asked = (lab.crossbar, wanted(), 2 * K, lab.crossbar.region(ALL), ModelBased(lab.model, US),
             Bounds.of(lab.model, (16, 12)), np.random.default_rng(0))  # fmt: skip
    with pytest.raises(LimitError, match="weights are beyond what their cells can show"):
        program_mapped(*asked)
    assert not lab.crossbar.pulse_counts().any()
    assert program_mapped(*asked, nearest=True).done.result.reached.all()
