"""A simulated board with a physical array, behind a pseudo-terminal: `sim:?board=FILE.toml`."""

import os
import pty
import select
import sys
import tty
from pathlib import Path

from firmware.analog.board import parameters_of
from firmware.analog.boardfile import BoardFile
from firmware.simulation.analogmodel import AnalogModel, library_of
from firmware.simulation.board import DIVISOR
from firmware.simulation.floatcells import FloatCells
from firmware.simulation.physical import PhysicalBoard

SLICE = 4096  # clocks between two looks at the pseudo-terminal
MOST = 1 << 16  # bytes taken from the host before the board has got them


class AnalogSimulation:
    """A board file's gateware, its parts, and an array of its device.

    `path` is that of the pseudo-terminal. The clock runs while something is to be done, and stands still else.
    """

    def __init__(
        self, board: BoardFile, seed: int, *, unformed: float = 0.0, segment_ohm: float = 0.0, vcd: Path | None = None
    ) -> None:
        """Power up; parameters as of `FloatCells`. vcd: file for waveforms.

        Raises BoardFileError where the gateware cannot drive the board, BuildError where it cannot be simulated.
        """
        library = library_of(board, parameters_of(board, DIVISOR), trace=vcd is not None)
        self.cells = FloatCells(board, seed, unformed=unformed, segment_ohm=segment_ohm)
        self.physical = PhysicalBoard(board, self.cells.g, self.cells.respond, self.cells.currents)
        self.model = AnalogModel(library, self.physical, vcd)
        self._line, self._other = pty.openpty()  # the other end stays open, so that a host may leave and come back
        tty.setraw(self._other)
        os.set_blocking(self._line, False)
        self.path = os.ttyname(self._other)

    def serve(self) -> None:
        """Pass bytes on until standard input ends. Raises ChipError where the gateware did what no part bears."""
        inputs = [self._line, sys.stdin]
        while True:
            ready, _, _ = select.select(inputs, [], [], None if self.model.quiet else 0)
            if sys.stdin in ready and not sys.stdin.buffer.read(1):
                return
            if self._line in ready and self.model.waiting < MOST:
                self.model.push(os.read(self._line, 4096))
            self._give(self.model.run(SLICE))

    def _give(self, said: bytes) -> None:
        while said:
            try:
                said = said[os.write(self._line, said) :]
            except BlockingIOError:
                return  # nobody reads: a real line loses these bytes too

    def close(self) -> None:
        """End the simulation."""
        self.model.close()
        os.close(self._line)
        os.close(self._other)
