"""A laboratory instrument as a board: how it reads and pulses is its own, the rules of every board are here.

`InstrumentLink` answers the least that the driver needs: IDENTIFY, CONFIGURE_SHAPE, CONFIGURE_READ, READ, PULSE,
PULSE_SPARSE, STATUS and SAFE. Other commands are UNSUPPORTED, and `Crossbar` does them with these. docs/your-board.md
shows how to make one.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwctl.errors import LimitError, LinkClosed, LinkError
from hwctl.links.link import in_order
from hwctl.protocol import codes, commands, replies
from hwctl.protocol.codes import HalfSelect, Polarity, Refusal
from hwctl.protocol.commands import Command
from hwctl.protocol.packing import Region
from hwctl.protocol.replies import Identity, Refused, Reply

HIGHEST_STEP = 4095  # of a converter of 12 bits
NOISE_SHARE = 16  # a current below 0 by less than this part of full scale is that of a cell of 0 S, and noise


class Drive(NamedTuple):
    """A pulse shape in SI units."""

    polarity: Polarity
    amplitude: float
    """V, above 0 for either polarity"""
    width: float
    """s"""
    gate: float
    """V"""


class Refuse(Exception):
    """Raised by a check of an instrument: the command is refused, and nothing of it is executed."""

    def __init__(self, refusal: Refusal, detail: str) -> None:
        """Say why, in one line."""
        super().__init__(detail)
        self.reply = Refused(refusal, detail)


class InstrumentLink(ABC):
    """Board and link in one, in this process. A subclass reads currents, pulses single cells and drives lines to rest.

    Commands are checked whole against `identity` before the instrument hears of them. An instrument that fails raises
    LinkError, in which the command is in doubt.
    """

    def __init__(self, url: str, identity: Identity) -> None:
        """Drive the instrument, which is open, to rest.

        url: with which it can be opened again. identity: what IDENTIFY answers; no pulse or read goes beyond it.
        """
        self.url = url
        self.identity = identity
        self._read_voltage = identity.max_read
        self._tia_range = codes.MAX_READ_RANGE
        self._settle = 0
        self._shapes: dict[int, commands.ConfigureShape] = {}
        self._set_pulses = self._reset_pulses = self._reads = self._busy = 0
        self._safe = 1
        self._open, self._lost = True, False
        self._handlers: dict[type[Command], Callable[[Any], Reply]] = {
            commands.Identify: lambda _: self.identity,
            commands.ConfigureShape: self._configure_shape,
            commands.ConfigureRead: self._configure_read,
            commands.Read: self._read,
            commands.Pulse: self._pulse,
            commands.PulseSparse: self._pulse_sparse,
            commands.Status: self._status,
            commands.Safe: self._make_safe,
        }
        self.rest()

    # -- what an instrument does -------------------------------------------------------------------------------------

    @abstractmethod
    def read_currents(self, region: Region, voltage: float, conversions: int) -> NDArray[np.float64]:
        """Return the current of each cell (rows, cols) in A at `voltage` V, the mean of `conversions` readings.

        Above 0 but for noise, and NaN where the converter saturated. Raises LinkError where there is no reading: never
        a number in its place.
        """

    @abstractmethod
    def pulse_cell(self, row: int, col: int, drive: Drive, count: int) -> None:
        """Give one cell `count` pulses, 1 to 127, and return when they are over. Raises LinkError."""

    @abstractmethod
    def rest(self) -> None:
        """Drive every line to rest. Raises LinkError."""

    def release(self) -> None:
        """Give the instrument free; it is at rest. Nothing by default."""

    def check_shape(self, command: commands.ConfigureShape) -> None:
        """Raise Refuse on a shape, within the limits, that the instrument cannot make: by default any compliance."""
        if command.compliance:
            raise Refuse(Refusal.UNSUPPORTED, "this board limits no current; give a compliance of 0")

    def check_read(self, command: commands.ConfigureRead) -> None:
        """Raise Refuse on a setting, within the limits, that the instrument lacks: by default any half-select bias."""
        if command.half_select != HalfSelect.GROUNDED:
            raise Refuse(Refusal.UNSUPPORTED, "this board grounds the lines that it does not select")

    # -- the link ----------------------------------------------------------------------------------------------------

    @property
    def bytes_moved(self) -> int:
        """0: nothing is encoded."""
        return 0

    def execute(self, command: Command) -> Reply:
        """Execute one command whole, or refuse it. Raises LinkError where the instrument fails or is closed."""
        if not self._open:
            raise LinkClosed(f"{self.url} is closed", "open it again")
        handler = self._handlers.get(type(command))
        if handler is None:
            return Refused(Refusal.UNSUPPORTED, f"this board has no {command.op.name}")
        try:
            command.check()
            return handler(command)
        except LimitError as error:
            return Refused(Refusal.OVER_LIMIT, str(error))
        except Refuse as refused:
            return refused.reply
        except LinkError as lost:
            self._lost = True
            lost.in_doubt = (command,)
            raise

    def execute_all(self, commands: Sequence[Command]) -> list[Reply]:
        """Execute commands in order, up to the first that is refused, and return the replies."""
        return in_order(self.execute, commands)

    def post(self, command: Command) -> Reply:
        """Execute a command and return the reply."""
        return self.execute(command)

    def close(self) -> None:
        """Drive the instrument to rest and give it free. Raises LinkError where it fails now, and has not before."""
        if not self._open:
            return
        known = self._lost
        try:
            self.execute(commands.Safe())
        except LinkError:
            if not known:
                raise
        finally:
            self._open = False
            self.release()

    # -- configuration -----------------------------------------------------------------------------------------------

    def _configure_shape(self, command: commands.ConfigureShape) -> Reply:
        identity = self.identity
        forming = command.polarity == Polarity.FORM
        highest = identity.max_form_amplitude if forming else identity.max_amplitude
        if command.amplitude > highest:
            raise Refuse(Refusal.OVER_LIMIT, f"amplitude code {command.amplitude}; at most {highest}")
        if command.width > identity.max_width:
            raise Refuse(Refusal.OVER_LIMIT, f"width code {command.width}; at most {identity.max_width}")
        level = [command.polarity, command.amplitude, command.width, command.gate]
        if level not in identity.drive_levels.tolist():
            raise Refuse(
                Refusal.NOT_CHARACTERISED,
                f"no {command.polarity.name} level of amplitude {level[1]}, width {level[2]}, gate {level[3]} (codes)",
            )
        self.check_shape(command)
        self._shapes[command.index] = command
        return replies.Done()

    def _configure_read(self, command: commands.ConfigureRead) -> Reply:
        if command.voltage > self.identity.max_read:
            raise Refuse(Refusal.OVER_LIMIT, f"read voltage code {command.voltage}; at most {self.identity.max_read}")
        self._known_range(command.tia_range)
        self.check_read(command)
        self._read_voltage, self._tia_range, self._settle = command.voltage, command.tia_range, command.settle
        return replies.Done()

    def _known_range(self, tia_range: int) -> None:
        if tia_range not in self.identity.tia_ranges:
            known = self.identity.tia_ranges.tolist()
            raise Refuse(Refusal.OVER_LIMIT, f"TIA range {tia_range}; this board has {known}")

    def _inside(self, region: Region) -> None:
        rows, cols = self.identity.rows, self.identity.cols
        if region.row1 > rows or region.col1 > cols:
            raise Refuse(
                Refusal.OUT_OF_REGION,
                f"rows {region.row0}:{region.row1}, columns {region.col0}:{region.col1} leave the array of "
                f"{rows} x {cols}",
            )

    # -- reading and pulsing -----------------------------------------------------------------------------------------

    def _read(self, command: commands.Read) -> Reply:
        region = command.region
        self._inside(region)
        tia_range = self._tia_range if command.tia_range == codes.RANGE_AS_CONFIGURED else command.tia_range
        self._known_range(tia_range)
        if tia_range > codes.MAX_READ_RANGE:
            raise Refuse(Refusal.OVER_LIMIT, f"TIA range {tia_range}; at most {codes.MAX_READ_RANGE} for READ")
        conversions = 1 << command.averages_log2
        self._safe = 0
        currents = self.read_currents(region, self._read_voltage * self.identity.volts_per_code, conversions)
        self._reads += conversions * region.rows * region.cols
        self._busy += conversions * region.rows * self._settle
        return replies.Readings(self._reading_codes(currents, HIGHEST_STEP << tia_range))

    def _reading_codes(self, currents: NDArray[np.float64], highest: int) -> NDArray[np.uint16]:
        """Return currents in A as codes up to `highest`, flagged beyond it."""
        found = np.rint(currents / self.identity.amperes_per_code)
        if (found < -highest / NOISE_SHARE).any():
            lowest = float(np.nanmin(currents))
            raise LinkError(f"{self.url} reads {lowest:.3g} A at a positive voltage", "see which line is driven")
        held = found <= highest  # False for NaN
        return np.where(held, np.maximum(found, 0.0), codes.NO_READING).astype(np.uint16)

    def _pulse(self, command: commands.Pulse) -> Reply:
        region = command.region
        self._inside(region)
        self._need_shapes(command.set_shapes, command.reset_shapes)
        across, along = command.per.strides(region.cols)

        def trains() -> Iterator[tuple[int, int, int, int]]:
            for i, j in np.argwhere(command.counts).tolist():
                count, number = int(command.counts[i, j]), i * across + j * along
                shapes = command.set_shapes if count > 0 else command.reset_shapes
                yield region.row0 + i, region.col0 + j, count, int(shapes[number])

        return self._pulses(trains())

    def _pulse_sparse(self, command: commands.PulseSparse) -> Reply:
        rows, cols = command.rows.tolist(), command.cols.tolist()
        self._inside(Region(0, max(rows) + 1, 0, max(cols) + 1))
        self._need_shapes(np.array([command.set_shape]), np.array([command.reset_shape]))
        shapes = [command.set_shape if count > 0 else command.reset_shape for count in command.counts]
        return self._pulses(
            train for train in zip(rows, cols, command.counts.tolist(), shapes, strict=True) if train[2]
        )

    def _need_shapes(self, sets: NDArray[Any], resets: NDArray[Any]) -> None:
        for polarity, numbers in ((Polarity.SET, sets), (Polarity.RESET, resets)):
            for number in set(numbers.tolist()):
                shape = self._shapes.get(number)
                if shape is None or shape.polarity != polarity:
                    raise Refuse(Refusal.NO_SHAPE, f"pulse shape {number} is not configured as {polarity.name}")

    def _pulses(self, trains: Iterator[tuple[int, int, int, int]]) -> Reply:
        """Give cells their pulses in order: row, column, signed count and number of the shape of each."""
        before = self._set_pulses, self._reset_pulses
        volts, seconds = self.identity.volts_per_code, self.identity.seconds_per_code
        for row, col, count, number in trains:
            shape = self._shapes[number]
            drive = Drive(shape.polarity, shape.amplitude * volts, shape.width * seconds, shape.gate * volts)
            self._safe = 0
            self.pulse_cell(row, col, drive, abs(count))
            self._set_pulses += max(count, 0)
            self._reset_pulses += max(-count, 0)
            self._busy += abs(count) * shape.width
        return replies.Pulsed(self._set_pulses - before[0], self._reset_pulses - before[1])

    # -- state -------------------------------------------------------------------------------------------------------

    def _status(self, _: commands.Status) -> Reply:
        return replies.BoardStatus(
            0, self._set_pulses, self._reset_pulses, self._reads, self._busy, self._busy, self._safe
        )

    def _make_safe(self, _: commands.Safe) -> Reply:
        self.rest()
        self._safe = 1
        return replies.Done()
