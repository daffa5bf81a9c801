"""Forming before anything is measured: which cells took which forming pulse. Formed cells get none."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwctl.calibration.probe import Ints, Probe
from hwctl.crossbar.results import Floats, PulseShape


@dataclass(frozen=True)
class Forming:
    """Arrays are (cells,)."""

    formed: NDArray[np.bool_]
    """Whether the cell conducts now."""
    pulses: Ints
    """Forming pulses that it took; 0 where it was formed before."""
    amplitude: Floats
    """V of the last one; NaN where there was none."""


@dataclass(frozen=True)
class Ramp:
    """How cells are formed."""

    shapes: Sequence[PulseShape]
    """Weak to strong."""
    stop: float
    """S from which on a cell is formed."""
    attempts: int
    """Pulses that a cell may take."""


def forming(probe: Probe, ramp: Ramp) -> Forming:
    """Form the unformed cells of a probe's region. Raises Unsupported where the board has no FORM."""
    done = np.zeros((2, probe.cells))

    def form() -> Floats:
        result = probe.crossbar.form(list(ramp.shapes), ramp.stop, probe.region, attempts=ramp.attempts)
        done[:] = result.pulses.reshape(-1), result.formed.reshape(-1)
        return done[0]

    pulses = probe.take(form).astype(np.int64)
    formed = probe.take(lambda: done[1]) > 0
    probe.formed_by = pulses
    volts = np.array([shape.amplitude for shape in ramp.shapes])
    last = np.clip(pulses - 1, 0, volts.size - 1)
    return Forming(formed, pulses, np.where(pulses > 0, volts[last], np.nan))
