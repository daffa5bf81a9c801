"""The emulated array: cells under the compiled cell law, addressed in codes. No commands, no limits."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwctl.devices.chip import Chip
from hwctl.devices.law import Curve
from hwctl.emulator import kernels
from hwctl.emulator.converter import Converter
from hwctl.protocol.cells import CELL, as_words
from hwctl.protocol.codes import ADC_BITS, MAX_LEVELS, NO_CURRENT, PULSE_SHAPES
from hwctl.protocol.packing import Region

#: From this batch on, a float64 matrix product is faster than the loops; it is exact, as sums stay below 2**53.
MATMUL_BATCH = 8

Int64 = NDArray[np.int64]


class EmulatedArray:
    """Cells of one chip and the tables that move them."""

    def __init__(self, chip: Chip, seed: int, converter: Converter | None = None) -> None:
        """Take a chip; `seed` (64 bits) is the key of all noise. converter: of fewer bits, for `read` and `convert`."""
        self._converter = converter
        self.rows, self.cols = chip.rows, chip.cols
        self._cells = np.array(chip.cells.reshape(-1), CELL)
        self.words = as_words(self._cells)
        self.visible = np.zeros((chip.rows, chip.cols), np.uint16)
        self.tables = np.zeros((2, MAX_LEVELS, 129), np.int64)
        self.shapes = np.zeros((PULSE_SHAPES, 2), np.int64)
        self._settings = np.zeros(len(kernels.SETTINGS), np.int64)
        self._totals = np.zeros(3, np.int64)
        self._set("cols", chip.cols)
        self._set("write", chip.write_code)
        self._set("read", chip.read_code)
        self._set("vmm", chip.read_code)
        for polarity, name in enumerate(("set", "reset")):
            self._set(name, len(chip.curves[polarity]))
            for level, curve in enumerate(chip.curves[polarity]):
                self.load_curve(polarity, level, curve)
        self.seed(seed)

    def _set(self, name: str, value: int) -> None:
        self._settings[kernels.SETTINGS[name]] = value

    def seed(self, seed: int) -> None:
        """Set the key of all noise, 64 bits."""
        self._set("key0", seed & 0xFFFFFFFF)
        self._set("key1", seed >> 32 & 0xFFFFFFFF)
        self.refresh(Region(0, self.rows, 0, self.cols))

    def load_curve(self, polarity: int, level: int, curve: Curve) -> None:
        """Replace the step curve of a drive level."""
        self.tables[polarity, level, :64] = curve.mean
        self.tables[polarity, level, 64:128] = curve.sigma
        self.tables[polarity, level, 128] = curve.shift

    def set_shape(self, index: int, level: int, width: int) -> None:
        """Make pulse shape `index` a drive level of `width` time codes."""
        self.shapes[index] = level, width

    def cells(self, region: Region) -> NDArray[np.void]:
        """Return a view (rows, cols) of cells; call `refresh` after a change."""
        return self._cells.reshape(self.rows, self.cols)[region.row0 : region.row1, region.col0 : region.col1]

    def counts(self, region: Region) -> NDArray[np.uint32]:
        """Return a copy of the pulse counters of a region."""
        return np.array(self.cells(region)["count"], np.uint32)

    def refresh(self, region: Region) -> None:
        """Bring the visible codes up to date with changed cells."""
        kernels.refresh_region(self.words, self.visible, *region, self._settings)

    def pulse(
        self,
        region: Region,
        counts: NDArray[np.int8],
        set_shapes: NDArray[np.uint8],
        reset_shapes: NDArray[np.uint8],
        strides: tuple[int, int],
    ) -> Int64:
        """Apply signed counts. Returns SET pulses, RESET pulses and busy time codes."""
        totals = self._totals
        totals[:] = 0
        kernels.pulse_region(
            self.words, self.visible, counts, region.row0, region.col0, set_shapes, reset_shapes, *strides,
            self.shapes, self.tables, self._settings, totals,
        )  # fmt: skip
        return totals

    def pulse_cells(
        self, rows: NDArray[np.uint16], cols: NDArray[np.uint16], counts: NDArray[np.int8], shapes: tuple[int, int]
    ) -> Int64:
        """Apply signed counts to listed cells. Returns SET pulses, RESET pulses and busy time codes."""
        totals = self._totals
        totals[:] = 0
        kernels.pulse_cells(
            self.words, self.visible, rows, cols, counts, *shapes, self.shapes, self.tables, self._settings, totals
        )
        return totals

    def outer(
        self,
        region: Region,
        x: NDArray[np.int8],
        d: NDArray[np.int8],
        slots: int,
        seed: int,
        event: int,
        shapes: tuple[int, int],
    ) -> Int64:
        """Apply outer products, in count mode where slots is 0. Returns SET and RESET pulses."""
        totals = self._totals
        totals[:] = 0
        levels = (self.shapes[shapes[0], 0], self.shapes[shapes[1], 0])
        kernels.outer(
            self.words, self.visible, region.row0, region.col0, x, d, slots, seed, event, levels, self.tables,
            self._settings, totals,
        )  # fmt: skip
        return totals

    def read(
        self, visible: NDArray[Any], region: Region, voltage: int, averages_log2: int, tia_range: int, index: int
    ) -> NDArray[np.uint16]:
        """Read a region of conductance codes `visible`: the array's own, or what analog layers make of them (int64)."""

        def mean(averages_log2: int, index: int) -> NDArray[np.uint16]:
            out = np.empty(region.shape, np.uint16)
            kernels.read_region(
                visible, region.row0, region.col0, voltage, averages_log2, tia_range, index, self._settings, out
            )
            return out

        if self._converter is None:
            return mean(averages_log2, index)
        return self._converter.reading(partial(mean, 0), averages_log2, tia_range, index)

    def sums(self, region: Region, vectors: NDArray[np.int8] | NDArray[np.int16], transposed: bool) -> Int64:
        """Return exact sums of input times conductance code, (batch, sensed lines)."""
        row0, row1, col0, col1 = region
        if len(vectors) >= MATMUL_BATCH:
            block = self.visible[row0:row1, col0:col1].astype(np.float64)
            product = vectors.astype(np.float64) @ (block.T if transposed else block)
            return product.astype(np.int64)
        if transposed:
            sums = np.empty((len(vectors), row1 - row0), np.int64)
            kernels.column_sums(self.visible, row0, col0, row1 - row0, vectors, sums)
        else:
            sums = np.zeros((len(vectors), col1 - col0), np.int64)
            kernels.row_sums(self.visible, row0, col0, col1 - col0, vectors, sums)
        return sums

    def vmm(
        self,
        region: Region,
        vectors: NDArray[np.int8] | NDArray[np.int16],
        by_row: bool,
        voltage: int,
        tia_range: int,
        index: int,
    ) -> tuple[NDArray[np.int16], int]:
        """Return noisy converter codes (batch, sensed lines) of inputs, and how many saturated."""
        row0, row1, col0, col1 = region
        if len(vectors) >= MATMUL_BATCH:
            scale = 7 if vectors.itemsize == 1 else 15
            sums = self.sums(region, vectors, by_row)
            return self.convert(sums, row0 if by_row else col0, by_row, voltage, scale, tia_range, index)
        out = np.empty((len(vectors), row1 - row0 if by_row else col1 - col0), np.int16)
        saturated = kernels.vmm(
            self.visible, row0, col0, vectors, by_row, voltage, tia_range, index, self._settings, out
        )
        return out, saturated

    def convert(
        self, sums: Int64, line0: int, by_row: bool, voltage: int, scale: int, tia_range: int, index: int
    ) -> tuple[NDArray[np.int16], int]:
        """Turn sums into noisy converter codes, NO_CURRENT beyond its signed 12 bits; and say how many saturated."""
        out = np.empty(sums.shape, np.int16)
        saturated = kernels.convert_sums(sums, line0, by_row, voltage, scale, tia_range, index, self._settings, out)
        if self._converter is None:
            return out, saturated
        rounded = self._converter.current_codes(out)
        return rounded, int(np.count_nonzero(rounded == NO_CURRENT))

    def write_verify(
        self,
        region: Region,
        targets: NDArray[np.uint16],
        tolerance: int,
        attempts: int,
        averages_log2: int,
        ramps: Int64,
        voltage: int,
        index: int,
    ) -> Int64:
        """Run the write-verify loop. Returns (rows, cols, 6): see kernels.write_verify_cell."""
        out = np.zeros((*region.shape, 6), np.int64)
        kernels.write_verify_region(
            self.words, self.visible, region.row0, region.col0, targets, tolerance, attempts, averages_log2, ramps,
            voltage, index, self.shapes, self.tables, self._settings, out,
        )  # fmt: skip
        return out

    def form(
        self, region: Region, attempts: int, stop: int, averages_log2: int, ramp: Int64, voltage: int, index: int
    ) -> Int64:
        """Run the forming loop. Returns (rows, cols, 4): see kernels.form_region."""
        out = np.zeros((*region.shape, 4), np.int64)
        kernels.form_region(
            self.words, self.visible, region.row0, region.col0, attempts, stop, averages_log2, ramp, voltage, index,
            self.shapes, self._settings, out,
        )  # fmt: skip
        return out


assert ADC_BITS == 12, "the kernels convert to 12 bits"
