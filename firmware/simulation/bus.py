"""A simulated board on a bus: the Verilated AXI4-Lite slave, called by ctypes."""

import ctypes
import time
from pathlib import Path

import numpy as np
from amaranth.back import rtlil
from numpy.typing import NDArray

from firmware import tools
from firmware.errors import BuildError
from firmware.mailbox.board import BusBoard
from firmware.mailbox.top import TOP, BusTop
from firmware.parameters import Parameters
from firmware.simulation.model import digest_of
from firmware.simulation.verilated import build_model
from hwctl.devices.chip import Chip

HARNESS = Path(__file__).with_name("bus.cpp")
LIBRARY = "board.so"
MOST_AT_ONCE = 50_000  # clock cycles that pass between two transfers, however long a host takes
RESPONSE = -(1 << 63)  # added to a response, where a read has no word


class BusError(BuildError):
    """The board did not take an access: there is nothing at that address."""


def library_of(parameters: Parameters, chip: Chip, key: int, *, build: str) -> Path:
    """Return the library that simulates a board with a chip, built where the cache has none. Raises BuildError."""
    folder = tools.cache_folder() / f"bus-{digest_of(HARNESS, (parameters, chip, key, build))}"
    if not folder.exists():
        top = BusTop(BusBoard(parameters, chip, key, build=build, initial=True))
        il = rtlil.convert(top, name=TOP, emit_src=False)
        build_model(il, TOP, HARNESS, folder, LIBRARY, defines={}, shared=True)
    return folder / LIBRARY


class SimulatedBus:
    """The master's side of the bus. Addresses are byte offsets of whole words."""

    def __init__(self, library: Path, clock: float = 0.0) -> None:
        """Power the board up.

        clock: Hz at which the time that a host takes between transfers passes for the board, too; a simulation that
        keeps up with it is far slower than a board's clock. 0: time passes with accesses and in `run` alone.
        """
        self._clock = clock
        self._left = time.perf_counter()
        self._library = library = ctypes.CDLL(str(library))
        library.bus_new.restype = ctypes.c_void_p
        library.bus_read.restype = ctypes.c_int64
        library.bus_cycles.restype = ctypes.c_uint64
        for name in ("bus_delete", "bus_interrupt", "bus_cycles"):
            getattr(library, name).argtypes = [ctypes.c_void_p]
        library.bus_write.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32]
        library.bus_read.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
        library.bus_run.argtypes = [ctypes.c_void_p, ctypes.c_uint64]
        self._bus = library.bus_new()

    def write(self, address: int, word: int) -> None:
        """Write a word. Raises BusError where the board answers with an error, or not at all."""
        response = self._library.bus_write(self._bus, address, word)
        if response:
            raise BusError(f"write to {address:#x}: response {response}")

    def read(self, address: int) -> int:
        """Read a word. Raises BusError where the board answers with an error, or not at all."""
        found: int = self._library.bus_read(self._bus, address)
        if found < 0:
            raise BusError(f"read of {address:#x}: response {found - RESPONSE if found != -1 else found}")
        return found

    def write_words(self, address: int, words: NDArray[np.uint32]) -> None:
        """Write words one after the other; errors as in `write`."""
        self._catch_up()
        for n, word in enumerate(words.tolist()):
            self.write(address + 4 * n, word)
        self._left = time.perf_counter()

    def read_words(self, address: int, count: int) -> NDArray[np.uint32]:
        """Read words one after the other; errors as in `read`."""
        self._catch_up()
        found = np.array([self.read(address + 4 * n) for n in range(count)], np.uint32)
        self._left = time.perf_counter()
        return found

    def _catch_up(self) -> None:
        self.run(min(MOST_AT_ONCE, round(self._clock * (time.perf_counter() - self._left))))

    def run(self, cycles: int) -> None:
        """Let clock cycles pass."""
        self._library.bus_run(self._bus, cycles)

    @property
    def interrupt(self) -> bool:
        """The level of the interrupt pin."""
        return bool(self._library.bus_interrupt(self._bus))

    @property
    def cycles(self) -> int:
        """Clock cycles since power-up."""
        return int(self._library.bus_cycles(self._bus))

    def close(self) -> None:
        """End the simulation."""
        if self._bus:
            self._library.bus_delete(self._bus)
            self._bus = None
