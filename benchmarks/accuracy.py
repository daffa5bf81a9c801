"""Train tasks with the project's defaults over several seeds, each its own split, chip and starting weights.

Prints the test accuracy of every seed after the last epoch, and mean and standard deviation over seeds.
"""

import argparse
import statistics
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from hwctl.training import setup
from hwctl.training.config import TrainConfig
from hwctl.training.trainer import Trainer


def run(task: str, device: str, seed: int, data_dir: str | None, options: dict[str, Any]) -> dict[str, Any]:
    """Train once and return the summary of `hwctl train --json`."""
    chosen = TrainConfig(task=task, targets=(f"emulator:?device={device}",), seed=seed, data_dir=data_dir, **options)
    config = setup.resolve(chosen)
    data = setup.load_data(config)
    crossbars = setup.open_crossbars(config)
    try:
        trainer = Trainer(config, crossbars, setup.step_model(crossbars), data)
        trainer.start()
        trainer.run()
        return trainer.summary()
    finally:
        for crossbar in crossbars:
            crossbar.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", default=["wbc", "iris", "wine"], help="default: wbc iris wine")
    parser.add_argument("--device", default="reram-es", help="device preset of the emulator")
    parser.add_argument("--seeds", type=int, default=10, help="seeds 0 to N - 1")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--data-dir", type=Path, help="folder of MNIST's files")
    parser.add_argument("--optimizer", default=TrainConfig.optimizer)
    parser.add_argument("--schedule", default=TrainConfig.schedule)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--epochs", type=int)
    options = parser.parse_args()
    data_dir = str(options.data_dir.resolve()) if options.data_dir else None
    chosen = {name: getattr(options, name) for name in ("optimizer", "schedule", "rate", "epochs")}
    with ProcessPoolExecutor(options.workers) as pool:
        for task in options.tasks:
            jobs = [pool.submit(run, task, options.device, s, data_dir, chosen) for s in range(options.seeds)]
            results = [job.result() for job in jobs]
            shares = [100 * result["test_accuracy"] for result in results]
            last = results[0]
            layers = "-".join(map(str, last["layers"]))
            spread = statistics.stdev(shares) if len(shares) > 1 else 0.0
            print(
                f"{task} {layers} on {last['device']}, {last['optimizer']} rate {last['rate']:g}, {last['schedule']}, "
                f"batch {last['batch']}, {last['epochs']} epochs\n"
                f"  test accuracy of seeds 0-{options.seeds - 1}: {' '.join(f'{share:.2f}' for share in shares)}\n"
                f"  mean {statistics.mean(shares):.2f}%, standard deviation {spread:.2f}; median pulses "
                f"{statistics.median(r['pulses_set'] + r['pulses_reset'] for r in results):,.0f}, worst cell "
                f"{statistics.median(r['pulses_max_cell'] for r in results):,.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
