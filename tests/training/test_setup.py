"""From a configuration to a network on arrays: what is left open is decided once, and what cannot be is refused."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from hwctl.arrayfile import write_arrays
from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.devices.chipfile import FORMAT, KIND, chip_arrays
from hwctl.devices.tabulated import tabulate
from hwctl.errors import BadInput, DeviceError, LimitError, RunError, TargetError, TaskError
from hwctl.links.target import Target
from hwctl.training import setup, tasks
from hwctl.training.config import TrainConfig
from hwctl.training.ensemble import Copies
from hwctl.training.pairs import POLICIES

NONE = np.zeros((0, 10))  # inputs matter to remapping alone


def built(**options):
    """Return configuration, arrays and movers of a run."""
    config = setup.resolve(TrainConfig(**options))
    crossbars = setup.open_crossbars(config)
    return config, crossbars, setup.build(config, crossbars, setup.step_model(crossbars))


# -- resolve -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["wbc", "iris", "wine", "mnist"])
def test_what_is_left_open_is_the_tasks_own(task):
    config, own = setup.resolve(TrainConfig(task=task)), tasks.get(task)
    assert setup.layer_sizes(config) == (own.features, *own.hidden, own.classes)
    for name in ("hidden", "activation", "epochs", "batch", "rate", "largest_weight"):
        assert getattr(config, name) == getattr(own, name)


@pytest.mark.parametrize("device", ["", "?device=ecram"])
def test_what_was_decided_stays_decided(device):
    config = setup.resolve(TrainConfig(targets=("emulator:" + device,), seed=5, optimizer="adam"))
    assert config.rate == 0.005
    assert config.targets[0].startswith("emulator:" + device)
    options = Target.parse(config.targets[0]).options
    assert (options["rows"], options["cols"], options["seed"]) == ("21", "20", "5")
    assert TrainConfig.from_toml(config.to_toml(), Path("config.toml")) == config


def test_what_is_given_is_kept():
    chosen = {"hidden": (), "activation": "relu", "epochs": 3, "batch": 7, "rate": 0.3, "largest_weight": 1.5}
    config = setup.resolve(TrainConfig(**chosen))
    assert {name: getattr(config, name) for name in chosen} == chosen
    assert setup.layer_sizes(config) == (9, 2)


def test_a_given_geometry_or_seed_of_an_emulator_is_kept():
    for url, wanted in (
        ("emulator:?rows=30&cols=40", {"rows": "30", "cols": "40", "seed": "3"}),
        ("emulator:?seed=9", {"rows": "21", "cols": "20", "seed": "9"}),
    ):
        config = setup.resolve(TrainConfig(targets=(url,), seed=3))
        assert Target.parse(config.targets[0]).options == wanted


def test_several_emulators_are_chips_of_their_own():
    config = setup.resolve(TrainConfig(targets=("emulator:",) * 3, seed=4))
    assert [Target.parse(url).options["seed"] for url in config.targets] == ["4", "5", "6"]


@pytest.mark.parametrize("url", ["emulator:?rows=64&cols=64&seed=3", "emulator:?seed=3&device=linear&rows=64&cols=64"])
def test_an_emulator_that_is_wholly_described_stays_as_it_is(url):
    config = setup.resolve(TrainConfig(targets=(url,)))
    for crossbar in setup.open_crossbars(config):
        assert (crossbar.rows, crossbar.cols) == (64, 64)


@pytest.fixture
def records(tmp_path):
    """Return the files of two chips."""
    paths = [tmp_path / "one.h5", tmp_path / "two.h5"]
    for seed, path in enumerate(paths):
        chip = fabricate(tabulate(presets.get("neurram"), "mine"), 30, 20, seed)
        write_arrays(path, KIND, FORMAT, *chip_arrays(chip), {})
    return paths


@pytest.mark.parametrize("scheme", ["emulator", "sim"])
def test_a_twin_is_pinned_to_the_bytes_of_its_record(records, monkeypatch, scheme):
    one, two = records
    monkeypatch.chdir(one.parent)
    config = setup.resolve(TrainConfig(targets=(f"{scheme}:one.h5?seed=3", "socket://localhost:7000")))
    assert config.targets[0] == f"{scheme}:{one.resolve()}?seed=3"
    assert config.records == (f"mine sha256:{sha256(one.read_bytes()).hexdigest()}", "")
    setup.check_records(config)
    two.replace(one)
    with pytest.raises(RunError, match=r"one.h5\?seed=3' is mine sha256:.*, and the run began on mine sha256:"):
        setup.check_records(config)


def test_a_run_goes_on_where_its_record_is_now_and_on_no_other_chip(records):
    one, two = records
    config = setup.resolve(TrainConfig(targets=(f"emulator:{one}",)))
    moved = one.rename(one.with_name("moved.h5"))
    for crossbar in setup.open_crossbars(config.moved((f"emulator:{moved}?seed=0",))):
        crossbar.close()
    for other, says in ((f"emulator:{two}", "is mine sha256"), ("emulator:", "is no digital twin")):
        with pytest.raises(RunError, match=says):
            setup.open_crossbars(config.moved((other,)))


def test_the_record_of_a_chip_without_cells_is_named(records):
    with pytest.raises(DeviceError, match=r"one.h5 does not say what its cells do .*; calibrate the chip again"):
        setup.resolve(TrainConfig(chip=str(records[0])))


def test_a_pinned_record_of_another_device_is_refused_as_the_devices(records):
    one, _ = records
    chip = fabricate(tabulate(presets.get("neurram"), "mine"), 30, 20, 0)
    attributes, arrays = chip_arrays(chip)
    write_arrays(one, KIND, FORMAT, {**attributes, "device": "ecram"}, arrays, {})
    config = setup.resolve(TrainConfig(targets=("emulator:?device=neurram",), device=str(one)))
    crossbars = setup.open_crossbars(config)
    with pytest.raises(RunError, match=r"is the record of a chip of ecram, .* has neurram; name its own record"):
        setup.step_model(crossbars, config.device)


def test_a_run_on_no_twin_records_none():
    assert setup.resolve(TrainConfig()).records == ()


def test_a_board_that_is_no_emulator_stays_as_it_is():
    config = setup.resolve(TrainConfig(targets=("socket://localhost:7000",)))
    assert config.targets == ("socket://localhost:7000",)


def test_the_folder_of_the_data_is_found_from_anywhere():
    config = setup.resolve(TrainConfig(data_dir="somewhere"))
    assert Path(config.data_dir).is_absolute()


@pytest.mark.parametrize(
    ("options", "error"), [({"task": "mnits"}, TaskError), ({"optimizer": "lamb"}, BadInput)], ids=["task", "optimizer"]
)
def test_unknown_names_are_refused(options, error):
    with pytest.raises(error, match=r"mnits|lamb"):
        setup.resolve(TrainConfig(**options))


# -- open and build ------------------------------------------------------------------------------------------------


def test_an_emulator_gets_the_networks_size():
    _, (crossbar,), movers = built(hidden=(6,))
    assert (crossbar.rows, crossbar.cols) == (10 + 7, 12)
    assert [(m.layer.rows, m.layer.outputs) for m in movers] == [(10, 6), (7, 2)]


def test_arrays_that_were_opened_are_closed_where_a_later_one_fails(monkeypatch):
    closed = []
    original = setup.Crossbar.close
    monkeypatch.setattr(setup.Crossbar, "close", lambda self: (closed.append(self), original(self)))
    with pytest.raises(TargetError, match="no device 'nothing'"):
        setup.open_crossbars(TrainConfig(targets=("emulator:", "emulator:?device=nothing")))
    assert [crossbar.status().safe for crossbar in closed] == [True]
    for crossbar in setup.open_crossbars(TrainConfig(targets=("emulator:",))):
        assert crossbar not in closed
    assert len(closed) == 1


def test_arrays_of_different_devices_are_refused():
    crossbars = setup.open_crossbars(TrainConfig(targets=("emulator:?device=ecram", "emulator:?device=pcm")))
    with pytest.raises(RunError, match="different devices: ecram, pcm"):
        setup.step_model(crossbars)


def test_arrays_that_are_too_small_name_how_many_would_do():
    with pytest.raises(LimitError, match="give --target 5 times"):
        built(targets=("emulator:?rows=8&cols=8",))
    _, _, movers = built(targets=("emulator:?rows=8&cols=8",) * 5)
    assert [(m.layer.rows, m.layer.outputs) for m in movers] == [(10, 10), (11, 2)]


@pytest.mark.parametrize(("device", "policy"), [("ecram", "bidirectional"), ("pcm", "set-only")])
def test_the_policy_suits_the_device(device, policy):
    for mover in built(targets=(f"emulator:?device={device}",))[2]:
        assert mover.policy == policy


def test_a_policy_that_is_unknown_or_impossible_is_refused():
    with pytest.raises(RunError, match="no pair policy 'both'; known: bidirectional, set-only, fixed-reference"):
        built(policy="both")
    for policy in ("bidirectional", "fixed-reference"):
        with pytest.raises(RunError, match="use set-only"):
            built(policy=policy, targets=("emulator:?device=pcm",))


def test_a_pair_at_its_bounds_is_the_largest_weight():
    for mover in built(largest_weight=3.0)[2]:
        model = mover.layer.model
        assert (model.g_max - model.g_min) / mover.layer.k == pytest.approx(3.0)
    for mover in built(largest_weight=3.0, siemens_per_weight=7e-6)[2]:
        assert mover.layer.k == 7e-6


# -- where training starts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("device", ["linear", "reram-es"])
def test_targets_hold_the_weights_and_stay_in_the_range(lab, policy, device):
    mover = lab.mover(device, policy=policy)
    model, k = mover.layer.model, mover.layer.k
    largest = (model.g_max - model.g_min) / k
    weights = np.random.default_rng(0).uniform(-largest / 4, largest / 4, (8, 6))
    targets = setup.start_targets(mover, weights)
    np.testing.assert_allclose((targets[:, 0::2] - targets[:, 1::2]) / k, weights, atol=1e-9)
    assert (targets >= model.g_min - 1e-15).all()
    assert (targets <= model.g_max + 1e-15).all()
    if policy == "fixed-reference":
        reference = model.symmetry_point or (model.g_min + model.g_max) / 2
        np.testing.assert_allclose(targets[:, 1::2], reference)
    if policy == "set-only":
        np.testing.assert_allclose(np.minimum(targets[:, 0::2], targets[:, 1::2]), model.g_min, atol=1e-15)


def test_programmed_weights_are_those_that_the_seed_draws(lab):
    options = {"targets": ("emulator:?device=linear",)}
    runs = [built(seed=seed, **options) for seed in (1, 1, 2)]
    for config, _, movers in runs:
        setup.start_weights(config, Copies(movers), NONE)
    first, again, other = ([lab.true_weights(m.layer) for m in movers] for _, _, movers in runs)
    for one, same, different in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one, same)
        bound = np.sqrt(6 / sum(one.shape))
        assert np.abs(one).max() <= bound + 0.02
        assert 0.5 < one.std() / (bound / np.sqrt(3)) < 1.5
        assert np.abs(one - different).max() > bound / 2


def test_copies_of_a_layer_start_with_the_same_weights_on_cells_of_their_own(lab):
    config, (crossbar,), movers = built(replicas=3, targets=("emulator:?device=linear",))
    assert (crossbar.rows, crossbar.cols) == (3 * 21, 20)
    setup.start_weights(config, Copies(movers, 3), NONE)
    assert [(m.layer.rows, m.layer.outputs) for m in movers] == [(10, 10)] * 3 + [(11, 2)] * 3
    cells = np.zeros((crossbar.rows, crossbar.cols), np.int64)
    for mover in movers:
        for placed in mover.layer.tiles:
            row0, row1, col0, col1 = placed.region
            cells[row0:row1, col0:col1] += 1
    assert cells.max() == 1
    held = [lab.true_weights(mover.layer) for mover in movers]
    np.testing.assert_allclose(held[0], held[2], atol=0.05)
    assert np.abs(held[0]).max() > 0.2


def test_what_starts_as_fabricated_is_read_and_not_pulsed(lab):
    config, (crossbar,), movers = built(start="fabricated")
    setup.start_weights(config, Copies(movers), NONE)
    assert not crossbar.pulse_counts().any()
    for mover in movers:
        assert mover.layer.tracker.variance.max() < (mover.layer.model.g_max - mover.layer.model.g_min) ** 2 / 24
    assert crossbar.status().reads == sum(m.layer.rows * m.layer.lines for m in movers)
