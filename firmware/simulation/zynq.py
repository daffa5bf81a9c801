"""A Zynq without a board, for pynq: import this module, and pynq finds a device whose fabric is the simulated board.

pynq is the real one, and so is its `Overlay`; what is loaded is the HWH beside the file that is named, and in the place
of the bitstream's content the Verilated board that `firmware.simulation.options` makes.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from pynq.pl_server.device import Device
from pynq.pl_server.hwh_parser import _HWHZynq, get_hwh_name  # HWH is the one of the machine that this runs on

from firmware.simulation.bus import SimulatedBus
from firmware.simulation.options import simulated_bus
from firmware.zynq.design import DESIGNS
from hwctl.protocol.registers import WORD_BYTES

CLOCK = 5e6  # Hz; see `SimulatedBus`
FIRST = 1000  # priority among pynq's kinds of devices


class SimulatedZynq(Device):  # type: ignore[misc]
    """A device with registers; calls, words, and the CPU's seconds in the simulation, are counted."""

    _probe_priority_ = FIRST

    @classmethod
    def _probe_(cls) -> list["SimulatedZynq"]:
        return [cls()]

    def __init__(self) -> None:
        """Begin without an overlay."""
        super().__init__("simulated-zynq")
        self.name = "simulated Zynq"
        self.capabilities = {"REGISTER_RW": True}
        self.bitfile_name = None
        self.timestamp = None
        self.mem_dict: dict[str, Any] = {}
        self.calls = self.words = 0
        self.seconds = 0.0
        self._base = DESIGNS["pynq-z2"].base
        self._bus: SimulatedBus | None = None

    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False) -> Any:
        """Return what the HWH says. There is no processing system whose clocks could be set."""
        parser = _HWHZynq(get_hwh_name(bitfile_name))
        parser.clock_dict = {}
        parser.systemgraph = None
        parser.ip_dict.pop(parser.ps_name, None)
        return parser

    def download(self, bitstream: Any, parser: Any = None) -> None:
        """Power the board up."""
        self._bus = simulated_bus(CLOCK)
        super().post_download(bitstream, parser, self.name)

    def read_registers(self, address: int, length: int) -> bytes:
        """Read bytes of whole words."""
        with self._counted(length) as bus:
            return bus.read_words(address - self._base, length // WORD_BYTES).tobytes()

    def write_registers(self, address: int, data: Any) -> None:
        """Write bytes of whole words."""
        raw = bytes(data)
        with self._counted(len(raw)) as bus:
            bus.write_words(address - self._base, np.frombuffer(raw, np.uint32))

    @contextmanager
    def _counted(self, length: int) -> Iterator[SimulatedBus]:
        assert self._bus is not None
        began = time.thread_time()
        yield self._bus
        self.seconds += time.thread_time() - began
        self.calls += 1
        self.words += length // WORD_BYTES
