"""Board files: how an analog board is wired, what it may do, and what it does before gateware runs.

`BoardFile.load` reads and checks a whole file, so that nothing moves on a board whose description is wrong. Amounts are
V, A, S, Hz, ohm and s as floats; codes and clock ticks are integers. `docs/board-file.md` describes every key.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from firmware.analog import checks
from firmware.analog.codes import BoardFileCodes
from firmware.analog.fpga import KEYS, Fpga, fpga_of
from firmware.analog.limits import (
    Limiter,
    Limits,
    Times,
    Watchdog,
    check_below,
    limit_keys,
    limiter_of,
    limits_of,
    times_of,
    watchdog_of,
)
from firmware.analog.powerup import MOMENTS, PowerUp, power_up_of
from firmware.analog.pulses import SCHEMES, Codes, Pulse, PulseLevel, pulse_of
from firmware.analog.sensing import Sense, sense_of
from firmware.analog.tables import Table
from firmware.analog.wiring import Adc, Chain, Channel, Dac, Line, Parts, line_keys, lines_of
from firmware.errors import BoardFileError
from hwctl.devices import presetfile, presets
from hwctl.devices.chip import form_levels
from hwctl.devices.device import Device
from hwctl.errors import DeviceError, LimitError
from hwctl.protocol.codes import MAX_LINES, HalfSelect, Polarity

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CELLS = ("1t1r", "passive")
_TOP = (
    "board", "dac", "adc", "switches", "lines", "sense", "pulse", "times", "limits", "absolute", "watchdog", "power_up",
)  # fmt: skip
_SENSE = ("tia_sign", "tia_ohm", "zero_code", "range_pins", "range_codes")
_PULSES = {"set": Polarity.SET, "reset": Polarity.RESET, "form": Polarity.FORM}
_LEVEL = ("amplitude_V", "width_s", "gate_V")


@dataclass(frozen=True)
class BoardFile:
    """One analog board."""

    name: str
    about: str
    device: Device
    """Whose drive levels the host plans with."""
    cell: str
    """"1t1r" or "passive"."""
    half_select: tuple[HalfSelect, ...]
    """Schemes of unselected lines that are allowed; grounded alone where transistors select."""
    clock: float
    """Hz of the gateware."""
    dacs: Mapping[str, Dac]
    adcs: Mapping[str, Adc]
    chains: Mapping[str, Chain]
    rows: tuple[Line, ...]
    cols: tuple[Line, ...]
    gates: tuple[Line, ...]
    """One a row or column, as `gate_per` says; none in a passive array."""
    gate_per: str | None
    """"row" or "col"."""
    sense: Sense
    timed_by: str
    """"enable": /OE of the drive chains begins and ends a pulse; "latch": their latch clock does."""
    pulses: Mapping[Polarity, Pulse]
    """FORM is missing where the board does not form."""
    times: Times
    limits: Limits
    absolute: Limits
    limiter: Limiter | None
    watchdog: Watchdog
    power_up: PowerUp
    assignments: Mapping[Channel, str]
    """Key of the file, such as 'lines.row.dac[3]', by the channel or output that it names: each is named once."""
    fpga: Fpga | None = None
    """None: the file names no FPGA board, and no bitstream can be built."""

    @classmethod
    def load(cls, path: Path) -> "BoardFile":
        """Read a file. Raises BoardFileError, one line that names file, key, what is wrong and what to do."""
        try:
            found = tomllib.loads(path.read_bytes().decode())
        except OSError as error:
            raise BoardFileError(f"{path} cannot be read ({error.strerror or error}); name a board file") from None
        except UnicodeDecodeError:
            raise BoardFileError(f"{path} is no text; name a board file") from None
        except (ValueError, RecursionError) as error:  # TOMLDecodeError; numbers or nesting of thousands
            raise BoardFileError(f"{path}: {error}; correct it") from None
        try:
            return _Reader(found, path.parent).board()
        except BoardFileError as error:
            said = str(error).replace("\n", " ")  # keys and names of the file may hold one
            raise BoardFileError(f"{path}: {said}") from None

    @property
    def forms(self) -> bool:
        """Whether FORM is allowed: there are levels for it, and a limiter."""
        return Polarity.FORM in self.pulses

    @property
    def readback(self) -> bool:
        """Whether each code of a DAC is read back before it drives anything."""
        return all(dac.readback for dac in self.dacs.values())

    @property
    def lines(self) -> tuple[Line, ...]:
        """Rows, columns, gates."""
        return self.rows + self.cols + self.gates

    @property
    def transposed(self) -> bool:
        """Whether rows can be sensed, for VMM_T."""
        return self.rows[0].adc is not None

    @cached_property
    def codes(self) -> BoardFileCodes:
        """All of it in integers."""
        return BoardFileCodes.of(self)

    def levels(self, polarity: Polarity) -> tuple[PulseLevel, ...]:
        """Return the drive levels of a polarity, weak to strong; none where the board has none."""
        return self.pulses[polarity].levels if polarity in self.pulses else ()

    def driven_codes(self, pulse: Pulse, level: PulseLevel) -> tuple[int, ...]:
        """Return the DAC code of a level on each line of the driven side, selected."""
        lines = self.rows if pulse.side == "row" else self.cols
        return tuple(line.transfer.code_at(level.amplitude_code) for line in lines)

    def code_of(self, line: Line, volts: float, use: str = "pulse") -> int:
        """Return the DAC code nearest to a voltage in V at a line.

        use: "read", "pulse" or "form", whose limit holds; gates have one for all. Raises LimitError beyond it.
        """
        low, high = getattr(self.codes.guard(line), use)
        code = line.transfer.code_of(volts)
        if not low <= code <= high:
            ends = sorted(float(line.transfer.volts_of(end)) for end in (low, high))
            raise LimitError(
                f"{volts:g} V on {line.side} {line.index}; {self.name} allows {ends[0]:.6g} to {ends[1]:.6g} V there"
            )
        return code

    @property
    def registers(self) -> list[Chain]:
        """Chains of shift registers."""
        return [chain for chain in self.chains.values() if chain.part.shifted]

    @property
    def switch_pins(self) -> list[Chain]:
        """Switches on pins of the FPGA."""
        return [chain for chain in self.chains.values() if not chain.part.shifted]

    def first_pin(self, chain: Chain) -> int:
        """Return the number among all such pins of the first of some switches."""
        before = self.switch_pins[: self.switch_pins.index(chain)]
        return sum(other.outputs for other in before)

    @property
    def pins_at_rest(self) -> int:
        """All of these pins at rest, the first one in bit 0."""
        return sum(self.rest_pattern(chain.name) << self.first_pin(chain) for chain in self.switch_pins)

    def rest_pattern(self, chain: str) -> int:
        """Return the outputs of a chain at rest, output n in bit n: drives and TIAs open, lines grounded."""
        found = self.chains[chain]
        closed = {line.ground for line in self.lines if line.ground is not None}
        grounded = sum(1 << channel.number for channel in closed if channel.part == chain)
        return grounded if found.closes_high else ((1 << found.outputs) - 1) ^ grounded


class _Reader:
    """Reads the tables of one file in the order in which they depend on each other."""

    def __init__(self, found: object, folder: Path) -> None:
        self._root = Table(found, "", _TOP, ("limiter", "fpga"))
        self._about = self._root.table(
            "board", ("name", "about", "device", "cell", "rows", "cols", "clock_hz"), ("half_select",)
        )
        self._cell = self._about.choice("cell", CELLS)
        self._gated = self._cell == "1t1r"
        self._clock = self._about.number("clock_hz", 1e6, 1e9)
        self._device = self._find_device(folder)

    def board(self) -> BoardFile:
        root, about, clock = self._root, self._about, self._clock
        half_select, parts = self._half_select(), Parts(root, clock)
        lines, per = self._lines(parts)
        pulse, limiter = self._pulse_table(), self._limiter()
        limits, absolute = self._limits(limiter is not None, "form" in pulse)
        checks.check_reach(absolute, lines, clock)
        checks.check_wire(limits, limiter, clock)
        sense = self._sense(parts, lines, limits)
        times = times_of(
            root.table(
                "times", ("switch_settle_s", "dac_settle_s", "discharge_s", "sense_settle_s"), ("gate_settle_s",)
            ),
            self._gated,
            len(sense.ranges),
        )
        checks.check_times(times, parts)
        pulses = self._pulses(pulse, lines, limits)
        every = [line for side in lines.values() for line in side]
        timed_by = pulse.choice("timed_by", ("enable", "latch"))
        checks.check_timing(timed_by, every, parts, pulses, clock)
        if limiter is not None:
            checks.check_limiter(limiter, limits, pulses.get(Polarity.FORM), lines["gate"])
        found = BoardFile(
            name=about.text("name"), about=about.text("about"), device=self._device, cell=self._cell,
            half_select=half_select, clock=clock, dacs=parts.dacs, adcs=parts.adcs, chains=parts.chains,
            rows=lines["row"], cols=lines["col"], gates=lines["gate"], gate_per=per, sense=sense, timed_by=timed_by,
            pulses=pulses, times=times, limits=limits, absolute=absolute, limiter=limiter,
            watchdog=watchdog_of(root.table("watchdog", ("silence_s", "framing_errors_per_s", "rest_clocks"))),
            power_up=power_up_of(
                root.table("power_up", (*MOMENTS, "pull_downs", "pull_ups")), every, parts.chains
            ),
            assignments=parts.taken,
        )  # fmt: skip
        return replace(found, fpga=fpga_of(root.table("fpga", *KEYS), found)) if "fpga" in root else found

    def _find_device(self, folder: Path) -> Device:
        name = self._about.text("device")
        if presetfile.is_path(name):
            name = str(folder / name)
        try:
            return presets.get(name)
        except DeviceError as error:
            raise BoardFileError(f"board.device: {error}") from None

    def _half_select(self) -> tuple[HalfSelect, ...]:
        there = "half_select" in self._about
        if self._gated and there:
            raise BoardFileError(
                "board.half_select: transistors select in a 1t1r array, unselected lines are grounded; take it out"
            )
        if self._gated:
            return (HalfSelect.GROUNDED,)
        if not there:
            raise BoardFileError(
                "board.half_select is missing; list what a passive array allows, such as ['v/2', 'v/3']"
            )
        return tuple(SCHEMES[name] for name in self._about.choices("half_select", tuple(SCHEMES)))

    def _lines(self, parts: Parts) -> tuple[dict[str, tuple[Line, ...]], str | None]:
        table = self._root.table("lines", ("row", "col"), ("gate",))
        if ("gate" in table) != self._gated:
            raise BoardFileError(
                "lines.gate is missing; a 1t1r array has gates: give their lines"
                if self._gated
                else "lines.gate: a passive array has no gates; take it out, or give cell = '1t1r'"
            )
        counts = {"row": self._about.whole("rows", 1, MAX_LINES), "col": self._about.whole("cols", 1, MAX_LINES)}
        found = {
            side: lines_of(table.table(side, *line_keys(side)), parts, side, counts[side]) for side in ("row", "col")
        }
        checks.check_sides(found["row"], found["col"])
        if not self._gated:
            return {**found, "gate": ()}, None
        gate = table.table("gate", *line_keys("gate"))
        per = gate.choice("per", ("row", "col"))
        return {**found, "gate": lines_of(gate, parts, "gate", counts[per])}, per

    def _pulse_table(self) -> Table:
        table = self._root.table("pulse", ("timed_by", "set", "reset"), ("form",))
        if "form" in table and "limiter" not in self._root:
            raise BoardFileError(
                "pulse.form: FORM needs a hardware [limiter] with a current and response time; fit one, or take it out"
            )
        return table

    def _limiter(self) -> Limiter | None:
        if "limiter" not in self._root:
            return None
        table = self._root.table("limiter", ("kind", "max_current_A", "response_time_s"), ("gate_V", "series_ohm"))
        return limiter_of(table, self._gated)

    def _limits(self, limited: bool, forms: bool) -> tuple[Limits, Limits]:
        limits, absolute = (
            limits_of(self._root.table(name, *limit_keys()), self._gated, forms, limited)
            for name in ("limits", "absolute")
        )
        check_below(limits, absolute)
        return limits, absolute

    def _sense(self, parts: Parts, lines: Mapping[str, tuple[Line, ...]], limits: Limits) -> Sense:
        adc = checks.sensing_adc([*lines["row"], *lines["col"]], parts.adcs)
        table = self._root.table("sense", _SENSE, ("read_V", "gate_V"))
        sense = sense_of(table, adc.lsb, adc.part.bits, self._device.read_voltage, self._gated)
        gate = lines["gate"][0].transfer if lines["gate"] else None
        checks.check_read(sense, limits, self._device, lines["row"][0].transfer, gate)
        return sense

    def _pulses(self, table: Table, lines: Mapping[str, tuple[Line, ...]], limits: Limits) -> dict[Polarity, Pulse]:
        gate = lines["gate"][0].transfer if lines["gate"] else None
        codes = {side: Codes(lines[side][0].transfer, gate, self._clock) for side in ("row", "col")}
        found = {}
        for key, polarity in _PULSES.items():
            if key in table:
                form = polarity == Polarity.FORM
                preset = form_levels(self._device) if form else self._device.levels_of(polarity)
                found[polarity] = pulse_of(table.table(key, ("side",), _LEVEL), polarity, preset, codes, limits)
        return found
