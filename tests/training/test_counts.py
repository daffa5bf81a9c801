"""What a run has cost: counted from its start, on every array, and carried over a resumed run."""

from dataclasses import asdict

import numpy as np
import pytest

from hwctl.protocol.codes import Feature, Polarity
from hwctl.training.counts import Counter, Totals

WAYS = [Feature(0), Feature.COUNTERS]


def pulse(crossbar, row, count):
    """Send `count` pulses to the first cell of a row."""
    shapes = [crossbar.drive_levels(polarity)[0] for polarity in (Polarity.SET, Polarity.RESET)]
    crossbar.pulse_cells([row], [0], np.array([count]), *shapes)


def without_times(totals):
    return totals.pulses_set, totals.pulses_reset, totals.reads


@pytest.mark.parametrize("lacks", WAYS)
def test_what_was_before_the_start_does_not_count(lab, lacks):
    crossbar = lab.board(rows=2, cols=2, lacks=lacks)
    pulse(crossbar, 0, 5)
    crossbar.read()
    counter = Counter([crossbar])
    assert counter.totals(0.0) == Totals()
    assert not counter.cell_pulses()[0].any()


@pytest.mark.parametrize("lacks", WAYS)
def test_pulses_reads_and_time_are_those_of_all_arrays(lab, lacks):
    crossbars = [lab.board(rows=2, cols=2, seed=n, lacks=lacks) for n in range(2)]
    counter = Counter(crossbars)
    busy = [crossbar.status().busy for crossbar in crossbars]
    pulse(crossbars[0], 0, 5)
    pulse(crossbars[1], 0, -3)
    pulse(crossbars[1], 1, 2)
    crossbars[0].read(averages=4)
    crossbars[1].read()
    totals = counter.totals(1.5)
    assert without_times(totals) == (7, 3, 4 * 4 + 4)
    assert totals.host_seconds == 1.5
    spent = sum(crossbar.status().busy - before for crossbar, before in zip(crossbars, busy, strict=True))
    assert totals.array_seconds == pytest.approx(spent)
    assert spent > 0
    first, second = counter.cell_pulses()
    np.testing.assert_array_equal(first, [[5, 0], [0, 0]])
    np.testing.assert_array_equal(second, [[3, 0], [2, 0]])


@pytest.mark.parametrize("lacks", WAYS)
def test_a_resumed_run_goes_on_with_its_totals(lab, lacks):
    crossbar = lab.board(rows=2, cols=2, lacks=lacks)
    counter = Counter([crossbar])
    pulse(crossbar, 0, 5)
    crossbar.read()
    values, cells = counter.state(2.0)
    # What others did to the array between the two processes, and until it is restored, is not this run's.
    pulse(crossbar, 0, 50)
    resumed = Counter([crossbar])
    pulse(crossbar, 0, -30)
    crossbar.read()
    resumed.carry(values, cells)
    assert asdict(resumed.totals(0.0)) == pytest.approx(values)
    pulse(crossbar, 1, -4)
    totals = resumed.totals(0.25)
    assert without_times(totals) == (5, 4, 4)
    assert totals.host_seconds == 2.25
    np.testing.assert_array_equal(resumed.cell_pulses()[0], [[5, 0], [4, 0]])


def test_a_state_survives_a_second_interruption(lab):
    crossbar = lab.board(rows=2, cols=2)
    counter = Counter([crossbar])
    for n in range(1, 4):
        pulse(crossbar, 0, 1)
        values, cells = counter.state(1.0)
        assert values["pulses_set"] == n
        assert values["host_seconds"] == n
        counter = Counter([crossbar])
        counter.carry(values, cells)


def test_totals_that_name_something_else_are_no_state(lab):
    counter = Counter([lab.board(rows=2, cols=2)])
    with pytest.raises(TypeError):
        counter.carry({"pulses": 3}, [np.zeros((2, 2), np.int64)])
