"""A checkpoint comes back as it was, is whole or not there, and says in one line why it cannot be read."""

import json

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from hwctl.errors import RunError
from hwctl.training.checkpoint import FORMAT, NAME, Checkpoint

UNITS = {"mean": "S", "variance": "S^2"}
SMALL = Checkpoint({"seed": 1}, {"layer0/mean": np.arange(6.0).reshape(2, 3)}, UNITS)

numbers = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
nested = st.recursive(numbers, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner))
kinds = st.sampled_from([np.float64, np.int64, np.bool_, np.uint16, np.uint8])


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    st.dictionaries(st.text(max_size=8), nested),
    st.lists(kinds.flatmap(lambda kind: arrays(kind, array_shapes(min_dims=0, min_side=0, max_side=4))), max_size=4),
)
def test_values_and_arrays_come_back_to_the_bit(tmp_path, values, found):
    wanted = {f"layer{n}/sub/x": array for n, array in enumerate(found)}
    Checkpoint(values, wanted).save(tmp_path)
    loaded = Checkpoint.load(tmp_path)
    assert loaded.values == values
    assert loaded.arrays.keys() == wanted.keys()
    for name, array in wanted.items():
        assert loaded.arrays[name].dtype == array.dtype
        assert loaded.arrays[name].shape == array.shape
        assert loaded.arrays[name].tobytes() == array.tobytes()


def test_a_long_history_comes_back(tmp_path):
    # HDF5 holds at most 64 KiB in an attribute of fixed length.
    long = {"history": [{f"metric {n}": epoch / 7 for n in range(15)} for epoch in range(1000)]}
    assert len(json.dumps(long)) > 1 << 18
    Checkpoint(long).save(tmp_path)
    assert Checkpoint.load(tmp_path).values == long


def test_not_a_number_survives(tmp_path):
    Checkpoint({"loss": float("nan")}, {"trend": np.array([np.nan, 1.0])}).save(tmp_path)
    loaded = Checkpoint.load(tmp_path)
    assert np.isnan(loaded.values["loss"])
    np.testing.assert_array_equal(loaded.arrays["trend"], [np.nan, 1.0])


def test_units_are_attributes_of_the_arrays_that_have_one(tmp_path):
    arrays_of_layers = {f"layer{n}/{name}": np.zeros(2) for n in range(2) for name in ("mean", "variance", "spent")}
    path = Checkpoint({}, arrays_of_layers, UNITS).save(tmp_path)
    with h5py.File(path) as file:
        for n in range(2):
            assert file[f"layer{n}/mean"].attrs["units"] == "S"
            assert file[f"layer{n}/variance"].attrs["units"] == "S^2"
            assert "units" not in file[f"layer{n}/spent"].attrs


def test_nothing_else_is_left_in_the_folder(tmp_path):
    SMALL.save(tmp_path)
    SMALL.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


# -- damage --------------------------------------------------------------------------------------------------------


def refused(folder):
    with pytest.raises(RunError) as error:
        Checkpoint.load(folder)
    message = str(error.value)
    assert "\n" not in message
    assert str(folder / NAME) in message
    return message


def test_a_missing_checkpoint_says_to_start_without_resume(tmp_path):
    assert "--resume" in refused(tmp_path)
    (tmp_path / NAME).mkdir()
    assert "does not exist" in refused(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_file_cut_off_is_refused(tmp_path, share):
    path = SMALL.save(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert "start the run again" in refused(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\n", b"garbage" * 1000, b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_garbage_is_refused(tmp_path, content):
    (tmp_path / NAME).write_bytes(content)
    assert "no readable checkpoint" in refused(tmp_path)


def damaged(folder, change):
    path = SMALL.save(folder)
    with h5py.File(path, "a") as file:
        change(file.attrs)
    return refused(folder)


def test_a_file_without_its_last_mark_was_cut_off(tmp_path):
    assert "cut off" in damaged(tmp_path, lambda attributes: attributes.pop("complete"))


def test_another_format_says_to_update(tmp_path):
    def change(attributes):
        attributes["format"] = FORMAT + 1

    assert f"format {FORMAT + 1}" in damaged(tmp_path, change)
    assert "update hwctl" in refused(tmp_path)


@pytest.mark.parametrize("name", ["format", "values"])
def test_a_file_without_its_attributes_is_refused(tmp_path, name):
    assert name in damaged(tmp_path, lambda attributes: attributes.pop(name))


def test_values_that_are_no_json_are_refused(tmp_path):
    def change(attributes):
        attributes["values"] = '{"seed": '

    assert "no readable checkpoint" in damaged(tmp_path, change)


def test_values_that_are_no_text_are_refused(tmp_path):
    def change(attributes):
        attributes["values"] = 3

    assert "no readable checkpoint" in damaged(tmp_path, change)


# -- writing that fails --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        Checkpoint({"array": np.zeros(2)}),
        Checkpoint({}, {"layer0/mean": np.array([object()])}),
        Checkpoint({}, {"layer0": np.zeros(2), "layer0/mean": np.zeros(2)}),
    ],
    ids=["value", "array", "path"],
)
def test_what_cannot_be_stored_leaves_the_old_checkpoint(tmp_path, bad):
    before = SMALL.save(tmp_path).read_bytes()
    with pytest.raises((TypeError, ValueError)):
        bad.save(tmp_path)
    assert (tmp_path / NAME).read_bytes() == before
    np.testing.assert_array_equal(Checkpoint.load(tmp_path).arrays["layer0/mean"], SMALL.arrays["layer0/mean"])


def test_a_file_that_cannot_be_made_leaves_the_old_checkpoint(tmp_path):
    before = SMALL.save(tmp_path).read_bytes()
    (tmp_path / f".{NAME}.partial").mkdir()
    with pytest.raises(OSError, match=NAME):
        Checkpoint({"seed": 2}).save(tmp_path)
    assert (tmp_path / NAME).read_bytes() == before


def test_a_rest_of_an_earlier_failure_is_no_hindrance(tmp_path):
    (tmp_path / f".{NAME}.partial").write_bytes(b"half a file")
    SMALL.save(tmp_path)
    assert Checkpoint.load(tmp_path).values == SMALL.values
