"""The split is fair and covers every row; scaling never sees the test part."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwctl.errors import TaskError
from hwctl.training import tasks
from hwctl.training.tasks.dataset import scale_by_training_part, split_and_scale, stratified_split

SMALL = ("wbc", "iris", "wine")


def split_rows(y, share, seed):
    """Split row numbers, so that the parts tell which rows they hold."""
    rows = np.arange(len(y), dtype=np.float64)[:, None]
    train, train_y, test, test_y = stratified_split(rows, y, share, np.random.default_rng(seed))
    train, test = train[:, 0].astype(int), test[:, 0].astype(int)
    np.testing.assert_array_equal(y[train], train_y)
    np.testing.assert_array_equal(y[test], test_y)
    return train, test


@given(
    sizes=st.lists(st.integers(2, 60), min_size=1, max_size=5),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32),
)
def test_split_covers_all_rows_once_and_keeps_class_shares(sizes, share, seed):
    y = np.repeat(np.arange(len(sizes)), sizes).astype(np.int64)
    train, test = split_rows(y, share, seed)
    assert sorted([*train, *test]) == list(range(len(y)))
    for label, size in enumerate(sizes):
        held_out = np.count_nonzero(y[test] == label)
        assert 1 <= held_out <= size - 1
        assert abs(held_out - share * size) <= 0.5 or held_out in (1, size - 1)


def test_seed_decides_the_split():
    y = np.repeat([0, 1], [50, 30]).astype(np.int64)
    first, again, other = (split_rows(y, 0.2, seed)[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert set(first) != set(other)


def test_parts_are_not_in_order_of_class():
    train, _ = split_rows(np.repeat([0, 1], 100).astype(np.int64), 0.2, 0)
    assert np.count_nonzero(np.diff(train >= 100)) > 20


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_share_outside_zero_to_one_is_refused(share):
    with pytest.raises(TaskError, match="test share"):
        split_rows(np.array([0, 0, 1, 1]), share, 0)


def test_class_with_one_row_is_refused():
    with pytest.raises(TaskError, match="class 1 has a single row"):
        split_rows(np.array([0, 0, 1]), 0.2, 0)


def test_no_rows_are_refused():
    with pytest.raises(TaskError, match="no rows"):
        split_rows(np.empty(0, dtype=np.int64), 0.2, 0)


def test_scaling_ignores_the_test_part():
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(40, 3)), rng.normal(size=(10, 3))
    scaled, _ = scale_by_training_part(train, test)
    with_other_test, far = scale_by_training_part(train, test * 1000)
    np.testing.assert_array_equal(scaled, with_other_test)
    assert scaled.min(axis=0).tolist() == [0, 0, 0]
    assert scaled.max(axis=0).tolist() == [1, 1, 1]
    assert far.min() >= 0
    assert far.max() <= 1


def test_scaled_test_rows_inside_the_training_range_keep_the_training_scale():
    _, test = scale_by_training_part(np.array([[2.0], [10.0]]), np.array([[4.0], [0.0], [12.0]]))
    assert test[:, 0].tolist() == [0.25, 0.0, 1.0]


def test_constant_feature_becomes_zero():
    train, test = scale_by_training_part(np.full((3, 1), 7.0), np.array([[7.0], [7.5]]))
    assert train[:, 0].tolist() == [0, 0, 0]
    assert test[:, 0].tolist() == [0, 0.5]


def test_changed_test_rows_leave_the_training_part_of_a_data_set_as_it_was():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(50, 2)), np.repeat([0, 1], 25).astype(np.int64)
    _, test_rows = split_rows(y, 0.2, 9)
    changed = x.copy()
    changed[test_rows] *= 50
    before, after = (split_and_scale("made-up", rows, y, 2, 9) for rows in (x, changed))
    np.testing.assert_array_equal(before.train_x, after.train_x)
    assert not np.array_equal(before.test_x, after.test_x)


@pytest.mark.parametrize("name", SMALL)
def test_every_small_task_loads_as_it_describes_itself(name):
    task = tasks.get(name)
    data = task.load(0, None)
    assert data.name == name
    assert data.classes == task.classes
    for x, y in ((data.train_x, data.train_y), (data.test_x, data.test_y)):
        assert x.dtype == np.float64
        assert y.dtype == np.int64
        assert x.shape == (len(y), task.features)
        assert x.min() >= 0
        assert x.max() <= 1
        assert set(y) == set(range(task.classes))
    assert f"{len(data.train_y)} train / {len(data.test_y)} test" in data.provenance
    assert "seed 0" in data.provenance
    assert "\n" not in data.provenance


@pytest.mark.parametrize("name", SMALL)
def test_every_small_task_follows_its_seed(name):
    task = tasks.get(name)
    first, again, other = (task.load(seed, None) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first.test_x, again.test_x)
    assert not np.array_equal(first.test_x, other.test_x)


def test_tasks_cannot_be_changed_and_carry_licence_and_source():
    with pytest.raises(TypeError):
        tasks.TASKS["new"] = tasks.TASKS["wbc"]
    assert list(tasks.TASKS) == ["wbc", "iris", "wine", "mnist"]
    for name, task in tasks.TASKS.items():
        assert task.name == name
        assert task.licence.startswith("CC")
        assert task.source


def test_unknown_task_is_named_with_a_suggestion():
    with pytest.raises(TaskError, match=r"unknown task 'mnits'; did you mean mnist\? .*wbc, iris, wine, mnist"):
        tasks.get("mnits")
    with pytest.raises(TaskError, match="unknown task 'quux'; choose one of"):
        tasks.get("quux")


def test_rows_kept_back_are_drawn_from_every_class_and_left_out_of_training():
    data = tasks.get("wine").load(3, None)
    kept = data.keeping_back(0.25, 3)
    assert len(kept.train_y) + len(kept.validation_y) == len(data.train_y)
    assert set(kept.validation_y) == set(range(data.classes))
    rows = {tuple(row) for row in kept.train_x}
    assert not rows & {tuple(row) for row in kept.validation_x}
    np.testing.assert_array_equal(kept.test_x, data.test_x)
    np.testing.assert_array_equal(data.keeping_back(0.25, 3).validation_x, kept.validation_x)
    assert "kept back" in kept.provenance
    with pytest.raises(TaskError, match="not between 0 and 1"):
        data.keeping_back(1.0, 3)
