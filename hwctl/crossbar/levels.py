"""Trains of pulses at drive levels: each cell its own number, polarity and level."""

import numpy as np
from numpy.typing import NDArray

from hwctl.crossbar.driver import Crossbar
from hwctl.crossbar.results import PulseShape
from hwctl.protocol.codes import MAX_PULSES, Polarity
from hwctl.protocol.packing import Region

Levels = tuple[list[PulseShape], list[PulseShape]]
"""Drive levels of SET and of RESET as pulse shapes, weak to strong."""


def levels_of(crossbar: Crossbar) -> Levels:
    """Return every drive level that the board knows."""
    return crossbar.drive_levels(Polarity.SET), crossbar.drive_levels(Polarity.RESET)


def pulse_at(
    crossbar: Crossbar, shapes: Levels, counts: NDArray[np.int64], levels: NDArray[np.int64], region: Region
) -> None:
    """Send signed counts, +n SET and -n RESET, each cell at its own level of that polarity; both (rows, cols).

    More pulses than one command holds follow in the next one. Raises LimitError.
    """
    sets, resets = (
        np.array([shape.number for shape in of_polarity])[np.where(np.sign(counts) == sign, levels, 0)]
        for of_polarity, sign in zip(shapes, (1, -1), strict=True)
    )
    while counts.any():
        now = np.clip(counts, -MAX_PULSES, MAX_PULSES)
        crossbar.pulse_levels(now, sets, resets, region)
        counts = counts - now
