"""Limits of the software board: what a shape, a reading or a command's pulses may be, narrowed while it has power."""

import numpy as np
from numpy.typing import NDArray

from hwctl.devices.planned import planned_pulses
from hwctl.errors import LimitError
from hwctl.protocol import codes, commands
from hwctl.protocol.codes import Polarity
from hwctl.protocol.commands import Command
from hwctl.protocol.replies import Limits

UNSET, BEYOND = -1, -2  # polarity of a shape that is not configured, or beyond what holds now


class BoardLimits:
    """`holds` says what holds now. Every method raises LimitError on what is beyond it, and changes nothing then."""

    def __init__(self, limits: Limits) -> None:
        """Start with the limits of the board."""
        self.holds = limits
        self.budgeted = False
        """Whether somebody has said how many pulses a cell may take."""
        self.polarity = np.full(codes.PULSE_SHAPES, UNSET)
        """Of each pulse shape, or UNSET, or BEYOND."""
        self._configured: dict[int, commands.ConfigureShape] = {}
        self._noted, self._waits = 0, np.zeros(1, np.int64)  # at that time, time codes until cells may be pulsed again

    def configure(self, command: commands.ConfigureShape) -> None:
        """Take a pulse shape."""
        self._check_shape(command)
        self._configured[command.index] = command
        self.polarity[command.index] = command.polarity

    def narrow(self, command: commands.ConfigureLimits) -> Limits:
        """Narrow limits, and return what holds now; shapes that are beyond it can be used no more."""
        self.holds = self.holds.narrowed(command)
        self.budgeted = self.budgeted or command.max_pulses > 0
        for number, shape in self._configured.items():
            try:
                self._check_shape(shape)
            except LimitError:
                self.polarity[number] = BEYOND
        return self.holds

    def check_read(self, voltage: int) -> None:
        """Let a reading pass with this voltage code."""
        if voltage > self.holds.max_read:
            raise LimitError(f"read voltage code {voltage}; at most {self.holds.max_read}")

    def check_pulses(self, command: Command, counts: NDArray[np.uint32]) -> None:
        """Let a command pass after which no cell may have had more than its pulses; counts: of all cells so far."""
        planned = planned_pulses(command, counts.shape)
        if planned is not None:
            most = int((counts + planned)[planned > 0].max(initial=0))
            if most > self.holds.max_pulses:
                raise LimitError(f"a cell may have had {most} pulses then; at most {self.holds.max_pulses}")

    def restart(self, now: int) -> None:
        """Count the least interval between pulses from `now` on, as if every cell had just been pulsed."""
        self._noted, self._waits = now, np.full(1, self.holds.min_interval, np.int64)

    def until(self, now: int, pulses: NDArray[np.int64]) -> int:
        """Return time codes from `now` to the last of pulses (rows, cols), no two of a cell closer than they may be."""
        waits = np.broadcast_to(self._left(now), pulses.shape)[pulses > 0]
        return int(waits.max()) + (int(pulses.max()) - 1) * self.holds.min_interval if waits.size else 0

    def pulsed(self, now: int, cells: NDArray[np.bool_]) -> None:
        """Take note that cells (rows, cols) were pulsed at `now` for the last time."""
        self._waits = np.where(cells, self.holds.min_interval, self._left(now))
        self._noted = now

    def _left(self, now: int) -> NDArray[np.int64]:
        """Return the time codes at `now` until cells may be pulsed again; the clock has 64 bits."""
        passed = min((now - self._noted) % (1 << 64), self.holds.min_interval)
        return np.maximum(self._waits - passed, 0)

    def _check_shape(self, shape: commands.ConfigureShape) -> None:
        polarity = Polarity(shape.polarity)
        self.holds.check_shape(polarity, shape.amplitude, shape.width, shape.gate, shape.compliance)
