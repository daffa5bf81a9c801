"""What a run has cost so far: pulses, reads, array time, bytes; carried over a resumed run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from hwctl.crossbar import Crossbar


@dataclass
class Totals:
    """Sums over all arrays since the run's start."""

    pulses_set: int = 0
    pulses_reset: int = 0
    reads: int = 0
    """Conversions."""
    array_seconds: float = 0.0
    """s that arrays were driven."""
    link_bytes: int = 0
    host_seconds: float = 0.0
    """s of the program, arrays included."""


class Counter:
    """Totals of a run on boards that may count from elsewhere."""

    def __init__(self, crossbars: Sequence[Crossbar]) -> None:
        """Start at zero from what the boards have counted so far."""
        self._crossbars = crossbars
        self._carried = Totals()
        self._base = self._now()
        self._lifetime = [crossbar.pulse_counts() for crossbar in crossbars]

    def _now(self) -> Totals:
        found = Totals()
        for crossbar in self._crossbars:
            status = crossbar.status()
            found.pulses_set += status.set_pulses
            found.pulses_reset += status.reset_pulses
            found.reads += status.reads
            found.array_seconds += status.busy
            found.link_bytes += crossbar.link.bytes_moved
        return found

    def totals(self, host_seconds: float) -> Totals:
        """Return the totals; host_seconds: of this process."""
        now = self._now()
        now.host_seconds = host_seconds
        found = Totals(
            **{
                field.name: getattr(self._carried, field.name)
                + getattr(now, field.name)
                - getattr(self._base, field.name)
                for field in fields(Totals)
            }
        )
        # A tick is 10 ns or more: so a resumed run's sum is that of an uninterrupted one.
        found.array_seconds = round(found.array_seconds, 9)
        return found

    def cell_pulses(self) -> list[NDArray[np.int64]]:
        """Return the pulses of each array's cells since the run's start, (rows, cols) each."""
        return [c.pulse_counts() - before for c, before in zip(self._crossbars, self._lifetime, strict=True)]

    def worst_cell(self) -> int:
        """Return the pulses of the cell that took most of them since the run's start."""
        return int(max(pulses.max() for pulses in self.cell_pulses()))

    def state(self, host_seconds: float) -> tuple[dict[str, float], list[NDArray[np.int64]]]:
        """Return what `carry` takes up again: totals, and each array's pulses since the start."""
        return asdict(self.totals(host_seconds)), self.cell_pulses()

    def carry(self, totals: dict[str, float], cell_pulses: Sequence[NDArray[np.int64]]) -> None:
        """Go on from the state of an earlier process, after its boards were restored."""
        self._carried = Totals(**totals)  # type: ignore[arg-type]  # integers stay integers in JSON
        self._base = self._now()
        self._lifetime = [c.pulse_counts() - done for c, done in zip(self._crossbars, cell_pulses, strict=True)]
