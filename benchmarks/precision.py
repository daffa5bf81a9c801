"""How near write-verify comes to a conductance: averaging, a residual matrix, and 2048 levels.

    python benchmarks/precision.py [--chips 1]

1. Share of the working cells within 0.25% of the range, by an independent reading of 4096 conversions: 128 x 64 cells
   of `neurram`, 2% stuck, with its own c2c of 50% and on a quiet device with 5%; within 0.1% and 0.05%, too.
2. Error of weights with and without a residual matrix of as many pairs, on `neurram`: coarse (within 1 uS), and fine.
3. Levels that can be told apart: 2048 (Rao et al., Nature 615 (2023) 823), here 2 uS apart from 50 to 4144 uS, on a
   tabulated device whose steps and noise are assumed. Each level is programmed into one cell of every chip. It can be
   told apart where an independent reading of 64 conversions is nearest to it on every chip. With coarse readings alone,
   with the fine stage, on a device so quiet that the converter's step limits, and with random telegraph noise in 10% of
   the cells (fewer cells: levels drawn at random), by a short reading and by one over both states.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hwctl.crossbar import Crossbar
from hwctl.devices import law
from hwctl.devices.chip import fabricate, noise_key
from hwctl.devices.device import Device, DriveLevel
from hwctl.devices.presets.neurram import NeuRram
from hwctl.devices.steps import StepModel
from hwctl.devices.tabulated import Spread, StepTable, TabulatedDevice
from hwctl.emulator.board import EmulatedBoard
from hwctl.emulator.layers import Layers
from hwctl.errors import LimitError
from hwctl.links.inprocess import InProcessLink
from hwctl.programming.fine import Fine
from hwctl.programming.linemap import LineMap
from hwctl.programming.matrix import program_weights
from hwctl.programming.modelbased import ModelBased
from hwctl.programming.precise import read_precisely, resolution
from hwctl.programming.residual import program_residual
from hwctl.programming.weights import Bounds, largest_scale
from hwctl.protocol.cells import from_words
from hwctl.protocol.codes import Polarity

Floats = NDArray[np.float64]
US = 1e-6
LEVELS, FIRST, SPACING = 2048, 50 * US, 2 * US
TOLERANCE, PRECISION = 0.6 * US, 0.15 * US  # of the levels
CHECK = 64  # conversions of the reading by which levels are told apart
RTN_CELLS = (12, 12)
RTN_PAUSE = 0.02  # s: twice the dwell time of the emulated noise


def opened(device: Device, rows: int, cols: int, seed: int, stuck: float = 0.0, rtn: float = 0.0) -> Crossbar:
    chip = fabricate(device, rows, cols, seed, stuck=stuck)
    layers = Layers.build(chip, rtn=rtn) if rtn else None
    return Crossbar(InProcessLink(EmulatedBoard(chip, seed=noise_key(seed), layers=layers), "emulator:"))


def quiet_device(noise: float) -> TabulatedDevice:
    """Return soft bounds, 12 levels of steps of 0.005% to 10% of the range, c2c 30%, d2d 10%; noise: S a conversion."""
    centres, tables = law.entry_centres(), []
    for polarity, room in ((Polarity.SET, 1.0 - centres), (Polarity.RESET, centres)):
        for number, size in enumerate(np.geomspace(5e-5, 0.1, 12)):
            level = DriveLevel(polarity, round(1.0 + 0.1 * number, 3), 1e-6, 0.0)
            tables.append(StepTable(level, 2.0 * size * room, 0.6 * size * room))
    return TabulatedDevice(
        name="quiet", lowest=30 * US, highest=4200 * US, tables=tuple(tables), spread=Spread(0.1, 0.1), read_sigma=noise
    )


def averaging(chips: int) -> None:
    for device, title in ((NeuRram(), "neurram, c2c 50%"), (NeuRram(step_c2c=0.05), "quiet: c2c 5%")):
        model = StepModel.of(device)
        span = model.g_max - model.g_min
        for share in (0.0025, 0.001, 0.0005):
            good, pulses, reads = [], [], []
            for seed in range(chips):
                with opened(device, 128, 64, seed, stuck=0.02) as crossbar:
                    works = from_words(crossbar.dump().words)["flags"].reshape(128, 64) == 0
                    targets = np.random.default_rng([seed, 1]).uniform(model.g_min, model.g_max, (128, 64))
                    done = Fine(model, share * span, share * span / 5).program(crossbar, targets)
                    off = np.abs(crossbar.read(averages=4096) - targets)[works]
                    good.append(100 * float((off <= share * span).mean()))
                    pulses.append(done.pulses.mean())
                    reads.append(done.reads.mean())
            print(
                f"  {title}: within {100 * share:g}% of the range ({share * span / US:.4f} uS) {np.median(good):.2f}% "
                f"of the working cells; {np.median(pulses):.2f} pulses and {np.median(reads):.0f} conversions a cell"
            )
    with opened(NeuRram(), 2, 2, 0) as crossbar:
        print(f"  one step of the converter is {resolution(crossbar) / US:.4f} uS, one code of a reading "
              f"{crossbar.units.siemens_per_reading / US:.5f} uS")  # fmt: skip


def residual(chips: int) -> None:
    model = StepModel.of(NeuRram())
    methods = (("coarse, within 1 uS", ModelBased(model, US, averages=4)), ("fine, within 0.1 uS", Fine(model, 0.1 * US, 0.02 * US)))  # fmt: skip  # noqa: E501
    for title, method in methods:
        before, after, gains = [], [], []
        for seed in range(chips):
            with opened(NeuRram(), 64, 64, seed) as crossbar:
                weights = np.random.default_rng([seed, 2]).uniform(-1, 1, (64, 16))
                bounds = Bounds.of(model, (64, 32))
                k, _ = largest_scale(weights, bounds, method.tolerance)
                first, second = crossbar.region(slice(None), slice(0, 32)), crossbar.region(slice(None), slice(32, 64))
                done = program_weights(crossbar, weights, k, first, method, bounds, LineMap.straight(64, 16))
                found = program_residual(crossbar, done, second, method, bounds, 0.005 * US)
                seen = crossbar.read(averages=4096)
                w1, w2 = ((part[:, 0::2] - part[:, 1::2]) / k for part in (seen[:, :32], seen[:, 32:]))
                before.append(float(np.sqrt(((w1 - weights) ** 2).mean())))
                after.append(float(np.sqrt(((w1 + w2 / found.gain - weights) ** 2).mean())))
                gains.append(found.gain)
        bits = [np.log2(2.0 / (value * np.sqrt(12))) for value in (np.median(before), np.median(after))]
        print(
            f"  {title}: gain {np.median(gains):.3g}; root mean square error of weights from -1 to 1: "
            f"{np.median(before):.2e} before ({bits[0]:.1f} bits), {np.median(after):.2e} after ({bits[1]:.1f} bits)"
        )


def told_apart(readings: Floats, number: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.rint((readings - FIRST) / SPACING) == number


def levels(title: str, device: TabulatedDevice, chips: int, method: Callable[[StepModel], ModelBased | Fine]) -> None:
    model = StepModel.of(device)
    right, errors, reads, pulses = np.ones(LEVELS, np.bool_), [], [], []
    for seed in range(chips):
        with opened(device, 64, 32, seed) as crossbar:
            number = np.random.default_rng([seed, 3]).permutation(LEVELS).reshape(64, 32)
            done = method(model).program(crossbar, FIRST + number * SPACING)
            seen = crossbar.read(averages=CHECK)
            right[number[~told_apart(seen, number)]] = False
            errors.append(float(np.sqrt(((seen - FIRST - number * SPACING) ** 2).mean())))
            reads.append(done.reads.mean())
            pulses.append(done.pulses.mean())
            step = resolution(crossbar)
    print(
        f"  {title}: {right.sum()} of {LEVELS} levels on all of {chips} chips; root mean square error "
        f"{np.median(errors) / US:.3f} uS ({100 * np.median(errors) / (LEVELS * SPACING):.4f}% of the range), "
        f"{np.median(pulses):.1f} pulses and {np.median(reads):.0f} conversions a cell; noise of a conversion "
        f"{device.read_noise / US:g} uS, step of the converter {step / US:.2f} uS"
    )


def rtn_levels(share: float, denoise: int) -> None:
    device = quiet_device(0.8 * US)
    with opened(device, *RTN_CELLS, 0, rtn=share) as crossbar:
        number = np.random.default_rng(4).integers(0, LEVELS, RTN_CELLS)
        targets = FIRST + number * SPACING
        method = Fine(StepModel.of(device), TOLERANCE, PRECISION, pause=RTN_PAUSE, denoise=denoise)
        done = method.program(crossbar, targets)
        short = told_apart(crossbar.read(averages=CHECK), number)
        rows, cols = (index.reshape(-1) for index in np.indices(RTN_CELLS))
        mean = read_precisely(crossbar, rows, cols, PRECISION, pause=RTN_PAUSE).mean.reshape(RTN_CELLS)
        quiet = ~done.noisy & ~done.denoised
        print(
            f"  noise of {100 * share:g}% of the conductance in 10% of the cells, {denoise} small pulses: "
            f"{done.noisy.sum()} of {number.size} cells found noisy, {done.denoised.sum()} quietened by pulses, "
            f"{done.unquiet.sum()} not known to {PRECISION / US:g} uS; right levels by {CHECK} conversions: "
            f"{short[quiet].sum()} of {quiet.sum()} quiet cells, {short[done.noisy].sum()} of {done.noisy.sum()} noisy "
            f"ones; by the mean over both states: {told_apart(mean, number)[done.noisy].sum()} noisy ones"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chips", type=int, default=1, help="of each setting; medians are printed")
    chips = parser.parse_args().chips
    began = time.monotonic()
    print(f"averaging, 128 x 64 cells, 2% stuck, median of {chips} chips:")
    averaging(chips)
    print(f"residual, 64 x 16 weights, median of {chips} chips:")
    residual(chips)
    print(f"levels, {LEVELS} from {FIRST / US:g} uS, {SPACING / US:g} uS apart:")

    def coarse(model: StepModel) -> ModelBased:
        return ModelBased(model, 6 * US, averages=1)

    def fine(model: StepModel) -> Fine:
        return Fine(model, TOLERANCE, PRECISION)

    levels("coarse, single conversions", quiet_device(0.8 * US), chips, coarse)
    levels("fine", quiet_device(0.8 * US), chips, fine)
    quieter = quiet_device(0.1 * US)
    try:
        with opened(quieter, 2, 2, 0) as crossbar:
            fine(StepModel.of(quieter)).program(crossbar, np.full((2, 2), 100 * US))
    except LimitError as error:
        print(f"  with noise of 0.1 uS it refuses: {error}")
    levels("the same, to 0.6 uS", quieter, chips, lambda model: Fine(model, 1.6 * US, 0.6 * US))
    for share, denoise in ((0.0005, 0), (0.0005, 3), (0.005, 0)):
        rtn_levels(share, denoise)
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
