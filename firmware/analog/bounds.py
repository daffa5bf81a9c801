"""Limits of a physical board, in codes and clocks, as the guard holds them."""

from dataclasses import dataclass

from amaranth.hdl import unsigned
from amaranth.lib import data, enum

from firmware.analog.outputs import CODE_BITS, Class

TRIP_BITS = 16  # of STATUS' `faults`


class Kind(enum.Enum, shape=unsigned(2)):
    """For what lines are driven."""

    PULSE = 0
    READ = 1
    FORM = 2


@dataclass(frozen=True)
class Limits:
    """Highest codes, by Class of the channel, and the longest pulse in clocks."""

    row: int
    col: int
    gate: int
    rail: int
    width: int

    def __post_init__(self) -> None:
        """Check. Raises ValueError."""
        highest = (1 << CODE_BITS) - 1
        if not all(0 <= code <= highest for code in self.codes().values()):
            raise ValueError(f"{self}: codes are 0 to {highest}")
        if not 1 <= self.width < 1 << 32:
            raise ValueError(f"{self}: a pulse takes 1 clock to {(1 << 32) - 1}")

    def codes(self) -> dict[str, int]:
        """Return the codes by the name of a Class."""
        return {one.name.lower(): getattr(self, one.name.lower()) for one in Class}


@dataclass(frozen=True)
class GuardParameters:
    """What a board file makes of a board. Raises ValueError on what cannot be guarded."""

    classes: tuple[Class, ...]
    """Of every converter channel."""
    pulse: Limits
    read: int
    """Highest code of rows whose currents are sensed."""
    form: Limits | None = None
    """Limits of forming; None: no limiter in hardware, and what forms is a pulse as any other."""
    dead: int = 4
    """Clocks between a driver and a path to ground: neither closes sooner after the other has opened."""
    gap: int = 16
    """Clocks at ground between two pulses, at least."""
    gate_after: int = 8
    """Clocks from lines at ground to gates off."""
    silence: int = 24_000_000
    """Clocks without a whole frame, while a command executes or lines are not at rest."""
    framing_window: int = 48_000_000
    """Clocks over which damaged frames are counted,"""
    bad_frames: int = 100
    """and how many of them are borne."""

    def __post_init__(self) -> None:
        """Check."""
        if not self.classes:
            raise ValueError("no converter channel; give the class of each")
        times = (self.dead, self.gap, self.gate_after, self.silence, self.framing_window)
        if min(times) < 1 or self.bad_frames < 0:
            raise ValueError(f"{self}: times are 1 clock or more, bad frames 0 or more")
        if not 0 <= self.read <= self.pulse.row:
            raise ValueError(f"reading with code {self.read}, above what a pulse may have, {self.pulse.row}")

    def by_kind(self) -> dict[Kind, dict[str, int]]:
        """Return all limits, in the order of their numbers in `Narrowed`."""
        found = {Kind.PULSE: {**self.pulse.codes(), "width": self.pulse.width}, Kind.READ: {"row": self.read}}
        if self.form is not None:
            found[Kind.FORM] = {**self.form.codes(), "width": self.form.width}
        return found

    @property
    def rest_clocks(self) -> int:
        """Clocks from a trip until everything is at rest."""
        return self.dead + self.gate_after + 2


class Narrowed(data.Struct):
    """A limit that is to be lowered."""

    which: unsigned(4)
    """Its number in the order of `GuardParameters.by_kind`."""
    value: unsigned(32)
