"""Drive levels of SET, RESET and FORM in volts and in the codes that the gateware drives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from firmware.analog.limits import Limits
from firmware.analog.tables import Table
from firmware.analog.transfer import Transfer, exact, ticks_down, ticks_near
from firmware.errors import BoardFileError
from hwctl.devices.device import DriveLevel
from hwctl.protocol.codes import MAX_LEVELS, HalfSelect, Polarity

SCHEMES: Mapping[str, HalfSelect] = {
    "grounded": HalfSelect.GROUNDED,
    "v/2": HalfSelect.V_HALF,
    "v/3": HalfSelect.V_THIRD,
}
_COLUMNS = ("amplitude_V", "width_s", "gate_V")


@dataclass(frozen=True)
class PulseLevel:
    """One drive level. Codes on the wire and steps of a line are the same, but for gates of another step."""

    amplitude: float
    """V"""
    width: float
    """s"""
    gate: float
    """V; 0 where there are no gates."""
    amplitude_code: int
    """Steps of the driven line above its rest."""
    width_ticks: int
    gate_code: int
    """On the wire: in steps of a row."""
    gate_steps: int
    """Steps of the gate's line above its rest."""

    @property
    def codes(self) -> tuple[int, int, int]:
        """Amplitude, width and gate as IDENTIFY lists them."""
        return self.amplitude_code, self.width_ticks, self.gate_code

    def unselected(self, scheme: HalfSelect) -> tuple[int, int]:
        """Return the steps of unselected lines: those of the driven side, and those of the other side."""
        volts = self.amplitude_code
        if scheme == HalfSelect.V_HALF:
            return volts // 2, volts // 2
        if scheme == HalfSelect.V_THIRD:
            return (volts + 1) // 3, (2 * volts + 1) // 3
        return 0, 0


@dataclass(frozen=True)
class Pulse:
    """All levels of one polarity."""

    polarity: Polarity
    side: str
    """"row" or "col": which selected line carries the amplitude; that of the other side is grounded."""
    levels: tuple[PulseLevel, ...]
    """Weak to strong."""


@dataclass(frozen=True)
class Codes:
    """What turns volts and seconds of a level into codes."""

    driven: Transfer
    gate: Transfer | None
    clock: float
    """Hz"""


def levels_of(table: Table, preset: Sequence[DriveLevel]) -> list[tuple[float, float, float]]:
    """Return (V, s, V) of each level of [pulse.*]: a key of the file stands for what the device model gives.

    A key is one number for all levels, or a list with one a level. Raises BoardFileError.
    """
    given: dict[str, Sequence[float]] = {}
    for key in _COLUMNS:
        if key in table:
            low = 0.0 if key == "gate_V" else 5e-324
            given[key] = table.numbers(key, low) if table.is_list(key) else (table.number(key, low),)
    lengths = {key: len(values) for key, values in given.items() if table.is_list(key)}
    count = next(iter(lengths.values()), len(preset))
    for key, length in lengths.items():
        if length != count:
            first = next(iter(lengths))
            raise BoardFileError(
                f"{table.name(key)} has {length} entries and {table.name(first)} {count}; give one a level in both"
            )
    if not 1 <= count <= MAX_LEVELS:
        raise BoardFileError(f"{table.where} has {count} levels; give 1 to {MAX_LEVELS}")
    columns = [_column(table, key, given, [level[1 + n] for level in preset], count) for n, key in enumerate(_COLUMNS)]
    return list(zip(*columns, strict=True))


def _column(
    table: Table, key: str, given: Mapping[str, Sequence[float]], preset: Sequence[float], count: int
) -> Sequence[float]:
    values = given.get(key, preset)
    if len(values) == count:
        return values
    if values and len(set(values)) == 1:
        return [values[0]] * count
    raise BoardFileError(
        f"{table.name(key)} is missing: the device model has {len(preset)} levels, this file {count}; give it"
    )


def pulse_of(
    table: Table,
    polarity: Polarity,
    preset: Sequence[DriveLevel],
    codes: Mapping[str, Codes],
    limits: Limits,
) -> Pulse:
    """Return [pulse.*]. codes: of either side. Raises BoardFileError on what is beyond limits, or below one code."""
    side = table.choice("side", ("row", "col"))
    of_side, form = codes[side], polarity == Polarity.FORM
    if "gate_V" in table and of_side.gate is None:
        raise BoardFileError(f"{table.name('gate_V')}: a passive array has no gates; take it out")
    amplitude = ("form_amplitude_V", limits.form_amplitude) if form else ("amplitude_V", limits.amplitude)
    width = ("form_width_s", limits.form_width) if form else ("pulse_width_s", limits.pulse_width)
    levels: list[PulseLevel] = []
    for n, (volts, seconds, gate) in enumerate(levels_of(table, preset)):
        level = _Checked(f"{table.where} level {n}", of_side.clock)
        steps = level.steps(of_side.driven, volts, *amplitude)
        ticks = level.ticks(seconds, *width)
        gate_steps = level.gate(of_side.gate, gate, limits.gate)
        gate_code = round(exact(gate) / of_side.driven.step)
        found = PulseLevel(volts, seconds, gate, steps, ticks, gate_code, gate_steps)
        for before, other in enumerate(levels):
            if other.codes == found.codes:
                raise BoardFileError(f"{level.name} has the same codes as level {before}: {found.codes}; leave one out")
        levels.append(found)
    return Pulse(polarity, side, tuple(levels))


@dataclass(frozen=True)
class _Checked:
    """Turns the amounts of one level into codes; each method raises BoardFileError beyond a limit or below one code."""

    name: str
    clock: float

    def steps(self, line: Transfer, volts: float, key: str, limit: float | None) -> int:
        assert limit is not None
        self._below(volts, "V", key, limit)
        steps = line.steps_of(volts)
        if steps < 1:
            raise BoardFileError(
                f"{self.name}: {volts:g} V is below half a DAC code of {float(line.step):g} V; raise it"
            )
        if steps > line.steps_within(limit):
            raise BoardFileError(
                f"{self.name}: the code nearest to {volts:g} V puts {float(steps * line.step):.6g} V on a line, above "
                f"limits.{key} = {limit:g}; raise the limit, or lower the level by {float(line.step):.3g} V"
            )
        return steps

    def ticks(self, seconds: float, key: str, limit: float | None) -> int:
        assert limit is not None
        self._below(seconds, "s", key, limit)
        ticks = ticks_near(seconds, self.clock)
        if ticks_down(seconds, self.clock) < 1:
            raise BoardFileError(
                f"{self.name}: {seconds:g} s is under one tick of board.clock_hz = {self.clock:g}; give a longer pulse"
            )
        if ticks > ticks_down(limit, self.clock):
            raise BoardFileError(
                f"{self.name}: {seconds:g} s is {ticks} clock ticks, and limits.{key} = {limit:g} allows "
                f"{ticks_down(limit, self.clock)}; raise the limit by a tick"
            )
        return ticks

    def gate(self, line: Transfer | None, volts: float, limit: float | None) -> int:
        if line is None or limit is None:
            if volts:
                raise BoardFileError(
                    f"{self.name}: {volts:g} V of the device's gate, but cell = 'passive'; correct one"
                )
            return 0
        if volts == 0.0:
            raise BoardFileError(f"{self.name}: 0 V at the gate keeps the transistor shut; give gate_V")
        return self.steps(line, volts, "gate_V", limit)

    def _below(self, value: float, unit: str, key: str, limit: float) -> None:
        if value > limit:
            raise BoardFileError(f"{self.name}: {value:g} {unit} is above limits.{key} = {limit:g}; lower the level")
