"""Momentum and adaptive rates against SGD, as the abstract of Yan et al. (Neural Networks 128 (2020) 142) has it.

`benchmarks.study` says how the comparison is fair.

    python -m benchmarks.paper --tasks wbc --devices linear,reram-es        # goes on where it was cut off
    python -m benchmarks.paper --tasks wbc,mnist --page docs/results.md     # the page of what is in the results file
    python -m benchmarks.paper --tasks wbc --devices ecram,pcm --methods sgd,momentum+weight
"""

import argparse
from collections.abc import Mapping, Sequence

from benchmarks.study import EPOCHS, Method, Ranges, Study, arguments, run
from benchmarks.study_page import Page, write
from hwctl.sweeps.results import Results

DEVICES = ("linear", "reram-es")
SIZES = {"iris": (16, 2, 20), "wine": (8, 2, 20), "mnist": (4, 1, 5)}
"""Trials of each method, tuning seeds and reported seeds, where they are not USUAL: a run of MNIST takes long."""
USUAL = (16, 8, 40)
TITLE = "Momentum and adaptive rates on memristive devices"
ABOUT = """\
What the abstract of Yan et al., Neural Networks 128 (2020) 142, claims of its circuit, measured on emulated arrays:
reproduced from the abstract, since the paper's equations and network sizes were not at hand. It says: against SGD,
training on WBC is 37.2% faster (1.372 times as fast, or, if it means time, 1.59 times), and accuracy 0.77% lower.
"""

FIRE: Ranges = {"fire_threshold": (1.0, 30.0)}
FORGET = {"momentum": (0.05, 0.5)}  # 1 - momentum
SLOW = {"decay": (0.001, 0.1)}  # 1 - decay
METHODS: Mapping[str, Method] = {
    "sgd": Method("SGD", "sgd", {"rate": (0.01, 1.0), **FIRE}),
    "momentum": Method("momentum", "momentum", {"rate": (0.001, 0.1), **FORGET, **FIRE}),
    "adaptive-global": Method(
        "adaptive, one rate that follows the loss", "momentum-global-rate", {"rate": (0.01, 1.0), **FIRE},
        {"momentum": 0.0},
    ),
    "adaptive-weight": Method(
        "adaptive, a rate per weight", "rmsprop", {"rate": (0.0005, 0.05), **SLOW, **FIRE}, scales=False
    ),
    "momentum+global": Method(
        "momentum + one rate that follows the loss", "momentum-global-rate", {"rate": (0.001, 0.1), **FORGET, **FIRE}
    ),
    "momentum+weight": Method(
        "momentum + a rate per weight", "momentum-adaptive", {"rate": (0.0003, 0.03), **FORGET, **SLOW, **FIRE},
        scales=False,
    ),
    "sgd-at-once": Method(
        "SGD, every update at once", "sgd", {"rate": (0.01, 1.0)}, {"schedule": "cell"}
    ),
}  # fmt: skip
"""The last one is what a circuit does that keeps nothing between updates, as that of Soudry et al. (TNNLS 2015)."""


def main(given: Sequence[str] | None = None) -> None:
    """Run studies, or write their page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default="wbc,iris,wine", help=f"of {', '.join(EPOCHS)}")
    parser.add_argument("--devices", default=",".join(DEVICES))
    parser.add_argument("--trials", type=int, help=f"of each method; default {USUAL[0]}, but {SIZES}")
    parser.add_argument("--tuning-seeds", type=int, help=f"default {USUAL[1]}")
    parser.add_argument("--seeds", type=int, help=f"reported; default {USUAL[2]}")
    parser.add_argument("--methods", help=f"the first is what others are compared with; default {','.join(METHODS)}")
    arguments(parser, "paper.jsonl")
    options = parser.parse_args(given)
    names = options.methods.split(",") if options.methods else list(METHODS)
    if unknown := [name for name in names if name not in METHODS]:
        parser.error(f"no method {', '.join(unknown)}; known: {', '.join(METHODS)}")
    methods = {name: METHODS[name] for name in names}
    sizes = options.trials, options.tuning_seeds, options.seeds
    studies = [
        Study(methods, task, device, *(own or usual for own, usual in zip(sizes, SIZES.get(task, USUAL), strict=True)))
        for task in options.tasks.split(",")
        for device in options.devices.split(",")
    ]
    results = Results(options.results)
    if options.page:
        write(options.page, Page(TITLE, ABOUT, _command(options)), studies, results)
        return
    for one in studies:
        run(one, results, options.workers, options.scheduler)


def _command(options: argparse.Namespace) -> str:
    """Return the command that makes these results."""
    given = {name: getattr(options, name) for name in ("methods", "trials", "tuning_seeds", "seeds")}
    own = "".join(f" --{name.replace('_', '-')} {value}" for name, value in given.items() if value is not None)
    return f"python -m benchmarks.paper --tasks {options.tasks} --devices {options.devices}{own}"


if __name__ == "__main__":
    main()
