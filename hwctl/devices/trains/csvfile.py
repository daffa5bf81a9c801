"""Measured pulse trains: what a user's CSV holds."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from hwctl.devices.device import DriveLevel, Floats
from hwctl.errors import DeviceError
from hwctl.protocol.codes import Polarity

#: Columns of conductance, and what one is in S.
UNITS: Mapping[str, float] = MappingProxyType(
    {"conductance_S": 1.0, "conductance_mS": 1e-3, "conductance_uS": 1e-6, "conductance_nS": 1e-9}
)
OPTIONAL = ("polarity", "cycle", "cell", "amplitude_V", "width_s", "gate_V")
POLARITIES: Mapping[str, Polarity] = MappingProxyType(
    {"set": Polarity.SET, "potentiation": Polarity.SET, "reset": Polarity.RESET, "depression": Polarity.RESET}
)
_HIGHEST = 1.0  # S: above it stands a wrong unit


@dataclass(frozen=True)
class Drive:
    """What pulses are where the CSV does not say it."""

    set_amplitude: float = 1.0
    """V"""
    reset_amplitude: float = 1.0
    """V"""
    width: float = 1e-6
    """s"""
    gate: float = 0.0
    """V"""

    def level(self, polarity: Polarity, row: "_Row") -> DriveLevel:
        """Return the drive level of a row's pulses."""
        amplitude = self.set_amplitude if polarity == Polarity.SET else self.reset_amplitude
        return DriveLevel(
            polarity,
            amplitude if row.amplitude is None else row.amplitude,
            self.width if row.width is None else row.width,
            self.gate if row.gate is None else row.gate,
        )


@dataclass(frozen=True)
class Train:
    """Conductances of one cell along pulses of one drive level."""

    cell: str
    level: DriveLevel
    pulses: NDArray[np.int64]
    """(n,) rising; the first conductance is before the pulses that follow it."""
    g: Floats
    """(n,) in S"""


@dataclass(frozen=True)
class Measured:
    """All trains of a file, in its order."""

    trains: tuple[Train, ...]
    columns: tuple[str, ...]
    """What the file has."""

    def of(self, polarity: Polarity) -> list[Train]:
        """Return the trains of one polarity."""
        return [train for train in self.trains if train.level.polarity == polarity]


@dataclass(frozen=True)
class _Row:
    line: int
    pulse: int
    g: float
    polarity: Polarity | None
    cell: str
    cycle: str
    amplitude: float | None
    width: float | None
    gate: float | None

    @property
    def key(self) -> tuple[object, ...]:
        return self.cell, self.cycle, self.polarity, self.amplitude, self.width, self.gate


def read_trains(path: Path, drive: Drive) -> Measured:
    """Return the pulse trains of a CSV file with a header.

    Columns: `pulse`, one of `conductance_S`, `_mS`, `_uS`, `_nS`, and those of OPTIONAL, in any order. A train ends
    where the pulse number starts again or another column changes; the rows of cells may alternate, and those of cycles
    that are named. A train that is numbered from 1, or on from the one before, starts at the cell's last reading.
    Raises DeviceError that names file and line: unknown or missing columns, no number, NaN, a negative conductance.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DeviceError(f"{path} cannot be read ({error}); give a CSV file of pulse trains") from None
    try:
        lines = csv.reader(io.StringIO(text), strict=True)
        columns = _columns([name.strip() for name in next(lines, [])])
        rows = [_row(line, lines.line_num, columns) for line in lines if any(cell.strip() for cell in line)]
        trains = _trains(_parts(rows, cycles="cycle" in columns), drive)
    except csv.Error as error:
        raise DeviceError(f"{path} is no CSV file ({error}); give one of pulse trains") from None
    except DeviceError as error:
        raise DeviceError(f"{path}{error}") from None
    found = Measured(tuple(trains), tuple(columns))
    for polarity in (Polarity.SET, Polarity.RESET):
        if not found.of(polarity):
            raise DeviceError(
                f"{path}: no {polarity.name} train; give trains of both polarities, each with "
                "its own pulse numbers or a column polarity"
            )
    return found


def _columns(names: Sequence[str]) -> list[str]:
    where = ", line 1: "
    wanted = f"name 'pulse', one of {', '.join(UNITS)}, and perhaps {', '.join(OPTIONAL)}"
    for name in names:
        if name not in ("pulse", *UNITS, *OPTIONAL) or names.count(name) > 1:
            raise DeviceError(f"{where}column '{name[:40]}' is unknown or named twice; {wanted}")
    if "pulse" not in names or sum(name in UNITS for name in names) != 1:
        raise DeviceError(f"{where}columns '{','.join(names)[:60]}'; {wanted}")
    return list(names)


def _row(cells: Sequence[str], line: int, columns: Sequence[str]) -> _Row:
    where = f", line {line}: "
    if len(cells) != len(columns):
        raise DeviceError(f"{where}{len(cells)} values for {len(columns)} columns; correct it")
    found = {name: cell.strip() for name, cell in zip(columns, cells, strict=True)}
    unit = next(name for name in columns if name in UNITS)
    pulse, g = _number(found["pulse"], "pulse", where), _number(found[unit], unit, where) * UNITS[unit]
    if pulse != int(pulse) or pulse < 0:
        raise DeviceError(f"{where}pulse {found['pulse']}; give whole numbers from 0")
    if not 0.0 <= g < _HIGHEST:
        raise DeviceError(f"{where}{unit} {found[unit]}; give 0 to below {_HIGHEST / UNITS[unit]:g}")
    polarity = None
    if "polarity" in found:
        polarity = POLARITIES.get(found["polarity"].lower())
        if polarity is None:
            raise DeviceError(f"{where}polarity '{found['polarity'][:40]}'; give SET or RESET")
    volts = [_number(found[name], name, where) if name in found else None for name in OPTIONAL[3:]]
    return _Row(line, int(pulse), g, polarity, found.get("cell", ""), found.get("cycle", ""), *volts)


def _number(text: str, column: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise DeviceError(f"{where}{column} '{text[:40]}' is no number; correct it") from None
    if not np.isfinite(value):
        raise DeviceError(f"{where}{column} is {text}; give a finite number, or leave the row out")
    return value


def _parts(rows: Sequence[_Row], *, cycles: bool) -> list[tuple[list[_Row], _Row | None]]:
    """Return the rows of each train, and the row of the same cell that a train numbered on goes on from, if any.

    cycles: whether they are named, so that a train's rows belong together wherever they stand.
    """
    seen: dict[object, int] = {}
    together = [row.key if cycles else row.cell for row in rows]
    for key in together:
        seen.setdefault(key, len(seen))
    parts: list[tuple[list[_Row], _Row | None]] = []
    last_of: dict[str, _Row] = {}
    for _, row in sorted(zip(together, rows, strict=True), key=lambda item: seen[item[0]]):
        before = last_of.get(row.cell)
        if before is None or before.key != row.key or row.pulse <= before.pulse:
            joined = before is not None and row.pulse in (1, before.pulse + 1)
            parts.append(([], before if joined else None))
            part_of = parts[-1][0]
        part_of.append(row)
        last_of[row.cell] = row
    return parts


def _trains(parts: Sequence[tuple[list[_Row], _Row | None]], drive: Drive) -> list[Train]:
    gone_on_from = {before.line for _, before in parts if before is not None}
    trains = []
    for rows, before in parts:
        if len(rows) > 1 or before is not None:
            trains.append(_train(rows, before, drive))
        elif rows[0].line not in gone_on_from:
            raise DeviceError(f", line {rows[0].line}: a train of this row alone; give what was read before its pulse")
    return trains


def _train(rows: Sequence[_Row], before: _Row | None, drive: Drive) -> Train:
    first = rows[0]
    pulses, g = [row.pulse for row in rows], [row.g for row in rows]
    if before is not None:
        pulses, g = [first.pulse - 1, *pulses], [before.g, *g]
    polarity = first.polarity
    if polarity is None:
        half = max(len(g) // 2, 1)
        polarity = Polarity.SET if np.mean(g[-half:]) >= np.mean(g[:half]) else Polarity.RESET
    return Train(first.cell, drive.level(polarity, first), np.array(pulses, np.int64), np.array(g))
