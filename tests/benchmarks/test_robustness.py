"""Robustness: one fault at a time on paired seeds, runs that several axes share are run once, and a page of it all."""

import argparse
import json

import pytest

from benchmarks import robustness
from benchmarks.calibrated_run import measure_calibrated
from benchmarks.robustness import AXES, VARIANTS, Axis, Study
from hwctl.devices import presets
from hwctl.emulator.layers import LAYER_OPTIONS
from hwctl.errors import SweepError
from hwctl.links.target import Target
from hwctl.sweeps.results import Results
from hwctl.training.config import TrainConfig

SMALL = ["--tasks", "iris", "--device", "neurram", "--axes", "stuck,d2d", "--variants", "plain,chip-60", "--seeds", "2",
         "--epochs", "1", "--workers", "1"]  # fmt: skip


def study(**changes):
    known = {"task": "iris", "device": "neurram", "axes": tuple(AXES), "variants": ("plain", "chip-60"), "seeds": 2}
    return Study(**{**known, **changes})


def test_a_level_changes_its_own_fault_alone():
    for name, axis in AXES.items():
        assert axis.own in axis.levels, name
        for level in axis.levels:
            options = Target.parse(axis.target("neurram", level)).options
            base, _, factor = options.pop("device").partition(",")
            assert base == "neurram"
            if level == axis.own:
                assert not factor
                assert not options
            elif axis.factor:
                assert factor == f"{axis.factor}={level:g}"
                assert not options
                presets.get(f"neurram,{factor}")
            else:
                assert set(options) == set(axis.options) <= {"stuck", *LAYER_OPTIONS}
                assert {float(value) for value in options.values()} == {level}


def test_runs_at_the_devices_own_level_are_shared_by_all_axes():
    keys = [point.key for point in study().points()]
    levels = sum(len(axis.levels) - 1 for axis in AXES.values()) + 1
    assert len(set(keys)) == levels * 2 * 2 < len(keys)


def test_variants_and_budgets_are_runs_of_their_own_on_the_same_seeds():
    found = [study().point("stuck", 0.1, variant, 3) for variant in ("plain", "chip-60", "chip-400")]
    assert len({point.key for point in found}) == 3
    assert {(point.config.seed, point.config.targets) for point in found} == {
        (3, ("emulator:?device=neurram&stuck=0.1",))
    }


def test_every_variant_names_options_of_a_run():
    for variant in VARIANTS.values():
        TrainConfig(**variant.options)


@pytest.mark.slow
def test_a_small_study_runs_goes_on_and_writes_its_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(AXES, "stuck", Axis("Stuck cells", "share", (0.0, 0.2), 0.0, options=("stuck",)))
    monkeypatch.setitem(AXES, "d2d", Axis("Spread", "times", (1.0, 2.0), 1.0, "d2d"))
    arguments = [*SMALL, "--results", str(tmp_path / "robustness.jsonl")]
    page = tmp_path / "pages" / "robustness.md"
    with pytest.raises(
        SweepError, match=r"12 runs are not in .*robustness\.jsonl; run the same command without --page"
    ):
        robustness.main([*arguments, "--page", str(page)])
    assert not page.exists()
    robustness.main(arguments)
    assert "iris on neurram: 12 runs, 12 to do" in capsys.readouterr().out
    kept = (tmp_path / "robustness.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "robustness.jsonl").write_text("".join(kept[:-1]) + kept[-1][:40])  # cut off while it was written
    robustness.main(arguments)
    assert "12 runs, 1 to do" in capsys.readouterr().out
    runs = Results(tmp_path / "robustness.jsonl").runs.values()
    calibrated = [run for run in runs if run["labels"]["variant"] == "chip-60"]
    assert len(calibrated) == 6
    assert all(run["calibrated"] and 0 < run["calibration_pulses"] <= 60 * 320 for run in calibrated)
    robustness.main([*arguments, "--page", str(page)])
    text = page.read_text()
    assert "## Stuck cells: iris" in text
    assert text.count("| calibrated, 60 pulses a cell |") == text.count("| plain |") == 4
    assert "--axes stuck,d2d --variants plain,chip-60 --seeds 2 --epochs 1" in text
    assert (tmp_path / "pages" / "images" / "robustness-iris-neurram-stuck.png").stat().st_size > 10_000


def test_a_chip_that_cannot_be_calibrated_is_trained_without_and_says_so():
    config = TrainConfig(task="iris", targets=("emulator:?device=linear&stuck=1",), epochs=1)
    found = measure_calibrated(config, 40)
    assert not found["calibrated"]
    assert "none of 320 cells moves" in found["calibration_error"]
    assert json.loads(json.dumps(found))["test_accuracy"] >= 0.0


def test_names_that_are_not_known_are_listed():
    with pytest.raises(argparse.ArgumentTypeError, match="no 'rust'; known: stuck, c2c"):
        robustness.names("stuck,rust", AXES)
