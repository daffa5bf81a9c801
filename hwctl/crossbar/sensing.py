"""What converters say: readings of cells, and products of voltages on one side's lines as currents of the other's."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwctl.crossbar.arguments import within
from hwctl.crossbar.port import Port
from hwctl.crossbar.results import Floats, OnOverRange
from hwctl.errors import LimitError
from hwctl.protocol import codes, commands, replies
from hwctl.protocol.packing import Region


def readings(port: Port, region: Region, averages_log2: int, index: int) -> NDArray[np.uint16]:
    """Read a region in parts that the board takes. Returns codes (rows, cols). index: noise index of each cell."""
    parts = port.parts(region, bytes_per_cell=2)
    replied = port.ask_all(
        [commands.Read(part, averages_log2, port.units.read_range, index) for part in parts], replies.Readings
    )
    found = np.empty(region.shape, np.uint16)
    for part, reply in zip(parts, replied, strict=True):
        found[within(part, region)] = reply.readings
    return found


def cell_readings(
    port: Port, rows: NDArray[np.uint16], cols: NDArray[np.uint16], averages_log2: int, index: int
) -> NDArray[np.uint16]:
    """Read listed cells, each converted once: neighbours by one command. Returns codes (cells,)."""
    parts = [part for block in _blocks(rows, cols) for part in port.parts(block, bytes_per_cell=2)]
    replied = port.ask_all(
        [commands.Read(part, averages_log2, port.units.read_range, index) for part in parts], replies.Readings
    )
    found = np.empty((port.identity.rows, port.identity.cols), np.uint16)
    for part, reply in zip(parts, replied, strict=True):
        found[part.row0 : part.row1, part.col0 : part.col1] = reply.readings
    return found[rows, cols]


def _blocks(rows: NDArray[np.uint16], cols: NDArray[np.uint16]) -> list[Region]:
    """Return rectangles that hold the listed cells and no other, each once: runs of columns, joined over rows."""
    width = int(cols.max(initial=0)) + 2  # a column of its own between rows: no run goes over an end
    places = np.unique(rows.astype(np.int64) * width + cols)
    starts = np.flatnonzero(np.diff(places, prepend=-2) != 1)
    ends = np.append(starts[1:], places.size)
    found: dict[tuple[int, int, int], Region] = {}
    for first, last in zip(places[starts].tolist(), places[ends - 1].tolist(), strict=True):
        row, col0, col1 = first // width, first % width, last % width + 1
        above = found.pop((row, col0, col1), None)
        region = Region(row if above is None else above.row0, row + 1, col0, col1)
        found[row + 1, col0, col1] = region
    return list(found.values())


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
    units = port.units
    inputs, largest = units.inputs(voltages, bits)
    row0, row1, col0, col1 = region
    sensed, driven = (row1 - row0, col1 - col0) if kind is commands.VmmT else (col1 - col0, row1 - row0)
    batch, lines = inputs.shape
    if lines != driven or batch == 0:
        raise LimitError(f"input voltages of shape {inputs.shape} for {driven} driven lines; give (batch, {driven})")
    if g_max is not None and not g_max > 0.0:
        raise LimitError(f"g_max {g_max} S; give an upper bound of the conductances, above 0")
    highest = codes.NO_READING * port.identity.siemens_per_code if g_max is None else g_max
    peak = largest / (1 << bits - 1) * units.read_voltage * highest
    tia_range = units.range_for(units.current_code(peak))
    vector_bytes = max(inputs.itemsize * driven, 2 * sensed)
    if batch * vector_bytes <= port.room and batch <= codes.MAX_BATCH:
        return _sense(port, kind(region, inputs, tia_range, index), over_range)
    port.check_room(vector_bytes)
    at_once = min(port.room // vector_bytes, codes.MAX_BATCH)
    parts = [
        _sense(port, kind(region, inputs[i : i + at_once], tia_range, index + i & 0xFFFFFFFF), over_range)
        for i in range(0, batch, at_once)
    ]
    return np.concatenate(parts)


def _sense(port: Port, command: commands.Vmm, over_range: OnOverRange) -> Floats:
    """Send a VMM, again in a less sensitive range where a line saturates: g_max was no bound then.

    The noise index stays the same: what saturated was not used.
    """
    while True:
        reply = port.ask(command, replies.Currents)
        saturated = reply.saturated
        next_range = port.units.less_sensitive(command.tia_range) if saturated else None
        if next_range is None:
            return port.units.currents(reply, saturated, over_range)
        command = replace(command, tia_range=next_range)
