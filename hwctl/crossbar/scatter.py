"""How readings scatter: which cells do so more than noise explains."""

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from hwctl.crossbar.results import Floats

UNUSUAL = 1e-4  # share of quiet cells that may be called noisy


def beyond_chance(variances: Floats, degrees: int, least: float = 0.0, usual: float | None = None) -> NDArray[np.bool_]:
    """Return which cells' variances (cells,) of readings are larger than chance allows, or no number.

    A variance over the usual one is beyond chi-square of so many degrees of freedom. usual: default the median of the
    cells; least: what it is at least.
    """
    if usual is None:
        usual = float(np.nanmedian(variances)) if np.isfinite(variances).any() else 0.0
    usual = max(usual, least)
    # Wilson and Hilferty's cube root makes chi-square nearly normal (PNAS 17 (1931) 684).
    limit = degrees * (1 - 2 / (9 * degrees) + NormalDist().inv_cdf(1 - UNUSUAL) * np.sqrt(2 / (9 * degrees))) ** 3
    return np.asarray(~(variances * degrees <= limit * usual))
