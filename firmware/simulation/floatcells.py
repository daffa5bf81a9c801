"""The cells behind a simulated front end: the devices of `hwctl.devices` in floating point, with wires and noise.

What the cell law rounds to integers is a float here, and what it numbers, a drive level, is whatever arrives at a cell:
volts, seconds and gate. So a front end that drives another line, another code or another width than it was asked for
gives other conductances, or a ChipError where the device is not characterised for it.
"""

from collections.abc import Sequence

import numpy as np

from firmware.analog.boardfile import BoardFile
from firmware.simulation.chips import ChipError
from firmware.simulation.physical import Applied, Floats
from hwctl.devices.chip import FORM_LEVELS, form_levels
from hwctl.devices.conduction import Conduction
from hwctl.devices.wires import WireNetwork
from hwctl.protocol.codes import MAX_LEVELS, Polarity

GRID = np.linspace(0.0, 1.0, 257)  # positions at which step curves are looked up
MOVES = 0.75
"""Share of the lowest drive level below which a voltage moves no cell: half-selects and readings (assumed)."""
AMPLITUDE, GATE = 0.01, 0.02
"""Relative difference from a characterised level at which a pulse still is one of that level: codes are rounded."""


class FloatCells:
    """The array of a board file. `g`: (rows, cols) in S, as cells conduct at small voltages, write noise included."""

    def __init__(
        self, board: BoardFile, seed: int, *, unformed: float = 0.0, segment_ohm: float = 0.0, alpha: float = 0.0
    ) -> None:
        """Draw cells.

        unformed: share 0 to 1 that needs forming; segment_ohm: of wire from cell to cell, in ohm; alpha: of
        `Conduction`, in 1/V^2.
        """
        self.board, self._ohm, self._conduction = board, segment_ohm, Conduction(alpha)
        shape = len(board.rows), len(board.cols)
        self._rng = rng = np.random.default_rng([seed, 0])
        drawn = board.device.fabricate(np.random.default_rng(seed), shape[0] * shape[1])
        self.low, self.high, self.position = (one.reshape(shape) for one in (drawn.low, drawn.high, drawn.position))
        self._gains = [one.reshape(shape) for one in (drawn.gain_set, drawn.gain_reset)]
        self._offset = drawn.offset.reshape(shape)
        self.stuck = (drawn.stuck_on | drawn.stuck_off).reshape(shape) | (self.high <= self.low)
        self.position[drawn.stuck_on.reshape(shape)] = 1.0
        self.position[drawn.stuck_off.reshape(shape)] = 0.0
        self.unformed = (rng.random(shape) < unformed) & ~self.stuck
        self._forms_at = np.clip(np.rint(rng.normal(FORM_LEVELS / 2, FORM_LEVELS / 8, shape)), 0, FORM_LEVELS - 1)
        self._curves = [
            [tuple(np.asarray(one) for one in board.device.curve(level, GRID)) for level in board.device.levels_of(p)]
            for p in (Polarity.SET, Polarity.RESET)
        ]
        self.pulses = np.zeros((len(Polarity), *shape), np.int64)  # that each cell got, of each polarity
        self.g = np.zeros(shape)
        self._network: WireNetwork | None = None
        for cell in np.ndindex(shape):
            self._show(cell)

    # -- pulses --------------------------------------------------------------------------------------------------------

    def respond(self, applied: Applied) -> None:
        """Let a cell answer to what it got. Raises ChipError where its device is not characterised for that."""
        cell, pulses = (applied.row, applied.col), self.board.pulses
        polarity = self._polarity(applied.volts)
        if polarity is None:
            return
        self.pulses[(polarity, *cell)] += 1
        if self.unformed[cell] or self.stuck[cell]:
            if polarity == Polarity.FORM and self.unformed[cell]:
                self._form(cell, abs(applied.volts))
            return
        if polarity == Polarity.FORM:
            raise ChipError(f"cell {cell} is formed and got {applied.volts:.3g} V: it would be destroyed")
        level = self._level(polarity, applied)
        width = pulses[polarity].levels[level].width_ticks
        if applied.clocks > width:
            raise ChipError(f"cell {cell} got {applied.clocks} clocks of a pulse of {width}")
        self._move(cell, polarity, level, applied.clocks / width)

    def _polarity(self, volts: float) -> Polarity | None:
        """Return what a voltage does to a cell; None where it is too low for anything."""
        for polarity, pulse in self.board.pulses.items():
            sign = 1.0 if pulse.side == "row" else -1.0
            lowest = min(level.amplitude for level in pulse.levels)
            beyond = volts * sign > self.board.limits.amplitude * (1 + AMPLITUDE)
            if (polarity == Polarity.FORM) == beyond and volts * sign >= MOVES * lowest:
                return polarity
        return None

    def _level(self, polarity: Polarity, applied: Applied) -> int:
        for n, level in enumerate(self.board.pulses[polarity].levels):
            volts = abs(abs(applied.volts) - level.amplitude) <= AMPLITUDE * level.amplitude
            if volts and abs(applied.gate - level.gate) <= GATE * level.gate:
                return n
        raise ChipError(
            f"cell ({applied.row}, {applied.col}) got {applied.volts:.4g} V with {applied.gate:.4g} V at its gate: no "
            f"drive level of {polarity.name}"
        )

    def _form(self, cell: tuple[int, int], volts: float) -> None:
        amplitudes: Sequence[float] = [level.amplitude for level in form_levels(self.board.device)]
        if volts >= amplitudes[int(self._forms_at[cell])] * (1 - AMPLITUDE):
            self.unformed[cell] = False
            self.position[cell] = 0.5
            self._show(cell)

    def _move(self, cell: tuple[int, int], polarity: Polarity, level: int, share: float) -> None:
        """Move a cell by the step of its level; by a share of it, where the pulse was cut."""
        curves = self._curves[polarity]
        seen = int(np.clip(level + self._offset[cell], 0, min(len(curves), MAX_LEVELS) - 1))
        mean, sigma = (float(np.interp(self.position[cell], GRID, one)) for one in curves[seen])
        step = mean * float(self._gains[polarity][cell]) + sigma * float(self._rng.standard_normal())
        moved = self.position[cell] + (step if polarity == Polarity.SET else -step) * share
        self.position[cell] = min(max(moved, 0.0), 1.0)
        self._show(cell)

    def _show(self, cell: tuple[int, int]) -> None:
        """Let a cell conduct as its position says, with write noise."""
        found = self.low[cell] + self.position[cell] * (self.high[cell] - self.low[cell])
        noise = self.board.device.write_noise
        if noise:
            found += noise * self._rng.standard_normal()
        self.g[cell] = 0.0 if self.unformed[cell] else max(found, 0.0)
        self._network = None

    # -- currents ------------------------------------------------------------------------------------------------------

    def currents(self, volts: Floats) -> Floats:
        """Return the currents out of the columns in A, shape (cols,), for row voltages in V, one conversion each."""
        noise = np.sqrt(np.sum(volts**2)) * self.board.device.read_noise
        if self._ohm:
            if self._network is None:
                self._network = WireNetwork(self.g, self._ohm, self._ohm)
            found = self._network.vmm((volts * self._conduction.factor(volts))[None])[0]
        else:
            found = (volts * self._conduction.factor(volts)) @ self.g
        return np.asarray(found + noise * self._rng.standard_normal(found.size))
