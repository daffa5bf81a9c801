"""Bytes that move weights, an update, and accuracy: events of rank 1 with momentum against a matrix of pulse counts.

Momentum is replayed, by events that are sent late and drawn by size, or kept on the host and sent as cells that are due
or as the events that come nearest to what is due.

784-100-10 at batch 1, once over half of MNIST. Each schedule's rate is the best of RATES by validation rows, on a seed
of its own; then paired seeds are reported, and the test part is read once, after the last sample. Bytes are those of
`benchmarks.traffic`, over the whole run: `cell` sends fewer pulses the less there is left to learn.

    python -m benchmarks.outer_traffic --device ecram       # goes on where it was cut off
"""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.traffic import with_traffic
from hwctl.sweeps import workers
from hwctl.sweeps.point import Point
from hwctl.sweeps.results import Results
from hwctl.sweeps.statistics import mean_difference
from hwctl.training.config import TrainConfig

KINDS: Mapping[str, Mapping[str, Any]] = {
    "cell, momentum": {"schedule": "cell", "optimizer": "momentum"},
    "accumulate, momentum": {"schedule": "accumulate", "optimizer": "momentum"},
    "outer, sgd": {"schedule": "outer", "optimizer": "sgd", "momentum": 0.0},
    "outer, momentum, at most 1 event an update": {
        "schedule": "outer", "optimizer": "momentum", "replay": 16, "replay_draws": 1.0,
    },
    "outer, momentum, at most 1 event in 2 updates": {
        "schedule": "outer", "optimizer": "momentum", "replay": 16, "replay_draws": 0.5,
    },
    "low-rank, momentum, 1 event in 8 updates": {
        "schedule": "low-rank", "optimizer": "momentum", "rank": 1, "hold": 8,
    },
}  # fmt: skip
BASE = "cell, momentum"
RATES = (0.01, 0.02)
TUNING = 1000  # seed
VALIDATION = 0.5  # 30,000 rows are trained on


def point(kind: str, rate: float, seed: int, device: str, data_dir: str) -> Point:
    """Return a run."""
    options = KINDS[kind]
    scale = 10.0 if options["optimizer"] == "sgd" else 1.0
    config = TrainConfig(
        task="mnist", targets=(f"emulator:?device={device}",), hidden=(100,), batch=1, epochs=1, seed=seed,
        validation=VALIDATION, data_dir=data_dir, rate=rate * scale, **options,
    )  # fmt: skip
    return Point(config, {"kind": kind, "rate": rate, "seed": seed, "device": device})


def an_update(run: Mapping[str, Any]) -> float:
    """Return the bytes that move weights an update, those that program the first weights included."""
    return float(run["link_bytes"]) / run["samples"]


def main() -> None:
    """Run what is missing, and print a line for each schedule."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="ecram")
    parser.add_argument("--seeds", type=int, default=3, help="reported")
    parser.add_argument("--rates", default=",".join(map(str, RATES)), help="tried; 10 times that for sgd")
    parser.add_argument("--results", type=Path, default=Path("outer_traffic.jsonl"))
    parser.add_argument("--workers", type=int, default=0, help="processes; 0: one a core")
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("HWCTL_DATA", "../shared/data/mnist")))
    options = parser.parse_args()
    results = Results(options.results)

    def runs(points: list[Point]) -> list[dict[str, Any]]:
        workers.run(points, results, options.workers, measured=with_traffic)
        return [results.runs[one.key] for one in points]

    device, data_dir = options.device, str(options.data_dir)
    rates = [float(rate) for rate in options.rates.split(",")]
    tuned = dict.fromkeys(KINDS, rates[0])
    if len(rates) > 1:
        tuning = runs([point(kind, rate, TUNING, device, data_dir) for kind in KINDS for rate in rates])
        for n, kind in enumerate(KINDS):
            found = [run["validation_accuracy"] for run in tuning[n * len(rates) : (n + 1) * len(rates)]]
            tuned[kind] = rates[int(np.argmax(found))]
    seeds = range(options.seeds)
    runs([point(kind, tuned[kind], seed, device, data_dir) for kind in KINDS for seed in seeds])
    reported = {kind: runs([point(kind, tuned[kind], seed, device, data_dir) for seed in seeds]) for kind in KINDS}
    base = reported[BASE]
    for kind, of_kind in reported.items():
        accuracy, its = (np.array([100 * run["test_accuracy"] for run in rs]) for rs in (of_kind, base))
        apart = mean_difference(accuracy, its, np.random.default_rng(0))
        size = float(np.mean([an_update(run) for run in of_kind]))
        fewer = float(np.mean([an_update(run) for run in base])) / size
        pulses = np.mean([run["pulses_set"] + run["pulses_reset"] for run in of_kind])
        print(
            f"{kind:46} rate {tuned[kind]:<6g} {size:8,.0f} bytes an update, {fewer:6.1f}x fewer than cell; "
            f"{accuracy.mean():.2f}%, {apart.value:+.2f} ({apart.low:+.2f} to {apart.high:+.2f}) points; "
            f"{pulses:,.0f} pulses, worst cell {np.mean([run['pulses_max_cell'] for run in of_kind]):,.0f}"
        )


if __name__ == "__main__":
    main()
