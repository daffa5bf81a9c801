"""A Zynq without a board, for pynq: import this module, and pynq finds a device whose fabric is the simulated board.

pynq is the real one, and so is its `Overlay`; what is loaded is the HWH beside the file that is named, and in the place
of the bitstream's content the Verilated board. Options come from the environment variable HWCTL_ZYNQ, as
`device=reram-es&rows=16&cols=12&seed=1`.
"""

import os
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
from pynq.pl_server.device import Device
from pynq.pl_server.hwh_parser import _HWHZynq, get_hwh_name  # HWH is the one of the machine that this runs on

from firmware.parameters import Parameters
from firmware.simulation.bus import SimulatedBus, library_of
from firmware.zynq.design import DESIGNS
from hwctl.devices import presets
from hwctl.devices.chip import fabricate, noise_key

OPTIONS = "HWCTL_ZYNQ"
PACE = 100  # clock cycles between two transfers: 2 us at 50 MHz, about what a call of pynq takes
FIRST = 1000  # priority among pynq's kinds of devices


def simulated_bus() -> SimulatedBus:
    """Power a board up, with the chip that OPTIONS asks for."""
    options = {"device": "reram-es", "rows": "16", "cols": "12", "seed": "1", "lanes": "1"}
    options |= dict(parse_qsl(os.environ.get(OPTIONS, "")))
    device, rows, cols, seed, lanes = (options[name] for name in ("device", "rows", "cols", "seed", "lanes"))
    chip = fabricate(presets.get(device), int(rows), int(cols), int(seed))
    parameters = Parameters(rows=int(rows), cols=int(cols), lanes=int(lanes))
    library = library_of(parameters, chip, noise_key(int(seed)), build="simulated Zynq")
    return SimulatedBus(library, PACE)


class SimulatedZynq(Device):  # type: ignore[misc]
    """A device with registers; calls and words are counted."""

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
        self._bus = simulated_bus()
        super().post_download(bitstream, parser, self.name)

    def read_registers(self, address: int, length: int) -> bytes:
        """Read bytes of whole words."""
        assert self._bus is not None
        self._count(length)
        return self._bus.read_words(address - self._base, length // 4).tobytes()

    def write_registers(self, address: int, data: Any) -> None:
        """Write bytes of whole words."""
        assert self._bus is not None
        raw = bytes(data)
        self._count(len(raw))
        self._bus.write_words(address - self._base, np.frombuffer(raw, np.uint32))

    def _count(self, length: int) -> None:
        self.calls += 1
        self.words += length // 4
