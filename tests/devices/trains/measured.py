"""Pulse trains of a device model, as somebody would measure them."""

import numpy as np

from hwctl.devices import law
from hwctl.devices.chip import fabricate
from hwctl.devices.steps import StepModel
from hwctl.protocol.codes import Polarity


def trains_csv(device, pulses, *, cells=1, cycles=1, seed=1, read_noise=0.0, starts=(0.0, 1.0)):
    """Return a CSV of trains of so many pulses of either polarity, by the integer law.

    A cycle is a cell of its own that is alike, but that `cells` of them have names.
    """
    chip, model, rng = fabricate(device, 1, cells * cycles, seed), StepModel.of(device), np.random.default_rng(seed)
    numbers = np.arange(cells * cycles)
    lines = ["cell,cycle,polarity,pulse,conductance_uS"]
    for polarity in (Polarity.SET, Polarity.RESET):
        words = chip.cells.reshape(-1).copy()
        words["state"] = round(starts[polarity] * law.STATE_MAX)
        levels = np.full(numbers.size, model.usual[polarity])
        for n in range(pulses[polarity] + 1):
            if n:
                law.pulse(words, numbers, polarity, levels, chip.curves[polarity], chip.seed)
            g = law.visible(words, numbers, chip.write_code, chip.seed) * chip.scales.siemens
            g = np.maximum(g + read_noise * rng.standard_normal(g.size), 0.0)
            lines += [f"{k % cells},{k // cells},{polarity.name},{n},{1e6 * g[k]:.7g}" for k in numbers]
    return "\n".join(lines) + "\n"
