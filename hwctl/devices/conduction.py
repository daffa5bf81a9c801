"""The I-V curve of a cell: odd, and steeper than Ohm's law."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwctl.errors import DeviceError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Conduction:
    """I = G V (1 + alpha V^2), with G the conductance at small voltages.

    The first two terms of an odd I-V curve. For I = G V0 sinh(V / V0), the tunnelling term of Yang et al., Nat.
    Nanotechnol. 3 (2008) 429, alpha is 1 / (6 V0^2); at V = V0 the cubic lies 0.7% below it.
    """

    alpha: float
    """1/V^2, 0 or more; 0 is an ohmic cell."""

    def __post_init__(self) -> None:
        """Refuse an alpha that is no number from 0 on."""
        if not 0.0 <= self.alpha < np.inf:
            raise DeviceError(f"alpha is {self.alpha!r}: give the cubic term in 1/V^2, 0 or more and finite")

    def factor(self, V: ArrayLike) -> Floats:
        """Return 1 + alpha V^2, by which a cell conducts better at V volts than near 0 V; the shape is V's.

        Raise DeviceError on NaN and infinite voltages.
        """
        volts = np.asarray(V, dtype=np.float64)
        if not np.isfinite(volts).all():
            raise DeviceError("V holds NaN or infinite values: give cell voltages in V")
        return np.asarray(1.0 + self.alpha * volts**2, dtype=np.float64)

    def current(self, G: ArrayLike, V: ArrayLike) -> Floats:
        """Return currents in A for conductances G in S (0 or more) at V volts; the shapes broadcast.

        Raise DeviceError on negative conductances and on values that are not finite.
        """
        siemens = np.asarray(G, dtype=np.float64)
        if not np.isfinite(siemens).all() or (siemens < 0.0).any():
            raise DeviceError("G holds NaN, infinite or negative values: give conductances in S, 0 or more")
        return np.asarray(siemens * np.asarray(V, dtype=np.float64) * self.factor(V), dtype=np.float64)
