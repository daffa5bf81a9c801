"""Analog effects beside the cell law, on the software board alone: in floating point and outside bit parity.

Options of `emulator:`, each 0 for off unless said. Parameters that no option names are constants below, and assumed.

row-ohm, col-ohm    ohm of one wire segment of a row and of a column: IR drop
sneak               1: reads leave all lines open but those of the cell, so that sneak paths add to its current
alpha               1/V^2 of I = G V (1 + alpha V^2); codes are right at the device's read voltage
drift               mean exponent of power-law drift; a cell's own has a standard deviation of 20% of it
device-drift        1: drift with the exponent of the device model
relaxation          standard deviation of ln G per decade of time after programming
rtn                 share of the conductance that random telegraph noise takes
half-select         share of the way to its bound that a half-select moves a cell
v-third             1: unselected lines are biased at V/3 and 2V/3, not at V/2
read-disturb        the same share for a READ; positive towards SET
adc-offset          standard deviation over the converters of their offset, in current codes
adc-gain            standard deviation over the converters of their relative gain error
adc-bits            bits of the converters, 4 to 12; 12 for off

Time is virtual: it passes by pulses, conversions and WAIT. Wires see linear cells: the factor of `alpha` is that of the
voltage between the lines. VMM and MEASURE disturb nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwctl.devices import draws
from hwctl.devices.chip import Chip
from hwctl.devices.conduction import Conduction
from hwctl.devices.disturb import Disturb
from hwctl.devices.retention import PowerLawDrift, Relaxation, Retention, Rtn
from hwctl.devices.wires import WireNetwork
from hwctl.emulator.array import EmulatedArray
from hwctl.emulator.converter import Converter
from hwctl.emulator.timekeeping import Stress, Timekeeper, pack, unpack
from hwctl.errors import DeviceError
from hwctl.protocol.codes import ADC_BITS
from hwctl.protocol.packing import Region

Int64 = NDArray[np.int64]
Floats = NDArray[np.float64]
Counts = NDArray[Any]  # integers of any size

LAYER_OPTIONS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "row-ohm": (0.0, 1e4),
        "col-ohm": (0.0, 1e4),
        "sneak": (0.0, 1.0),
        "alpha": (0.0, 100.0),
        "drift": (0.0, 1.0),
        "device-drift": (0.0, 1.0),
        "relaxation": (0.0, 1.0),
        "rtn": (0.0, 0.9),
        "half-select": (0.0, 0.5),
        "v-third": (0.0, 1.0),
        "read-disturb": (-0.5, 0.5),
        "adc-offset": (0.0, 4096.0),
        "adc-gain": (0.0, 0.5),
        "adc-bits": (4.0, 12.0),
    }
)
"""Lowest and highest value of each option."""
OFF: Mapping[str, float] = MappingProxyType(dict.fromkeys(LAYER_OPTIONS, 0.0) | {"adc-bits": float(ADC_BITS)})
"""The value of each option with which it does nothing."""
SWITCHES = ("sneak", "device-drift", "v-third")
WHOLE = (*SWITCHES, "adc-bits")
"""Options that take integers."""

DRIFT_SPREAD = 0.2  # of the exponent over the cells, relative
DRIFT_T0 = 1.0  # s
RELAXATION_T0 = 1e-3  # s
RELAXATION_DECADES = 6.0
RTN_FRACTION = 0.1  # of the cells
RTN_DWELL = 1e-2  # s in either state
COLUMN_OFFSET, COLUMN_GAIN, ROW_OFFSET, ROW_GAIN = range(16, 20)
"""Streams of draws; those of `hwctl.devices.retention` lie below."""


@dataclass(frozen=True)
class LayerOptions:
    """Values of LAYER_OPTIONS, with underscores for hyphens."""

    row_ohm: float = 0.0
    col_ohm: float = 0.0
    sneak: float = 0.0
    alpha: float = 0.0
    drift: float = 0.0
    device_drift: float = 0.0
    relaxation: float = 0.0
    rtn: float = 0.0
    half_select: float = 0.0
    v_third: float = 0.0
    read_disturb: float = 0.0
    adc_offset: float = 0.0
    adc_gain: float = 0.0
    adc_bits: float = float(ADC_BITS)

    @classmethod
    def of(cls, values: Mapping[str, float]) -> "LayerOptions":
        """Return options by their names with hyphens or underscores. Raises DeviceError on what cannot be used."""
        named = {name.replace("_", "-"): float(value) for name, value in values.items()}
        for name, value in named.items():
            if name not in LAYER_OPTIONS:
                raise DeviceError(f"no layer option '{name}'; known: {', '.join(LAYER_OPTIONS)}")
            low, high = LAYER_OPTIONS[name]
            if not low <= value <= high or (name in WHOLE and value != int(value)):
                wanted = "0 or 1" if name in SWITCHES else f"{low:g} to {high:g}"
                raise DeviceError(f"{name}={value:g}; give {'an integer from ' if name == 'adc-bits' else ''}{wanted}")
        return cls(**{name.replace("-", "_"): value for name, value in named.items()})


class Layers:
    """The effects that are switched on for one chip, and what they remember."""

    def __init__(self, chip: Chip, options: LayerOptions) -> None:
        """Take a chip and its layers' options. Raises DeviceError where they contradict each other or the device."""
        self._chip = chip
        self._options = options
        self._shape = (chip.rows, chip.cols)
        self._conduction = Conduction(options.alpha)
        self._nominal = round(chip.device.read_voltage / chip.scales.volts)  # voltage code
        self._time = Timekeeper(*self._shape, _retention(chip, options), chip.scales.seconds)
        disturb = Disturb(options.half_select, options.read_disturb, "v/3" if options.v_third else "v/2")
        self._stress = Stress(disturb, np.zeros(self._shape))
        self._columns = _converters(chip, chip.cols, COLUMN_OFFSET, COLUMN_GAIN, options)
        self._rows = _converters(chip, chip.rows, ROW_OFFSET, ROW_GAIN, options)
        self.converter = None if options.adc_bits == ADC_BITS else Converter(int(options.adc_bits))
        """Of fewer bits than the board's own, or None."""
        self._solved: tuple[Int64, WireNetwork, Floats] | None = None

    @classmethod
    def build(cls, chip: Chip, **options: float) -> "Layers":
        """Return layers from LAYER_OPTIONS by name, hyphens or underscores. Raises DeviceError on bad ones."""
        return cls(chip, LayerOptions.of(options))

    # -- reading -------------------------------------------------------------------------------------------------

    def read_codes(self, array: EmulatedArray, clock: int, read_volts: float) -> Int64:
        """Return the conductance codes (rows, cols) that a READ at `read_volts` (V) sees; some may be out of range.

        clock: virtual time in time codes.
        """
        codes = self._time.codes(array, clock)
        if self._options.sneak:
            effective = self._network(codes)[0].read_cells(1.0, "floating") / self._chip.scales.siemens
        else:
            effective = self._effective(codes)
        offset, gain = self._columns
        shown = effective * self._bend(read_volts) * gain + offset * (self._nominal_volts / read_volts)
        return np.rint(shown).astype(np.int64)

    def sums(
        self,
        array: EmulatedArray,
        clock: int,
        region: Region,
        vectors: NDArray[np.int8] | NDArray[np.int16],
        by_row: bool,
        read_volts: float,
    ) -> Int64:
        """Return sums of input code times conductance code, (batch, sensed lines); lines outside are at 0 V.

        vectors: (batch, driven lines), full scale at `read_volts` (V). by_row: rows are sensed.
        """
        row0, row1, col0, col1 = region
        block = self._effective(self._time.codes(array, clock))[row0:row1, col0:col1]
        full_scale = 1 << (8 * vectors.itemsize - 1)
        driven = vectors.astype(np.float64)
        driven *= self._bend(driven * (read_volts / full_scale))
        carried = driven @ (block.T if by_row else block)
        offset, gain = (self._rows[:, row0:row1]) if by_row else (self._columns[:, col0:col1])
        return np.rint(carried * gain + offset * (full_scale * self._nominal_volts / read_volts)).astype(np.int64)

    def measure(
        self,
        array: EmulatedArray,
        clock: int,
        region: Region,
        row_codes: NDArray[np.int16],
        col_codes: NDArray[np.int16],
    ) -> Int64:
        """Return sums of voltage code times conductance code (cols,) with each line of a region at its own voltage.

        Lines outside are at 0 V.
        """
        row0, row1, col0, col1 = region
        rows, cols = np.zeros(array.rows), np.zeros(array.cols)
        rows[row0:row1], cols[col0:col1] = row_codes, col_codes
        codes = self._time.codes(array, clock)
        effective = self._effective(codes)
        across = rows[:, None] - cols
        carried = (effective * across * (self._bend(across * self._chip.scales.volts) - 1.0)).sum(axis=0)
        if self._wired:
            carried += self._network(codes)[0].terminals(rows, cols)[1] / self._chip.scales.siemens
        else:
            carried += (effective * across).sum(axis=0)
        offset, gain = self._columns
        return np.rint(carried * gain + offset * self._nominal)[col0:col1].astype(np.int64)

    @property
    def _wired(self) -> bool:
        return bool(self._options.row_ohm or self._options.col_ohm)

    @property
    def _nominal_volts(self) -> float:
        return self._nominal * self._chip.scales.volts

    def _bend(self, volts: float | Floats) -> Floats:
        """Return by how much a cell conducts better than at the device's read voltage."""
        return self._conduction.factor(volts) / self._conduction.factor(self._nominal_volts)

    def _effective(self, codes: Int64) -> Floats:
        """Return what wires leave of conductance codes where all lines but a driven one are at 0 V."""
        return self._network(codes)[1] if self._wired else codes.astype(np.float64)

    def _network(self, codes: Int64) -> tuple[WireNetwork, Floats]:
        """Return the network and its effective codes, solved again only where a conductance has changed."""
        if self._solved is None or not np.array_equal(self._solved[0], codes):
            siemens = self._chip.scales.siemens
            network = WireNetwork(codes * siemens, self._options.row_ohm, self._options.col_ohm)
            self._solved = codes, network, network.read_cells(1.0) / siemens
        return self._solved[1:]

    # -- memory --------------------------------------------------------------------------------------------------

    def after_pulses(self, array: EmulatedArray, region: Region, ups: Counts, downs: Counts, clock: int) -> None:
        """Note SET and RESET pulses (rows, cols) of a region that ended at `clock`, and disturb the other cells."""
        self._time.mark(region, (ups != 0) | (downs != 0), clock)
        if self._options.half_select:
            self._stress.half_select(array, region, ups.astype(np.int64), downs.astype(np.int64))

    def after_read(self, array: EmulatedArray, region: Region, times: int) -> None:
        """Disturb the cells of a region that were read so many times."""
        if self._options.read_disturb:
            self._stress.reads(array, region, times)

    def dump(self, region: Region) -> NDArray[np.uint8]:
        """Return what the layers remember of a region's cells, as bytes."""
        part = np.s_[region.row0 : region.row1, region.col0 : region.col1]
        return pack(self._time.programmed[part], self._stress.carry[part])

    def restore(self, region: Region, extra: NDArray[np.uint8]) -> None:
        """Go back to what `dump` returned. Raises LimitError, and changes nothing, where it is of another region."""
        part = np.s_[region.row0 : region.row1, region.col0 : region.col1]
        self._time.programmed[part], self._stress.carry[part] = unpack(extra, region.shape)


def _retention(chip: Chip, options: LayerOptions) -> Retention | None:
    mean = options.drift
    if options.device_drift:
        if mean:
            raise DeviceError("give drift=EXPONENT or device-drift=1, not both")
        mean = chip.device.drift_exponent
        if not mean:
            raise DeviceError(f"{chip.device.name} has no drift exponent of its own; give drift=EXPONENT")
    if not (mean or options.relaxation or options.rtn):
        return None
    return Retention(
        chip.seed,
        PowerLawDrift(mean, DRIFT_SPREAD * mean, DRIFT_T0) if mean else None,
        Relaxation(options.relaxation, 0.0, RELAXATION_T0, RELAXATION_DECADES) if options.relaxation else None,
        Rtn(options.rtn, RTN_FRACTION, RTN_DWELL, RTN_DWELL) if options.rtn else None,
    )


def _converters(chip: Chip, lines: int, offset_stream: int, gain_stream: int, options: LayerOptions) -> Floats:
    """Return offset in current codes and gain of each line's converter, (2, lines)."""
    numbers = np.arange(lines)
    offsets = options.adc_offset * draws.normal(chip.seed, offset_stream, numbers)
    return np.stack([offsets, 1.0 + options.adc_gain * draws.normal(chip.seed, gain_stream, numbers)])
