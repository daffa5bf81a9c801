"""Pulses and readings of a chip that is measured: each is counted, and kept in the raw trace."""

from collections.abc import Callable
from dataclasses import InitVar, dataclass, field
from enum import IntEnum
from time import time

import numpy as np
from numpy.typing import NDArray

from hwctl.crossbar import Crossbar
from hwctl.crossbar.levels import levels_of, pulse_at
from hwctl.crossbar.results import Floats
from hwctl.crossbar.waiting import let_pass
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
    LOADS = 4
    SYMMETRY = 5
    RELAXATION = 6


@dataclass
class Known:
    """What a calibration has taken so far: enough to go on with it where it is cut off."""

    counted: Ints
    """Lifetime pulses (cells,) of the cells when it began."""
    readings: list[Floats] = field(default_factory=list)
    """All readings (cells,) in S, in their order."""
    times: list[float] = field(default_factory=list)
    """s: the board's clock after each train."""


@dataclass
class Probe:
    """A region of a chip under measurement. Cells are numbered row by row within the region.

    What a calibration does depends on its seed and on its readings alone. So one that was cut off goes on by itself
    where it is done again with what was `known`: as long as there are readings that were not used, no pulse is sent.
    """

    crossbar: Crossbar
    region: Region
    averages: int
    """Conversions of a reading, a power of two."""
    budget: int
    """Pulses that a cell may take in all."""
    before: InitVar[Known | None] = None
    """What a calibration that was cut off had taken."""
    tell: Callable[[int], None] | None = None
    """Called with the largest number of pulses that a cell has taken so far."""
    known: Known = field(init=False)
    present: Floats = field(init=False)
    """Last reading (cells,) in S; NaN where the converter saturated."""
    spent: Ints = field(init=False)
    """Pulses (cells,) so far."""
    formed_by: Ints = field(init=False)
    """Forming pulses (cells,), which the budget does not count."""
    offset: Floats = field(init=False)
    """S (cells,): what each cell's converter adds to a reading; taken off again by `read`."""
    gain: Floats = field(init=False)
    """(cells,): by which factor it reads too much; taken out by `read`."""
    parts: list[NDArray[np.void]] = field(init=False, default_factory=list)

    def __post_init__(self, before: Known | None) -> None:
        """Define the drive levels and take a first reading. Raises LimitError where the board lists no levels."""
        self.shapes = levels_of(self.crossbar)
        if not all(self.shapes):
            raise LimitError(f"{self.crossbar.link.url} lists no drive levels of both polarities; nothing to measure")
        self.spent, self.formed_by = np.zeros(self.cells, np.int64), np.zeros(self.cells, np.int64)
        self.offset, self.gain = np.zeros(self.cells), np.ones(self.cells)
        self.known = before or Known(self.lifetime())
        self._used = 0  # readings
        self._resumed = self.waiting > 0
        self.present = self.read()

    @property
    def cells(self) -> int:
        """Cells of the region."""
        return self.region.rows * self.region.cols

    @property
    def left(self) -> Ints:
        """Pulses (cells,) that the budget still allows."""
        return self.budget - self.spent

    @property
    def waiting(self) -> int:
        """Readings of the calibration that was cut off that are still to be used."""
        return len(self.known.readings) - self._used

    def levels(self, polarity: int) -> int:
        """Return the number of drive levels of a polarity."""
        return len(self.shapes[polarity])

    def take(self, measure: Callable[[], Floats]) -> Floats:
        """Return what `measure` returns, (cells,), or what it returned in the calibration that was cut off."""
        if not self.waiting:
            self.known.readings.append(measure().reshape(-1))
        self._used += 1
        return self.known.readings[self._used - 1]

    def raw(self, averages: int | None = None) -> Floats:
        """Return conductances (cells,) in S as the converters say; NaN where one saturates."""
        return self.take(lambda: self.crossbar.read(self.region, averages=averages or self.averages, over_range="nan"))

    def read(self, averages: int | None = None) -> Floats:
        """Return conductances (cells,) in S without what is known to be wrong with the converters; NaN as of `raw`."""
        return (self.raw(averages) - self.offset) / self.gain

    def clock(self) -> float:
        """Return s since some moment: virtual time on an emulated board, else the host's."""
        virtual = self.crossbar.has(Feature.VIRTUAL_TIME)
        return float(self.take(lambda: np.full(self.cells, self.crossbar.status().clock if virtual else time()))[0])

    def wait(self, seconds: float, say: Callable[[float], None] | None = None) -> None:
        """Let s pass, of virtual time where the board has it. say: called each second with those that are left."""
        if not self.waiting and seconds > 0:
            let_pass(self.crossbar, seconds, say)

    def pulse(self, stage: Stage, counts: Ints, levels: Ints) -> Floats:
        """Send signed counts (cells,), 0 for none, at drive levels (cells,); read, and return the readings in S.

        Raises LimitError, before a pulse is sent, where a cell would exceed the budget, and where an earlier
        calibration is gone on with and the cells have taken other pulses since.
        """
        sent = np.abs(counts)
        if (self.spent + sent > self.budget).any():
            raise LimitError(f"a cell would take more than the budget of {self.budget} pulses; raise --budget")
        if not self.waiting and not (self._resumed and self._executed(sent)):
            self._send(counts, levels)
        self._resumed = self.waiting > 0
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
        since = self.lifetime() - self.known.counted - self.formed_by
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
        if len(self.parts) == len(self.known.times):
            self.known.times.append(self.crossbar.status().clock)
        part["time"] = self.known.times[len(self.parts)]
        self.parts.append(part)

    def trace(self) -> NDArray[np.void]:
        """Return all trains so far in their order, of dtype STEP."""
        return np.concatenate(self.parts) if self.parts else np.zeros(0, STEP)
