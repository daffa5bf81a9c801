"""A physical board without one: models of its parts around an array, at the pins of the front end.

It sees which lines are driven, returned, sensed and gated, and tells the array what its cells got.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware.analog.boardfile import BoardFile
from firmware.analog.wiring import Channel, Line
from firmware.simulation.chips import AdcChip, ChipError, DacChip, SwitchChain

Floats = NDArray[np.float64]


class Applied(NamedTuple):
    """What one cell got between two moments at which switches or codes changed."""

    row: int
    col: int
    volts: float
    """V of the row against the column."""
    gate: float
    """V; 0 where there are none."""
    clocks: int


class PhysicalBoard:
    """The parts of a board file around an array of conductances g (rows, cols) in S.

    `clock` counts clocks: whoever has the pins keeps it. `applied` holds what cells got, in the order of their ends.
    """

    def __init__(
        self, board: BoardFile, g: Floats, respond: Callable[[Applied], None] | None = None,
        currents: Callable[[Floats], Floats] | None = None,
    ) -> None:  # fmt: skip
        """Power up: outputs of registers and converters are unknown, enables off.

        respond: told what a cell got, once it is over, instead of `applied`; it may change `g`. currents: returns those
        out of the columns in A for row voltages in V, at each conversion; default: those of `g`, without any noise.
        """
        self.board, self.g = board, g
        self.applied: list[Applied] = []
        self._respond = self._keep if respond is None else respond
        self._currents = (lambda volts: volts @ self.g) if currents is None else currents
        self.dacs = {name: DacChip(dac.part, dac.reference) for name, dac in board.dacs.items()}
        self.chains = {chain.name: SwitchChain(chain.outputs) for chain in board.registers}
        self.adcs = {
            name: AdcChip(adc.part, adc.reference, adc.span, lambda channel, name=name: self._sensed(name, channel))  # type: ignore[misc]
            for name, adc in board.adcs.items()
        }
        self.clock = 0
        self._enables = self._range = 0
        self._first_pins = {chain.name: board.first_pin(chain) for chain in board.switch_pins}
        self._pins = board.pins_at_rest
        self._since: dict[tuple[int, int], tuple[float, float, int]] = {}
        self._columns = {(line.adc.part, line.adc.number): line.index for line in board.cols if line.adc is not None}
        self._numbers = {name: n for n, name in enumerate(self.chains)}
        drives = {line.drive.part for line in (*board.rows, *board.cols)}
        # Enables without which no line is driven; switches on pins have none.
        self._driving = sum(1 << self._numbers[name] for name in drives if name in self._numbers)
        self._may_drive = not drives <= set(self._numbers)

    def _keep(self, applied: Applied) -> None:
        self.applied.append(applied)

    # -- pins ----------------------------------------------------------------------------------------------------------

    def see(self, pins: Mapping[str, int]) -> dict[str, int]:
        """Look at the pins in one clock; return what the parts answer, by its pin. Raises ChipError."""
        self.clock += 1
        changed = False
        for n, dac in enumerate(self.dacs.values()):
            changed |= dac.see(pins["dac_sync_n"] >> n & 1, pins["dac_sclk"], pins["dac_sdi"])
        for n, chain in enumerate(self.chains.values()):
            changed |= chain.see(pins["shcp"] >> n & 1, pins["ds"] >> n & 1, pins["stcp"] >> n & 1)
        enables = ~pins["enable_n"] & (1 << len(self.chains)) - 1
        switch_pins = pins.get("switch_pins", 0)
        changed |= (enables, switch_pins) != (self._enables, self._pins)
        self._enables, self._range, self._pins = enables, pins["range_pins"], switch_pins
        if changed:
            self._follow()
        lines = (pins["adc_cs_n"], pins["adc_sclk"], pins["adc_sdi"])
        answers = {"adc_sdo": sum(adc.see(*lines) << n for n, adc in enumerate(self.adcs.values()))}
        if self.board.readback:
            answers["dac_sdo"] = sum(dac.sdo << n for n, dac in enumerate(self.dacs.values()))
        return answers

    def switch(self, chain: str, outputs: list[int]) -> None:
        """Let a chain's outputs take over a pattern, output 0 first."""
        self.chains[chain].outputs = outputs
        self._follow()

    def convert(self, dac: str, word: int) -> int:
        """Let a DAC take a word; return what the next one brings. Raises ChipError."""
        self.dacs[dac].take(word)
        self._follow()
        return self.dacs[dac].brings

    def enable(self, enable_n: int, range_pins: int, switch_pins: int) -> None:
        """Take the levels of these pins."""
        self._enables, self._range = ~enable_n & (1 << len(self.chains)) - 1, range_pins
        self._pins = switch_pins
        self._follow()

    # -- lines ---------------------------------------------------------------------------------------------------------

    def closed(self, channel: Channel | None, *, without: bool) -> bool:
        """Return whether a switch is closed; without: whether it is, while its chain is not enabled."""
        if channel is None:
            return False
        if channel.part in self._first_pins:
            level = self._pins >> self._first_pins[channel.part] + channel.number & 1
            return bool(level) == self.board.chains[channel.part].closes_high
        if not self._enables >> self._numbers[channel.part] & 1:
            return without
        outputs = self.chains[channel.part].outputs
        if outputs is None:
            raise ChipError(f"chain {channel.part} was enabled before anything was shifted in")
        return bool(outputs[channel.number]) == self.board.chains[channel.part].closes_high

    def volts(self, line: Line) -> float | None:
        """Return the voltage of a line in V; None where it is connected to nothing. Raises ChipError."""
        driven, grounded = self.closed(line.drive, without=False), self.closed(line.ground, without=True)
        if driven and grounded:
            raise ChipError(f"{line.side} {line.index} is driven and at ground")
        if driven:
            code = self.dacs[line.dac.part].codes[line.dac.number]
            if code is None:
                raise ChipError(f"{line.side} {line.index} is driven, and its DAC was never written")
            return float(line.transfer.volts_of(code))
        if line.side == "gate" and line.ground is None:
            return 0.0  # its resistor
        return 0.0 if grounded or self.closed(line.sense, without=False) else None

    def _gates(self) -> list[float]:
        """Return the gate voltage of each row in V."""
        if not self.board.gates:
            return [0.0] * len(self.board.rows)
        return [self.volts(line) or 0.0 for line in self.board.gates]

    def _follow(self) -> None:
        """Note which cells have a voltage across them, and for how long they had."""
        now = self._applied() if self._enables & self._driving or self._may_drive else {}
        for cell, (volts, gate, began) in list(self._since.items()):
            if now.get(cell) == (volts, gate):
                continue
            del self._since[cell]
            if self.clock > began:
                self._respond(Applied(*cell, volts, gate, self.clock - began))
        for cell, found in now.items():
            self._since.setdefault(cell, (*found, self.clock))

    def _applied(self) -> dict[tuple[int, int], tuple[float, float]]:
        """Return V of row against column, and V of the gate, of each cell that has a voltage and conducts."""
        rows, cols = ([self.volts(line) for line in lines] for lines in (self.board.rows, self.board.cols))
        gates, gated = self._gates(), bool(self.board.gates)
        live = [(j, col) for j, col in enumerate(cols) if col is not None]
        return {
            (i, j): (row - col, gates[i])
            for i, row in enumerate(rows)
            if row is not None and (gates[i] > 0.0 or not gated)
            for j, col in live
            if row != col
        }

    def _sensed(self, adc: str, channel: int) -> float:
        """Return the input of an ADC in V: that of a column's transimpedance amplifier."""
        sense, current = self.board.sense, 0.0
        column = self._columns.get((adc, channel))
        if column is not None and self.closed(self.board.cols[column].sense, without=False):
            gates, gated = self._gates(), bool(self.board.gates)
            volts = [
                (self.volts(line) or 0.0) if gates[i] > 0.0 or not gated else 0.0
                for i, line in enumerate(self.board.rows)
            ]
            current = float(self._currents(np.array(volts))[column])
        ohm = next(one.ohm for one in sense.ranges if one.pins == self._range)
        # Half a code above: a converter rounds down.
        return float(sense.lsb) * (sense.zero + 0.5) + sense.sign * current * ohm
