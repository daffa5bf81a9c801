"""What the driver takes and returns, in SI units."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hwctl.protocol.codes import Polarity, Trip
from hwctl.protocol.packing import Region

Floats: TypeAlias = NDArray[np.float64]
Lines: TypeAlias = slice | SupportsIndex | Region
OnOverRange: TypeAlias = Literal["raise", "nan"]


class PulseShape(NamedTuple):
    """A pulse shape that the board knows: its number and what it is."""

    number: int
    polarity: Polarity
    amplitude: float
    """V"""
    width: float
    """s"""
    gate: float
    """V"""


@dataclass(frozen=True)
class VerifyResult:
    """Result of a write-verify, each array (rows, cols)."""

    reached: NDArray[np.bool_]
    conductances: Floats
    """Last reading in S; NaN where the converter saturated."""
    set_pulses: NDArray[np.int64]
    reset_pulses: NDArray[np.int64]
    reads: NDArray[np.int64]


@dataclass(frozen=True)
class FormResult:
    """Result of forming, each array (rows, cols)."""

    formed: NDArray[np.bool_]
    conductances: Floats
    """Last reading in S; NaN where the converter saturated."""
    pulses: NDArray[np.int64]


@dataclass(frozen=True)
class ArrayLimits:
    """The most that a board takes: what it was built with, or what that was narrowed to."""

    read_voltage: float
    """V"""
    amplitude: float
    """V of a SET or RESET pulse."""
    width: float
    """s of a SET or RESET pulse."""
    form_amplitude: float
    """V of a FORM pulse; 0 where the board does not form."""
    form_width: float
    """s of a FORM pulse."""
    pulses: int | None
    """Of a cell in all, as `Crossbar.pulse_counts` counts them; None where the board has not said, here and below."""
    gate: float | None
    """V of the gate in a SET or RESET pulse; 0 where there are none."""
    form_gate: float | None
    """V of the gate in a FORM pulse."""
    compliance: float | None
    """A of a cell that forms."""
    pulse_rate: float | None
    """Pulses of a cell in a second."""


@dataclass(frozen=True)
class ArrayStatus:
    """Totals of a board since power-up."""

    set_pulses: int
    reset_pulses: int
    reads: int
    """Conversions."""
    busy: float
    """s that the array was driven, from the configured widths and settle times."""
    clock: float
    """s of virtual time: busy time and waiting."""
    safe: bool
    trips: Trip
    """Why a physical board has brought its lines to rest by itself; see `Crossbar.safe`."""
