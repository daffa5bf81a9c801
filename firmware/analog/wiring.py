"""Parts of a board, and which of their channels and outputs belong to which line of the array."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from typing import NamedTuple, TypeVar

from firmware.analog.parts import ADCS, DACS, SWITCHES, AdcPart, DacPart, SwitchPart
from firmware.analog.tables import Table, shown
from firmware.analog.transfer import Transfer, exact
from firmware.errors import BoardFileError

Part = TypeVar("Part", DacPart, AdcPart, SwitchPart)
MOST_CHIPS = 64  # of one chain
MOST_PINS = 64  # of all switches that are on pins of the FPGA
_ENTRY = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)\.([0-9]{1,4})")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_LINE_KEYS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "row": (("dac", "volts_per_volt", "zero_code", "drive", "ground"), ("adc", "sense")),
    "col": (("dac", "volts_per_volt", "zero_code", "drive", "ground", "adc", "sense"), ()),
    "gate": (("per", "dac", "volts_per_volt", "zero_code", "drive"), ("ground",)),
}


class Channel(NamedTuple):
    """Channel of a DAC or ADC, or output of a chain of switches, by the name of the part on the board."""

    part: str
    number: int

    def __str__(self) -> str:
        """Write it as the board file does."""
        return f"{self.part}.{self.number}"


@dataclass(frozen=True)
class Dac:
    """A DAC of the board."""

    name: str
    part: DacPart
    reference: float
    """V"""
    internal: bool
    """Whether the part makes its reference itself, once it is told to."""
    half_period: int
    """Clock ticks of half a period of SCLK."""
    readback: bool = False
    """Whether SDO is wired, so that each code is read back before it drives anything."""

    @property
    def lsb(self) -> Fraction:
        """Output in V of one code."""
        return exact(self.reference) * self.part.full_scale / (1 << self.part.bits)


@dataclass(frozen=True)
class Adc:
    """An ADC of the board."""

    name: str
    part: AdcPart
    reference: float
    """V"""
    span: int
    """Input range: 0 V to so many times the reference."""
    half_period: int
    """Clock ticks of half a period of SCLK."""

    @property
    def lsb(self) -> Fraction:
        """Input in V of one code."""
        return exact(self.reference) * self.span / (1 << self.part.bits)


@dataclass(frozen=True)
class Chain:
    """What drives some analog switches: shift registers in a row, output 0 nearest to the FPGA, or pins of the FPGA."""

    name: str
    part: SwitchPart
    chips: int
    """Registers, or pins."""
    closes_high: bool
    """Whether a switch is closed while its output is high; else while it is low."""
    half_period: int
    """Clock ticks of half a period of the shift clock; 0 for pins."""

    @property
    def kind(self) -> str:
        """What it is made of, for a person."""
        return f"{self.chips} x {self.part.name}" if self.part.shifted else f"{self.chips} pins"

    @property
    def outputs(self) -> int:
        """Switches of the chain."""
        return self.chips * self.part.outputs

    @property
    def shift_ticks(self) -> int:
        """Clock ticks in which a whole pattern is shifted in."""
        return 2 * self.half_period * self.outputs


@dataclass(frozen=True)
class Line:
    """One line of the array, and all that it is wired to."""

    side: str
    """"row", "col" or "gate"."""
    index: int
    dac: Channel
    transfer: Transfer
    drive: Channel
    """Switch from the line's output stage to the line."""
    ground: Channel | None = None
    """Switch from the line to ground."""
    adc: Channel | None = None
    sense: Channel | None = None
    """Switch from the line to its TIA."""

    @property
    def channels(self) -> dict[str, Channel]:
        """What is there of DAC, ADC and switches, by its key in the board file."""
        found = {key: getattr(self, key) for key in ("dac", "adc", "drive", "ground", "sense")}
        return {key: channel for key, channel in found.items() if channel is not None}


class Parts:
    """All parts of a board by name, and which of their channels are taken by what."""

    def __init__(self, board: Table, clock: float) -> None:
        """Read [[dac]], [[adc]] and [[switches]]. clock: Hz of the gateware. Raises BoardFileError."""
        self._names: dict[str, str] = {}
        self.dacs = {
            dac.name: dac
            for dac in (
                self._dac(item, clock)
                for item in board.tables(
                    "dac", ("name", "part", "reference_V"), ("internal_reference", "spi_hz", "readback")
                )
            )
        }
        _check_readback(list(self.dacs.values()))
        self.adcs = {
            adc.name: adc
            for adc in (
                self._adc(item, clock)
                for item in board.tables("adc", ("name", "part", "reference_V", "span"), ("spi_hz",))
            )
        }
        self.chains = {
            chain.name: chain
            for chain in (
                self._chain(item, clock)
                for item in board.tables("switches", ("name", "part", "closes_at"), ("chips", "outputs", "shift_hz"))
            )
        }
        pins = sum(chain.outputs for chain in self.chains.values() if not chain.part.shifted)
        if pins > MOST_PINS:
            raise BoardFileError(f"{pins} switches on pins; {MOST_PINS} at most: put some on 74HC595")
        self.taken: dict[Channel, str] = {}
        """Key in the board file by the channel that it names."""

    def take(self, text: str, where: str, kind: str) -> Channel:
        """Return the channel of an entry. kind: "dac", "adc" or "switches". Raises BoardFileError."""
        entry = _ENTRY.fullmatch(text)
        every: Mapping[str, Mapping[str, Dac | Adc | Chain]] = {
            "dac": self.dacs, "adc": self.adcs, "switches": self.chains,
        }  # fmt: skip
        there = every[kind]
        if entry is None:
            raise BoardFileError(f"{where} = {shown(text)}; write it as NAME.NUMBER, such as '{next(iter(there))}.0'")
        name, number = entry[1], int(entry[2])
        if name not in there:
            other = f" is one of [[{self._names[name]}]]" if name in self._names else " is not there"
            raise BoardFileError(f"{where} = '{text}', but {name}{other}; name one of [[{kind}]]: {', '.join(there)}")
        found = there[name]
        count = found.outputs if isinstance(found, Chain) else found.part.channels
        if number >= count:
            what = found.kind if isinstance(found, Chain) else found.part.name
            raise BoardFileError(f"{where} = '{text}', but {name} ({what}) has 0 to {count - 1}; name one of these")
        channel = Channel(name, number)
        if channel in self.taken:
            raise BoardFileError(f"{where} and {self.taken[channel]} are both '{channel}'; give each one of its own")
        self.taken[channel] = where
        return channel

    def _name(self, table: Table, kind: str) -> str:
        name = table.text("name")
        if not _NAME.fullmatch(name):
            raise BoardFileError(f"{table.name('name')} = {shown(name)}; give a letter, then letters, digits, _ or -")
        if name in self._names:
            raise BoardFileError(f"{table.name('name')} = '{name}' names two parts; give each a name of its own")
        self._names[name] = kind
        return name

    def _dac(self, table: Table, clock: float) -> Dac:
        name, part = self._name(table, "dac"), _part(table, DACS)
        internal = table.flag("internal_reference") if "internal_reference" in table else False
        reference = _reference(table, part.references, part.name)
        if internal and reference != part.reference:
            raise BoardFileError(
                f"{table.name('reference_V')} = {reference:g}, but the internal reference of {part.name} is "
                f"{part.reference:g} V; correct it, or set internal_reference = false"
            )
        half_period = _half_period(table, "spi_hz", part.clock, part.name, clock)
        readback = table.flag("readback") if "readback" in table else False
        return Dac(name, part, reference, internal, half_period, readback)

    def _adc(self, table: Table, clock: float) -> Adc:
        name, part = self._name(table, "adc"), _part(table, ADCS)
        reference = _reference(table, part.references, part.name)
        span = table.whole("span", part.spans[0], part.spans[-1])
        return Adc(name, part, reference, span, _half_period(table, "spi_hz", part.clock, part.name, clock))

    def _chain(self, table: Table, clock: float) -> Chain:
        name, part = self._name(table, "switches"), _part(table, SWITCHES)
        size, others = ("chips", ("outputs",)) if part.shifted else ("outputs", ("chips", "shift_hz"))
        for key in others:
            if key in table:
                raise BoardFileError(f"{table.name(key)} is no key of part '{part.name}'; take it out")
        if size not in table:
            raise BoardFileError(f"{table.name(size)} is missing; give it")
        chips, closes = table.whole(size, 1, MOST_CHIPS), table.choice("closes_at", ("high", "low"))
        half_period = _half_period(table, "shift_hz", part.clock, part.name, clock) if part.shifted else 0
        return Chain(name, part, chips, closes == "high", half_period)


def _check_readback(dacs: Sequence[Dac]) -> None:
    """Raise BoardFileError where not all DACs or none are read back."""
    by_flag = {dac.readback: dac.name for dac in dacs}
    if len(by_flag) > 1:
        raise BoardFileError(
            f"dac '{by_flag[True]}' is read back, '{by_flag[False]}' is not; wire SDO of all DACs and set readback = "
            "true for each, or for none"
        )


def _part(table: Table, known: Mapping[str, Part]) -> Part:
    name = table.text("part")
    if name not in known:
        close = get_close_matches(name, known, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise BoardFileError(f"{table.name('part')} = {shown(name)}: no such part; {hint}known: {', '.join(known)}")
    return known[name]


def _reference(table: Table, bounds: tuple[float, float], part: str) -> float:
    reference = table.number("reference_V")
    if not bounds[0] <= reference <= bounds[1]:
        key = table.name("reference_V")
        raise BoardFileError(f"{key} = {reference:g}; {part} takes {bounds[0]:g} to {bounds[1]:g} V")
    return reference


def _half_period(table: Table, key: str, highest: float, part: str, clock: float) -> int:
    wanted = table.number(key) if key in table else highest
    if wanted > highest:
        raise BoardFileError(f"{table.name(key)} = {wanted:g}; {part} takes at most {highest:g} Hz")
    return max(1, math.ceil(exact(clock) / (2 * exact(wanted))))


def lines_of(table: Table, parts: Parts, side: str, count: int) -> tuple[Line, ...]:
    """Return the lines of a side. Raises BoardFileError on other than one entry a line, and on shared channels."""
    found: dict[str, Sequence[Channel]] = {}
    for key in ("dac", "drive", "ground", "adc", "sense"):
        if key in table:
            entries = table.texts(key)
            if len(entries) != count:
                raise BoardFileError(
                    f"{table.name(key)} has {len(entries)} entries for {count} {side} lines; give one a line, in order"
                )
            kind = key if key in ("dac", "adc") else "switches"
            found[key] = [parts.take(text, f"{table.name(key)}[{n}]", kind) for n, text in enumerate(entries)]
    if ("adc" in found) != ("sense" in found):
        raise BoardFileError(f"{table.where} has only one of adc and sense; give both, or none")
    transfers = _transfers(table, [parts.dacs[channel.part] for channel in found["dac"]])
    return tuple(
        Line(side, n, transfer=transfers[n], **{key: channels[n] for key, channels in found.items()})
        for n in range(count)
    )


def line_keys(side: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the keys of [lines.SIDE] that are needed, and those that may be left out."""
    return _LINE_KEYS[side]


def _transfers(table: Table, dacs: Sequence[Dac]) -> list[Transfer]:
    count = len(dacs)
    key = "volts_per_volt"
    gains = table.numbers(key, -math.inf) if table.is_list(key) else (table.number(key, -math.inf),) * count
    zeros: Sequence[int] = (
        table.wholes("zero_code", 0, 0xFFFF)
        if table.is_list("zero_code")
        else (table.whole("zero_code", 0, 0xFFFF),) * count
    )
    for name, values in ((key, gains), ("zero_code", zeros)):
        if len(values) != count:
            raise BoardFileError(
                f"{table.name(name)} has {len(values)} entries for {count} lines; give one a line, or one for all"
            )
    found = []
    for n, (dac, gain, zero) in enumerate(zip(dacs, gains, zeros, strict=True)):
        top = (1 << dac.part.bits) - 1
        if gain == 0.0:
            raise BoardFileError(f"{table.name(key)} = 0 on line {n}; give V at the line by V of the DAC")
        if zero > top:
            raise BoardFileError(f"{table.name('zero_code')} = {zero}; {dac.part.name} has codes 0 to {top}")
        found.append(Transfer(abs(exact(gain)) * dac.lsb, zero, 1 if gain > 0 else -1, top))
        if found[n].step != found[0].step:
            raise BoardFileError(
                f"{table.where}: a code is {float(found[0].step):.6g} V on line 0 and {float(found[n].step):.6g} V on "
                f"line {n}; give all lines of a side the same step"
            )
    return found
