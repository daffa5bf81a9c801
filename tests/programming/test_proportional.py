"""The PI loop: the drive is gain times error plus integral gain times its sum, limited, in whole pulses."""

import numpy as np
import pytest
from verify_lab import US, agrees_with_the_board, bench

from hwctl.errors import LimitError
from hwctl.programming.proportional import proportional_integral


def test_it_reaches_the_targets_and_counts_as_the_board_does():
    lab = bench(stuck=0.05)
    done = proportional_integral(lab.crossbar, lab.targets, US, level=12, pulses_per_tolerance=0.1)
    assert done.reached[lab.works].mean() > 0.99
    agrees_with_the_board(lab, done)


def test_its_pulses_are_those_of_the_control_law():
    lab = bench("linear", rows=1, cols=1)
    step, tolerance, pulses, windup = 0.1 * US, 0.4 * US, 2.0, 20.0
    target, g, total, sent = 70 * US, 50 * US, 0.0, []
    for _ in range(50):
        error = (target - g) / tolerance
        if abs(error) <= 1:
            break
        total = np.clip(total + error, -windup, windup)
        drive = pulses * (0.7 * error + 0.3 * total)
        sent.append(int(np.sign(drive) * max(np.rint(abs(drive)), 1)))
        g = np.clip(g + sent[-1] * step, 10 * US, 90 * US)
    done = proportional_integral(
        lab.crossbar, [[target]], tolerance, level=0, pulses_per_tolerance=pulses, windup=windup
    )
    assert done.reached.all()
    # The converter's step of 0.024 uS moves a count by one now and then.
    assert done.set_pulses.item() == pytest.approx(sum(n for n in sent if n > 0), abs=3)
    assert done.reset_pulses.item() == pytest.approx(-sum(n for n in sent if n < 0), abs=3)
    assert done.rounds == len(sent) > 3


def test_the_amplitude_rises_and_the_last_reading_follows_the_last_pulse():
    lab = bench(stuck=1.0, rows=3, cols=3)
    done = proportional_integral(lab.crossbar, lab.targets, US, level=27, pulses_per_tolerance=0.01, iterations=60)
    np.testing.assert_array_equal(done.reads, 60)
    assert done.rounds == 59


@pytest.mark.parametrize("bad", [{"level": 29}, {"level": -1}, {"pulses_per_tolerance": 0.0}, {"iterations": 0}])
def test_parameters_that_drive_nothing_are_refused(bad):
    lab = bench(rows=2, cols=2)
    with pytest.raises(LimitError, match="give a level from 0 to 28"):
        proportional_integral(lab.crossbar, lab.targets, US, **({"level": 3, "pulses_per_tolerance": 1.0} | bad))
