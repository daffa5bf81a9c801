"""Words and pulses a second through `pynq.Overlay`, on the simulated Zynq, and what a word costs the host.

pynq, its Overlay and hwctl are the real ones; behind the registers is the Verilated gateware, whose time is shown
apart: on a board it is the fabric's. "calls" are those of pynq's device, looks at a board that is busy included. "host"
is the CPU's time in pynq and hwctl themselves. Run it where pynq is installed:

    pip install '.[test,gateware,pynq]'
    python -m benchmarks.pynq
"""

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from firmware.simulation.options import OPTIONS
from firmware.zynq.design import DESIGNS
from firmware.zynq.hwh import hwh
from hwctl.crossbar import Crossbar
from hwctl.protocol.codes import Polarity
from hwctl.protocol.registers import offset_of

ROUNDS = 5
SINGLE = 2000  # words one by one


@dataclass
class Cost:
    """What one job took."""

    seconds: float
    host: float
    """s of the CPU in pynq and hwctl."""
    calls: int
    words: int


@contextmanager
def overlay(rows: int, cols: int, lanes: int) -> Iterator[Any]:
    """Load the overlay, and give pynq's."""
    os.environ[OPTIONS] = f"rows={rows}&cols={cols}&lanes={lanes}&seed=1"
    warnings.simplefilter("ignore")  # pynq's, of a machine that is no board
    import pynq

    import firmware.simulation.zynq
    import hwctl.crossbar.overlay  # noqa: F401  the driver

    assert isinstance(pynq.Device.active_device, firmware.simulation.zynq.SimulatedZynq)
    with tempfile.TemporaryDirectory() as folder:
        bitfile = Path(folder) / "crossbar.bit"
        bitfile.write_bytes(b"")
        bitfile.with_suffix(".hwh").write_text(hwh(DESIGNS["pynq-z2"]))
        yield pynq.Overlay(str(bitfile))


def cost(device: Any, job: Callable[[], object]) -> Cost:
    """Do a job."""
    calls, words, simulated = device.calls, device.words, device.seconds
    began, worked = time.perf_counter(), time.thread_time()
    job()
    seconds, worked = time.perf_counter() - began, time.thread_time() - worked
    return Cost(seconds, worked - (device.seconds - simulated), device.calls - calls, device.words - words)


def jobs(core: Any) -> dict[str, tuple[Callable[[], object], int]]:
    """Return what is measured, and the pulses of each."""
    crossbar: Crossbar = core.crossbar
    rows, cols = crossbar.rows, crossbar.cols
    (weak_set, *_), (weak_reset, *_) = (crossbar.drive_levels(p) for p in (Polarity.SET, Polarity.RESET))
    counts = np.ones((rows, cols), np.int64)
    ones = np.ones((16, rows)) * 0.1
    status = offset_of("STATUS")

    def pulses() -> None:
        for sign in (1, -1):
            crossbar.pulse(sign * counts, weak_set, weak_reset)
        crossbar.status()  # waits for both

    return {
        "PULSE, every cell, 2 times": (pulses, 2 * rows * cols),
        "READ, every cell": (crossbar.read, 0),
        "VMM, 16 vectors": (lambda: crossbar.vmm(ones), 0),
        "dump and restore": (lambda: crossbar.restore(crossbar.dump()), 0),
        "READ of a cell, 20 times": (lambda: [crossbar.read(0, 0) for _ in range(20)], 0),
        f"mmio.read, {SINGLE} times": (lambda: [core.mmio.read(status) for _ in range(SINGLE)], 0),
    }


def main() -> None:
    """Measure, in turns, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--cols", type=int, default=64)
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    with overlay(options.rows, options.cols, options.lanes) as loaded:
        device, measured = loaded.device, jobs(loaded.crossbar_ctrl)
        costs: dict[str, list[Cost]] = {name: [] for name in measured}
        for _ in range(options.rounds):
            for name, (job, _) in measured.items():
                costs[name].append(cost(device, job))
    print(f"{options.rows} x {options.cols} cells, {options.lanes} lanes, medians of {options.rounds} rounds")
    print(f"{'':28}{'words':>8}{'calls':>8}{'words/call':>12}{'words/s':>12}{'host us/word':>14}{'pulses/s':>12}")
    for name, found in costs.items():

        def median(of: Callable[[Cost], float], found: list[Cost] = found) -> float:
            return statistics.median(of(one) for one in found)

        pulses = measured[name][1]
        print(
            f"{name:28}{median(lambda c: c.words):8.0f}{median(lambda c: c.calls):8.0f}"
            f"{median(lambda c: c.words / c.calls):12.1f}{median(lambda c: c.words / c.seconds):12.0f}"
            f"{median(lambda c: 1e6 * c.host / c.words):14.3f}"
            + (f"{pulses / median(lambda c: c.seconds):12.0f}" if pulses else f"{'-':>12}")
        )


if __name__ == "__main__":
    main()
