"""How often the errors that a calibration states cover the truth, and how a digital twin compares with its chip.

Chips are emulated, so that the truth is known. "covered" is the share of 95% intervals (estimate +- 1.96 standard
errors) that hold it. Where a figure is pooled over cells, so is the truth, over the cells that reached both bounds.

    python benchmarks/calibration.py                 # intervals, on 20 chips of 32 x 32 cells
    python benchmarks/calibration.py --effects       # wires, disturb, relaxation, I-V curve: truth beside estimates
    python benchmarks/calibration.py --budget 400 --chips 1 --rows 128 --cols 64    # one large chip, whole
    python benchmarks/calibration.py --train 10      # test accuracy on chip and twin, paired seeds
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hwctl.calibration.plan import Plan
from hwctl.calibration.probe import Probe
from hwctl.calibration.procedure import Measured, calibrate
from hwctl.calibration.record import Record
from hwctl.calibration.twin import twin
from hwctl.crossbar import Crossbar
from hwctl.devices import law, presets
from hwctl.devices.chip import Chip, fabricate
from hwctl.devices.law import curve_steps

Z95 = 1.96
EFFECTS = {"alpha": 0.5, "row-ohm": 2, "col-ohm": 1, "half-select": 1e-5, "relaxation": 0.02, "drift": 0.005}
"""Options of `emulator:`."""
OWN_DRIFT = 0.2 * EFFECTS["drift"] * np.log(10)  # exponents of cells differ by 20% (hwctl/emulator/layers.py)
TRUTH = {
    "alpha": EFFECTS["alpha"], "row_wire": EFFECTS["row-ohm"], "col_wire": EFFECTS["col-ohm"],
    "half_select_set": EFFECTS["half-select"], "half_select_reset": EFFECTS["half-select"],
    "drift_exponent": EFFECTS["drift"], "relaxation_per_decade": float(np.hypot(EFFECTS["relaxation"], OWN_DRIFT)),
    "read_disturb": 0.0,
}  # fmt: skip
Floats = NDArray[np.float64]
Claim = tuple[str, Floats, Floats, Floats]
"""What is estimated, estimates, standard errors, truth."""


def measure(crossbar: Crossbar, budget: int, seed: int) -> tuple[Measured, Probe]:
    """Calibrate a whole array."""
    probe = Probe(crossbar, crossbar.region(slice(None)), 16, budget)
    return calibrate(probe, Plan.of(budget), np.random.default_rng(seed), lambda _: None), probe


def claims(measured: Measured, chip: Chip) -> Iterator[Claim]:
    """Yield what a calibration claims of a chip, beside the truth."""
    cells, siemens = chip.cells.reshape(-1), chip.scales.siemens
    low = cells["low"] * siemens
    high = low + cells["span"] * siemens
    noise = np.hypot([law.read_noise(chip.read_code) * siemens], siemens / np.sqrt(12.0))  # a code's own width
    yield "read noise", measured.noise.pooled[:1], measured.noise.pooled_error[:1], noise
    yield "G_min of a cell", measured.lower.found, measured.lower.error, low
    yield "G_max of a cell", measured.upper.found, measured.upper.error, high
    own = measured.ranges.own & measured.usable
    for polarity, name in enumerate(("SET", "RESET")):
        curves, gains = measured.curves[polarity], cells["gain_reset" if polarity else "gain_set"][own] / 4096
        known = [curve_steps(curve) for curve in chip.curves[polarity]]
        for level in range(len(known)):
            shown = np.clip(level + cells["offset"][own], 0, len(known) - 1)
            true = np.mean([known[at][0] * gain for at, gain in zip(shown, gains, strict=True)], axis=0)
            seen = curves.observed[level]
            yield f"pooled {name} step", curves.pooled[level][seen], curves.pooled_error[level][seen], true[seen]
            yield f"c2c of {name}", curves.sigma[level][seen], curves.sigma_error[level][seen], known[level][1][seen]


def intervals(device: str, budget: int, chips: int, rows: int, cols: int) -> None:
    """Print how many intervals hold the truth."""
    inside, all_of, pulses = defaultdict(int), defaultdict(int), 0
    for seed in range(chips):
        with Crossbar.open(f"emulator:?device={device}&rows={rows}&cols={cols}&seed={seed}") as crossbar:
            begun = time.perf_counter()
            measured, _ = measure(crossbar, budget, seed)
            took = time.perf_counter() - begun
        pulses = max(pulses, int(measured.spent.max()))
        for name, found, error, true in claims(measured, fabricate(presets.get(device), rows, cols, seed)):
            known = np.isfinite(found) & (error > 0)
            inside[name] += int((np.abs(found - true) < Z95 * error)[known].sum())
            all_of[name] += int(known.sum())
    print(
        f"{device}, {chips} chips of {rows} x {cols} cells, at most {pulses} pulses a cell, the last one in "
        f"{took:.0f} s"
    )
    for name, number in all_of.items():
        print(f"  {name:20} {inside[name] / max(number, 1):7.1%} of {number} covered")
    moving, reached = (
        int(measured.response.moves.sum()),
        [int(b.reached.sum()) for b in (measured.lower, measured.upper)],
    )
    print(
        f"  of the last one {moving} of {rows * cols} cells move, {reached[0]} reached G_min, {reached[1]} G_max; "
        f"their gains' errors {np.median(measured.cells.gain_error[0]):.1%} and "
        f"{np.median(measured.cells.gain_error[1]):.1%} in the median"
    )


def effects(device: str, budget: int, chips: int, rows: int, cols: int) -> None:
    """Print truth, estimates and stated errors of analog effects, and how many 95% intervals hold the truth."""
    found = defaultdict(list)
    options = "".join(f"&{name}={value}" for name, value in EFFECTS.items())
    for seed in range(chips):
        target = f"emulator:?device={device}&rows={rows}&cols={cols}&seed={seed}{options}"
        with Crossbar.open(target) as crossbar:
            measured, _ = measure(crossbar, budget, seed)
        for name, estimate in measured.effects.figures():
            found[name].append(estimate)
    print(f"{device}, {chips} chips of {rows} x {cols} cells with {options[1:]}")
    for name, true in TRUTH.items():
        if name in found:
            value, error = np.array(found[name]).T
            held = int((np.abs(value - true) < Z95 * error).sum())
            mean, usual = np.nanmean(value), np.nanmedian(error)
            print(
                f"  {name:22} true {true:9.3g}, found {mean:9.3g}, standard error {usual:8.2g}, "
                f"{held} of {chips} covered"
            )


def trained(target: str, seed: int) -> float:
    """Return the test accuracy of wbc on a target."""
    from hwctl.training import setup
    from hwctl.training.config import TrainConfig
    from hwctl.training.trainer import Trainer

    config = setup.resolve(TrainConfig(task="wbc", targets=(target,), seed=seed))
    crossbars = setup.open_crossbars(config)
    try:
        trainer = Trainer(config, crossbars, setup.step_model(crossbars, config.device), setup.load_data(config))
        trainer.start()
        trainer.run()
        return trainer.test_accuracy()
    finally:
        for crossbar in crossbars:
            crossbar.close()


def chip_and_twin(device: str, budget: int, seeds: int) -> None:
    """Print the accuracy of training on chips and on their twins."""
    found = []
    for seed in range(seeds):
        target = f"emulator:?device={device}&rows=24&cols=24&seed={seed}"
        with tempfile.TemporaryDirectory() as folder, Crossbar.open(target) as crossbar:
            measured, probe = measure(crossbar, budget, seed)
            chip = twin(measured, crossbar.identity, probe.shapes, 24, 24, crossbar.read_voltage)
            path = Path(folder) / "chip.h5"
            Record.of(measured, chip, {"device": device}).save(path)
            found.append((trained(target, seed), trained(f"emulator:{path}?seed={seed}", seed)))
    on_chip, on_twin = np.array(found).T * 100
    print(
        f"{device}, wbc, {seeds} paired seeds: chip {on_chip.mean():.2f}%, twin {on_twin.mean():.2f}%, difference "
        f"{(on_twin - on_chip).mean():+.2f} points"
    )


def main() -> None:
    """Run what the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="neurram")
    parser.add_argument("--budget", type=int, default=60)
    parser.add_argument("--chips", type=int, default=20)
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--cols", type=int, default=32)
    parser.add_argument("--effects", action="store_true")
    parser.add_argument("--train", type=int, default=0, metavar="SEEDS")
    options = parser.parse_args()
    if options.train:
        chip_and_twin(options.device, options.budget, options.train)
    elif options.effects:
        effects(options.device, 400, options.chips, options.rows, options.cols)
    else:
        intervals(options.device, options.budget, options.chips, options.rows, options.cols)


if __name__ == "__main__":
    main()
