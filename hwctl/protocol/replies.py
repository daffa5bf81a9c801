"""Replies of a board: what each command is answered with."""

from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hwctl.errors import LimitError
from hwctl.protocol.codes import NO_CURRENT, NO_READING, Answer, Feature, Polarity, Refusal
from hwctl.protocol.commands import CodeMatrix, ConfigureLimits, RawOption
from hwctl.protocol.packing import F64, NOT_SENT, U8, U16, U32, U64, Packed

CountMatrix = Annotated[NDArray[np.uint16], Packed(("<u2",), 2)]


@dataclass(frozen=True, eq=False)
class Reply:
    """One answer of a board."""

    answer: ClassVar[Answer]
    options: tuple[RawOption, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True, eq=False)
class Done(Reply):
    """The command was executed; there is nothing to return."""

    answer = Answer.DONE


@dataclass(frozen=True, eq=False)
class Identity(Reply):
    """What a board is and what it can do."""

    answer = Answer.IDENTITY
    protocol_version: U8
    rows: U16
    cols: U16
    features: Feature
    volts_per_code: F64
    """V"""
    siemens_per_code: F64
    """S"""
    amperes_per_code: F64
    """A: one step of a current code in TIA range 0 at full-scale input."""
    seconds_per_code: F64
    """s"""
    compliance_per_code: F64
    """A: one step of a compliance code."""
    max_amplitude: U16
    """Voltage code of the strongest SET or RESET pulse."""
    max_form_amplitude: U16
    max_width: U32
    max_read: U16
    """Voltage code of the highest read voltage."""
    tia_ranges: Annotated[NDArray[np.uint8], Packed(("<u1",), 1)]
    """TIA ranges that exist, most sensitive first."""
    drive_levels: Annotated[NDArray[np.uint32], Packed(("<u4",), 2)]
    """(levels, 4): polarity, amplitude, width and gate codes of every characterised level."""
    receive_budget: U32
    """Bytes of commands that may be in flight."""
    reply_budget: U32
    """Bytes of replies that the board stores."""
    largest_frame: U32
    device: str
    """Name of the device model, or of the chip."""
    build: str
    """Software version or bitstream id."""


@dataclass(frozen=True, eq=False)
class Readings(Reply):
    """Conductance codes (rows, columns); NO_READING where the converter saturated."""

    answer = Answer.READINGS
    readings: CodeMatrix

    @property
    def over_range(self) -> NDArray[np.bool_]:
        """Which cells saturated the converter."""
        return np.equal(self.readings, NO_READING)


@dataclass(frozen=True, eq=False)
class Currents(Reply):
    """Signed current codes (batch, lines); NO_CURRENT where the converter saturated."""

    answer = Answer.CURRENTS
    currents: Annotated[NDArray[np.int16], Packed(("<i2",), 2)]
    tia_range: U8
    """The range that was used: one code is 2**tia_range steps of Identity.amperes_per_code."""

    counted: int | None = field(default=None, kw_only=True, metadata=NOT_SENT)
    """Lines that saturated, where a board in this process has counted them."""

    @property
    def saturated(self) -> int:
        """How many lines saturated the converter."""
        return int(np.count_nonzero(self.over_range)) if self.counted is None else self.counted

    @property
    def over_range(self) -> NDArray[np.bool_]:
        """Which lines saturated the converter."""
        return np.equal(self.currents, NO_CURRENT)


@dataclass(frozen=True, eq=False)
class Pulsed(Reply):
    """How many pulses were applied."""

    answer = Answer.PULSED
    set_pulses: U32
    reset_pulses: U32


@dataclass(frozen=True, eq=False)
class Verified(Reply):
    """Result of a write-verify, each (rows, columns)."""

    answer = Answer.VERIFIED
    reached: Annotated[NDArray[np.uint8], Packed(("<u1",), 2)]
    readings: CodeMatrix
    set_pulses: CountMatrix
    reset_pulses: CountMatrix
    reads: CountMatrix
    """Verifying readings, each of 2**averages_log2 conversions."""


@dataclass(frozen=True, eq=False)
class Formed(Reply):
    """Result of forming, each (rows, columns)."""

    answer = Answer.FORMED
    formed: Annotated[NDArray[np.uint8], Packed(("<u1",), 2)]
    readings: CodeMatrix
    pulses: CountMatrix


@dataclass(frozen=True, eq=False)
class BoardStatus(Reply):
    """Faults, totals since power-up, and times in time codes."""

    answer = Answer.STATUS
    faults: U32
    set_pulses: U64
    reset_pulses: U64
    reads: U64
    """Conversions: one for each cell or sensed line and average."""
    busy: U64
    """Time that the array was driven."""
    clock: U64
    """Virtual time: busy time and WAIT."""
    safe: U8
    """1 after SAFE until the next command that drives a line."""


@dataclass(frozen=True, eq=False)
class Counts(Reply):
    """Lifetime pulse counts (rows, columns)."""

    answer = Answer.COUNTS
    counts: Annotated[NDArray[np.uint32], Packed(("<u4",), 2)]


@dataclass(frozen=True, eq=False)
class Dumped(Reply):
    """Parameters and state of cells, as LOAD_CELLS and RESTORE take them."""

    answer = Answer.DUMPED
    words: CodeMatrix
    clock: U64
    extra: Annotated[NDArray[np.uint8], Packed(("<u1",), 1)]
    """State of layers that a board keeps beside its cells; empty on most."""


@dataclass(frozen=True, eq=False)
class Limits(Reply):
    """Limits that hold now: those of the board, or what they were narrowed to."""

    answer = Answer.LIMITS
    max_read: U16
    """Voltage code of the highest read voltage."""
    max_amplitude: U16
    """Voltage code of the strongest SET or RESET pulse."""
    max_width: U32
    """Time code of the longest SET or RESET pulse."""
    max_form_amplitude: U16
    """0 where the board does not form."""
    max_form_width: U32
    max_pulses: U32
    """Pulses of a cell in all."""
    max_gate: U16
    """Voltage code of the gate in a SET or RESET pulse; 0 where there are none."""
    max_form_gate: U16
    max_compliance: U16
    """Compliance code of the current of a cell that forms."""
    min_interval: U32
    """Time code from one pulse of a cell to its next; 0: as soon as it can be."""
    limiter: U16
    """Compliance code at which hardware holds the current of FORM pulses, not to be narrowed; 0 where none does."""

    @property
    def codes(self) -> dict[str, int]:
        """All of them by name, as ConfigureLimits has them."""
        return {name: getattr(self, name) for name in LIMITS}

    def narrowed(self, wanted: ConfigureLimits) -> "Limits":
        """Return what holds once a command is executed. Raises LimitError where it would widen a limit."""
        asked: dict[str, int] = {name: getattr(wanted, name) for name in LIMITS}
        for name, holds in self.codes.items():
            if asked[name] and widens(name, asked[name], holds):
                raise LimitError(f"{name} of {asked[name]} codes; {holds} holds, and limits are only narrowed")
        found: dict[str, Any] = {name: asked[name] or holds for name, holds in self.codes.items()}
        return replace(self, **found)

    def of_pulse(self, polarity: Polarity) -> tuple[int, int, int]:
        """Return the highest amplitude, width and gate code of a pulse."""
        if polarity == Polarity.FORM:
            return self.max_form_amplitude, self.max_form_width, self.max_form_gate
        return self.max_amplitude, self.max_width, self.max_gate

    def check_shape(self, polarity: Polarity, amplitude: int, width: int, gate: int, compliance: int) -> None:
        """Raise LimitError on a pulse shape, in codes, that is beyond limits: on a host and on a board alike."""
        most = self.of_pulse(polarity)
        if amplitude > most[0] or width > most[1] or gate > most[2]:
            raise LimitError(
                f"{polarity.name} of amplitude {amplitude}, width {width}, gate {gate} (codes); at most "
                f"{most[0]}, {most[1]}, {most[2]}"
            )
        if polarity != Polarity.FORM:
            return
        held = self.limiter or compliance or NOT_HELD
        if held > self.max_compliance:
            raise LimitError(
                f"FORM with a current of {'any' if held == NOT_HELD else held} compliance codes; at most "
                f"{self.max_compliance}"
            )
        if compliance and held > compliance:
            raise LimitError(f"FORM with a compliance code of {compliance}; the board holds currents at {held}")


LIMITS = tuple(field.name for field in fields(Limits) if field.name not in ("options", "limiter"))
"""What CONFIGURE_LIMITS narrows."""
FLOORS = frozenset({"min_interval"})
"""Those of them that are narrower the higher they are."""
NOT_HELD = 0xFFFF
"""Compliance code of a current that nothing holds."""


def widens(name: str, asked: int, holds: int) -> bool:
    """Return whether a limit is asked for that is wider than the one that holds."""
    return asked < holds if name in FLOORS else asked > holds


@dataclass(frozen=True, eq=False)
class Refused(Reply):
    """The command was not executed, not even in part."""

    answer = Answer.REFUSED
    refusal: Refusal
    detail: str
    """One line for a person."""
