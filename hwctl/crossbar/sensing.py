"""Products on the array: voltages on one side's lines, currents of the other's."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from hwctl.crossbar.port import Port
from hwctl.crossbar.results import Floats, OnOverRange
from hwctl.errors import LimitError
from hwctl.protocol import codes, commands, replies
from hwctl.protocol.packing import Region


def multiply(
    port: Port,
    kind: type[commands.Vmm],
    region: Region,
    voltages: ArrayLike,
    index: int,
    *,
    g_max: float | None,
    bits: int,
    over_range: OnOverRange,
) -> Floats:
    """Send a VMM or transposed VMM in batches that the board takes; arguments and errors as in `Crossbar.vmm`.

    index: noise index of the first vector.
    """
    inputs, largest = port.units.inputs(voltages, bits)
    # One ampere code is one siemens code at the read voltage.
    peak = largest / (1 << bits - 1) * (codes.NO_READING if g_max is None else g_max / port.identity.siemens_per_code)
    tia_range = port.units.range_for(peak)
    sensed = region.rows if kind is commands.VmmT else region.cols
    at_once = port.room // max(inputs.itemsize * inputs.shape[1], 2 * sensed)
    if len(inputs) <= at_once:
        return _sense(port, kind(region, inputs, tia_range, index), over_range)
    if at_once < 1:
        raise LimitError(f"a vector of this region takes more than the {port.room} bytes of {port.link.url}; tile it")
    parts = [
        _sense(port, kind(region, inputs[i : i + at_once], tia_range, index + i & 0xFFFFFFFF), over_range)
        for i in range(0, len(inputs), at_once)
    ]
    return np.concatenate(parts)


def _sense(port: Port, command: commands.Vmm, over_range: OnOverRange) -> Floats:
    """Send a VMM, again in a less sensitive range where a line saturates: g_max was no bound then."""
    while True:
        reply = port.ask(command, replies.Currents)
        saturated = reply.saturated
        next_range = port.units.less_sensitive(command.tia_range) if saturated else None
        if next_range is None:
            return port.units.currents(reply, saturated, over_range)
        command = replace(command, tia_range=next_range)
