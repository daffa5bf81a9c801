"""Update schedules at equal accuracy: traffic, pulses, wear and array time until they are at the same loss.

`benchmarks.study` says how the comparison is fair. Traffic is what moves weights (`benchmarks.traffic`): a pass through
the network takes as many bytes under each schedule.

    python -m benchmarks.schedules --devices ecram                          # goes on where it was cut off
    python -m benchmarks.schedules --devices ecram --page docs/schedules.md # the page of what is in the results file
"""

import argparse
from collections.abc import Mapping, Sequence

from benchmarks.paper import FIRE, FORGET
from benchmarks.study import EPOCHS, Method, Study, arguments, run
from benchmarks.study_page import Page, write
from benchmarks.traffic import with_traffic
from hwctl.sweeps.results import Results

RATE = {"rate": (0.001, 0.1)}
METHODS: Mapping[str, Method] = {
    "accumulate": Method("accumulate, momentum", "momentum", {**RATE, **FORGET, **FIRE}, {"schedule": "accumulate"}),
    "cell": Method("cell, momentum", "momentum", {**RATE, **FORGET}, {"schedule": "cell"}),
    "sign": Method("sign, momentum", "momentum", {**RATE, **FORGET}, {"schedule": "sign"}),
    "verify": Method("verify, momentum", "momentum", {**RATE, **FORGET}, {"schedule": "verify"}),
    "outer": Method("outer, sgd", "sgd", {"rate": (0.01, 1.0)}, {"schedule": "outer"}),
    "replay": Method(
        "outer, 8 updates replayed", "momentum", {**RATE, **FORGET}, {"schedule": "outer", "replay": 8}
    ),
    "drawn": Method(
        "outer, 1 event an update drawn of 16 updates", "momentum", {**RATE, **FORGET},
        {"schedule": "outer", "replay": 16, "replay_draws": 1.0},
    ),
    "low-rank": Method(
        "low-rank, 1 event in 8 updates, momentum", "momentum", {**RATE, **FORGET},
        {"schedule": "low-rank", "rank": 1, "hold": 8},
    ),
    "low-rank-adaptive": Method(
        "low-rank, 1 event in 8 updates, momentum-adaptive", "momentum-adaptive", {"rate": (0.0003, 0.03), **FORGET},
        {"schedule": "low-rank", "rank": 1, "hold": 8}, scales=False,
    ),
    "tiki-taka": Method(
        "tiki-taka", "sgd", {"rate": (0.005, 0.5), "transfer_rate": (0.01, 1.0)},
        {"schedule": "tiki-taka", "zero_shift": 500},
    ),
}  # fmt: skip
TITLE = "Update schedules at equal accuracy"
ABOUT = """\
What it takes to bring a network to the same validation loss under each schedule, on emulated arrays. Traffic is the
encoded bytes of commands and replies that move weights, readings that the schedule asks for included and passes through
the network not. Pulses, wear and array time include what a second array takes.
"""


def main(given: Sequence[str] | None = None) -> None:
    """Run studies, or write their page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="wbc", help=f"of {', '.join(EPOCHS)}")
    parser.add_argument("--devices", default="ecram,reram-es")
    parser.add_argument("--trials", type=int, default=10, help="of each schedule")
    parser.add_argument("--tuning-seeds", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=10, help="reported")
    arguments(parser, "schedules.jsonl")
    options = parser.parse_args(given)
    sizes = options.trials, options.tuning_seeds, options.seeds
    studies = [Study(METHODS, options.task, device, *sizes) for device in options.devices.split(",")]
    results = Results(options.results)
    if options.page:
        command = (
            f"python -m benchmarks.schedules --task {options.task} --devices {options.devices} --trials {sizes[0]} "
            f"--tuning-seeds {sizes[1]} --seeds {sizes[2]}"
        )
        write(options.page, Page(TITLE, ABOUT, command), studies, results)
        return
    for one in studies:
        run(one, results, options.workers, options.scheduler, with_traffic)


if __name__ == "__main__":
    main()
