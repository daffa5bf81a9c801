"""A physical board without one: models of its parts, and an array of resistors, at the pins of the front end.

It looks at the pins once a clock, sees which lines are driven, returned, sensed and gated, and keeps what cells got.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware.analog.boardfile import BoardFile
from firmware.analog.wiring import Channel, Line
from firmware.simulation.chips import AdcChip, DacChip, SwitchChain


class Applied(NamedTuple):
    """What one cell got between two moments at which switches or converters changed."""

    row: int
    col: int
    volts: float
    """V of the row against the column."""
    gate: float
    """V; 0 where there are none."""
    clocks: int


class PhysicalBoard:
    """The parts of a board file around an array of conductances g (rows, cols) in S."""

    def __init__(
        self, board: BoardFile, g: NDArray[np.float64], respond: Callable[["Applied"], None] = lambda _: None
    ) -> None:
        """Power up: outputs of registers and converters are unknown, enables off.

        respond: told what a cell got, once it is over; it may change `g`.
        """
        self.board, self.g, self._respond = board, g, respond
        self.dacs = {name: DacChip(dac.part, dac.reference) for name, dac in board.dacs.items()}
        self.chains = {name: SwitchChain(chain.outputs) for name, chain in board.chains.items()}
        self.adcs = {
            name: AdcChip(adc.part, adc.reference, adc.span, lambda channel, name=name: self._sensed(name, channel))  # type: ignore[misc]
            for name, adc in board.adcs.items()
        }
        self.applied: list[Applied] = []
        self._enables = 0
        self._pins = 0
        self._state: object = None
        self._since: dict[tuple[int, int], tuple[float, float, int]] = {}
        self._columns = {(line.adc.part, line.adc.number): line.index for line in board.cols if line.adc is not None}

    def see(self, pins: Mapping[str, int]) -> int:
        """Look at the pins in one clock; return the ADCs' lines. Raises ChipError."""
        for n, dac in enumerate(self.dacs.values()):
            dac.see(pins["dac_sync_n"] >> n & 1, pins["dac_sclk"], pins["dac_sdi"])
        for n, chain in enumerate(self.chains.values()):
            chain.see(pins["shcp"] >> n & 1, pins["ds"] >> n & 1, pins["stcp"] >> n & 1)
        self._enables = ~pins["enable_n"] & (1 << len(self.chains)) - 1
        self._pins = pins["range_pins"]
        self._follow()
        lines = (pins["adc_cs_n"], pins["adc_sclk"], pins["adc_sdi"])
        return sum(adc.see(*lines) << n for n, adc in enumerate(self.adcs.values()))

    # -- lines ---------------------------------------------------------------------------------------------------------

    def closed(self, channel: Channel | None, *, without: bool) -> bool:
        """Return whether a switch is closed; without: whether it is, while its chain is not enabled."""
        if channel is None:
            return False
        number = list(self.chains).index(channel.part)
        outputs = self.chains[channel.part].outputs
        if not self._enables >> number & 1:
            return without
        assert outputs is not None, "enabled before anything was shifted in"
        return bool(outputs[channel.number]) == self.board.chains[channel.part].closes_high

    def volts(self, line: Line) -> float | None:
        """Return the voltage of a line in V; None where it is connected to nothing."""
        driven, grounded = self.closed(line.drive, without=False), self.closed(line.ground, without=True)
        assert not (driven and grounded), f"{line.side} {line.index} is driven and at ground"
        if driven:
            code = self.dacs[line.dac.part].codes[line.dac.number]
            assert code is not None, f"{line.side} {line.index} is driven, and its DAC was never written"
            return float(line.transfer.volts_of(code))
        if line.side == "gate" and line.ground is None:
            return 0.0  # its resistor
        return 0.0 if grounded or self.closed(line.sense, without=False) else None

    def _gates(self) -> NDArray[np.float64]:
        """Return the gate voltage of each row in V."""
        found = [self.volts(line) or 0.0 for line in self.board.gates]
        return np.array(found if found else [0.0] * len(self.board.rows))

    def _follow(self) -> None:
        """Note which cells have a voltage across them, and for how long they had."""
        outputs = (tuple(chain.outputs or ()) for chain in self.chains.values())
        state = (self._enables, *outputs, *(tuple(dac.codes) for dac in self.dacs.values()))
        if state == self._state:
            if self._since:
                self._since = {cell: (v, g, n + 1) for cell, (v, g, n) in self._since.items()}
            return
        self._state = state
        for cell, found in self._since.items():
            self.applied.append(Applied(*cell, *found))
            self._respond(self.applied[-1])
        self._since = {}
        rows, cols = ([self.volts(line) for line in lines] for lines in (self.board.rows, self.board.cols))
        gates = self._gates()
        for i, row in enumerate(rows):
            for j, col in enumerate(cols):
                on = gates[i] > 0 or not self.board.gates
                if row is not None and col is not None and row != col and on:
                    self._since[i, j] = (row - col, float(gates[i]), 1)

    def _sensed(self, adc: str, channel: int) -> float:
        """Return the input of an ADC in V: that of a column's transimpedance amplifier."""
        sense = self.board.sense
        current = 0.0
        column = self._columns.get((adc, channel))
        if column is not None and self.closed(self.board.cols[column].sense, without=False):
            gates = self._gates()
            for i, line in enumerate(self.board.rows):
                if gates[i] > 0 or not self.board.gates:
                    current += (self.volts(line) or 0.0) * self.g[i, column]
        ohm = next(one.ohm for one in sense.ranges if one.pins == self._pins)
        # Half a code above: a converter rounds down.
        return float(sense.lsb) * (sense.zero + 0.5) + sense.sign * current * ohm
