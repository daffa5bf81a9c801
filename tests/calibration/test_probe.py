"""Every pulse is counted and kept; a calibration that goes on sends none of them again."""

import numpy as np
import pytest

from hwctl.calibration.probe import Stage
from hwctl.errors import LimitError

UP = np.ones(256, np.int64)
WEAKEST = np.zeros(256, np.int64)


def test_trains_are_in_the_trace_with_their_readings(bench):
    probe = bench("neurram").probe()
    first = probe.present
    counts = np.zeros(256, np.int64)
    counts[3], counts[7] = 2, -5
    after = probe.pulse(Stage.WALK, counts, np.full(256, 4))
    trace = probe.trace()
    assert trace["cell"].tolist() == [3, 7]
    assert trace["polarity"].tolist() == [0, 1]
    assert trace["count"].tolist() == [2, 5]
    assert set(trace["level"]) == {4}
    np.testing.assert_array_equal(trace["before"], first[[3, 7]])
    np.testing.assert_array_equal(trace["after"], after[[3, 7]])
    assert probe.lifetime()[[3, 7]].tolist() == [2, 5]


def test_a_budget_is_never_exceeded(bench):
    probe = bench("neurram").probe(budget=5)
    probe.pulse(Stage.WALK, 4 * UP, WEAKEST)
    with pytest.raises(LimitError, match="more than the budget of 5 pulses"):
        probe.pulse(Stage.WALK, 2 * UP, WEAKEST)
    assert set(probe.lifetime()) == {4}


@pytest.mark.parametrize("lost", [False, True], ids=["before-the-pulse", "behind-the-pulse"])
def test_going_on_sends_what_was_not_executed_and_nothing_twice(bench, lost):
    chip = bench("neurram")
    probe = chip.probe()
    probe.pulse(Stage.WALK, 3 * UP, WEAKEST)
    if lost:  # the link died behind the next train: it was executed, and its reading never came
        probe._send(2 * UP, WEAKEST)
    again = chip.probe(before=probe.known)
    again.pulse(Stage.WALK, 3 * UP, WEAKEST)
    again.pulse(Stage.WALK, 2 * UP, WEAKEST)
    again.pulse(Stage.WALK, UP, WEAKEST)
    assert set(again.lifetime()) == {6}
    assert set(again.spent) == {6}
    for field in ("after", "time"):
        np.testing.assert_array_equal(again.trace()[field][:256], probe.trace()[field])


def test_pulses_by_somebody_else_are_noticed(bench):
    chip = bench("neurram")
    probe = chip.probe()
    probe.pulse(Stage.WALK, 3 * UP, WEAKEST)
    probe._send(7 * UP, WEAKEST)
    again = chip.probe(before=probe.known)
    again.pulse(Stage.WALK, 3 * UP, WEAKEST)
    with pytest.raises(LimitError, match="begin a new one"):
        again.pulse(Stage.WALK, 2 * UP, WEAKEST)


def test_what_was_known_stays_known_while_it_is_gone_through_again(bench):
    chip = bench("neurram")
    probe = chip.probe()
    probe.pulse(Stage.WALK, 3 * UP, WEAKEST)
    probe.pulse(Stage.WALK, 2 * UP, WEAKEST)
    again = chip.probe(before=probe.known)
    again.pulse(Stage.WALK, 3 * UP, WEAKEST)  # cut off here, it has to be able to begin once more
    assert again.waiting == 1
    assert len(again.known.readings) == 3
