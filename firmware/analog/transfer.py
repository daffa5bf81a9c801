"""Between the voltage at a line and the code of its DAC, exactly; and between times and clock ticks."""

import math
from dataclasses import dataclass
from fractions import Fraction

from hwctl.errors import LimitError


def exact(value: float) -> Fraction:
    """Return the decimal that a float was written as: 0.1 is a tenth."""
    return Fraction(repr(float(value)))


def ticks_up(seconds: float, clock: float) -> int:
    """Return clock ticks that take at least so long: waits. seconds: s; clock: Hz."""
    return math.ceil(exact(seconds) * exact(clock))


def ticks_down(seconds: float, clock: float) -> int:
    """Return clock ticks that take at most so long: limits."""
    return math.floor(exact(seconds) * exact(clock))


def ticks_near(seconds: float, clock: float) -> int:
    """Return the clock ticks nearest to a time: pulse widths."""
    return round(exact(seconds) * exact(clock))


@dataclass(frozen=True)
class Transfer:
    """What stands at a line: polarity * step * (code - zero). Codes are those of the line's DAC, 0 to `top`."""

    step: Fraction
    """V, above 0."""
    zero: int
    """Code at which the line is at 0 V: its rest."""
    polarity: int
    """1, or -1 where the output stage inverts."""
    top: int

    @property
    def steps(self) -> tuple[int, int]:
        """Lowest and highest voltage that the DAC can put on the line, in steps."""
        ends = (-self.zero, self.top - self.zero)
        return ends if self.polarity > 0 else (-ends[1], -ends[0])

    @property
    def volts(self) -> tuple[Fraction, Fraction]:
        """Lowest and highest voltage that the DAC can put on the line, in V."""
        low, high = self.steps
        return low * self.step, high * self.step

    def steps_of(self, volts: float) -> int:
        """Return the number of steps nearest to a voltage in V."""
        return round(exact(volts) / self.step)

    def steps_within(self, volts: float) -> int:
        """Return the highest number of steps that is not above a voltage in V: a limit."""
        return math.floor(exact(volts) / self.step)

    def code_at(self, steps: int) -> int:
        """Return the code that puts a number of steps on the line. Raises LimitError beyond the DAC's reach."""
        code = self.zero + self.polarity * steps
        if not 0 <= code <= self.top:
            low, high = (float(end) for end in self.volts)
            raise LimitError(f"{float(steps * self.step):.6g} V; the DAC puts {low:.6g} to {high:.6g} V on this line")
        return code

    def code_of(self, volts: float) -> int:
        """Return the code nearest to a voltage in V. Raises LimitError beyond the DAC's reach."""
        return self.code_at(self.steps_of(volts))

    def volts_of(self, code: int) -> Fraction:
        """Return what a code puts on the line in V."""
        return self.polarity * self.step * (code - self.zero)

    def span(self, low: int, high: int) -> tuple[int, int]:
        """Return the lowest and highest code of `low` to `high` steps, as far as the DAC reaches: what a guard lets by.

        low: at most 0; high: at least 0.
        """
        least, most = self.steps
        ends = sorted(self.zero + self.polarity * steps for steps in (max(low, least), min(high, most)))
        return ends[0], ends[1]
