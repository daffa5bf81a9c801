"""[fpga] of a board file: the FPGA board, and which of its pins drives which signal.

Whether that board has these pins is asked where it is known: `firmware/analog/platform.py`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from firmware.analog.tables import Table, shown
from firmware.errors import BoardFileError

if TYPE_CHECKING:
    from firmware.analog.boardfile import BoardFile

STANDARDS = ("LVCMOS33", "LVCMOS25", "LVCMOS18", "LVCMOS15", "LVCMOS12", "LVTTL33")
KEYS = (("platform", "pins"), ("standard", "connector", "seed"))
MOST_SEED = 0x7FFFFFFF
_CONNECTOR = re.compile(r"([A-Za-z][A-Za-z0-9_]*):([0-9]{1,4})")
_PIN = re.compile(r"[A-Za-z0-9_]+[+-]?")


class FpgaPin(NamedTuple):
    """A pin of a connector, as amaranth-boards names both."""

    connector: str
    number: int
    pin: str

    def __str__(self) -> str:
        """Write it as the board file does."""
        return f"{self.connector}:{self.number}:{self.pin}"

    @property
    def resource(self) -> str:
        """Return it as amaranth's resources name it."""
        return f"{self.connector}_{self.number}:{self.pin}"


@dataclass(frozen=True)
class Fpga:
    """The FPGA board of an analog board."""

    platform: str
    """Of `python -m firmware boards`."""
    standard: str
    """Levels of all pins, such as LVCMOS33."""
    pins: Mapping[str, tuple[FpgaPin, ...]]
    """By signal, one for each of its bits."""
    seed: int = 1
    """Of place and route."""


def bits_of(board: "BoardFile") -> dict[str, tuple[str, ...]]:
    """Return what each bit of the signals of `pins_of` goes to: parts of the file, or range pins."""
    dacs, adcs = tuple(board.dacs), tuple(board.adcs)
    chains = tuple(chain.name for chain in board.registers)
    every_dac, every_adc = (", ".join(dacs),), (", ".join(adcs),)
    found = {
        "dac_sclk": every_dac, "dac_sdi": every_dac, "dac_sync_n": dacs,
        "adc_sclk": every_adc, "adc_sdi": every_adc, "adc_cs_n": every_adc, "adc_sdo": adcs,
    }  # fmt: skip
    if chains:
        found |= dict.fromkeys(("shcp", "ds", "stcp", "enable_n"), chains)
    if board.switch_pins:
        found["switch_pins"] = tuple(f"{chain.name}.{n}" for chain in board.switch_pins for n in range(chain.outputs))
    if board.readback:
        found["dac_sdo"] = dacs
    if board.sense.range_pins:
        found["range_pins"] = tuple(f"bit {n} of range_codes" for n in range(board.sense.range_pins))
    return found


def fpga_of(table: Table, board: "BoardFile") -> Fpga:
    """Return [fpga]. board: what its signals go to. Raises BoardFileError."""
    default = _default(table)
    bits = bits_of(board)
    pins = table.table("pins", tuple(bits))
    taken: dict[FpgaPin, str] = {}
    found = {}
    for signal, goes_to in bits.items():
        entries = pins.texts(signal)
        if len(entries) != len(goes_to):
            raise BoardFileError(
                f"{pins.name(signal)} has {len(entries)} entries for {len(goes_to)}: {'; '.join(goes_to)}; give one "
                "each, in order"
            )
        found[signal] = tuple(
            _taken(_pin(text, f"{pins.name(signal)}[{n}]", default), f"{pins.name(signal)}[{n}]", taken)
            for n, text in enumerate(entries)
        )
    standard = table.choice("standard", STANDARDS) if "standard" in table else STANDARDS[0]
    seed = table.whole("seed", 0, MOST_SEED) if "seed" in table else 1
    return Fpga(table.text("platform"), standard, found, seed)


def _default(table: Table) -> tuple[str, int] | None:
    if "connector" not in table:
        return None
    text = table.text("connector")
    entry = _CONNECTOR.fullmatch(text)
    if entry is None:
        raise BoardFileError(f"{table.name('connector')} = {shown(text)}; write it as NAME:NUMBER, such as 'gpio:0'")
    return entry[1], int(entry[2])


def _pin(text: str, where: str, default: tuple[str, int] | None) -> FpgaPin:
    connector, colon, pin = text.rpartition(":")
    named = _CONNECTOR.fullmatch(connector)
    if not _PIN.fullmatch(pin) or (colon and named is None):
        raise BoardFileError(
            f"{where} = {shown(text)}; write a pin of the connector, such as '0+', or CONNECTOR:NUMBER:PIN"
        )
    if named is not None:
        return FpgaPin(named[1], int(named[2]), pin)
    if default is None:
        raise BoardFileError(
            f"{where} = '{text}' names no connector; give fpga.connector, or write it as CONNECTOR:NUMBER:PIN"
        )
    return FpgaPin(*default, pin)


def _taken(pin: FpgaPin, where: str, taken: dict[FpgaPin, str]) -> FpgaPin:
    if pin in taken:
        raise BoardFileError(f"{where} and {taken[pin]} are both '{pin}'; give each one of its own")
    taken[pin] = where
    return pin
