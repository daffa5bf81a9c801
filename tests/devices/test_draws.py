import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwctl.devices.draws import normal, threefry2x32, uniform
from hwctl.errors import DeviceError

ONES = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("key", "counter", "words"),
    [  # threefry2x32, 20 rounds: the known-answer vectors that Random123 publishes
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((ONES, ONES), (ONES, ONES), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_gives_the_known_answers(key, counter, words):
    assert tuple(int(word[0]) for word in threefry2x32(key, counter)) == words


def test_fewer_rounds_give_other_words_and_only_whole_groups_are_taken():
    twelve, twenty = (int(threefry2x32((1, 2), (3, 4), rounds)[0][0]) for rounds in (12, 20))
    assert twelve != twenty
    for rounds in (0, 13):
        with pytest.raises(DeviceError, match="rounds"):
            threefry2x32((1, 2), (3, 4), rounds)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.permutations(range(20)))
def test_draws_do_not_depend_on_the_order_of_cells(seed, stream, order):
    cells = np.arange(20)
    for draw in (uniform, normal):
        together = draw(seed, stream, cells, 7)
        np.testing.assert_array_equal(draw(seed, stream, cells[order], 7), together[order])
        assert draw(seed, stream, 13, 7) == together[13]


@pytest.mark.parametrize("draw", [uniform, normal])
def test_each_argument_changes_the_draw(draw):
    variants = [
        (1, 2, 3, 4),
        (0, 2, 3, 4),
        (1 + 2**32, 2, 3, 4),
        (1, 0, 3, 4),
        (1, 2, 0, 4),
        (1, 2, 3, 0),
        (1, 2, 3, 4 + 2**32),
        (1, 2, 4, 3),
    ]
    assert len({float(draw(*arguments)) for arguments in variants}) == len(variants)


def test_shapes_broadcast_and_scalars_stay_scalars():
    assert uniform(1, 2, np.arange(6).reshape(2, 3)).shape == (2, 3)
    assert normal(1, 2, np.arange(3)[:, None], np.arange(4)).shape == (3, 4)
    assert uniform(1, 2, 3, 4).shape == ()
    assert uniform(1, 2, np.zeros(0, dtype=np.int64)).shape == (0,)


def test_uniform_draws_fill_the_interval_evenly():
    values = uniform(11, 0, np.arange(100_000))
    assert 0.0 < values.min() < values.max() < 1.0
    counts = np.histogram(values, bins=50, range=(0, 1))[0]
    chi2 = ((counts - 2000.0) ** 2 / 2000.0).sum()
    assert 25 < chi2 < 85  # 49 degrees of freedom: 0.1% on either side


def test_normal_draws_have_the_moments_of_a_standard_normal():
    values = normal(12, 0, np.arange(100_000))
    assert abs(values.mean()) < 4 / np.sqrt(100_000)
    assert abs(values.std() - 1) < 4 / np.sqrt(200_000)
    assert abs((values**3).mean()) < 4 * np.sqrt(15 / 100_000)
    assert abs((values**4).mean() - 3) < 4 * np.sqrt(96 / 100_000)
    assert abs((np.abs(values) > 1.959964).mean() - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 100_000)


def test_neighbouring_cells_indices_and_streams_are_uncorrelated():
    cells = np.arange(50_000)
    base = normal(5, 1, cells, 9)
    for other in (normal(5, 1, cells + 1, 9), normal(5, 1, cells, 10), normal(5, 2, cells, 9), normal(6, 1, cells, 9)):
        assert abs(np.corrcoef(base, other)[0, 1]) < 4 / np.sqrt(50_000)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((-1, 0, 0, 0), "seed"),
        ((2**64, 0, 0, 0), "seed"),
        ((0, 2**32, 0, 0), "stream"),
        ((0, 0, -1, 0), "cell"),
        ((0, 0, 2**32, 0), "cell"),
        ((0, 0, 1.5, 0), "cell"),
        ((0, 0, 0, [3, -1]), "index"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, complaint):
    with pytest.raises(DeviceError, match=complaint):
        uniform(*arguments)
