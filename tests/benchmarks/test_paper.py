"""The comparison of methods is fair by construction, goes on where it was cut off, and writes its page."""

import numpy as np
import pytest

from benchmarks import paper, study

METHODS = "sgd,momentum,momentum+weight"
SMALL = ["--tasks", "iris", "--devices", "linear", "--trials", "2", "--tuning-seeds", "1", "--seeds", "3",
         "--methods", METHODS]  # fmt: skip


def test_every_method_gets_as_many_trials_all_over_its_ranges():
    for name, method in paper.METHODS.items():
        found = study.trials(paper.METHODS, name, "wbc", 16)
        assert len(found) == 16
        assert found == study.trials(paper.METHODS, name, "wbc", 16)
        for option, (low, high) in method.ranges.items():
            values = np.array([trial[option] for trial in found])
            values = 1 - values if option in ("momentum", "decay") else values
            parts = np.floor(16 * np.log(values / low) / np.log(high / low) + 1e-3).astype(int)
            assert sorted(np.clip(parts, 0, 15)) == list(range(16))


def test_tuning_target_and_reported_seeds_are_apart():
    one = study.Study(paper.METHODS, "wbc", "linear", 4, 3, 20)
    tuning = {point.config.seed for point in one.tuning()}
    assert not tuning & set(range(study.REPORTED, study.REPORTED + 20))
    assert not tuning & set(range(study.TARGET, study.TARGET + study.TARGET_SEEDS))
    for point in one.tuning():
        assert point.config.validation == study.VALIDATION["wbc"]


@pytest.mark.slow
def test_a_small_study_runs_goes_on_and_writes_its_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(study, "TARGET_SEEDS", 3)
    monkeypatch.setitem(study.EPOCHS, "iris", (2.0, 3.0))
    results = str(tmp_path / "paper.jsonl")
    paper.main([*SMALL, "--results", results, "--workers", "1"])
    assert "reported" in capsys.readouterr().out
    paper.main([*SMALL, "--results", results, "--workers", "1"])
    assert capsys.readouterr().out.count(" 0 to do") == 4
    paper.main([*SMALL, "--results", results, "--page", str(tmp_path / "results.md")])
    text = (tmp_path / "results.md").read_text()
    assert "## iris on linear" in text
    assert text.count("| momentum + a rate per weight |") == 9
    command = f"--tasks iris --devices linear --methods {METHODS} --trials 2 --tuning-seeds 1 --seeds 3 --page"
    assert command in text
    assert (tmp_path / "images" / "results-speed.png").stat().st_size > 10_000
    assert (tmp_path / "images" / "results-iris-linear-speed.png").stat().st_size > 10_000


def test_the_target_is_reached_by_a_mean_and_not_by_one_lucky_reading(monkeypatch):
    monkeypatch.setitem(study.WINDOW, "iris", 2)
    assert study.moving_mean([4.0, 2.0, 0.0, 2.0], 2) == [3.0, 1.0, 1.0]
    run = {"task": "iris", "trace": {"validation_loss": [4.0, 0.5, 4.0, 1.0, 1.0], "epochs": [1, 2, 3, 4, 5]}}
    assert study.epochs_to(run, 1.0) == 4.5
    assert study.epochs_to(run, 0.9) == np.inf


def test_unknown_methods_and_studies_that_were_not_run_are_named(tmp_path, capsys):
    results = ["--results", str(tmp_path / "none.jsonl")]
    with pytest.raises(SystemExit):
        paper.main(["--methods", "sgd,newton", *results])
    assert "no method newton; known: sgd, momentum" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="no study is complete: wbc on pcm"):
        paper.main(["--tasks", "wbc", "--devices", "pcm", *results, "--page", str(tmp_path / "p.md")])
