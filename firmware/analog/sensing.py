"""From a current to a code: TIA ranges, and what one code is in A and S."""

from dataclasses import dataclass
from fractions import Fraction

from firmware.analog.tables import Table
from firmware.analog.transfer import exact
from firmware.errors import BoardFileError
from hwctl.protocol.codes import MAX_READ_RANGE, MAX_TIA_RANGE

FACTOR_BITS = 16
MOST_PINS = 4


@dataclass(frozen=True)
class Range:
    """One TIA range. Current code = (code of the ADC - zero) * sign * factor * 2**number."""

    ohm: float
    pins: int
    """Value of the range pins."""
    number: int
    """What the protocol calls it: one code is 2**number current codes of range 0."""
    factor: Fraction
    """Above 1/2, at most 1: what the resistor lacks to a power of two."""

    @property
    def factor_code(self) -> int:
        """The factor with 16 bits behind the point."""
        return round(self.factor * (1 << FACTOR_BITS))


@dataclass(frozen=True)
class Sense:
    """How sensed lines become codes."""

    sign: int
    """1 where current from the array into the TIA raises the ADC's input, else -1."""
    zero: int
    """Code of the ADC without current."""
    top: int
    """Highest code of the ADC."""
    lsb: Fraction
    """V at the ADC of one code."""
    range_pins: int
    ranges: tuple[Range, ...]
    """Most sensitive first."""
    read: float
    """V at which conductances are read: the nominal read voltage."""
    gate: float | None
    """V of the gates while cells are read; None where there are none."""

    @property
    def amperes_per_code(self) -> Fraction:
        """A of one current code: one code of the ADC in range 0."""
        return self.lsb / exact(self.ranges[0].ohm)

    @property
    def headroom(self) -> int:
        """Codes of the ADC between no current and the highest that comes out of the array."""
        return self.top - self.zero if self.sign > 0 else self.zero

    def highest_current(self, found: Range) -> Fraction:
        """Return the highest current in A that a range can tell."""
        return self.headroom * self.lsb / exact(found.ohm)

    @property
    def least_sensitive_read(self) -> Range:
        """The least sensitive range that READ may use."""
        return [item for item in self.ranges if item.number <= MAX_READ_RANGE][-1]


def sense_of(table: Table, lsb: Fraction, bits: int, default_read: float, gated: bool) -> Sense:
    """Return [sense]. lsb: V at the ADC; default_read: V where the file gives none. Raises BoardFileError."""
    sign, top = _sign(table), (1 << bits) - 1
    if ("gate_V" in table) != gated:
        said = "is missing; give the gate voltage of reads" if gated else ": a passive array has no gates; take it out"
        raise BoardFileError(f"{table.name('gate_V')}{' ' * gated}{said}")
    found = Sense(
        sign,
        table.whole("zero_code", 0, top),
        top,
        lsb,
        table.whole("range_pins", 0, MOST_PINS),
        _ranges(table),
        table.number("read_V") if "read_V" in table else default_read,
        table.number("gate_V") if gated else None,
    )
    if found.headroom < top // 4:
        raise BoardFileError(
            f"sense.zero_code = {found.zero} with tia_sign = {sign} leaves {found.headroom} of {top} codes for the "
            "array's currents; correct the one that is wrong"
        )
    return found


def _sign(table: Table) -> int:
    sign = table.whole("tia_sign", -1, 1)
    if sign == 0:
        raise BoardFileError(f"{table.name('tia_sign')} = 0; give 1 or -1")
    return sign


def _ranges(table: Table) -> tuple[Range, ...]:
    ohms, pins = table.numbers("tia_ohm"), table.whole("range_pins", 0, MOST_PINS)
    codes = table.wholes("range_codes", 0, (1 << pins) - 1)
    if len(codes) != len(ohms) or len(set(codes)) != len(codes):
        raise BoardFileError(
            f"{table.name('range_codes')} = {list(codes)} for {len(ohms)} TIA ranges; give each one a value of its own"
        )
    ranges: list[Range] = []
    for n, (ohm, code) in enumerate(zip(ohms, codes, strict=True)):
        ratio = exact(ohms[0]) / exact(ohm)
        if n and ohm >= ohms[n - 1]:
            raise BoardFileError(
                f"{table.name('tia_ohm')}[{n}] = {ohm:g} is not below {ohms[n - 1]:g}; put the highest first"
            )
        number = (-(-ratio.numerator // ratio.denominator) - 1).bit_length()
        if number > MAX_TIA_RANGE:
            most = f"a factor of {1 << MAX_TIA_RANGE}"
            raise BoardFileError(f"{table.name('tia_ohm')}[{n}] = {ohm:g}: more than {most} below the first; raise it")
        if ranges and number == ranges[-1].number:
            raise BoardFileError(
                f"{table.name('tia_ohm')}: {ohms[n - 1]:g} and {ohm:g} round to the same power of two below the first; "
                "put them a factor of two apart"
            )
        ranges.append(Range(ohm, code, number, ratio / (1 << number)))
    return tuple(ranges)
