"""Commands that a board lacks, done with those that it has."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwctl.crossbar.results import Floats, OnOverRange, PulseShape, VerifyResult
from hwctl.crossbar.sensing import readings
from hwctl.devices.outerproduct import event_counts
from hwctl.errors import LimitError, Unsupported
from hwctl.protocol import commands
from hwctl.protocol.codes import NO_READING, Polarity
from hwctl.protocol.packing import Region

if TYPE_CHECKING:
    from hwctl.crossbar.driver import Crossbar


def vmm(
    crossbar: "Crossbar", voltages: ArrayLike, region: Region, *, transposed: bool, over_range: OnOverRange
) -> Floats:
    """Multiply with conductances that are read for it. Returns currents in A."""
    inputs = crossbar.units.inputs(voltages, 16)[0] * (crossbar.read_voltage / (1 << 15))
    driven = region.cols if transposed else region.rows
    if inputs.shape[1] != driven:
        raise LimitError(f"input voltages of shape {inputs.shape} for {driven} driven lines; give (batch, {driven})")
    g = crossbar.read(region, over_range=over_range)
    product: Floats = inputs @ (g.T if transposed else g)
    return product


def measure(
    crossbar: "Crossbar", row_volts: Floats, col_volts: Floats, region: Region, over_range: OnOverRange
) -> Floats:
    """Sense columns at 0 V with VMM. Raises Unsupported where a column has a voltage of its own."""
    if col_volts.any():
        raise Unsupported(
            f"{crossbar.link.url} has no MEASURE, and VMM keeps columns at 0 V; give column voltages of 0"
        )
    return crossbar.vmm(row_volts[None, :], region, bits=16, over_range=over_range)[0]


def outer(
    crossbar: "Crossbar", command: commands.Outer, set_shape: PulseShape, reset_shape: PulseShape
) -> tuple[int, int]:
    """Send an OUTER as one PULSE an event, with the same pulses. Returns SET and RESET pulses."""
    region = command.region
    ups = downs = 0
    for number in range(len(command.x)):
        counts = event_counts(command, number)
        if counts.any():
            sent = crossbar.pulse(counts, set_shape, reset_shape, region)
            ups, downs = ups + sent[0], downs + sent[1]
    return ups, downs


def write_verify(crossbar: "Crossbar", command: commands.WriteVerify) -> VerifyResult:
    """Run the write-verify loop on the host, with READ and PULSE: the same last readings and pulses as on a board."""
    region = command.region
    targets = command.targets.astype(np.int64)
    reached = np.zeros(region.shape, np.bool_)
    seen = np.zeros(region.shape, np.int64)
    pulses = np.zeros((2, *region.shape), np.int64)
    reads = np.zeros(region.shape, np.int64)
    last = np.full(region.shape, -1)
    shape = np.zeros(region.shape, np.int64)
    ramps = np.array([command.set_ramp, command.reset_ramp], np.int64)
    for n in range(command.attempts + 1):
        index = command.index + (n << command.averages_log2) & 0xFFFFFFFF
        seen = np.where(reached, seen, readings(crossbar.port, region, command.averages_log2, index))
        reads += ~reached
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
    return VerifyResult(reached, crossbar.units.conductances(seen), pulses[0], pulses[1], reads)


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
    crossbar.pulse_levels(counts, sets, resets, region)
