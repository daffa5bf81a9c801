"""What the report is told about a layer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwctl.errors import RunError


@dataclass(frozen=True, eq=False)
class LayerSnapshot:
    """Hold the conductances of a layer before and after a run, and the pulses that came between.

    `before` and `after` are (rows, cols) in S, NaN where a cell could not be read; `pulses` is (rows,
    cols), SET and RESET together. Columns 2j and 2j+1 hold G+ and G- of pair j, the last row is the bias.
    `g_min`, `g_max` and `symmetry_point` are the nominal device's, in S; a device without a symmetry point
    has None. Raise RunError where the three shapes differ or hold no cell.
    """

    name: str
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    pulses: NDArray[np.int64]
    g_min: float
    g_max: float
    symmetry_point: float | None = None

    def __post_init__(self) -> None:
        shapes = {self.before.shape, self.after.shape, self.pulses.shape}
        if len(shapes) != 1 or self.before.ndim != 2 or self.before.size == 0:
            raise RunError(
                f"layer {self.name}: before {self.before.shape}, after {self.after.shape} and pulses "
                f"{self.pulses.shape} must be one (rows, cols); read the layer back again"
            )
