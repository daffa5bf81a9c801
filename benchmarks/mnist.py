"""MNIST in situ on a noisy device, with step curves as a calibration measured them: 784-300-10.

One die of the device is calibrated first; its record has the curves that the trainer plans pulses by, on other chips of
the device, drawn by each run's seed. `--dead` makes a share of the cells stuck, half of them on and half of them off.

    python -m benchmarks.mnist                    # goes on where it was cut off
    python -m benchmarks.mnist --dead 0.11
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from hwctl.sweeps import workers
from hwctl.sweeps.point import Point
from hwctl.sweeps.results import Results
from hwctl.sweeps.statistics import mean_difference
from hwctl.training.config import TrainConfig

DEVICE = "reram-es"
DIE = "emulator:?device={device}&rows=32&cols=32&seed=9000"
BUDGET = 20_000  # pulses a cell: one way through the range takes 1,250 on reram-es, and most of them are noise
CALIBRATE = "from hwctl.cli import main; main()"
RUN: dict[str, Any] = {
    "task": "mnist", "hidden": (300,), "batch": 50, "epochs": 12, "rate": 0.15, "largest_weight": 1.0,
}  # fmt: skip


def calibrated(device: str, record: Path) -> Path:
    """Calibrate a die, where that was not done yet, and return its record."""
    if not record.exists():
        target = DIE.format(device=device)
        options = ["calibrate", "--target", target, "--budget", str(BUDGET), "--chip", "die", "--out", str(record)]
        subprocess.run([sys.executable, "-c", CALIBRATE, *options], check=True)
    return record


def main() -> None:
    """Run what is missing, and print each run and their mean."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default=DEVICE)
    parser.add_argument("--dead", type=float, default=0.0, help="share of stuck cells, beside the device's own")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=RUN["epochs"])
    parser.add_argument("--record", type=Path, default=Path("die.h5"))
    parser.add_argument("--results", type=Path, default=Path("mnist.jsonl"))
    parser.add_argument("--workers", type=int, default=0, help="processes; 0: one a core")
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("HWCTL_DATA", "../shared/data/mnist")))
    options = parser.parse_args()
    record = calibrated(options.device, options.record)
    target = f"emulator:?device={options.device}" + (f"&stuck={options.dead:g}" if options.dead else "")
    points = [
        Point(
            TrainConfig(
                targets=(target,), device=str(record), seed=seed, data_dir=str(options.data_dir),
                **{**RUN, "epochs": options.epochs},
            ),
            {"dead": options.dead, "seed": seed},
        )
        for seed in range(options.seeds)
    ]  # fmt: skip
    results = Results(options.results)
    workers.run(points, results, options.workers, tell=lambda _, run: print(_line(run), flush=True))
    runs = [results.runs[point.key] for point in points]
    accuracy = np.array([100 * run["test_accuracy"] for run in runs])
    mean = mean_difference(accuracy, np.zeros(accuracy.size), np.random.default_rng(0))
    print(
        f"784-300-10 on {options.device}, {options.dead:.0%} dead: {mean.value:.2f}% ({mean.low:.2f} to "
        f"{mean.high:.2f}), worst {accuracy.min():.2f}%; {_costs(runs)}"
    )


def _line(run: dict[str, Any]) -> str:
    return f"  seed {run['seed']}: {run['test_accuracy']:.2%} after {run['epochs']} epochs; {_costs([run])}"


def _costs(runs: list[dict[str, Any]]) -> str:
    pulses = np.mean([run["pulses_set"] + run["pulses_reset"] for run in runs])
    worst, seconds = (np.mean([run[name] for run in runs]) for name in ("pulses_max_cell", "host_seconds"))
    return f"{pulses / 1e6:,.0f} million pulses, worst cell {worst:,.0f}, {seconds:,.0f} s"


if __name__ == "__main__":
    main()
