"""Pulse counts of a board that keeps none: the host's, of what it has sent."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from hwctl.devices.planned import planned_pulses
from hwctl.errors import BoardError, LimitError
from hwctl.protocol.commands import Command
from hwctl.protocol.packing import Region

Counts = NDArray[np.int64]


class HostCounts:
    """Pulses of each cell since the board was opened, or on top of those that were loaded."""

    def __init__(self, rows: int, cols: int) -> None:
        """Start with none."""
        self._counts: Counts = np.zeros((rows, cols), np.int64)

    @contextmanager
    def counting(self, command: Command) -> Iterator[None]:
        """Count pulses before they are sent: what is not refused may have been executed."""
        planned = planned_pulses(command, self._counts.shape)
        if planned is None:
            yield
            return
        self._counts += planned
        try:
            yield
        except LimitError:  # it was not sent
            self._counts -= planned
            raise
        except BoardError as error:
            if not error.aborted:
                self._counts -= planned
            raise

    def of(self, region: Region) -> Counts:
        """Return the counts of a region (rows, cols)."""
        return self._place(region).copy()

    def load(self, region: Region, counts: NDArray[np.integer]) -> None:
        """Take counts of a region (rows, cols)."""
        self._place(region)[...] = counts

    def give_back(self, region: Region, pulses: Counts) -> None:
        """Take off pulses (rows, cols) that cells of a region were allowed and did not need."""
        self._place(region)[...] -= pulses

    def _place(self, region: Region) -> Counts:
        return self._counts[region.row0 : region.row1, region.col0 : region.col1]
