"""Listed cells are read as the region is, each converted once and no other."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hwctl.crossbar import Crossbar
from hwctl.crossbar.sensing import _blocks
from hwctl.errors import LimitError

ROWS, COLS = 7, 9


@settings(max_examples=50, deadline=None)
@given(arrays(np.bool_, (ROWS, COLS)), st.sampled_from([1, 4]))
def test_the_chosen_cells_are_read_and_no_other(chosen, averages):
    with Crossbar.open(f"emulator:?device=neurram&rows={ROWS}&cols={COLS}&seed=3") as crossbar:
        whole = crossbar.read(averages=averages)
        crossbar.noise_index = 0
        before = crossbar.status().reads
        found = crossbar.read_cells(*np.nonzero(chosen), averages=averages)
        assert crossbar.status().reads - before == averages * chosen.sum()
    np.testing.assert_array_equal(found, whole[chosen])


@settings(max_examples=50, deadline=None)
@given(arrays(np.bool_, (ROWS, COLS)))
def test_blocks_cover_the_chosen_cells_once(chosen):
    assume(chosen.any())
    covered = np.zeros((ROWS, COLS), np.int64)
    for row0, row1, col0, col1 in _blocks(*np.nonzero(chosen)):
        covered[row0:row1, col0:col1] += 1
    np.testing.assert_array_equal(covered, chosen)


def test_a_whole_region_is_one_block():
    assert _blocks(*np.nonzero(np.ones((ROWS, COLS)))) == [(0, ROWS, 0, COLS)]


def test_cells_come_in_the_order_in_which_they_were_asked_for_and_may_come_twice():
    with Crossbar.open("emulator:?device=linear&rows=2&cols=3") as crossbar:
        crossbar.pulse(np.arange(6).reshape(2, 3), *(crossbar.drive_levels(p)[0] for p in (0, 1)))
        whole = crossbar.read()
        np.testing.assert_array_equal(crossbar.read_cells([1, 0, 1], [2, 0, 2]), whole[[1, 0, 1], [2, 0, 2]])


def test_a_cell_outside_the_array_is_refused():
    with Crossbar.open("emulator:?rows=2&cols=3") as crossbar, pytest.raises(LimitError, match="outside the array"):
        crossbar.read_cells([0, 2], [0, 0])
