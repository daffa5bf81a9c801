"""The board of a simulated Zynq, as the environment variable HWCTL_ZYNQ asks for it.

Options stand there as `device=reram-es&rows=16&cols=12&seed=1&lanes=1`, which are the defaults: pynq, which opens the
device, has no way to hand them over.
"""

import os
from urllib.parse import parse_qsl

from firmware.parameters import Parameters
from firmware.simulation.bus import SimulatedBus, library_of
from hwctl.devices import presets
from hwctl.devices.chip import fabricate, noise_key

OPTIONS = "HWCTL_ZYNQ"
DEFAULTS = {"device": "reram-es", "rows": "16", "cols": "12", "seed": "1", "lanes": "1"}


def simulated_bus(clock: float) -> SimulatedBus:
    """Power a board up, with the chip that OPTIONS asks for. clock: as in `SimulatedBus`."""
    options = DEFAULTS | dict(parse_qsl(os.environ.get(OPTIONS, "")))
    device, rows, cols, seed, lanes = (options[name] for name in DEFAULTS)
    chip = fabricate(presets.get(device), int(rows), int(cols), int(seed))
    parameters = Parameters(rows=int(rows), cols=int(cols), lanes=int(lanes))
    library = library_of(parameters, chip, noise_key(int(seed)), build="simulated Zynq")
    return SimulatedBus(library, clock)
