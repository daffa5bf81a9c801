"""Tiles cover every layer once, never meet on an array and keep pairs together; too few arrays name how many do."""

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwctl.errors import LimitError
from hwctl.training.placement import place, whole_size

matrices = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 8).map(lambda n: 2 * n)), min_size=1, max_size=3)
sizes = st.tuples(st.integers(3, 24), st.integers(3, 24))


def enough(shapes, sizes_of):
    """Return arrays, of the sizes in turn, on which the layers fit."""
    for count in range(1, 200):
        arrays = [sizes_of[n % len(sizes_of)] for n in range(count)]
        try:
            return arrays, place(shapes, arrays)
        except LimitError:
            continue
    raise AssertionError("no number of arrays is enough")  # 3 layers of 20 x 16 are at most 168 tiles


@settings(max_examples=50, deadline=None)
@given(matrices, st.lists(sizes, min_size=1, max_size=3))
def test_tiles_cover_every_matrix_once_and_never_overlap(shapes, sizes_of):
    arrays, placed = enough(shapes, sizes_of)
    taken = [np.zeros(size, int) for size in arrays]
    assert len(placed) == len(shapes)
    for shape, tiles in zip(shapes, placed, strict=True):
        covered = np.zeros(shape, int)
        for tile in tiles:
            for matrix, row, col in (
                (covered, tile.first_input, tile.first_line),
                (taken[tile.array], tile.row, tile.col),
            ):
                block = matrix[row : row + tile.rows, col : col + tile.cols]
                assert block.shape == (tile.rows, tile.cols)
                block += 1
        assert (covered == 1).all()
    assert all(cells.max(initial=0) <= 1 for cells in taken)


@settings(max_examples=50, deadline=None)
@given(matrices, st.lists(sizes, min_size=1, max_size=3))
def test_pairs_stay_together(shapes, sizes_of):
    for tiles in enough(shapes, sizes_of)[1]:
        for tile in tiles:
            assert tile.first_line % 2 == 0
            assert tile.cols % 2 == 0


@settings(deadline=None)
@given(matrices)
def test_one_array_of_the_whole_size_holds_all_layers_uncut(shapes):
    rows, cols = whole_size(shapes)
    for shape, tiles in zip(shapes, place(shapes, [(rows, cols)]), strict=True):
        assert [(tile.rows, tile.cols) for tile in tiles] == [shape]


@settings(max_examples=25, deadline=None)
@given(matrices, sizes)
def test_too_few_arrays_raise_an_error_that_names_how_many_would_do(shapes, size):
    needed = len(enough(shapes, [size])[0])
    for count in sorted({1, needed // 2, needed - 1} - {0, needed}):
        with pytest.raises(LimitError) as error:
            place(shapes, [size] * count)
        assert "\n" not in str(error.value)
        assert int(re.search(r"give --target (\d+) times", str(error.value))[1]) == needed
        assert f"{shapes[0][0]} x {shapes[0][1]}" in str(error.value)
        assert f"{count} array(s) of {size[0]} x {size[1]}" in str(error.value)


def test_an_array_of_one_column_holds_no_pair():
    with pytest.raises(LimitError, match="one column"):
        place([(4, 4)], [(100, 1)])
    with pytest.raises(LimitError, match="one column"):
        place([(4, 4)], [(100, 100), (100, 1)])


def test_small_layers_share_an_array_side_by_side():
    placed = place([(4, 4), (3, 4), (4, 6)], [(8, 8)])
    spots = Counter((tile.row, tile.col) for tiles in placed for tile in tiles)
    assert spots == {(0, 0): 1, (0, 4): 1, (4, 0): 1}


def test_a_layer_that_fits_an_array_stays_whole_beside_a_smaller_array():
    (tiles,) = place([(50, 50)], [(4, 4), (64, 64)])
    assert len(tiles) == 1
