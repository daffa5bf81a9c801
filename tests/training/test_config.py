"""A configuration comes back from its TOML as it was, and what makes no run is refused where it is written."""

import math
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwctl.errors import BadInput, RunError
from hwctl.training.config import TrainConfig

FILE = Path("runs") / "wbc-1" / "config.toml"

sizes = st.integers(1, 10_000)
shares = st.floats(0, 1)
positive = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)

configs = st.builds(
    TrainConfig,
    task=texts,
    targets=st.lists(texts, min_size=1, max_size=3).map(tuple),
    hidden=st.none() | st.lists(sizes, max_size=3).map(tuple),
    activation=st.none() | texts,
    optimizer=texts,
    rate=st.none() | positive,
    final_rate=shares,
    momentum=shares,
    fire_threshold=st.none() | positive,
    policy=st.none() | texts,
    epochs=st.none() | sizes,
    batch=st.none() | sizes,
    seed=st.integers(0, (1 << 31) - 1),
    siemens_per_weight=st.none() | positive,
    largest_weight=st.none() | positive,
    start=st.sampled_from(["programmed", "fabricated"]),
    reread_share=positive,
    pulse_budget=st.none() | sizes,
    replicas=sizes,
    data_dir=st.none() | texts,
    records=st.lists(texts, max_size=3).map(tuple),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(configs)
def test_every_configuration_comes_back_from_its_toml(config):
    assert TrainConfig.from_toml(config.to_toml(), FILE) == config


def test_what_is_left_open_is_left_out():
    assert "hidden" not in TrainConfig().to_toml()
    assert "hidden = []" in TrainConfig(hidden=()).to_toml()
    assert TrainConfig.from_toml("", FILE) == TrainConfig()


def test_a_configuration_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        TrainConfig().seed = 3


BAD = {
    "epochs": (0, -1),
    "batch": (0,),
    "averages": (0,),
    "replicas": (0,),
    "spare": (-1, 1),
    "hidden": ((0,), (10, -1)),
    "pulse_budget": (0, -5),
    "seed": (-1, 1 << 31),
    "fire_threshold": (0.0, -1.0, math.nan),
    "reread_share": (0.0, -0.5, math.nan),
    "largest_weight": (0.0, -4.0, math.nan),
    "siemens_per_weight": (0.0, -1e-6, math.nan),
    "final_rate": (-0.1, 1.1, math.nan),
    "start": ("", "random"),
    "targets": ((),),
}
CASES = [(name, value) for name, values in BAD.items() for value in values]


def toml(name, value):
    if isinstance(value, tuple):
        return f"{name} = {list(value)}"
    return f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {value}"


@pytest.mark.parametrize(("name", "value"), CASES, ids=[f"{name}={value}" for name, value in CASES])
def test_a_value_that_makes_no_run_is_refused_and_named(name, value):
    with pytest.raises(BadInput, match=name.replace("_", " ").removesuffix("s")) as refused:
        TrainConfig(**{name: value})
    assert "give" in str(refused.value)
    with pytest.raises(RunError) as damaged:
        TrainConfig.from_toml(toml(name, value), FILE)
    message = str(damaged.value)
    assert message.startswith(str(FILE))
    assert str(refused.value) in message
    assert "\n" not in message


def test_lines_are_assigned_only_where_stuck_cells_are_found():
    with pytest.raises(BadInput, match="found by programming, start is 'fabricated'; leave --remap out"):
        TrainConfig(remap=True, start="fabricated")
    assert TrainConfig(remap=True, spare=3).spare == 3


def test_the_bounds_themselves_are_taken():
    TrainConfig(final_rate=0.0, seed=0, epochs=1, batch=1, averages=1, hidden=(1,), pulse_budget=1)
    TrainConfig(final_rate=1.0, seed=(1 << 31) - 1, hidden=())


@pytest.mark.parametrize(
    "text",
    ["epochs", "[[", "epochs = 1\nepochs = 2", 'epochs = "five"', 'fire_threshold = "x"', "hidden = 5", "seed = []"],
)
def test_a_damaged_file_is_one_line_that_names_it(text):
    with pytest.raises(RunError) as damaged:
        TrainConfig.from_toml(text, FILE)
    assert str(damaged.value).startswith(f"{FILE}: ")
    assert "\n" not in str(damaged.value)


def test_unknown_entries_are_all_named():
    with pytest.raises(RunError, match="unknown entries epoch, rates; was it written by a newer hwctl"):
        TrainConfig.from_toml("rates = 1\nseed = 2\nepoch = 3", FILE)


def test_unknown_entries_name_the_file_once():
    with pytest.raises(RunError) as damaged:
        TrainConfig.from_toml("epoch = 3", FILE)
    assert str(damaged.value).count(str(FILE)) == 1
    assert "delete it" not in str(damaged.value)


@pytest.mark.parametrize(
    "text", ['targets = "emulator:"', "batch = 2.5", "epochs = true", "task = 3", "largest_weight = inf"]
)
def test_an_entry_of_another_type_is_refused(text):
    with pytest.raises(RunError):
        TrainConfig.from_toml(text, FILE)
