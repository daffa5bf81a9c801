"""Ramps: on the board or on the host, counted alike; NeuRRAM's confirms with a second reading and ends in time."""

import numpy as np
import pytest
from verify_lab import US, agrees_with_the_board, bench

from hwctl.errors import LimitError
from hwctl.programming.ramp import alternating, constant, ispp
from hwctl.protocol.codes import Polarity


@pytest.mark.parametrize("options", [{}, {"lacks": "write_verify"}])
def test_a_rising_ramp_reaches_its_targets_on_board_and_host(options):
    lab = bench(**options)
    done = ispp(lab.crossbar, lab.targets, US, attempts=60)
    assert done.reached.mean() > 0.95
    assert (np.abs(done.reading - lab.targets)[done.reached] <= US * 1.02).all()
    np.testing.assert_array_equal(lab.crossbar.pulse_counts(), done.pulses)
    assert done.pulses.max() <= 60
    np.testing.assert_array_equal(done.reads, done.pulses + 1)


def test_averages_count_as_so_many_conversions():
    lab = bench()
    done = ispp(lab.crossbar, lab.targets, US, attempts=5, averages=4)
    np.testing.assert_array_equal(done.reads, 4 * (done.pulses + 1))


def test_a_constant_amplitude_uses_one_shape():
    lab = bench("linear")
    shapes = [lab.crossbar.drive_levels(polarity)[0] for polarity in (Polarity.SET, Polarity.RESET)]
    targets = 50 * US + np.linspace(-5, 5, lab.targets.size).reshape(lab.targets.shape) * US
    done = constant(lab.crossbar, targets, 0.08 * US, set_shape=shapes[0], reset_shape=shapes[1])
    assert done.reached.all()
    np.testing.assert_allclose(done.pulses, np.abs(targets - 50 * US) / (0.1 * US), atol=1.3)


def test_the_alternating_ramp_confirms_and_reaches_every_working_cell():
    lab = bench(stuck=0.1)
    done = alternating(lab.crossbar, lab.targets, US)
    assert done.reached[lab.works].all()
    assert not done.reached[~lab.works].all()
    # One reading first, one after each pulse, and at least one that confirms.
    assert (done.reads >= done.pulses + 1 + done.reached).all()
    agrees_with_the_board(lab, done)


def test_a_cell_that_does_not_move_gets_the_ramp_and_thirty_pulses_at_its_end():
    lab = bench(stuck=1.0)
    done = alternating(lab.crossbar, lab.targets, US)
    # 29 levels: 28 below the last, and 30 at it.
    np.testing.assert_array_equal(done.pulses, 28 + 30)
    assert not done.reached.any()


def test_a_second_reading_that_leaves_the_band_starts_another_iteration():
    lab = bench()
    few = alternating(lab.crossbar, lab.targets, 0.05 * US, iterations=1)
    assert (~few.reached).any()
    assert few.pulses.max() < 3 * 29


def test_no_iteration_is_refused():
    lab = bench(rows=2, cols=2)
    with pytest.raises(LimitError, match="give 1 or more"):
        alternating(lab.crossbar, lab.targets, US, iterations=0)
    assert lab.crossbar.pulse_counts().sum() == 0
