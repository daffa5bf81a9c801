"""How many pulses commands may give each cell, as the commands themselves tell."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwctl.devices.outerproduct import event_counts
from hwctl.errors import LimitError
from hwctl.protocol import commands
from hwctl.protocol.commands import Command
from hwctl.protocol.packing import Region


def planned_pulses(command: Command, shape: tuple[int, ...]) -> NDArray[np.int64] | None:
    """Return how many pulses a command may give each cell of an array of `shape`; None where it drives none.

    What leaves the array or is malformed is left out: it is for the board to refuse.
    """
    try:
        command.check()
    except LimitError:
        return None
    if isinstance(command, commands.PulseSparse):
        planned = np.zeros(shape, np.int64)
        inside = (command.rows < shape[0]) & (command.cols < shape[1])
        np.add.at(planned, (command.rows[inside], command.cols[inside]), np.abs(command.counts[inside].astype(int)))
        return planned
    pulses: Any
    if isinstance(command, commands.Pulse):
        pulses = np.abs(command.counts.astype(np.int64))
    elif isinstance(command, commands.Outer):
        pulses = sum(np.abs(event_counts(command, number)) for number in range(len(command.x)))
    elif isinstance(command, commands.WriteVerify | commands.Form):
        pulses = np.full(command.region.shape, command.attempts, np.int64)
    else:
        return None
    return placed(pulses, command.region, shape)


def placed(pulses: NDArray[np.int64], region: Region, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return pulses (rows, cols) of a region in an array of zeros of `shape`."""
    planned = np.zeros(shape, np.int64)
    place = planned[region.row0 : region.row1, region.col0 : region.col1]
    place += pulses[: place.shape[0], : place.shape[1]]
    return planned
