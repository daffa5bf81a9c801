"""Pulses and readings of a chip that is measured: each is counted, and kept in the raw trace."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from hwctl.crossbar import Crossbar
from hwctl.crossbar.levels import levels_of, pulse_at
from hwctl.crossbar.results import Floats
from hwctl.errors import LimitError
from hwctl.protocol.codes import Feature
from hwctl.protocol.packing import Region

Ints = NDArray[np.int64]

#: One train of equal pulses on one cell, with the reading before and the one after; S and s.
STEP = np.dtype(
    [
        ("cell", "<u4"),
        ("polarity", "u1"),
        ("level", "u1"),
        ("count", "<i2"),
        ("stage", "u1"),
        ("before", "<f8"),
        ("after", "<f8"),
        ("time", "<f8"),
    ]
)


class Stage(IntEnum):
    """What a train was sent for."""

    RESPONSE = 0
    STILL = 1
    BOUNDS = 2
    WALK = 3


@dataclass
class Probe:
    """A region of a chip under measurement. Cells are numbered row by row within the region.

    What a calibration does depends on its seed and on its readings alone. So one that was cut off goes on by itself
    where it is done again with the readings that were `taken`: as long as there are `known` ones, no pulse is sent.
    """

    crossbar: Crossbar
    region: Region
    averages: int
    """Conversions of a reading, a power of two."""
    budget: int
    """Pulses that a cell may take in all."""
    known: deque[Floats] = field(default_factory=deque)
    """Readings (cells,) in S of a calibration that was cut off, in their order."""
    counted: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    """Lifetime pulses (cells,) of the cells when that calibration began; empty: it begins now."""
    tell: Callable[[int], None] | None = None
    """Called with the largest number of pulses that a cell has taken so far."""
    taken: list[Floats] = field(init=False, default_factory=list)
    """All readings so far, the known ones included."""
    present: Floats = field(init=False)
    """Last reading (cells,) in S; NaN where the converter saturated."""
    spent: Ints = field(init=False)
    """Pulses (cells,) so far."""
    parts: list[NDArray[np.void]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        """Define the drive levels and take a first reading. Raises LimitError where the board lists no levels."""
        self.shapes = levels_of(self.crossbar)
        if not all(self.shapes):
            raise LimitError(f"{self.crossbar.link.url} lists no drive levels of both polarities; nothing to measure")
        self.spent = np.zeros(self.cells, np.int64)
        self._resumed = bool(self.known)
        if not self.counted.size:
            self.counted = self.lifetime()
        self.present = self.read()

    @property
    def cells(self) -> int:
        """Cells of the region."""
        return self.region.rows * self.region.cols

    @property
    def left(self) -> Ints:
        """Pulses (cells,) that the budget still allows."""
        return self.budget - self.spent

    def levels(self, polarity: int) -> int:
        """Return the number of drive levels of a polarity."""
        return len(self.shapes[polarity])

    def read(self, averages: int | None = None) -> Floats:
        """Return conductances (cells,) in S; NaN where the converter saturates."""
        if self.known:
            found = self.known.popleft()
        else:
            found = self.crossbar.read(self.region, averages=averages or self.averages, over_range="nan").reshape(-1)
        self.taken.append(found)
        return found

    def pulse(self, stage: Stage, counts: Ints, levels: Ints) -> Floats:
        """Send signed counts (cells,), 0 for none, at drive levels (cells,); read, and return the readings in S.

        Raises LimitError, before a pulse is sent, where a cell would exceed the budget, and where an earlier
        calibration is gone on with and the cells have taken other pulses since.
        """
        sent = np.abs(counts)
        if (self.spent + sent > self.budget).any():
            raise LimitError(f"a cell would take more than the budget of {self.budget} pulses; raise --budget")
        if not self.known and not (self._resumed and self._executed(sent)):
            self._send(counts, levels)
        self._resumed = bool(self.known)
        self.spent += sent
        before, self.present = self.present, self.read()
        self._note(stage, counts, levels, before)
        if self.tell is not None:
            self.tell(int(self.spent.max(initial=0)))
        return self.present

    def _send(self, counts: Ints, levels: Ints) -> None:
        shape = self.region.shape
        pulse_at(self.crossbar, self.shapes, counts.reshape(shape), levels.reshape(shape), self.region)

    def _executed(self, sent: Ints) -> bool:
        """Return whether the first pulses after the known readings were executed before the link was lost."""
        if not self.crossbar.has(Feature.COUNTERS):
            return True  # what is in doubt counts as executed, and is never sent again
        since = self.lifetime() - self.counted
        if sent.any() and (since == self.spent + sent).all():
            return True
        if (since == self.spent).all():
            return False
        raise LimitError(
            f"the cells have taken {since.sum()} pulses since the calibration began, not {self.spent.sum()}; "
            "the board was restarted, or used for something else; begin a new one"
        )

    def lifetime(self) -> Ints:
        """Return the pulses (cells,) that the board has counted in the cells' lives."""
        return self.crossbar.pulse_counts(self.region).reshape(-1)

    def _note(self, stage: Stage, counts: Ints, levels: Ints, before: Floats) -> None:
        moved = np.flatnonzero(counts)
        part = np.zeros(moved.size, STEP)
        part["cell"], part["polarity"], part["level"] = moved, counts[moved] < 0, levels[moved]
        part["stage"] = stage
        part["count"], part["before"], part["after"] = np.abs(counts[moved]), before[moved], self.present[moved]
        part["time"] = self.crossbar.status().clock
        self.parts.append(part)

    def trace(self) -> NDArray[np.void]:
        """Return all trains so far in their order, of dtype STEP."""
        return np.concatenate(self.parts) if self.parts else np.zeros(0, STEP)
