"""ArC TWO, the instrument of ArC Instruments, as a board of hwctl: `arc2:FIRMWARE.bin?OPTIONS`, through pyarc2 0.6.

Tested against a scripted instrument; not run on an ArC TWO. All that ties hwctl to this instrument is in this file:

Lines: row i is bitline i, column j is wordline j of the daughterboard 32NNA68, through the channels that ArC2Control's
map gives them. pyarc2's own documentation, too, calls bitlines rows and wordlines columns.
Voltages: V is column above row. A read of V drives the row to -V and senses columns, held at 0 V as every other line is
(libarc2, `read_slice_masked`). A pulse of V puts V/2 on the column and -V/2 on the row (libarc2, `pulse_one`), so a
half-selected cell gets V/2: `connect_to_gnd` grounds the other lines, which libarc2 alone would leave open.
Polarity: a SET pulse is V > 0 and a RESET pulse V < 0, *assumed*; `set-on=row` is for cells that are the other way up.

Not established: the sign of the current (its size is taken, as ArC2Control does); the reason of a failing read, which
Rust reports as a panic; how to end a read that hangs in pyarc2, which keeps Python's lock while it waits. That the
grounds stay on during a pulse follows from libarc2's sources up to 0.5 and the protocol page, and was not measured.
Beyond its limits libarc2 clips without a word (10 V a channel, 40 ns): here it is refused.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwctl.errors import LinkClosed, LinkError, LinkTimeout, TargetError
from hwctl.links import Drive, InstrumentLink, Refuse, Target
from hwctl.packages import need
from hwctl.protocol.codes import MAX_READ_RANGE, PROTOCOL_VERSION, Feature, Polarity, Refusal
from hwctl.protocol.commands import ConfigureRead
from hwctl.protocol.packing import Region
from hwctl.protocol.replies import Identity

CHANNELS = range(64)
ROWS = [channel for pair in zip(range(15, -1, -1), range(32, 48), strict=True) for channel in pair]
COLUMNS = [channel for pair in zip(range(16, 32), range(63, 47, -1), strict=True) for channel in pair]
SENSED = sorted(COLUMNS)
"""Channels of the 32 currents of `read_slice_masked`, in their order."""

VOLTS, SECONDS = 1e-3, 10e-9
"""One code. The instrument's own steps are 0.305 mV, and 10 ns of a pulse."""
FULL_SCALE = 4095 << MAX_READ_RANGE
"""Codes of the largest reading that is no over-range."""
SHORTEST, LONGEST = 40e-9, 10e-3
"""s of a pulse. libarc2 makes shorter ones 40 ns long, and drives those of 500 ms and more in another way."""
HIGHEST = 10.0
"""V of a pulse; half of it is on a channel, whose range is 10 V."""
SETTLE = 30e-6
"""s that libarc2 waits before each conversion."""
BUSY_TIMEOUT = 10.0
"""s until 127 of the longest pulses are given up: they take 1.3."""
POLL = 1e-4
"""s between two looks at the instrument."""
ROOM = 1 << 24
"""bytes: nothing is encoded."""
CHECK = "see that ArC TWO is on and connected, and open it again"

OPTIONS = ("id", "control", "set-on", "set", "reset", "low", "levels", "width", "max-read", "g-max")


class Arc2Link(InstrumentLink):
    """One array of 32 x 32 cells on an ArC TWO."""

    def __init__(self, pyarc2: Any, instrument: Any, target: Target, identity: Identity) -> None:
        """Take pyarc2 and an instrument that it opened; every channel is grounded."""
        self._instrument, self._idle = instrument, pyarc2.IdleMode
        up = -1.0 if target.options.get("set-on") == "row" else 1.0
        self._sign = {Polarity.SET: up, Polarity.RESET: -up}
        super().__init__(target.url, identity)

    def read_currents(self, region: Region, voltage: float, conversions: int) -> NDArray[np.float64]:
        """Read row by row, all columns of the region at once."""
        columns = COLUMNS[region.col0 : region.col1]
        places = [SENSED.index(channel) for channel in columns]
        total = np.zeros(region.shape)
        for i, row in enumerate(ROWS[region.row0 : region.row1]):
            for _ in range(conversions):
                self._ground(())
                total[i] += self._call("read_slice_masked", row, np.array(columns, np.uint64), voltage)[places]
        if not np.isfinite(total).all():
            raise LinkError(f"{self.url}: pyarc2 has no current of a cell that was read", "check daughterboard and id")
        return np.abs(total) / conversions

    def pulse_cell(self, row: int, col: int, drive: Drive, count: int) -> None:
        """Queue the pulses with all other lines grounded, execute them, and leave every channel at 0 V."""
        low, high = ROWS[row], COLUMNS[col]
        self._ground([channel for channel in CHANNELS if channel not in (low, high)])
        for _ in range(count):
            volts = self._sign[drive.polarity] * drive.amplitude
            self._call("pulse_one", low, high, volts, round(drive.width * 1e9))
        self._finish(self._idle.SoftGnd)

    def rest(self) -> None:
        """Take the voltage from all channels and connect them to ground."""
        self._finish(self._idle.HardGnd)

    def release(self) -> None:
        """Let go of the instrument: pyarc2 closes one that nobody holds."""
        self._instrument = None

    def check_read(self, command: ConfigureRead) -> None:
        """Refuse a settle time that libarc2 would not keep."""
        super().check_read(command)
        if command.settle * SECONDS > SETTLE:
            raise Refuse(Refusal.OVER_LIMIT, f"ArC TWO settles {SETTLE * 1e6:g} us before each conversion, no longer")

    def _ground(self, channels: Sequence[int]) -> None:
        """Connect these channels to ground, and no others."""
        self._call("connect_to_gnd", np.array(channels, np.uint64))

    def _finish(self, idle: Any) -> None:
        """Execute what is queued, leave the channels as `idle` says, and wait until it is so."""
        self._call("finalise_operation", idle)
        end = time.monotonic() + BUSY_TIMEOUT
        while self._call("busy"):  # libarc2 says so also where USB fails
            if time.monotonic() > end:
                raise LinkTimeout(f"{self.url} was busy for {BUSY_TIMEOUT:g} s", CHECK)
            time.sleep(POLL)

    def _call(self, method: str, *arguments: Any) -> Any:
        """Call a method of the instrument. Raises LinkClosed where it fails."""
        try:
            return getattr(self._instrument, method)(*arguments)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001  a panic of Rust is no Exception
            raise LinkClosed(f"{self.url}: {method} of pyarc2 failed: {_line(error)}", CHECK) from None


def open_arc2(target: Target) -> Arc2Link:
    """Open `arc2:FIRMWARE.bin`. Raises TargetError, and MissingPackage without pyarc2.

    Options: id (of several instruments); control (internal: a package in the socket, or header); set-on (column, row).
    Of the array, and *assumed* until you give your own: set, reset (V of the strongest pulse), low (V of the weakest),
    levels (1 to 32, from low to set and reset), width (s), max-read (V), g-max (S of full scale at 0.2 V).
    """
    target.only(*OPTIONS)
    for name, known in (("control", ("internal", "header")), ("set-on", ("column", "row"))):
        if target.options.get(name, known[0]) not in known:
            raise TargetError(f"target '{target.url}': {name}={target.options[name]}; give {' or '.join(known)}")
    identity = _identity(target)
    need("pyarc2", f"target '{target.url}'", "run 'hwctl serve' on a PC that has it, and reach that by socket://")
    if not Path(target.path).is_file():
        raise TargetError(f"target '{target.url}': no firmware '{target.path}'; name the file that came with ArC TWO")
    import pyarc2  # noqa: PLC0415  nowhere else

    header = target.options.get("control") == "header"
    try:
        found = pyarc2.find_ids()
        number = target.integer("id", found[0] if found else 0, 0, 255)
        if number not in found:
            raise TargetError(f"target '{target.url}': no ArC TWO with id {number}; found: {found or 'none'}")
        instrument = pyarc2.Instrument(number, target.path)
        instrument.set_control_mode(pyarc2.ControlMode.Header if header else pyarc2.ControlMode.Internal).execute()
    except pyarc2.ArC2Error as error:
        raise TargetError(f"target '{target.url}': pyarc2 cannot open it: {_line(error)}") from None
    return Arc2Link(pyarc2, instrument, target, replace(identity, build=f"libarc2 {pyarc2.LIBARC2_VERSION}"))


def _identity(target: Target) -> Identity:
    """Say what the board is, from the options of its URL. Raises TargetError."""
    tops = [target.number(name, 1.5, VOLTS, HIGHEST) for name in ("set", "reset")]
    low = target.number("low", min(0.8, *tops), VOLTS, min(tops))
    steps = target.integer("levels", 8, 1, 32)
    width = round(target.number("width", 1e-6, SHORTEST, LONGEST) / SECONDS)
    max_read = target.number("max-read", 0.5, VOLTS, 1.0)
    siemens = target.number("g-max", 250e-6, 1e-6, 5e-3) / FULL_SCALE  # 1 mA at 0.2 V; the converter ends at 6.2 mA
    amplitudes = [np.unique(np.rint(np.linspace(top, low, steps) / VOLTS)) for top in tops]
    levels = [(polarity, amplitude, width, 0) for polarity in (0, 1) for amplitude in amplitudes[polarity]]
    highest = round(max(tops) / VOLTS)
    return Identity(
        PROTOCOL_VERSION, len(ROWS), len(COLUMNS), Feature(0), VOLTS, siemens, siemens * min(0.2, max_read), SECONDS,
        compliance_per_code=1e-6,  # there is none
        max_amplitude=highest, max_form_amplitude=highest, max_width=width, max_read=round(max_read / VOLTS),
        tia_ranges=np.array([MAX_READ_RANGE], np.uint8), drive_levels=np.array(levels, np.uint32),
        receive_budget=ROOM, reply_budget=ROOM, largest_frame=ROOM, device="ArC TWO 32NNA68", build="",
    )  # fmt: skip


def _line(error: BaseException) -> str:
    """Return what an error says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__
