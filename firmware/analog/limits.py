"""What a board may never exceed, what limits its currents, and when it goes to rest by itself."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from firmware.analog.tables import Table
from firmware.errors import BoardFileError

MOST_PULSES = 0xFFFFFFFF  # of one cell: its counter has 32 bits
MOST_REST_CLOCKS = 0xFFFF

_KEYS: Mapping[str, str] = {
    "amplitude_V": "amplitude",
    "gate_V": "gate",
    "pulse_width_s": "pulse_width",
    "read_V": "read",
    "form_amplitude_V": "form_amplitude",
    "form_width_s": "form_width",
    "compliance_A": "compliance",
    "pulses_per_cell_per_s": "pulse_rate",
    "pulses_per_cell": "pulses",
}
_FORM = ("form_amplitude_V", "form_width_s")
_KINDS = {"gate": ("gate_V",), "series-resistor": ("series_ohm",), "current-clamp": ()}


@dataclass(frozen=True)
class Limits:
    """Highest values of one kind: those that the gateware enforces, or the absolute ones that they stay below."""

    amplitude: float
    """V of a SET or RESET pulse."""
    pulse_width: float
    """s of a SET or RESET pulse."""
    read: float
    """V across a cell that is read."""
    pulse_rate: float
    """Pulses of one cell in a second."""
    pulses: int
    """Pulses of one cell in all."""
    gate: float | None = None
    """V; None where the array has no gates."""
    form_amplitude: float | None = None
    """V of a FORM pulse; None where the board does not form."""
    form_width: float | None = None
    """s of a FORM pulse."""
    compliance: float | None = None
    """A through a cell; None where nothing limits it."""

    def items(self) -> list[tuple[str, float]]:
        """Return what is there, by its key in the board file."""
        named = ((key, getattr(self, name)) for key, name in _KEYS.items())
        return [(key, value) for key, value in named if value is not None]


@dataclass(frozen=True)
class Limiter:
    """What bounds the current of a FORM pulse in hardware."""

    kind: str
    """"gate", "series-resistor" or "current-clamp"."""
    max_current: float
    """A"""
    response_time: float
    """s until it holds the current."""
    gate: float | None = None
    """V of the gate at which `max_current` flows; of kind "gate"."""
    series: float | None = None
    """Ohm; of kind "series-resistor"."""


@dataclass(frozen=True)
class Watchdog:
    """What brings all outputs to rest without a command."""

    silence: float
    """s without a valid frame."""
    framing_errors: int
    """Bad frames in a second."""
    rest_clocks: int
    """Clock ticks within which every output is at rest."""


@dataclass(frozen=True)
class Times:
    """Waits of a sequence, s."""

    switch_settle: float
    """From a switch's control input to the line."""
    dac_settle: float
    """From the update of a DAC to its output stage."""
    discharge: float
    """From grounding a line to 0 V on it."""
    sense_settle: tuple[float, ...]
    """From the read voltage to a TIA's output, one for each range."""
    gate_settle: float | None = None
    """From a gate's switch to the transistors; None where there are no gates."""


def limits_of(table: Table, gated: bool, forms: bool, limited: bool) -> Limits:
    """Return [limits] or [absolute]. gated: has gates; forms: has FORM levels; limited: has a limiter."""
    _only_where(table, ("gate_V",), gated, "a passive array has no gates")
    _only_where(table, _FORM, forms, "without [pulse.form] and a [limiter] nothing is formed")
    _only_where(table, ("compliance_A",), limited, "without a [limiter] nothing keeps it")
    whole = table.whole("pulses_per_cell", 1, MOST_PULSES)
    return Limits(
        pulses=whole, **{name: table.number(key) for key, name in _KEYS.items() if key in table and name != "pulses"}
    )


def limit_keys() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the keys of [limits] that every board has, and those that some have."""
    needed = {item.name for item in fields(Limits) if item.default is not None}
    return (
        tuple(key for key, name in _KEYS.items() if name in needed),
        tuple(key for key, name in _KEYS.items() if name not in needed),
    )


def _only_where(table: Table, keys: tuple[str, ...], wanted: bool, why: str) -> None:
    for key in keys:
        if key in table and not wanted:
            raise BoardFileError(f"{table.name(key)}: {why}; take it out")
        if wanted and key not in table:
            raise BoardFileError(f"{table.name(key)} is missing; give it")


def check_below(limits: Limits, absolute: Limits) -> None:
    """Raise BoardFileError where a limit is above the absolute one."""
    most = dict(absolute.items())
    for key, value in limits.items():
        if value > most[key]:
            raise BoardFileError(f"limits.{key} = {value:g} is above absolute.{key} = {most[key]:g}; lower the limit")


def limiter_of(table: Table, gated: bool) -> Limiter:
    """Return [limiter]. Raises BoardFileError where its kind and its keys do not fit."""
    kind = table.choice("kind", tuple(_KINDS))
    for key in ("gate_V", "series_ohm"):
        if key in _KINDS[kind] and key not in table:
            raise BoardFileError(f"{table.name(key)} is missing; a limiter of kind '{kind}' follows from it")
        if key in table and key not in _KINDS[kind]:
            raise BoardFileError(f"{table.name(key)} is no key of a limiter of kind '{kind}'; take it out")
    if kind == "gate" and not gated:
        raise BoardFileError("limiter.kind = 'gate', but a passive array has no gates; name what limits its current")
    return Limiter(
        kind,
        table.number("max_current_A"),
        table.number("response_time_s"),
        gate=table.number("gate_V") if "gate_V" in table else None,
        series=table.number("series_ohm") if "series_ohm" in table else None,
    )


def watchdog_of(table: Table) -> Watchdog:
    """Return [watchdog]."""
    return Watchdog(
        table.number("silence_s"),
        table.whole("framing_errors_per_s", 1, 0xFFFF),
        table.whole("rest_clocks", 1, MOST_REST_CLOCKS),
    )


def times_of(table: Table, gated: bool, ranges: int) -> Times:
    """Return [times]. ranges: how many TIA ranges there are."""
    _only_where(table, ("gate_settle_s",), gated, "a passive array has no gates")
    settles = table.numbers("sense_settle_s")
    if len(settles) != ranges:
        raise BoardFileError(f"times.sense_settle_s has {len(settles)} entries for {ranges} TIA ranges; give one each")
    return Times(
        table.number("switch_settle_s"),
        table.number("dac_settle_s"),
        table.number("discharge_s"),
        settles,
        gate_settle=table.number("gate_settle_s") if gated else None,
    )
