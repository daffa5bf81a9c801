"""A simulated board with a physical array: its gateware, the parts of a board file, and an array of its device."""

import time
from collections.abc import Callable
from pathlib import Path

from firmware.analog.board import parameters_of
from firmware.analog.boardfile import BoardFile
from firmware.simulation.analogmodel import AnalogModel, library_of
from firmware.simulation.board import DIVISOR
from firmware.simulation.floatcells import FloatCells
from firmware.simulation.physical import PhysicalBoard
from hwctl.links.ports import READ_TIMEOUT

SLICE = 4096  # clocks between two looks at the host
PAUSE = 1e-3  # s between two looks at a board that has nothing to do


class AnalogSimulation:
    """`cells` are the array, `physical` the parts around it, `model` the gateware."""

    def __init__(
        self,
        board: BoardFile,
        seed: int,
        *,
        unformed: float = 0.0,
        segment_ohm: float = 0.0,
        vcd: Path | None = None,
        wired: BoardFile | None = None,
        parts: Callable[..., PhysicalBoard] = PhysicalBoard,
    ) -> None:
        """Power up; parameters as of `FloatCells`. vcd: file for waveforms.

        wired: how the parts really are wired; default: as `board`, of which the gateware is, says. parts: makes them.

        Raises BoardFileError where the gateware cannot drive the board, BuildError where it cannot be simulated.
        """
        self._library = library_of(board, parameters_of(board, DIVISOR), trace=vcd is not None)
        self._vcd, self._wired, self._parts = vcd, wired or board, parts
        self.cells = FloatCells(board, seed, unformed=unformed, segment_ohm=segment_ohm)
        self._power_up()

    def _power_up(self) -> None:
        cells = self.cells
        self.physical = self._parts(self._wired, cells.g, cells.respond, cells.currents)
        self.model = AnalogModel(self._library, self.physical, self._vcd)

    def reset(self) -> None:
        """Take the power away and give it back: cells are as they were, and nothing else."""
        self.model.close()
        self._power_up()

    def close(self) -> None:
        """End the simulation."""
        self.model.close()


class ModelPort:
    """A port of `hwctl.links` whose other end is a simulation in this process: its clock runs while the host reads."""

    def __init__(self, simulation: AnalogSimulation) -> None:
        """Take a simulation; it is not closed with the port."""
        self.simulation = simulation
        self.name = "a simulated board"
        self.bytes_per_second = 1e4  # at least, on a busy machine

    def read(self) -> bytes:
        """Return bytes that came, within READ_TIMEOUT; none where there are none."""
        deadline = time.monotonic() + READ_TIMEOUT
        while True:
            model = self.simulation.model
            said = model.run(SLICE)
            if said or time.monotonic() > deadline:
                return said
            if model.quiet:
                time.sleep(PAUSE)

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self.simulation.model.push(data)

    def reopen(self) -> None:
        """Do nothing: it was never lost."""

    def close(self) -> None:
        """Do nothing: the simulation goes on."""
