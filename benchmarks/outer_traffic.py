"""Bytes on a line, pulses and accuracy of update schedules: rank-1 events with replayed momentum, and matrices.

Commands and replies are encoded as a byte link would, and counted by kind: what moves weights (PULSE, OUTER and the
readings that a schedule asks for) is told apart from what a pass through the network takes (VMM, transposed VMM).

    python benchmarks/outer_traffic.py                          # bytes an update on 784-100-10, batch 1
    python benchmarks/outer_traffic.py --samples 60000          # and the accuracy after so many samples
"""

import argparse
import os
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from hwctl.links.link import Link
from hwctl.links.watched import WatchedLink
from hwctl.protocol import commands
from hwctl.protocol.codec import encode_command, encode_reply
from hwctl.protocol.commands import Command
from hwctl.protocol.replies import Reply
from hwctl.training import setup
from hwctl.training.config import TrainConfig
from hwctl.training.trainer import Trainer

PASSES = (commands.Vmm, commands.VmmT)
KINDS = {
    "outer, sgd": {"schedule": "outer", "optimizer": "sgd", "rate": 0.05},
    "outer, replay of 8": {"schedule": "outer", "optimizer": "momentum", "rate": 0.005, "replay": 8},
    "outer, replay of 2 drawn of 16": {
        "schedule": "outer",
        "optimizer": "momentum",
        "rate": 0.005,
        "replay": 16,
        "replay_draws": 2,
    },
    "outer, replay of 1 drawn of 16": {
        "schedule": "outer",
        "optimizer": "momentum",
        "rate": 0.005,
        "replay": 16,
        "replay_draws": 1,
    },
    "cell, momentum": {"schedule": "cell", "optimizer": "momentum", "rate": 0.005},
    "accumulate, momentum": {"schedule": "accumulate", "optimizer": "momentum", "rate": 0.005},
}
WARM_UP = 20  # updates whose bytes do not count: a replay is not full yet


class Traffic:
    """Bytes of commands and replies by kind of command."""

    def __init__(self) -> None:
        self.bytes: Counter[str] = Counter()

    def wrap(self, link: Link) -> Link:
        return WatchedLink(link, self._seen)

    def _seen(self, command: Command, reply: Reply) -> None:
        kind = "passes" if isinstance(command, PASSES) else "updates"
        self.bytes[kind] += len(encode_command(command)) + len(encode_reply(reply))


def measure(name: str, device: str, updates: int, samples: int, data_dir: str, seed: int) -> tuple[float, str]:
    """Train and return the bytes an update that move weights, and the line to print."""
    config = TrainConfig(
        task="mnist", targets=(f"emulator:?device={device}",), batch=1, epochs=1, seed=seed, data_dir=data_dir,
        hidden=(100,), **KINDS[name],
    )  # fmt: skip
    config, traffic = setup.resolve(config), Traffic()
    crossbars = setup.open_crossbars(config, [traffic.wrap])
    try:
        data = setup.load_data(config)
        if samples:
            data = replace(data, train_x=data.train_x[:samples], train_y=data.train_y[:samples])
        trainer = Trainer(config, crossbars, setup.step_model(crossbars), data)
        trainer.start()
        trainer.run(stop=lambda: trainer.progress.updates >= WARM_UP)
        traffic.bytes.clear()
        trainer.run(stop=lambda: trainer.progress.updates >= WARM_UP + updates)
        an_update = traffic.bytes["updates"] / updates
        line = f"{name:32} {an_update:10,.0f} bytes an update, {traffic.bytes['passes'] / updates:7,.0f} for its passes"
        if samples:
            begun = time.perf_counter()
            trainer.run()
            summary = trainer.summary()
            pulses = summary["pulses_set"] + summary["pulses_reset"]
            line += (
                f"; {100 * summary['test_accuracy']:.2f}% after {samples:,} samples, {pulses:,} pulses, worst cell "
                f"{summary['pulses_max_cell']:,}, {time.perf_counter() - begun:.0f} s"
            )
        return an_update, line
    finally:
        for crossbar in crossbars:
            crossbar.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="ecram")
    parser.add_argument("--updates", type=int, default=200, help="over which bytes are counted")
    parser.add_argument("--samples", type=int, default=0, help="train on so many, too")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("HWCTL_DATA", "../shared/data/mnist")))
    options = parser.parse_args()
    found = {}
    for name in KINDS:
        found[name], line = measure(
            name, options.device, options.updates, options.samples, str(options.data_dir), options.seed
        )
        print(line, flush=True)
    base = found["cell, momentum"]
    print(
        ", ".join(f"{name}: {base / an_update:.1f}x fewer than cell" for name, an_update in found.items() if an_update)
    )


if __name__ == "__main__":
    main()
