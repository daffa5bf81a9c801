"""Commands that a board lacks, done with those that it has."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwctl.crossbar.results import Floats, PulseShape
from hwctl.devices import law
from hwctl.errors import Unsupported
from hwctl.protocol import commands, replies
from hwctl.protocol.codes import MAX_READ_RANGE, NO_READING, OuterMode, Polarity
from hwctl.protocol.packing import Region

if TYPE_CHECKING:
    from hwctl.crossbar.driver import Crossbar


def vmm(crossbar: "Crossbar", voltages: ArrayLike, region: Region, *, transposed: bool) -> Floats:
    """Multiply with conductances that are read for it. Returns currents in A."""
    inputs = crossbar.units.inputs(voltages, 16)[0] * (crossbar.read_voltage / (1 << 15))
    g = crossbar.read(slice(region.row0, region.row1), slice(region.col0, region.col1))
    product: Floats = inputs @ (g.T if transposed else g)
    return product


def measure(crossbar: "Crossbar", row_volts: Floats, col_volts: Floats, region: Region) -> Floats:
    """Sense columns at 0 V with VMM. Raises Unsupported where a column has a voltage of its own."""
    if col_volts.any():
        raise Unsupported(
            f"{crossbar.link.url} has no MEASURE, and VMM keeps columns at 0 V; give column voltages of 0"
        )
    rows, cols = slice(region.row0, region.row1), slice(region.col0, region.col1)
    return crossbar.vmm(row_volts[None, :], rows, cols, bits=16)[0]


def outer(
    crossbar: "Crossbar", command: commands.Outer, set_shape: PulseShape, reset_shape: PulseShape
) -> tuple[int, int]:
    """Send an OUTER as one PULSE an event, with the same pulses. Returns SET and RESET pulses."""
    command.check()
    rows, cols = slice(command.region.row0, command.region.row1), slice(command.region.col0, command.region.col1)
    ups = downs = 0
    for number in range(len(command.x)):
        counts = event_counts(command, number)
        if counts.any():
            sent = crossbar.pulse(counts, set_shape, reset_shape, rows, cols)
            ups, downs = ups + sent[0], downs + sent[1]
    return ups, downs


def event_counts(command: commands.Outer, number: int) -> NDArray[np.int64]:
    """Return the signed pulse counts (rows, cols) of one event of an OUTER."""
    x, d = command.x[number].astype(np.int64), command.d[number].astype(np.int64)
    product = np.multiply.outer(x, d)
    if command.mode == OuterMode.COUNT:
        return product
    event = command.event + number & 0xFFFFFFFF
    row_bits = streams(x, command.region.row0, law.STREAM_ROW, command, event)
    col_bits = streams(d, command.region.col0, law.STREAM_COLUMN, command, event)
    common = row_bits.astype(np.int64) @ col_bits.astype(np.int64).T
    return np.sign(product) * common


def streams(values: NDArray[np.int64], line0: int, kind: int, command: commands.Outer, event: int) -> NDArray[np.bool_]:
    """Return the bit streams (lines, slots) of one event: the cell law's section on OUTER."""
    lines = line0 + np.arange(values.size)
    chunks = []
    for chunk in range((command.slots + 7) // 8):
        words = law.draw(command.seed, kind, lines, (event << 2 | chunk) & 0xFFFFFFFF)
        chunks += [word >> 8 * byte & 0xFF for word in words for byte in range(4)]
    draws = np.stack(chunks, axis=1)[:, : command.slots]
    return np.less(draws >> 1, np.abs(values)[:, None])


def write_verify(crossbar: "Crossbar", command: commands.WriteVerify) -> replies.Verified:
    """Run the write-verify loop on the host, with READ and PULSE: the same readings and pulses as on a board."""
    command.check()
    region = command.region
    targets = command.targets.astype(np.int64)
    reached = np.zeros(region.shape, np.bool_)
    readings = np.zeros(region.shape, np.uint16)
    pulses = np.zeros((2, *region.shape), np.uint16)
    reads = np.zeros(region.shape, np.uint16)
    last = np.full(region.shape, -1)
    shape = np.zeros(region.shape, np.int64)
    ramps = np.array([command.set_ramp, command.reset_ramp], np.int64)
    for n in range(command.attempts + 1):
        index = command.index + (n << command.averages_log2) & 0xFFFFFFFF
        reply = crossbar.port.ask(
            commands.Read(region, command.averages_log2, MAX_READ_RANGE, index), replies.Readings
        ).readings
        readings = np.where(reached, readings, reply).astype(np.uint16)
        reads += ~reached
        seen = readings.astype(np.int64)
        reached |= (seen != NO_READING) & (np.abs(seen - targets) <= command.tolerance)
        if n == command.attempts or reached.all():
            break
        polarity = np.where(seen < targets, Polarity.SET, Polarity.RESET)
        going = np.minimum(shape + ramps[polarity, 2], ramps[polarity, 1])
        shape = np.where(polarity == last, going, ramps[polarity, 0])
        last = polarity
        _pulse_unreached(crossbar, region, np.where(reached, 0, 1 - 2 * polarity), shape, ramps)
        for kind in (Polarity.SET, Polarity.RESET):
            pulses[kind] += ~reached & (polarity == kind)
    return replies.Verified(reached.astype(np.uint8), readings, pulses[0], pulses[1], reads)


def _pulse_unreached(
    crossbar: "Crossbar",
    region: Region,
    counts: NDArray[np.int64],
    shape: NDArray[np.int64],
    ramps: NDArray[np.int64],
) -> None:
    """Pulse each cell that is not there yet once, with its own shape."""
    sets = np.where(counts > 0, shape, ramps[0, 0]).astype(np.uint8)
    resets = np.where(counts < 0, shape, ramps[1, 0]).astype(np.uint8)
    crossbar.pulse_levels(counts, sets, resets, slice(region.row0, region.row1), slice(region.col0, region.col1))
