"""How a device answers trains of SET and of RESET pulses: for plots and for a first look at a preset."""

from dataclasses import dataclass

import numpy as np

from hwctl.devices import law
from hwctl.devices.chip import Chip, fabricate
from hwctl.devices.device import Device, Floats
from hwctl.devices.steps import StepModel
from hwctl.protocol.codes import Polarity

MAX_TRAIN = 2000  # pulses: the slowest preset needs 1252 for a traverse


@dataclass(frozen=True)
class DeviceResponse:
    """Pulse trains of many cells and the pooled step curves of a device."""

    name: str
    title: str
    set_g: Floats
    """(pulses + 1, cells) in S: after each SET pulse, from the lower bound."""
    reset_g: Floats
    """(pulses + 1, cells) in S: after each RESET pulse, from the upper bound."""
    step_g: Floats
    """(points,) in S"""
    set_step: Floats
    """(points,) in S, positive."""
    reset_step: Floats
    """(points,) in S, negative."""
    symmetry_point: float | None
    """S"""


def traverse_pulses(model: StepModel, polarity: Polarity, share: float = 0.9) -> int:
    """Return the pulses that take an average cell through `share` of its range; at most MAX_TRAIN."""
    span = model.g_max - model.g_min
    sign = 1.0 if polarity == Polarity.SET else -1.0
    g = model.g_min if polarity == Polarity.SET else model.g_max
    end = g + sign * share * span
    steps = model.means[polarity][model.usual[polarity]]
    for n in range(1, MAX_TRAIN):
        g += float(steps[model.index(np.array(g))])
        if sign * (g - end) >= 0:
            return n
    return MAX_TRAIN


def respond(
    device: Device,
    *,
    cells: int = 200,
    seed: int = 0,
    pulses: tuple[int, int] | None = None,
    starts: tuple[float, float] = (0.0, 1.0),
) -> DeviceResponse:
    """Pulse `cells` cells of a device by the integer cell law, from bound to bound and back.

    pulses: SET and RESET pulses; None: what traverses most of the range. starts: positions 0 to 1 where the two trains
    start. Write noise is in the conductances, read noise is not.
    """
    model = StepModel.of(device)
    chip = fabricate(device, 1, cells, seed)
    trains = []
    for polarity in (Polarity.SET, Polarity.RESET):
        number = traverse_pulses(model, polarity) if pulses is None else pulses[polarity]
        trains.append(_train(chip, polarity, model.usual[polarity], number, starts[polarity]))
    grid = np.linspace(model.g_min, model.g_max, model.means[0].shape[1])
    return DeviceResponse(
        name=device.name,
        title=device.title,
        set_g=trains[0],
        reset_g=trains[1],
        step_g=grid,
        set_step=model.means[0][model.usual[0]],
        reset_step=model.means[1][model.usual[1]],
        symmetry_point=model.symmetry_point,
    )


def _train(chip: Chip, polarity: Polarity, level: int, pulses: int, start: float) -> Floats:
    cells = chip.cells.reshape(-1).copy()
    cells["state"] = round(start * law.STATE_MAX)
    numbers = np.arange(cells.size, dtype=np.int64)
    levels = np.full(cells.size, level, np.int64)
    found = np.empty((pulses + 1, cells.size))
    for n in range(pulses + 1):
        if n:
            law.pulse(cells, numbers, polarity, levels, chip.curves[polarity], chip.seed)
        found[n] = law.visible(cells, numbers, chip.write_code, chip.seed) * chip.scales.siemens
    return found
