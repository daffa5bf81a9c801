"""Runs on cores and on a Dask cluster: the same results, kept one by one; dead workers and bad runs are named."""

import os
import signal

import pytest

from hwctl.errors import SweepError
from hwctl.sweeps import workers
from hwctl.sweeps.point import measure
from hwctl.sweeps.results import Results
from hwctl.sweeps.spec import Sweep

SWEEP = {"run": {"task": "iris", "epochs": 1, "device": "linear", "validation": 0.2}, "vary": {"rate": [0.01, 0.1]}}


def points(**changes):
    return list(Sweep.of({**SWEEP, **changes}).points())


def without_time(result):
    timed = ("host_seconds", "samples_per_second")
    return {name: value for name, value in result.items() if name not in timed}


def test_runs_are_kept_and_not_run_again(tmp_path):
    results, told = Results(tmp_path / "r.jsonl"), []
    workers.run(points(), results, 2, tell=lambda point, result: told.append(point.key))
    assert len(told) == 2
    for point in points():
        kept = results.runs[point.key]
        assert len(kept["curves"]["validation_loss"]) == 1
        assert without_time(kept) == {
            "key": point.key,
            "labels": dict(point.labels),
            **without_time(measure(point.config)),
        }
    workers.run(points(), Results(tmp_path / "r.jsonl"), 2, tell=lambda *_: pytest.fail("run again"))


def killing(config):
    if config.rate == 0.1:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"rate": config.rate}


def test_a_worker_that_dies_is_named_and_finished_runs_are_kept(tmp_path):
    results = Results(tmp_path / "r.jsonl")
    with pytest.raises(SweepError, match=r"worker of run \{'rate': 0\.1, 'seed': 0\} died twice"):
        workers.run(points(), results, 1, measured=killing)
    assert [run["rate"] for run in Results(tmp_path / "r.jsonl").runs.values()] == [0.01]


@pytest.mark.parametrize("count", [1, 2])
def test_a_run_that_fails_is_named_and_finished_runs_are_kept(tmp_path, count):
    wrong = points(run={"task": "iris", "epochs": 1}, vary={"device": ["linear", "no-such-device"]})
    with pytest.raises(SweepError, match=r"'device': 'no-such-device'.*no-such-device"):
        workers.run(wrong, Results(tmp_path / "r.jsonl"), count)


def test_a_cluster_gives_the_same_results(tmp_path):
    from distributed import LocalCluster

    here, there = Results(tmp_path / "here.jsonl"), Results(tmp_path / "there.jsonl")
    workers.run(points(), here, 1)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        workers.run(points(), there, 0, cluster.scheduler_address)
    for point in points():
        assert without_time(here.runs[point.key]) == without_time(there.runs[point.key])


def test_a_scheduler_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "CONNECT", 0.5)
    with pytest.raises(SweepError, match=r"no Dask scheduler at tcp://127\.0\.0\.1:9"):
        workers.run(points(), Results(tmp_path / "r.jsonl"), 0, "tcp://127.0.0.1:9")
