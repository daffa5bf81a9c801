"""Time a VMM through wire resistance: WireNetwork beside badcrossbar, in turns, in one run.

badcrossbar solves the network at every call; WireNetwork solves it once for all inputs. Both figures are printed: the
first VMM (solving included), and the following ones on the same conductances.
"""

import argparse
import importlib
import logging
import statistics
import time
from collections.abc import Callable
from types import ModuleType

import numpy as np

from hwctl.devices.wires import WireNetwork


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peer() -> ModuleType | None:
    try:
        return importlib.import_module("badcrossbar")
    except (ImportError, AttributeError):  # AttributeError: pycairo is replaced by an incomplete stand-in
        return None


def compare(size: int, batch: int, repeats: int, ohm: float, badcrossbar: ModuleType | None) -> dict[str, float]:
    rng = np.random.default_rng(size)
    times: dict[str, list[float]] = {}
    for _ in range(repeats):
        G = rng.uniform(1e-6, 1e-4, (size, size))
        volts = rng.uniform(-0.2, 0.2, (batch, size))
        network = WireNetwork(G, ohm, ohm)
        work: dict[str, Callable[[], object]] = {
            "first VMM": lambda G=G, volts=volts: WireNetwork(G, ohm, ohm).vmm(volts),
            "next VMM": lambda network=network, volts=volts: network.vmm(volts),
            "floating read": lambda network=network: network.read_cells(0.2, "floating"),
        }
        if badcrossbar is not None:
            work["badcrossbar VMM"] = lambda G=G, volts=volts: badcrossbar.compute(
                volts.T, 1.0 / G, r_i=ohm, node_voltages=False, all_currents=False
            )
        for name, call in work.items():
            times.setdefault(name, []).append(seconds(call))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128], help="rows (= cols) of the arrays")
    parser.add_argument("--batch", type=int, default=1, help="input vectors of one VMM")
    parser.add_argument("--repeats", type=int, default=7, help="rounds; medians are printed")
    parser.add_argument("--ohm", type=float, default=1.0, help="resistance of a wire segment in ohm")
    options = parser.parse_args()
    logging.disable(logging.INFO)  # badcrossbar reports each step
    badcrossbar = peer()
    for size in options.sizes:
        medians = compare(size, options.batch, options.repeats, options.ohm, badcrossbar)
        line = ", ".join(f"{name} {1e3 * value:.3g} ms" for name, value in medians.items())
        print(f"{size}x{size}, batch {options.batch}, median of {options.repeats}: {line}")
        if badcrossbar is not None:
            ratios = (f"{name} {medians['badcrossbar VMM'] / medians[name]:.3g}x" for name in ("first VMM", "next VMM"))
            print(f"  badcrossbar's time over ours: {', '.join(ratios)}")
    if badcrossbar is None:
        print("badcrossbar cannot be imported here: no comparison (pip install badcrossbar; it needs pycairo)")


if __name__ == "__main__":
    main()
