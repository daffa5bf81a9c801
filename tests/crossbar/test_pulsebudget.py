"""A budget of pulses a cell: counted before a command is sent, and demanded of physical arrays."""

import numpy as np
import pytest

from hwctl.crossbar import Crossbar
from hwctl.crossbar.pulsebudget import within_budget
from hwctl.errors import BadInput, LimitError
from hwctl.protocol.codes import OuterMode, Polarity

PHYSICAL = "emulator:?device=neurram&rows=4&cols=5&lacks=emulated"
SET, RESET = Polarity.SET, Polarity.RESET


@pytest.fixture
def spender():
    """Open a board with a budget; return the crossbar and its usual shapes."""
    opened = []

    def call(most, url=PHYSICAL):
        opened.append(Crossbar.open(url))
        crossbar = within_budget(opened[-1], most, "--pulse-budget")
        return crossbar, (crossbar.drive_levels(SET)[0], crossbar.drive_levels(RESET)[0])

    yield call
    for crossbar in opened:
        crossbar.close()


def test_a_cell_gets_its_budget_and_no_pulse_more(spender):
    crossbar, shapes = spender(10)
    counts = np.zeros((4, 5), np.int64)
    counts[1, 2] = 6
    crossbar.pulse(counts, *shapes)
    with pytest.raises(LimitError, match="would get 12 pulses, its budget is 10"):
        crossbar.pulse(-counts, *shapes)
    assert crossbar.pulse_counts().max() == 6
    crossbar.pulse_cells([1], [2], [-4], *shapes)
    crossbar.pulse(10 * (counts == 0), *shapes)  # other cells have theirs
    with pytest.raises(LimitError, match="11 pulses"):
        crossbar.pulse_cells([1], [2], [1], *shapes)
    np.testing.assert_array_equal(crossbar.pulse_counts(), np.full((4, 5), 10))


def test_a_command_in_parts_is_sent_whole_or_not_at_all(spender):
    crossbar, shapes = spender(10)
    x, d = np.full((3, 4), 1), np.full((3, 5), 2)  # 6 pulses of each cell, in one command
    crossbar.outer(x, d, *shapes, mode=OuterMode.COUNT)
    with pytest.raises(LimitError, match="12 pulses"):
        crossbar.outer(x, d, *shapes, mode=OuterMode.COUNT)
    assert set(crossbar.pulse_counts().ravel()) == {6}


def test_what_a_closed_loop_did_not_need_is_given_back(spender):
    crossbar, shapes = spender(40)
    wanted = crossbar.read(averages=16)
    for _ in range(5):  # cells are there already
        done = crossbar.write_verify(wanted, 10e-6, [shapes[0]], [shapes[1]], attempts=30)
        assert done.set_pulses.max() + done.reset_pulses.max() < 8
    with pytest.raises(LimitError, match="its budget is 40"):
        crossbar.write_verify(wanted, 10e-6, [shapes[0]], [shapes[1]], attempts=41)
    assert crossbar.pulse_counts().max() < 40


def test_a_refused_command_costs_nothing(spender):
    crossbar, shapes = spender(10)
    for _ in range(3):
        with pytest.raises(LimitError, match="give integers"):
            crossbar.pulse(np.full((9, 9), 9), *shapes)
    crossbar.pulse(np.full((4, 5), 10), *shapes)


def test_a_physical_array_without_a_budget_gets_no_pulse():
    with Crossbar.open(PHYSICAL) as opened:
        with pytest.raises(BadInput, match=r"physical array.*--pulse-budget how many pulses"):
            within_budget(opened, None, "--pulse-budget")
        with pytest.raises(BadInput, match="give 1 or more"):
            within_budget(opened, 0, "--pulse-budget")
        assert not opened.pulse_counts().any()


def test_an_emulated_array_may_do_without():
    with Crossbar.open("emulator:?rows=2&cols=2") as opened:
        assert within_budget(opened, None, "--pulse-budget") is opened
