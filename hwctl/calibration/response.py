"""Which cells move at all, and what the others are."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hwctl.calibration.probe import Ints, Probe, Stage
from hwctl.crossbar.results import Floats
from hwctl.protocol.codes import CellFlag

NAMES = {flag: flag.name.lower().replace("_", "-") for flag in CellFlag if flag.name}
FIRST = 2  # pulses of the first train; each following one has twice as many
SURE = 5.0  # standard deviations of a difference that count as a change
OPEN = 5.0  # standard deviations of a reading: what carries no more current than that is no filament


@dataclass(frozen=True)
class Response:
    """How cells answer the strongest pulses; arrays are (cells,)."""

    flags: NDArray[np.uint16]
    """CellFlag: 0 where a cell moves."""
    least: float
    """S: smallest change that counts as one."""

    @property
    def moves(self) -> NDArray[np.bool_]:
        """Return which cells move."""
        return self.flags == 0

    def between(self, low: Floats, high: Floats) -> "Response":
        """Return what is left to move when bounds (cells,) in S are known.

        A cell whose bounds are no change apart was moved by what comes and goes, as relaxation does, not by pulses.
        """
        narrow = self.moves & ~(high - low > self.least)
        middle = (low + high) / 2
        usual = float(np.median(middle[self.moves & ~narrow])) if (self.moves & ~narrow).any() else np.inf
        kind = np.where(middle > usual, CellFlag.STUCK_ON, CellFlag.STUCK_OFF)
        return replace(self, flags=np.where(narrow, kind, self.flags).astype(np.uint16))


def response(probe: Probe, sigma: float, most: int) -> Response:
    """Send trains of the strongest RESET and SET pulses, longer and longer, until each cell has moved.

    sigma: S, of one reading; most: pulses that a cell that does not move gets, in all.
    """
    least = SURE * np.sqrt(2.0) * sigma
    strongest = probe.levels(0) - 1, probe.levels(1) - 1
    moves = np.zeros(probe.cells, np.bool_)
    start, length, used = probe.present, FIRST, 0
    while used + 2 * length <= most and not moves.all():
        for polarity, sign in ((1, -1), (0, 1)):
            counts = np.where(moves, 0, sign * length)
            probe.pulse(Stage.RESPONSE, counts, np.full(probe.cells, strongest[polarity]))
            # A cell that saturates the converter has left where it was.
            moves |= ~(np.abs(probe.present - start) <= least)
            start = np.where(moves, start, probe.present)
        used, length = used + 2 * length, 2 * length
    return Response(_flags(probe.present, moves, sigma), float(least))


def _flags(present: Floats, moves: NDArray[np.bool_], sigma: float) -> NDArray[np.uint16]:
    """Name what does not move by its conductance, beside that of the cells that do."""
    flags = np.zeros(present.size, np.uint16)
    usual = float(np.nanmedian(present[moves])) if moves.any() else np.inf
    flags[~moves] = np.where(present[~moves] > usual, CellFlag.STUCK_ON, CellFlag.STUCK_OFF)
    flags[~moves & (present < OPEN * sigma)] = CellFlag.UNFORMED
    flags[~moves & np.isnan(present)] = CellFlag.STUCK_ON
    return flags


def counts_of(flags: NDArray[np.uint16]) -> dict[str, int]:
    """Return how many cells there are of each kind."""
    kinds: Ints = flags.astype(np.int64)
    return {"moving": int((kinds == 0).sum()), **{name: int((kinds & flag != 0).sum()) for flag, name in NAMES.items()}}
