"""What a plan buys, before a pulse is sent: the standard error that each figure should have."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hwctl.calibration import loads, noise, reading, readpath
from hwctl.calibration.plan import Effect, Plan
from hwctl.protocol.codes import CURVE_ENTRIES

ASSUMED_C2C = 0.5  # of a step, until it is measured
WITHIN = 6.0  # entries of a step curve that one fitted entry draws on (`smooth.BANDWIDTH`)
ROUGH = 10.0  # times that c2c moves a cell about its point of rest


@dataclass(frozen=True)
class Chip:
    """What is known of a chip beforehand."""

    rows: int
    cols: int
    levels: tuple[int, int]
    """SET and RESET levels."""
    sigma: float
    """S, of one reading."""
    present: float
    """S: what its cells conduct, about."""
    read_voltage: float
    """V"""

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.rows * self.cols


@dataclass(frozen=True)
class Expected:
    """Standard error of a figure."""

    name: str
    error: float
    unit: str
    """A unit of SI, or "%" of the figure itself."""
    pulses_for_half: int | None
    """Budget a cell with which it is half as large; None where readings decide, which cost no pulse."""


def _walk(plan: Plan) -> int:
    """Return the pulses a cell that are left for step curves, where bounds take all that they may."""
    return max(plan.budget - plan.response - 2 * plan.bounds - plan.reserve, 1)


def expected(plan: Plan, chip: Chip) -> Iterator[Expected]:
    """Yield what a plan buys on a chip. A c2c of ASSUMED_C2C of a step is assumed, and cells that are about alike."""
    walk = _walk(plan)
    for_half = plan.budget
    while _walk(Plan.of(for_half)) < 4 * walk:
        for_half += 10
    trains = max(chip.cells * walk * WITHIN / (sum(chip.levels) * CURVE_ENTRIES), 1.0)  # that one entry is made of
    relative = chip.sigma / max(chip.present, chip.sigma)
    yield Expected("read noise", 100 / np.sqrt(2.0 * chip.cells * (noise.READINGS - 1)), "%", None)
    yield Expected("a cell's G_min and G_max", chip.sigma / np.sqrt(3.0), "S", None)
    yield Expected("a pooled step", 100 * ASSUMED_C2C / np.sqrt(trains), "%", for_half)
    yield Expected("c2c of a step", 100 / np.sqrt(2.0 * trains), "%", for_half)
    yield Expected("a cell's gain", 100 * ASSUMED_C2C / np.sqrt(walk / 2), "%", for_half)
    if Effect.READ_PATH in plan.effects:
        squares = np.array(readpath.SHARES) ** 2 * chip.read_voltage**2
        lever = squares.std() * np.sqrt(squares.size * readpath.READINGS * chip.cells)
        yield Expected("alpha", relative / lever, "1/V^2", None)
        yield Expected("a column's offset", chip.sigma / np.sqrt(chip.rows * readpath.READINGS / 2), "S", None)
    if Effect.LOADS in plan.effects:
        of_all = np.sqrt(2.0) * relative / np.sqrt(chip.cells / loads.LEFT)
        shared = chip.present * (chip.rows * chip.cols) / 3
        events = plan.loads / loads.TRAINS * (chip.rows + chip.cols)
        yield Expected("a wire's segment", of_all / shared, "ohm", 2 * plan.budget)
        yield Expected("half-select disturb of the way", 100 * of_all / events, "% absolute", 2 * plan.budget)
    if Effect.SYMMETRY in plan.effects:
        yield Expected("symmetry point of the range", ROUGH * ASSUMED_C2C / np.sqrt(chip.cells), "% absolute", None)
    if Effect.RELAXATION in plan.effects:
        yield Expected("relaxation of ln G", 100 * relative / np.sqrt(chip.cells), "% absolute", None)
    if Effect.READ_DISTURB in plan.effects:
        between = (reading.BURSTS - 1) * reading.CONVERSIONS
        at_once = chip.sigma * np.sqrt(16 / reading.CONVERSIONS)
        yield Expected("read disturb of a conversion", at_once / np.sqrt(chip.cells) / between, "S", None)
