"""Write-verify on one emulated chip: NeuRRAM's ramp, OpenMENA's PI loop, and hwctl's model-based loop.

    python benchmarks/write_verify.py [--seeds 5] [--relaxed-seeds 1]
    python benchmarks/write_verify.py --only one-way      # tables whose title has this
    python benchmarks/write_verify.py --tune        # how the open parameters of the PI loop were chosen

The chip is 128 x 64 cells of the preset `neurram` (1-40 uS, c2c and read noise, d2d), 2% of them stuck, another one
for each seed. Targets are drawn uniformly from 1 to 40 uS, the same for all methods. Each method starts on the chip as
fabricated. The yield is the share of the working cells (all but the stuck ones) that are within 1 uS: by the method's
own last reading, which is `verify`, and by an independent reading of 64 averages. Pulses and reads are those of all
cells, stuck ones included, a cell; a read is one conversion of one cell, and methods read open cells alone. They are
the board's own totals: the benchmark stops where a method counted otherwise.

The ramp is as published (50 iterations, 30 pulses counted at 4.0 V, 0.1 V steps from 1.2 V, a second reading confirms),
with one conversion where the code averages five of eight. The PI loop is as published, gains, limit of the sum, dead
zone and rising amplitude, with two parameters that its units leave open, the amplitude to begin with and the pulses for
a given drive. They are tuned for this device, on seeds that are not compared, at a yield of 99.9%: once for the fewest
pulses and reads together, which makes it a loop of single pulses, once for the fewest reads. `same band` gives all
methods the same band in which a reading ends the loop: the tolerance, or what the model-based loop takes, 2.5 standard
deviations of read noise less.

`model-based, calibrated` calibrates the chip first, with at most 400 pulses a cell, which are printed and not counted
in its row, and programs with the record: each cell's offset, gain and range, stuck cells, and where the calibration
left the cells, which saves the reading before the first move. `..., moved since` is the same chip programmed a second
time, to other targets: there all cells are read first, as always later in a chip's life.

`pcm` is a one-way device: a RESET leads to the bottom, and one SET pulse scatters by 2 to 4 uS. `by direction alone` is
the same loop with SET for cells that are too low and RESET for those that are too high, each followed by a reading.
"""

import argparse
import hashlib
import statistics
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from hwctl.calibration.plan import Plan
from hwctl.calibration.probe import Probe
from hwctl.calibration.procedure import calibrate
from hwctl.calibration.record import Record
from hwctl.calibration.twin import twin
from hwctl.crossbar import Crossbar
from hwctl.devices import presets
from hwctl.devices.chip import fabricate, noise_key
from hwctl.devices.device import Device
from hwctl.devices.knownchip import KnownChip, load_known
from hwctl.devices.presets import neurram
from hwctl.devices.presets.neurram import NeuRram
from hwctl.devices.steps import StepModel
from hwctl.emulator.board import EmulatedBoard
from hwctl.emulator.layers import Layers
from hwctl.links.inprocess import InProcessLink
from hwctl.programming import moves
from hwctl.programming.modelbased import GUARD, model_based
from hwctl.programming.moves import Way
from hwctl.programming.proportional import proportional_integral
from hwctl.programming.ramp import alternating
from hwctl.programming.result import Result, check
from hwctl.protocol.cells import from_words

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Method = Callable[[Crossbar, Floats, float, StepModel, int], Result]

ROWS, COLS = 128, 64
STUCK = 0.02
TOLERANCE = 1e-6  # S
RELAXATION = 0.01  # standard deviation of ln G per decade of time
QUIET_C2C = 0.05  # of the step, where the preset has 50%
QUIET_SHARE = 0.0025  # of the range
QUIET_AVERAGES = 16
TUNING_SEEDS = (100, 101)
PI_NOISY = (15, 0.02)  # drive level, pulses for an error of one tolerance: see --tune
PI_FEW_READS = (9, 0.5)
PI_QUIET = (3, 0.2)
OURS = "model-based"
CALIBRATION = 400  # pulses a cell, at most
CALIBRATION_AVERAGES = 16
CALIBRATED_COST = 0.6  # of a pulse in readings: about as many pulses as readings


class Setting(NamedTuple):
    """What is programmed, and how well."""

    title: str
    device: Device
    tolerance: float
    averages: int
    pi: tuple[int, float]


NOISY = Setting("neurram", presets.get("neurram"), TOLERANCE, 1, PI_NOISY)
QUIET = Setting(
    f"neurram with c2c {QUIET_C2C:.0%}", NeuRram(step_c2c=QUIET_C2C), QUIET_SHARE * 39e-6, QUIET_AVERAGES, PI_QUIET
)

ONE_WAY = Setting("pcm, one-way", presets.get("pcm"), 0.02 * 40e-6, 4, PI_NOISY)


class Figures(NamedTuple):
    """What one method came to on one chip."""

    pulses: float
    reads: float
    working_pulses: float
    working_reads: float
    stuck_pulses: float
    rounds: float
    calibration: tuple[float, float]
    """Pulses and reads a cell before, not counted in the others."""
    verify: tuple[float, float, float]
    """Yield in %, root mean square and median error in uS of the working cells."""
    later: tuple[tuple[float, float, float], ...]
    """The same by independent readings: right after it, and after each wait."""


def ramp(crossbar: Crossbar, targets: Floats, tolerance: float, model: StepModel, averages: int) -> Result:
    return alternating(crossbar, targets, tolerance, averages=averages)


def pi_loop(level: int, pulses: float) -> Method:
    def run(crossbar: Crossbar, targets: Floats, tolerance: float, model: StepModel, averages: int) -> Result:
        return proportional_integral(
            crossbar, targets, tolerance, level=level, pulses_per_tolerance=pulses, averages=averages
        )

    return run


def ours(guard: float) -> Method:
    def run(crossbar: Crossbar, targets: Floats, tolerance: float, model: StepModel, averages: int) -> Result:
        return model_based(crossbar, targets, tolerance, model=model, guard=guard, averages=averages)

    return run


def by_direction(crossbar: Crossbar, targets: Floats, tolerance: float, model: StepModel, averages: int) -> Result:
    """Program with SET trains alone for cells that are too low, and RESET pulses alone for those that are too high."""
    with patch.object(moves, "ways", lambda *asked: (Way(asked[1]),)):
        return model_based(crossbar, targets, tolerance, model=model, averages=averages)


class Calibrated:
    """The model-based loop with the record of the chip."""

    def __init__(self, *, moved: bool) -> None:
        """Calibrate only, or bring the cells to other targets after that (moved)."""
        self._moved = moved
        self._known: KnownChip

    def prepare(self, crossbar: Crossbar, seed: int) -> tuple[float, float]:
        """Calibrate a chip. Returns what that took: pulses and reads a cell."""
        probe = Probe(crossbar, crossbar.region(slice(None)), CALIBRATION_AVERAGES, CALIBRATION)
        found = calibrate(probe, Plan.of(CALIBRATION), np.random.default_rng(seed), str)
        chip = twin(found, crossbar.identity, probe.shapes, ROWS, COLS, crossbar.read_voltage)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "chip.h5"
            Record.of(found, chip, {"device": crossbar.identity.device}).save(path)
            self._known = load_known(path)
        status = crossbar.status()
        if self._moved:
            others = np.random.default_rng([seed, 2]).uniform(chip.device.g_min, chip.device.g_max, (ROWS, COLS))
            self(crossbar, others, TOLERANCE, StepModel.of(chip.device), 1)
        return (status.set_pulses + status.reset_pulses) / (ROWS * COLS), status.reads / (ROWS * COLS)

    def __call__(
        self, crossbar: Crossbar, targets: Floats, tolerance: float, model: StepModel, averages: int
    ) -> Result:
        return model_based(
            crossbar, targets, tolerance, model=self._known.model, averages=averages, pulse_cost=CALIBRATED_COST,
            known=self._known, allow_unreachable=True,
        )  # fmt: skip


def opened(device: Device, seed: int, relaxation: float) -> Crossbar:
    chip = fabricate(device, ROWS, COLS, seed, stuck=STUCK)
    layers = Layers.build(chip, relaxation=relaxation) if relaxation else None
    return Crossbar(InProcessLink(EmulatedBoard(chip, seed=noise_key(seed), layers=layers), "emulator:"))


def errors(reading: Floats, targets: Floats, working: Mask, tolerance: float) -> tuple[float, float, float]:
    off = np.abs(np.nan_to_num(reading, nan=1.0) - targets)[working]
    return 100 * float((off <= tolerance).mean()), float(np.sqrt((off**2).mean())) * 1e6, float(np.median(off)) * 1e6


def measure(setting: Setting, method: Method, seed: int, relaxation: float = 0.0, band: float | None = None) -> Figures:
    """Program a fresh chip. band: S, the tolerance that the method is given instead of the one that is judged."""
    with opened(setting.device, seed, relaxation) as crossbar:
        model = StepModel.of(setting.device)
        targets = np.random.default_rng([seed, 1]).uniform(model.g_min, model.g_max, (ROWS, COLS))
        # Which cells work is known to the benchmark alone.
        working = from_words(crossbar.dump().words)["flags"].reshape(ROWS, COLS) == 0
        before = method.prepare(crossbar, seed) if isinstance(method, Calibrated) else (0.0, 0.0)
        start = crossbar.status()
        done = method(crossbar, targets, band or setting.tolerance, model, setting.averages)
        status = crossbar.status()
        assert status.reads - start.reads == done.reads.sum()
        pulses = status.set_pulses + status.reset_pulses - start.set_pulses - start.reset_pulses
        assert pulses == done.pulses.sum()
        later = []
        for wait in (0.0, 1.0, 3599.0) if relaxation else (0.0,):
            crossbar.wait(wait)
            seen = check(crossbar, targets, setting.tolerance, averages=64).reading
            later.append(errors(seen, targets, working, setting.tolerance))
        return Figures(
            done.pulses.mean(), done.reads.mean(), done.pulses[working].mean(), done.reads[working].mean(),
            done.pulses[~working].mean(), done.rounds, before,
            errors(done.reading, targets, working, setting.tolerance), tuple(later),
        )  # fmt: skip


def medians(several: list[Figures]) -> Figures:
    def middle(values: list) -> float | tuple:
        if isinstance(values[0], tuple):
            return tuple(middle(list(each)) for each in zip(*values, strict=True))
        return statistics.median(values)

    return Figures(*(middle(list(each)) for each in zip(*several, strict=True)))


def compare(setting: Setting, methods: dict[str, tuple[Method, float | None]], seeds: int, relaxation: float) -> None:
    found = {
        name: medians([measure(setting, method, seed, relaxation, band) for seed in range(seeds)])
        for name, (method, band) in methods.items()
    }
    when = ("verify", "checked", "after 1 s", "after 1 h")
    for name, figures in found.items():
        cells = ROWS * COLS
        print(
            f"  {name:36} {figures.pulses:7.2f} pulses {figures.reads:6.2f} reads a cell "
            f"({figures.pulses * cells:,.0f} and {figures.reads * cells:,.0f} in all), {figures.rounds:.0f} rounds; "
            f"working cells {figures.working_pulses:.2f} and {figures.working_reads:.2f}, "
            f"{figures.stuck_pulses:.0f} pulses a stuck cell"
        )
        if figures.calibration[0]:
            print(f"    calibration {figures.calibration[0]:.0f} pulses and {figures.calibration[1]:.0f} reads a cell")
        for label, (good, rms, median) in zip(when, (figures.verify, *figures.later), strict=False):
            print(f"    {label:10} {good:7.3f}% within {setting.tolerance * 1e6:.4g} uS, "
                  f"rms {rms:.3f} uS, median {median:.3f} uS")  # fmt: skip
    for own in (name for name in found if name.startswith(OURS)):
        for name, figures in found.items():
            if not name.startswith(OURS):
                more = figures.pulses / found[own].pulses, figures.reads / found[own].reads
                print(f"  {name} over {own}: {more[0]:.2f}x pulses, {more[1]:.2f}x reads")


def tune(setting: Setting) -> None:
    """Print what the PI loop takes with each pair of its open parameters, best last."""
    rows = []
    levels, drives = (
        (range(9, 18), (0.02, 0.04, 0.1, 0.25, 0.5)) if setting is NOISY else (range(2, 9), (0.05, 0.1, 0.2))
    )
    for level in levels:
        for pulses in drives:
            figures = medians([measure(setting, pi_loop(level, pulses), seed) for seed in TUNING_SEEDS])
            rows.append((figures.verify[0] < 99.9, figures.pulses + figures.reads, level, pulses, figures))
    for what, least in (("pulses and reads", lambda row: row[:2]), ("reads", lambda row: (row[0], row[-1].reads))):
        print(f"  fewest {what}:")
        for low, _, level, pulses, figures in sorted(rows, key=least)[:4]:
            print(f"    level {level:2} {pulses:5} pulses a tolerance: {figures.verify[0]:.3f}% by its reading, "
                  f"{figures.pulses:.2f} pulses and {figures.reads:.2f} reads"
                  f"{', below 99.9%' if low else ''}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="chips; medians are printed")
    parser.add_argument("--relaxed-seeds", type=int, default=1, help="chips with relaxation; takes minutes each")
    parser.add_argument("--only", default="", metavar="TEXT", help="tables whose title has it")
    parser.add_argument("--tune", action="store_true", help="print the PI loop's open parameters instead")
    options = parser.parse_args()
    digest = hashlib.sha256(Path(neurram.__file__).read_bytes()).hexdigest()
    print(f"hwctl/devices/presets/neurram.py: SHA-256 {digest}")
    if options.tune:
        for setting in (NOISY, QUIET):
            print(f"{setting.title}, tolerance {setting.tolerance * 1e6:.4g} uS, chips {TUNING_SEEDS}")
            tune(setting)
        return
    peers = {
        "NeuRRAM ramp": ramp,
        "OpenMENA PI, tuned": pi_loop(*PI_NOISY),
        "OpenMENA PI, few reads": pi_loop(*PI_FEW_READS),
    }
    seeds = options.seeds
    published = {name: (method, None) for name, method in peers.items()}
    calibrated = {
        f"{OURS}, calibrated": (Calibrated(moved=False), None),
        f"{OURS}, calibrated, moved since": (Calibrated(moved=True), None),
    }
    band = TOLERANCE - GUARD * NOISY.device.read_noise
    tables = (
        ("as published", NOISY, published | {OURS: (ours(GUARD), None)} | calibrated, seeds, 0.0),
        ("same band: guarded for none", NOISY, published | {f"{OURS}, no guard": (ours(0.0), None)}, seeds, 0.0),
        ("same band: guarded for all", NOISY,
         {name: (method, band) for name, method in peers.items()} | {OURS: (ours(GUARD), None)}, seeds, 0.0),
        (f"as published, relaxation {RELAXATION:g} a decade", NOISY,
         published | {OURS: (ours(GUARD), None)} | calibrated, options.relaxed_seeds, RELAXATION),
        (f"quiet device, {QUIET_AVERAGES} averages", QUIET,
         {"NeuRRAM ramp": (ramp, None), "OpenMENA PI, tuned": (pi_loop(*PI_QUIET), None), OURS: (ours(GUARD), None)},
         seeds, 0.0),
        (f"{ONE_WAY.averages} averages", ONE_WAY,
         {"by direction alone": (by_direction, None), OURS: (ours(GUARD), None)}, seeds, 0.0),
    )  # fmt: skip
    for title, setting, methods, chips, relaxation in tables:
        if chips and options.only in f"{setting.title}, {title}":
            print(f"\n{setting.title}, {title}: {ROWS} x {COLS}, {STUCK:.0%} stuck, "
                  f"tolerance {setting.tolerance * 1e6:.4g} uS, median of {chips} chips")  # fmt: skip
            compare(setting, methods, chips, relaxation)


if __name__ == "__main__":
    main()
