"""Results list what was missed; a later check pulses nothing and sees relaxation."""

import numpy as np
import pytest
from verify_lab import US, bench

from hwctl.errors import LimitError
from hwctl.programming.modelbased import model_based
from hwctl.programming.result import Result, check


def test_missed_cells_are_listed_by_row_and_column():
    ones = np.ones((2, 3), np.int64)
    reached = np.array([[True, False, True], [True, True, False]])
    done = Result(reached, ones * US, ones, 2 * ones, ones, 1)
    assert done.missed() == [(0, 1), (1, 2)]
    np.testing.assert_array_equal(done.pulses, 3)


def test_a_check_after_waiting_sees_relaxation_and_pulses_nothing():
    lab = bench(relaxation=0.02)
    model_based(lab.crossbar, lab.targets, US, model=lab.model)
    pulses = lab.crossbar.pulse_counts()
    now = check(lab.crossbar, lab.targets, US)
    lab.crossbar.wait(3600.0)
    later = check(lab.crossbar, lab.targets, US)
    assert later.within.sum() < now.within.sum()
    assert np.std(later.reading - lab.targets) > 1.2 * np.std(now.reading - lab.targets)
    np.testing.assert_array_equal(lab.crossbar.pulse_counts(), pulses)


def test_a_target_that_no_reading_reaches_is_refused():
    lab = bench(rows=2, cols=2)
    with pytest.raises(LimitError, match=r"1 targets are outside what the board reads, first 80 uS .* cells \(1, 0\)"):
        check(lab.crossbar, [[5 * US, 5 * US], [80 * US, 5 * US]], US)
