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


Window = tuple[int, int]
"""Lowest and highest code."""


@dataclass(frozen=True)
class Channel:
    """A channel of a converter, and the codes that it may be given. Raises ValueError."""

    drives: Class
    rest: int
    """At which its line is at 0 V: what all channels are zeroed to."""
    read: Window
    pulse: Window
    form: Window | None = None
    """None: as `pulse`."""

    def __post_init__(self) -> None:
        """Check."""
        for low, high in self.windows().values():
            if not 0 <= low <= self.rest <= high < 1 << CODE_BITS:
                raise ValueError(f"{self}: give 0 <= low <= rest <= high < {1 << CODE_BITS}")

    def windows(self) -> dict[Kind, Window]:
        """Return the codes by what lines are driven for."""
        return {Kind.READ: self.read, Kind.PULSE: self.pulse, Kind.FORM: self.form or self.pulse}

    def reach(self, kind: Kind) -> int:
        """Return by how much a code may differ from rest."""
        low, high = self.windows()[kind]
        return max(self.rest - low, high - self.rest)


@dataclass(frozen=True)
class GuardParameters:
    """What a board file makes of a board. Raises ValueError on what cannot be guarded."""

    channels: tuple[Channel, ...]
    """All of all converters."""
    width: int
    """Longest pulse in clocks."""
    form_width: int | None = None
    """Longest pulse that forms; None: no limiter in hardware, and what forms is a pulse as any other."""
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
        if not self.channels:
            raise ValueError("no channel of a converter; give all of them")
        times = (self.dead, self.gap, self.gate_after, self.silence, self.framing_window, self.width)
        if min(*times, *self.widths().values()) < 1 or self.bad_frames < 0:
            raise ValueError(f"{self}: times are 1 clock or more, bad frames 0 or more")

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """For what lines can be driven."""
        return (Kind.PULSE, Kind.READ) if self.form_width is None else tuple(Kind)

    def reaches(self) -> dict[tuple[Kind, Class], int]:
        """Return by how much codes may differ from rest, by what they are for and what they drive."""
        classes = sorted({channel.drives for channel in self.channels}, key=lambda one: one.value)
        return {
            (kind, one): max(channel.reach(kind) for channel in self.channels if channel.drives == one)
            for kind in self.kinds
            for one in classes
        }

    def widths(self) -> dict[Kind, int]:
        """Return the longest pulses in clocks."""
        found = {Kind.PULSE: self.width}
        return found if self.form_width is None else {**found, Kind.FORM: self.form_width}

    @property
    def rest_clocks(self) -> int:
        """Clocks from a trip until everything is at rest."""
        return self.dead + self.gate_after + 2


class Narrowed(data.Struct):
    """A limit that is to be lowered."""

    which: unsigned(4)
    """Its number: those of `GuardParameters.reaches`, then those of `widths`, in their order."""
    value: unsigned(32)
