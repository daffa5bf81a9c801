"""Simulated boards as `sim:` asks for them: with the chip of `emulator:` and the same options."""

from pathlib import Path

from firmware.errors import BuildError
from firmware.parameters import Parameters
from firmware.simulation.model import program_of
from firmware.simulation.process import SimulatedBoard
from hwctl.devices import presets
from hwctl.devices.chip import Chip, fabricate, noise_key
from hwctl.errors import DeviceError

COMPACT: dict[str, bool] = {"compact": True, "loops": False, "outer": False}
DIVISOR = 4  # clock cycles of a bit: the fewest; a simulated line need not be slow


def simulated(
    device: str, rows: int, cols: int, seed: int, unformed: float = 0.0, *, lanes: int = 1, compact: bool = False,
    vcd: Path | None = None, cycles: Path | None = None,
) -> SimulatedBoard:  # fmt: skip
    """Start a board with the chip that `emulator:` has for the same options. Raises BuildError."""
    _parameters(rows, cols, lanes, compact)  # a geometry that cannot be built is named as such, not as a chip's
    try:
        chip = fabricate(presets.get(device), rows, cols, seed, unformed)
    except DeviceError as error:
        raise BuildError(str(error)) from None
    return simulated_chip(chip, seed, lanes=lanes, compact=compact, vcd=vcd, cycles=cycles)


def simulated_chip(
    chip: Chip, seed: int, *, lanes: int = 1, compact: bool = False, vcd: Path | None = None, cycles: Path | None = None
) -> SimulatedBoard:
    """Start a board with a chip, as of a record; seed: of the noise, as in `emulator:FILE.h5?seed=N`."""
    parameters = _parameters(chip.rows, chip.cols, lanes, compact)
    program = program_of(parameters, chip, trace=vcd is not None)
    return SimulatedBoard(program, chip, noise_key(seed), vcd=vcd, cycles=cycles)


def _parameters(rows: int, cols: int, lanes: int, compact: bool) -> Parameters:
    try:
        return Parameters(rows=rows, cols=cols, lanes=lanes, divisor=DIVISOR, **(COMPACT if compact else {}))
    except ValueError as error:
        raise BuildError(str(error)) from None
