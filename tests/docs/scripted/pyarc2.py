"""SCRIPTED: no instrument was at hand. What pyarc2 0.6 would be with 32 x 32 cells on an ArC TWO, as far as is used.

Signatures are those of pyarc2 0.6.0 (compared in tests/docs/test_your_board.py where that is installed), units and
semantics those of its docstrings, of the overview and protocol pages in its docs/, and of libarc2's sources:
- calls are queued, and happen at `execute`; reads, `finalise_operation`, `busy` and `wait` come at once;
- `read_slice_masked` puts -vread on the low channel and 0 V on all others, and returns 32 currents in A in ascending
  channel order, NaN where the channel is not asked for;
- `pulse_one` puts voltage/2 on the high and -voltage/2 on the low channel and opens all others; nanos is in ns;
- `connect_to_gnd` switches a channel to ground whatever drives it, and releases those that it does not name.
What libarc2 would clip, and a driver that fights the ground, is refused here. A cell changes above a threshold only.
"""

import operator
from enum import Enum

import numpy as np

LIBARC2_VERSION = "scripted"

#: Channels of the 32NNA68 as ArC2Control 0.2.0 lists them (arc2control/mappings/standard32.toml).
WORDS = [16, 63, 17, 62, 18, 61, 19, 60, 20, 59, 21, 58, 22, 57, 23, 56,
         24, 55, 25, 54, 26, 53, 27, 52, 28, 51, 29, 50, 30, 49, 31, 48]  # fmt: skip
BITS = [15, 32, 14, 33, 13, 34, 12, 35, 11, 36, 10, 37, 9, 38, 8, 39,
        7, 40, 6, 41, 5, 42, 4, 43, 3, 44, 2, 45, 1, 46, 0, 47]  # fmt: skip

THRESHOLD = 0.78  # V across a cell, below which it does not change
LOWEST, HIGHEST = 10e-6, 150e-6  # S
STEP = 0.1  # share of the way to the bound, of a pulse 1 V above the threshold
NOISE = 10e-9  # A


class ArC2Error(Exception):
    """An error that the real one raises, too."""


class PanicException(BaseException):
    """What a panic of Rust is in Python: no Exception. The real one's module cannot be imported."""


class IdleMode(Enum):
    Float = 0b01
    SoftGnd = 0b10
    HardGnd = 0b11


class ControlMode:
    Header = "header"
    Internal = "internal"


class Chip:
    """The array: conductances (bitline, wordline) in S. It outlives the instrument that is connected to it."""

    def __init__(self):
        self.cells = np.full((32, 32), 50e-6)
        self.current_sign = -1.0  # not documented; one published script divides by it with a minus
        self.calls = []
        self.pulses = []  # the voltages of all channels in V (NaN: open) and the width in ns of each
        self.ids = [0]
        self.failing = {}  # method: what it raises
        self.always_busy = False
        self.volts = np.zeros(64)
        self.grounded = set()
        self.open_channels = set(range(64))
        self.control = None
        self.noise = np.random.default_rng(1)

    @property
    def at_rest(self):
        """Whether every channel is connected to ground, with no DAC on it."""
        return self.grounded == set(range(64)) and self.open_channels == set(range(64)) and not self.volts.any()


chip = Chip()


def find_ids():
    _called("find_ids")
    return list(chip.ids)


def _called(name, *arguments):
    chip.calls.append((name, *arguments))
    if name in chip.failing:
        raise chip.failing[name]


def _channel(value):
    found = operator.index(value)
    if not 0 <= found < 64:
        raise PanicException(f"index out of bounds: the len is 64 but the index is {found}")
    return found


def _channels(values):
    if not (isinstance(values, np.ndarray) and values.dtype == np.uint64 and values.ndim == 1):
        raise TypeError("Invalid argument type, must be an iterable")  # the real one would convert a list, too
    return [_channel(value) for value in values]


def _volts(value):
    if not isinstance(value, float | int | np.floating):
        raise TypeError("argument must be real number")
    found = float(np.float32(value))
    if not abs(found) <= 10.0:
        raise AssertionError(f"{found} V: libarc2 would clip it to its range of 10 V")
    return found


class Instrument:
    def __init__(self, port: int, firmware: str, init=True):
        _called("Instrument", port, firmware, init)
        if port not in chip.ids:
            raise ArC2Error(f"Invalid ArC2 device id: {port}")
        with open(firmware, "rb") as file:  # noqa: PTH123  a str
            if not file.read():
                raise ArC2Error("FPGA Error: could not program")
        self._queue = []

    # -- queued ------------------------------------------------------------------------------------------------------

    def connect_to_gnd(self, chans):
        _called("connect_to_gnd", chans)
        wanted = set(_channels(chans))

        def switch():
            chip.grounded = wanted

        self._queue.append(switch)
        return self

    def ground_all(self):
        _called("ground_all")
        self._queue += [self._to_zero, self._connect]
        return self

    def ground_all_fast(self):
        _called("ground_all_fast")
        self._queue.append(self._to_zero)
        return self

    def float_all(self):
        _called("float_all")
        self._queue.append(self._disconnect)
        return self

    def set_control_mode(self, mode):
        _called("set_control_mode", mode)

        def switch():
            chip.control = mode

        self._queue.append(switch)
        return self

    def pulse_one(self, low, high, voltage, nanos):
        _called("pulse_one", low, high, voltage, nanos)
        row, column, nanos = _channel(low), _channel(high), operator.index(nanos)
        half = _volts(voltage / 2)
        if not 40 <= nanos < 500_000_000:
            raise AssertionError(f"{nanos} ns: libarc2 would make it 40 ns, or pulse in its slow way")
        self._queue.append(lambda: self._pulse(row, column, half, nanos))
        return self

    def execute(self):
        _called("execute")
        queued, self._queue = self._queue, []
        for happens in queued:
            happens()
        return self

    # -- at once -----------------------------------------------------------------------------------------------------

    def read_slice_masked(self, chan, mask, vread):
        _called("read_slice_masked", chan, mask, vread)
        low, highs, volts = _channel(chan), _channels(mask), _volts(vread)
        others = WORDS if low in BITS else BITS
        if not set(highs) <= set(others):
            raise PanicException("a channel of the mask is on the low channel's own side")
        self.execute()
        if chip.grounded:
            raise AssertionError("channels are driven that are connected to ground")
        self._connect()
        found = np.full(64, np.nan, np.float32)
        for high in highs:
            bit, word = (low, high) if low in BITS else (high, low)
            siemens = chip.cells[BITS.index(bit), WORDS.index(word)]
            found[high] = chip.current_sign * siemens * volts + chip.noise.normal(0.0, NOISE)
        return found[sorted(others)]

    def finalise_operation(self, mode=None, control=None):
        _called("finalise_operation", mode, control)
        if mode == IdleMode.SoftGnd:
            self.connect_to_gnd(np.arange(0, dtype=np.uint64)).ground_all().execute()
        elif mode == IdleMode.HardGnd:
            self.ground_all_fast().float_all().connect_to_gnd(np.arange(64, dtype=np.uint64)).execute()
        elif mode is not None:
            raise ArC2Error("Invalid idle mode")

    def busy(self):
        _called("busy")
        return chip.always_busy

    # -- what happens ------------------------------------------------------------------------------------------------

    def _to_zero(self):
        chip.volts[:] = 0.0

    def _connect(self):
        chip.open_channels = set()

    def _disconnect(self):
        chip.grounded, chip.open_channels = set(), set(range(64))

    def _pulse(self, low, high, half, nanos):
        if chip.grounded & {low, high}:
            raise AssertionError("a channel is pulsed that is connected to ground")
        lines = np.full(64, np.nan)
        lines[sorted(chip.grounded)] = 0.0
        lines[[low, high]] = -half, half
        chip.pulses.append((lines, nanos))
        chip.open_channels = set(range(64)) - {low, high}
        across = lines[WORDS] - lines[BITS][:, None]  # V of wordline above bitline
        above = np.nan_to_num(np.abs(across) - THRESHOLD)
        bound = np.where(across > 0.0, HIGHEST, LOWEST)
        chip.cells += np.where(above > 0.0, STEP * above, 0.0) * (bound - chip.cells)
