"""Open-loop programming: read, send the pulses that the step curves ask for, read again."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwctl.crossbar import Crossbar
from hwctl.crossbar.levels import levels_of, pulse_at
from hwctl.crossbar.results import Lines
from hwctl.devices.steps import StepModel
from hwctl.errors import LimitError
from hwctl.programming.plan import plan
from hwctl.protocol.packing import Region

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OpenLoopResult:
    """What open-loop programming did, each array (rows, cols)."""

    before: Floats
    """S, NaN where the converter saturated."""
    after: Floats
    """S"""
    pulses: NDArray[np.int64]
    """SET and RESET pulses together."""


def program(
    crossbar: Crossbar,
    targets: ArrayLike,
    model: StepModel,
    rows: Lines,
    cols: Lines,
    *,
    rounds: int = 1,
    averages: int = 4,
) -> OpenLoopResult:
    """Bring a region towards targets (rows, cols) in S in a number of rounds; nothing is verified.

    model: the device's step curves. Raises LimitError where a target is NaN or outside the device's range; then no
    pulse was sent.
    """
    wanted = np.asarray(targets, np.float64)
    region = crossbar.region(rows, cols)
    if wanted.shape != region.shape:
        raise LimitError(f"targets of shape {wanted.shape} for a region of {region.shape}; give one for each cell")
    inside = (wanted >= model.g_min) & (wanted <= model.g_max)
    if not inside.all():
        i, j = np.argwhere(~inside)[0]
        raise LimitError(
            f"target {wanted[i, j] * 1e6:.4g} uS of row {region.row0 + i}, column {region.col0 + j} is outside "
            f"{model.g_min * 1e6:.4g} to {model.g_max * 1e6:.4g} uS; nothing was pulsed"
        )
    before = present = crossbar.read(region, averages=averages, over_range="nan")
    pulses = np.zeros(region.shape, np.int64)
    for _ in range(rounds):
        pulses += _round(crossbar, model, region, present, wanted)
        present = crossbar.read(region, averages=averages, over_range="nan")
    return OpenLoopResult(before, present, pulses)


def _round(crossbar: Crossbar, model: StepModel, region: Region, present: Floats, wanted: Floats) -> NDArray[np.int64]:
    """Send one round of pulses. Returns the pulses of each cell (rows, cols)."""
    shapes = levels_of(crossbar)
    wish = np.nan_to_num(wanted - present)
    sent = np.zeros(wanted.shape, np.int64)
    if model.one_way:
        # Too high: to the bottom first, then up from there.
        high = wish < -0.02 * (model.g_max - model.g_min)
        pulse_at(crossbar, shapes, -high.astype(np.int64), np.full(wanted.shape, model.usual[1]), region)
        sent += high
        wish = np.where(high, wanted - model.g_min, np.maximum(wish, 0.0))
        present = np.where(high, model.g_min, present)
    counts, levels, _ = plan(model, np.nan_to_num(present, nan=model.g_min).ravel(), wish.ravel())
    counts, levels = counts.reshape(wanted.shape), levels.reshape(wanted.shape)
    sent += np.abs(counts)
    pulse_at(crossbar, shapes, counts, levels, region)
    return sent
