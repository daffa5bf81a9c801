"""A program for the array, executed on the software array at the same time: requests, and what they must give."""

import numpy as np
from array_driver import dump, pulse_requests, region_fields

from firmware.port import Operation
from hwctl.emulator.array import EmulatedArray
from hwctl.protocol.codes import OuterMode
from hwctl.protocol.packing import Region

WIDTHS = (1000, 3000)  # time codes of SET and of RESET
SHAPES = (200, 201)


class Mirror:
    """Add requests; `check` compares what the gateware gave."""

    def __init__(self, chip, key):
        self.soft, self.chip = EmulatedArray(chip, key), chip
        self.whole = Region(0, chip.rows, 0, chip.cols)
        self.requests, self.wanted = [], []

    def _add(self, request, results=(), **spent):
        self.requests.append(request)
        self.wanted.append((list(results), {"set_pulses": 0, "reset_pulses": 0, "conversions": 0, "time": 0} | spent))

    def words(self):
        self._add(dump(self.whole), self.soft.words.reshape(-1).tolist())

    def _levels(self, levels):
        for polarity in (0, 1):
            self.soft.set_shape(SHAPES[polarity], levels[polarity], WIDTHS[polarity])
        names = ("set_level", "reset_level", "set_width", "reset_width")
        return dict(zip(names, (*levels, *WIDTHS), strict=True))

    def pulse(self, region, counts, levels, widths):
        """levels, widths: a pair of arrays of the region's shape, for SET and RESET."""
        cells = counts.size
        assert 2 * cells <= 256
        for polarity in (0, 1):
            for n in range(cells):
                level, width = levels[polarity].reshape(-1)[n], widths[polarity].reshape(-1)[n]
                self.soft.set_shape(n + cells * polarity, level, width)
        shapes = np.arange(2 * cells, dtype=np.uint8).reshape(2, -1)
        ups, downs, time = self.soft.pulse(region, counts, shapes[0], shapes[1], (counts.shape[1], 1)).tolist()
        requests = pulse_requests(region, counts, widths, levels)
        for request in requests[:-1]:
            self._add(request)
        self._add(requests[-1], set_pulses=ups, reset_pulses=downs, time=time)

    def cell(self, row, col, count, levels):
        fields = {"row0": row, "col0": col, "count": count & 0xFF, **self._levels(levels)}
        at = np.array([row], np.uint16), np.array([col], np.uint16), np.array([count], np.int8)
        ups, downs, time = self.soft.pulse_cells(*at, SHAPES).tolist()
        self._add((Operation.PULSE_CELL, fields, []), set_pulses=ups, reset_pulses=downs, time=time)

    def outer(self, region, x, d, mode, slots, seed, event, levels):
        counting = mode == OuterMode.COUNT
        fields = {
            **region_fields(region), "coincidence": not counting, "slots": slots, "seed": seed, "event": event,
            **self._levels(levels),
        }  # fmt: skip
        ups, downs, _ = self.soft.outer(
            region, x[None], d[None], 0 if counting else slots, seed, event, SHAPES
        ).tolist()
        trains = int(np.abs(x.astype(int)).sum() * np.abs(d.astype(int)).max()) if counting else slots
        request = (Operation.OUTER, fields, [*x.tolist(), *d.tolist()])
        self._add(request, set_pulses=ups, reset_pulses=downs, time=trains * sum(WIDTHS))

    def read(self, region, voltage, averages_log2, tia_range, index, settle=7):
        fields = {
            **region_fields(region), "averages_log2": averages_log2, "tia_range": tia_range, "voltage": voltage,
            "settle": settle, "index": index,
        }  # fmt: skip
        wanted = self.soft.read(self.soft.visible, region, voltage, averages_log2, tia_range, index)
        per_row = region.rows << averages_log2
        spent = {"conversions": per_row * region.cols, "time": per_row * settle}
        self._add((Operation.READ, fields, []), wanted.reshape(-1).tolist(), **spent)

    def vmm(self, region, vector, transposed, voltage, tia_range, index, settle=7):
        fields = {
            **region_fields(region), "transposed": transposed, "wide": vector.itemsize == 2, "tia_range": tia_range,
            "voltage": voltage, "settle": settle, "index": index,
        }  # fmt: skip
        wanted, _ = self.soft.vmm(region, vector[None], transposed, voltage, tia_range, index)
        results = [int(code) & 0xFFFF for code in wanted[0]]
        self._add((Operation.VMM, fields, vector.tolist()), results, conversions=len(results), time=settle)

    def check(self, answers):
        for n, (request, (results, spent), answer) in enumerate(zip(self.requests, self.wanted, answers, strict=True)):
            where = f"request {n}: {request[0].name} {request[1]}"
            assert answer["results"] == results, where
            assert answer["spent"] == spent, where
