"""Limits of one board that are narrowed: by the board where it can, and on this host in any case."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from hwctl.crossbar.limits import in_units, narrower_of, narrowing
from hwctl.crossbar.metered import PulseBudget, beneath
from hwctl.crossbar.port import Port
from hwctl.crossbar.results import ArrayLimits
from hwctl.crossbar.shapes import PulseShapes
from hwctl.links.paced import keep_pace
from hwctl.protocol import replies
from hwctl.protocol.codes import Feature

OWN_LOOPS = Feature.OUTER_COUNT | Feature.OUTER_COINCIDENCE | Feature.WRITE_VERIFY
"""What a board that keeps no limit of pulses a second does too fast, and other commands do as well."""


class Interlocks:
    """What this host lets through to one board: limits of commands, a budget of pulses, and their pace."""

    def __init__(self, port: Port, shapes: PulseShapes) -> None:
        """Keep what the board says of itself."""
        self._port, self._shapes = port, shapes
        self._budget: PulseBudget | None = None
        self._keep_rate()

    @property
    def limits(self) -> ArrayLimits:
        """Limits that hold, as far as this host knows."""
        return in_units(self._port.limits.holds, self._port.identity)

    def narrow(self, wanted: Sequence[float | None], counts: Callable[[], NDArray[np.int64]]) -> ArrayLimits:
        """Narrow limits in the order of ArrayLimits, None as they are, and return those that hold then.

        counts: returns how many pulses each cell has had. Raises LimitError, with nothing narrowed.
        """
        port = self._port
        holds = narrower_of(port.limits.holds, port.limits_said())
        command = narrowing(wanted, holds, port.identity, port.link.url)
        if port.has(Feature.LIMITS):
            self._shapes.narrow(narrower_of(holds, port.ask(command, replies.Limits)))
        else:
            self._shapes.narrow(holds.narrowed(command))
            self._keep_budget(command.max_pulses, counts)
        self._keep_rate()
        return self.limits

    def _keep_budget(self, most: int, counts: Callable[[], NDArray[np.int64]]) -> None:
        """Count pulses for a board that keeps no budget; most: 0 for as many as before."""
        if most and self._budget is None:
            identity = self._port.identity
            self._budget = PulseBudget(most, identity.rows, identity.cols)
            self._budget.spent += counts()
            self._port.link = self._budget.metered(self._port.link)
        elif most and self._budget is not None:
            self._budget.most = most

    def _keep_rate(self) -> None:
        """Ask for no more pulses a second than may be, but of a board that lets its own time pass."""
        port, identity = self._port, self._port.identity
        least, keeps = port.limits.holds.min_interval, port.has(Feature.LIMITS)
        if least and not (keeps and port.has(Feature.VIRTUAL_TIME)):
            interval, shape = least * identity.seconds_per_code, (identity.rows, identity.cols)
            port.link = beneath(port.link, lambda link: keep_pace(link, interval, shape, splits=not keeps))
        if least and not keeps:
            port.do_without(OWN_LOOPS)
