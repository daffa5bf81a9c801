"""A simulated board with a physical array behind a pseudo-terminal: `sim:?board=FILE.toml`."""

import os
import pty
import select
import sys
import tty

from firmware.simulation.analogboard import SLICE, AnalogSimulation

MOST = 1 << 16  # bytes taken from the host before the board has got them


class AnalogPty:
    """`path` is that of the pseudo-terminal. The clock runs while something is to be done, and stands still else."""

    def __init__(self, simulation: AnalogSimulation) -> None:
        """Take a simulation."""
        self._simulation = simulation
        self._line, self._other = pty.openpty()  # the other end stays open, so that a host may leave and come back
        tty.setraw(self._other)
        os.set_blocking(self._line, False)
        self.path = os.ttyname(self._other)

    def serve(self) -> None:
        """Pass bytes on until standard input ends. Raises ChipError where the gateware did what no part bears."""
        model, inputs = self._simulation.model, [self._line, sys.stdin]
        while True:
            ready, _, _ = select.select(inputs, [], [], None if model.quiet else 0)
            if sys.stdin in ready and not sys.stdin.buffer.read(1):
                return
            if self._line in ready and model.waiting < MOST:
                model.push(os.read(self._line, 4096))
            self._give(model.run(SLICE))

    def _give(self, said: bytes) -> None:
        while said:
            try:
                said = said[os.write(self._line, said) :]
            except BlockingIOError:
                return  # nobody reads: a real line loses these bytes too

    def close(self) -> None:
        """Close both ends; the simulation goes on."""
        os.close(self._line)
        os.close(self._other)
