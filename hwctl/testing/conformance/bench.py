"""A board on the bench: its commands as they are, and what they changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from hwctl.crossbar import Crossbar, PulseShape
from hwctl.errors import LimitError
from hwctl.protocol import codes, commands, replies
from hwctl.protocol.cells import CELL, GAIN_ONE, as_words, from_words
from hwctl.protocol.codes import Feature, HalfSelect, OuterMode, Polarity, Refusal, ShapePer
from hwctl.protocol.commands import Command
from hwctl.protocol.packing import Ramp, Region
from hwctl.protocol.replies import Reply

_Reply = TypeVar("_Reply", bound=Reply)
Int64 = NDArray[np.int64]

SET, RESET, FORM = Polarity.SET, Polarity.RESET, Polarity.FORM
UNDEFINED = 254
"""A pulse shape that neither this suite nor the driver ever defines."""
LARGEST_BLOCK = (3, 4)
"""Cells that single commands of this suite work on; not square, so that rows and columns cannot be mixed up."""


class Seen(NamedTuple):
    """All that a command may change and that can be seen without driving a line."""

    set_pulses: int
    reset_pulses: int
    reads: int
    busy: int
    safe: int
    counters: bytes
    """Of the whole array; empty where the board has none."""
    words: bytes
    """Cells of the block; empty where the board is not emulated."""


class Bench:
    """One board under test."""

    def __init__(self, crossbar: Crossbar) -> None:
        """Take an open crossbar."""
        self.crossbar = crossbar
        self.port = crossbar.port
        self.link = crossbar.port.link
        self.url = self.link.url
        self.identity = crossbar.identity
        self.rows, self.cols = crossbar.rows, crossbar.cols
        self.whole = Region(0, self.rows, 0, self.cols)
        height, width = min(LARGEST_BLOCK[0], self.rows), min(LARGEST_BLOCK[1], self.cols)
        volts, amperes = self.identity.volts_per_code, self.identity.amperes_per_code
        highest = self.port.limits.holds.max_read
        self.voltage = min(round(amperes / (self.identity.siemens_per_code * volts)), highest)
        """Read voltage code at which a current code is a conductance code, where the limits allow it."""
        crossbar.configure_read(self.voltage * volts)
        self.coarsest = int(self.identity.tia_ranges[-1])
        """TIA range that holds the largest currents."""
        self.block = Region(self.rows - height, self.rows, self.cols - width, self.cols)
        """The last rows and columns: what counts from the region's first line instead of the array's shows here."""

    def has(self, feature: Feature) -> bool:
        """Return whether the board has a feature."""
        return self.crossbar.has(feature)

    @property
    def emulated(self) -> bool:
        """Whether cells can be loaded and dumped."""
        return self.has(Feature.EMULATED)

    @cached_property
    def exact(self) -> bool:
        """Whether the cell law decides on every bit: emulated, and without layers beside the cells."""
        return self.emulated and self.done(commands.Dump(self.block), replies.Dumped).extra.size == 0

    def need_exact(self) -> None:
        """Skip where values are not decided to the bit."""
        if not self.emulated:
            pytest.skip(f"{self.url} lacks EMULATED: its values cannot be known")
        if not self.exact:
            pytest.skip(f"{self.url} has analog layers, which are outside bit parity")

    # -- commands ------------------------------------------------------------------------------------------------

    def execute(self, command: Command) -> Reply:
        """Send a command and return whatever is replied."""
        return self.link.execute(command)

    def done(self, command: Command, kind: type[_Reply]) -> _Reply:
        """Send a command that must be answered with a reply of one kind."""
        reply = self.execute(command)
        assert isinstance(reply, kind), f"{command.op.name} was answered with {reply}"
        return reply

    def refused(self, command: Command, *allowed: Refusal) -> None:
        """Send a command that must be refused for one of the reasons allowed, in one line, with nothing executed.

        A byte link raises LimitError where no board allows the command: then it was not sent at all.
        """
        before = self.seen()
        try:
            reply = self.execute(command)
        except LimitError:
            with pytest.raises(LimitError):
                command.check()
        else:
            assert isinstance(reply, replies.Refused), f"{command.op.name} was answered with {reply}"
            assert reply.refusal in allowed, f"refused as {reply.refusal.name}: {reply.detail}"
            assert "\n" not in reply.detail
        assert self.seen() == before, f"{command.op.name} was refused, and something of it executed"

    def status(self) -> replies.BoardStatus:
        """Return totals and times."""
        return self.done(commands.Status(), replies.BoardStatus)

    def pulses(self) -> Int64:
        """Return totals of SET and of RESET pulses since power-up."""
        status = self.status()
        return np.array([status.set_pulses, status.reset_pulses])

    def seen(self) -> Seen:
        """Return all that can be seen without driving a line."""
        status = self.status()
        counters = self.crossbar.pulse_counts().tobytes() if self.has(Feature.COUNTERS) else b""
        words = self.words().tobytes() if self.emulated else b""
        totals = status.set_pulses, status.reset_pulses, status.reads
        return Seen(*totals, status.busy, status.safe, counters, words)

    # -- counters and cells --------------------------------------------------------------------------------------

    def counts(self) -> Int64:
        """Return the pulses of every cell of the array so far; skips where the board does not say."""
        if self.has(Feature.COUNTERS):
            return self.crossbar.pulse_counts()
        if self.emulated:
            return from_words(self.crossbar.dump().words)["count"].astype(np.int64).reshape(self.rows, self.cols)
        pytest.skip(f"{self.url} lacks COUNTERS and EMULATED: pulses of a cell cannot be seen")

    def of_array(self, values: ArrayLike, region: Region) -> Int64:
        """Return values (rows, cols) of a region in an array of zeros."""
        placed = np.zeros((self.rows, self.cols), np.int64)
        placed[region.row0 : region.row1, region.col0 : region.col1] = values
        return placed

    def words(self, region: Region | None = None) -> NDArray[np.uint16]:
        """Return the cells of a region (default: the block) of an emulated board as (cells, words)."""
        return self.done(commands.Dump(region or self.block), replies.Dumped).words

    def cells(self) -> NDArray[np.void]:
        """Return the cells of the block of an emulated board, (rows, cols)."""
        return from_words(self.words()).reshape(self.block.shape)

    def load(self, cells: NDArray[Any]) -> None:
        """Load the cells of the block, as words or records."""
        words = cells if cells.dtype == np.uint16 else as_words(np.ascontiguousarray(cells))
        self.done(commands.LoadCells(self.block, words), replies.Done)

    @contextmanager
    def loaded(self, cells: NDArray[Any]) -> Iterator[None]:
        """Put cells into the block of an emulated board for a while."""
        before = self.words().copy()
        self.load(cells)
        try:
            yield
        finally:
            self.load(before)

    def graded(self, lowest: int = 4000, highest: int = 60000) -> NDArray[np.void]:
        """Return cells for the block that span all codes, without defects, at codes from `lowest` to `highest`."""
        cells = np.zeros(self.block.shape, CELL)
        cells["span"] = 0xFFFF
        cells["gain_set"] = cells["gain_reset"] = GAIN_ONE
        cells["state"] = np.linspace(lowest, highest, cells.size).astype(np.uint16).reshape(cells.shape)
        return cells

    # -- pulse shapes --------------------------------------------------------------------------------------------

    @cached_property
    def sets(self) -> list[PulseShape]:
        """SET shapes of every drive level, weak to strong; skips where there are none."""
        return self._levels(SET)

    @cached_property
    def resets(self) -> list[PulseShape]:
        """RESET shapes of every drive level, weak to strong; skips where there are none."""
        return self._levels(RESET)

    def _levels(self, polarity: Polarity) -> list[PulseShape]:
        found = self.crossbar.drive_levels(polarity)
        if not found:
            pytest.skip(f"{self.url} names no drive level of {polarity.name} in IDENTIFY")
        return found

    @cached_property
    def pair(self) -> tuple[int, int]:
        """Numbers of the strongest SET and RESET shape."""
        return self.sets[-1].number, self.resets[-1].number

    @cached_property
    def form_shape(self) -> int:
        """Number of a FORM shape, the strongest that is found; skips where there is none."""
        number = 250
        levels = [level[1:] for level in self.identity.drive_levels.tolist() if level[0] == FORM]
        decades = [10**n for n in range(10) if 10**n <= self.identity.max_width]
        highest = max(self.identity.max_form_amplitude, 1)
        tried = levels[::-1] or [(highest, width, 0) for width in decades]
        for amplitude, width, gate in tried:
            if isinstance(self.execute(commands.ConfigureShape(number, FORM, amplitude, width, gate, 0)), replies.Done):
                return number
        pytest.skip(f"{self.url} names no drive level of FORM in IDENTIFY, and none was found at its highest amplitude")

    # -- commands to choose from ---------------------------------------------------------------------------------

    def read(self, index: int = 0, region: Region | None = None, averages_log2: int = 0, tia_range: int = 4) -> Int64:
        """Return readings (rows, cols) of a region (default: the block)."""
        command = commands.Read(region or self.block, averages_log2, tia_range, index)
        return self.done(command, replies.Readings).readings.astype(np.int64)

    def pulse(self, counts: ArrayLike, region: Region | None = None) -> commands.Pulse:
        """Return a PULSE with the strongest shapes; region: default the block."""
        wanted = np.asarray(counts, np.int8)
        shapes = (np.array([number], np.uint8) for number in self.pair)
        return commands.Pulse(region or self.block, wanted, ShapePer.COMMAND, *shapes)

    def sparse(self, places: ArrayLike, counts: ArrayLike) -> commands.PulseSparse:
        """Return a PULSE_SPARSE with the strongest shapes; places (cells, 2) of the array."""
        rows, cols = np.asarray(places, np.uint16).T.copy()
        return commands.PulseSparse(rows, cols, np.asarray(counts, np.int8), *self.pair)

    def outer(
        self, x: ArrayLike, d: ArrayLike, mode: OuterMode = OuterMode.COUNT, slots: int = 1, event: int = 9
    ) -> commands.Outer:
        """Return an OUTER on the block, with the strongest shapes."""
        vectors = np.asarray(x, np.int8), np.asarray(d, np.int8)
        return commands.Outer(self.block, *vectors, mode, slots, 0x1234ABCD, event, *self.pair)

    def verify(self, targets: ArrayLike, tolerance: int, attempts: int, index: int = 0) -> commands.WriteVerify:
        """Return a WRITE_VERIFY of the block with ramps over all drive levels."""
        sets, resets = (
            Ramp(levels[0].number, levels[-1].number, int(len(levels) > 1)) for levels in (self.sets, self.resets)
        )
        wanted = np.broadcast_to(np.asarray(targets, np.uint16), self.block.shape).copy()
        return commands.WriteVerify(self.block, wanted, tolerance, attempts, 1, sets, resets, index)

    def form(self, attempts: int, stop: int = 1000) -> commands.Form:
        """Return a FORM of the block."""
        return commands.Form(self.block, Ramp(self.form_shape, self.form_shape, 0), attempts, stop, 0, 0)

    def configure_read(self, **changes: int) -> commands.ConfigureRead:
        """Return the CONFIGURE_READ that the driver has sent, with changes."""
        usual: dict[str, Any] = {
            "voltage": self.voltage,
            "tia_range": max(one for one in self.identity.tia_ranges.tolist() if one <= codes.MAX_READ_RANGE),
            "settle": 1,
            "half_select": HalfSelect.GROUNDED,
        }
        return commands.ConfigureRead(**(usual | changes))

    def on(self, name: str, region: Region) -> Command:
        """Return a command by name, harmless where its region lies in the array. Skips where it cannot be made."""
        height, width = max(region.rows, 0), max(region.cols, 0)
        counts = np.ones((height, width), np.int8)
        if name in ("PULSE", "OUTER COUNT", "OUTER COINCIDENCE", "WRITE_VERIFY"):
            sets, resets = self.pair
        else:
            sets = resets = 0
        ramps = Ramp(sets, sets, 0), Ramp(resets, resets, 0)
        one = np.array([sets], np.uint8), np.array([resets], np.uint8)
        x, d = np.ones((1, height), np.int8), np.ones((1, width), np.int8)
        events = 1, 0x1234, 7, sets, resets  # slots, seed, event, shapes
        made: dict[str, Any] = {
            "READ": lambda: commands.Read(region, 0, 4, 0),
            "VMM": lambda: commands.Vmm(region, x, self.coarsest, 0),
            "VMM_T": lambda: commands.VmmT(region, d, self.coarsest, 0),
            "MEASURE": lambda: commands.Measure(
                region, np.zeros(height, np.int16), np.zeros(width, np.int16), 0, self.coarsest, 0
            ),
            "PULSE": lambda: commands.Pulse(region, counts, ShapePer.COMMAND, *one),
            "OUTER COUNT": lambda: commands.Outer(region, x, d, OuterMode.COUNT, *events),
            "OUTER COINCIDENCE": lambda: commands.Outer(region, x, d, OuterMode.COINCIDENCE, *events),
            "WRITE_VERIFY": lambda: commands.WriteVerify(
                region, np.zeros((height, width), np.uint16), 0, 0, 0, *ramps, 0
            ),
            "FORM": lambda: commands.Form(region, Ramp(self.form_shape, self.form_shape, 0), 0, 0, 0, 0),
            "COUNTERS": lambda: commands.Counters(region),
            "LOAD_COUNTERS": lambda: commands.LoadCounters(region, self._held(region, "count").astype(np.uint32)),
            "DUMP": lambda: commands.Dump(region),
            "LOAD_CELLS": lambda: commands.LoadCells(region, self._held(region, "words")),
            "RESTORE": lambda: self._restoring(region),
        }
        command: Command = made[name]()
        return command

    def _held(self, region: Region, what: str) -> NDArray[Any]:
        """Return what the board holds of the part of a region that lies in the array, zeros for the rest."""
        inside = Region(
            min(region.row0, self.rows),
            min(region.row1, self.rows),
            min(region.col0, self.cols),
            min(region.col1, self.cols),
        )
        shape = max(region.rows, 0), max(region.cols, 0)
        words = np.zeros((*shape, CELL.itemsize // 2), np.uint16)
        counts = np.zeros(shape, np.int64)
        if inside.rows > 0 and inside.cols > 0:
            if what == "count" and self.has(Feature.COUNTERS):
                counts[: inside.rows, : inside.cols] = self.crossbar.pulse_counts(inside)
            if what == "words" and self.emulated:
                words[: inside.rows, : inside.cols] = self.words(inside).reshape(*inside.shape, -1)
        return counts if what == "count" else words.reshape(-1, CELL.itemsize // 2)

    def _restoring(self, region: Region) -> commands.Restore:
        words = self._held(region, "words")
        if self.emulated and region == self.block:
            dumped = self.done(commands.Dump(region), replies.Dumped)
            return commands.Restore(region, dumped.words, dumped.clock, dumped.extra)
        return commands.Restore(region, words, 0, np.zeros(0, np.uint8))

    # -- comparing -----------------------------------------------------------------------------------------------

    @cached_property
    def noise(self) -> float:
        """Standard deviation of a conversion in current codes, as 32 readings of the block show it; at least 16."""
        readings = np.array([self.read(index) for index in range(1000, 1032)])
        held = (readings != codes.NO_READING).all(axis=0)
        return max(float(readings[:, held].std(axis=0).max(initial=0.0)), 16.0)

    def tolerance(self, values: ArrayLike, conversions: float = 1.0, step: float = 16.0) -> float:
        """Return by how many current codes values may differ that come from as many conversions of one step.

        Noise and steps where the law decides; elsewhere a fifth of the largest as well.
        """
        within = 6.0 * self.noise * conversions**0.5 + 2.0 * step
        return within if self.exact else within + 0.2 * float(np.abs(values).max(initial=0.0))

    def close(self, found: ArrayLike, expected: ArrayLike, conversions: float = 1.0, step: float = 16.0) -> None:
        """Compare current codes within `tolerance`."""
        if np.size(found) == 0:
            pytest.skip(f"every value of {self.url} saturates a converter")
        tolerance = self.tolerance([np.abs(found).max(), np.abs(expected).max()], conversions, step)
        one, other = np.asarray(found, np.float64), np.asarray(expected, np.float64)
        np.testing.assert_allclose(one, other, rtol=0.0, atol=tolerance)


#: Commands that name a region, and the feature that a board needs for each.
REGION_COMMANDS: dict[str, Feature | None] = {
    "READ": None,
    "VMM": Feature.VMM,
    "VMM_T": Feature.VMM_T,
    "MEASURE": Feature.MEASURE,
    "PULSE": None,
    "OUTER COUNT": Feature.OUTER_COUNT,
    "OUTER COINCIDENCE": Feature.OUTER_COINCIDENCE,
    "WRITE_VERIFY": Feature.WRITE_VERIFY,
    "FORM": Feature.FORM,
    "COUNTERS": Feature.COUNTERS,
    "LOAD_COUNTERS": Feature.COUNTERS,
    "DUMP": Feature.EMULATED,
    "LOAD_CELLS": Feature.EMULATED,
    "RESTORE": Feature.RESTORE,
}
#: Those of them that drive a line.
DRIVING = ("READ", "VMM", "VMM_T", "MEASURE", "PULSE", "OUTER COUNT", "OUTER COINCIDENCE", "WRITE_VERIFY", "FORM")
