"""Which lines of an array hold which lines of a matrix."""

from dataclasses import dataclass

import numpy as np

from hwctl.programming.result import Counts


@dataclass(frozen=True)
class LineMap:
    """Places of a matrix' lines on a region, counted from its corner; an output's pair stays together."""

    rows: Counts
    """(rows,): row of the region that holds each row of the matrix."""
    pairs: Counts
    """(outputs,): pair of neighbouring columns that holds each output; pair p is the columns 2p and 2p + 1."""

    @classmethod
    def straight(cls, rows: int, outputs: int) -> "LineMap":
        """Return the map that leaves all lines in their order."""
        return cls(np.arange(rows), np.arange(outputs))

    @property
    def columns(self) -> Counts:
        """(2 * outputs,): column of the region that holds each column of the matrix."""
        return np.stack([2 * self.pairs, 2 * self.pairs + 1], axis=1).reshape(-1)
