"""Commands over a UART to the pins of a board's parts and back: the right cell, the right way, and nothing else."""

from contextlib import suppress

import numpy as np
import pytest

from firmware.analog.boardfile import BoardFile
from firmware.simulation.analogboard import AnalogSimulation, ModelPort
from firmware.simulation.chips import ChipError
from hwctl.crossbar.driver import Crossbar
from hwctl.errors import BoardError
from hwctl.links.bytelink import ByteLink
from hwctl.protocol import commands, replies
from hwctl.protocol.codes import Polarity, ShapePer, Trip
from tests.firmware.analog.board_files import changed
from tests.firmware.simulation.analog_boards import BOARDS, GATED, board_file

pytestmark = pytest.mark.slow  # models are compiled

DARK, BRIGHT = 5e-6, 30e-6  # S


class Rig:
    """A board in this process, and the driver of its array."""

    def __init__(self, file, wired=None):
        self.board = BoardFile.load(file)
        self.simulation = AnalogSimulation(self.board, 1, wired=wired)
        self.crossbar = Crossbar(ByteLink.connect(ModelPort(self.simulation), "a simulated board"))
        self.cells = self.simulation.cells
        self.shapes = [self.crossbar.drive_levels(polarity)[-1] for polarity in (Polarity.SET, Polarity.RESET)]

    def light(self, row, col):
        """Let one cell conduct well, and all others badly."""
        self.cells.g[:] = DARK
        self.cells.g[row, col] = BRIGHT

    def seen(self):
        """Return the cells that are read as bright ones."""
        return np.argwhere(self.crossbar.read() > (DARK + BRIGHT) / 2).tolist()

    def close(self):
        with suppress(ChipError):  # of a board that is not wired as its file says
            self.crossbar.close()
        self.simulation.close()


@pytest.fixture
def rig(tmp_path):
    """Return a function that makes a rig of one of BOARDS; wrong: changes of how the parts are really wired."""
    made = []

    def make(name, wrong=None):
        file = board_file(name, tmp_path)
        source, changes = BOARDS[name]
        (tmp_path / "wired").mkdir(exist_ok=True)
        wired = None if wrong is None else BoardFile.load(changed(source, changes | wrong, tmp_path / "wired"))
        made.append(Rig(file, wired))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("name", ["1t1r", "passive"])
def test_each_cell_alone_is_read_where_it_is(rig, name):
    r = rig(name)
    for cell in np.ndindex(r.cells.g.shape):
        r.light(*cell)
        assert r.seen() == [list(cell)]


@pytest.mark.parametrize("name", ["1t1r", "passive"])
def test_each_cell_alone_is_pulsed_where_it_is_with_its_polarity(rig, name):
    r = rig(name)
    expected = np.zeros_like(r.cells.pulses)
    for n, (row, col) in enumerate(np.ndindex(r.cells.g.shape)):
        count = 1 if n % 2 else -1
        counts = np.zeros(r.cells.g.shape, np.int8)
        counts[row, col] = count
        r.crossbar.pulse(counts, *r.shapes)
        expected[Polarity.SET if count > 0 else Polarity.RESET, row, col] += 1
        np.testing.assert_array_equal(r.cells.pulses, expected)


def test_a_product_lights_the_column_of_each_cell(rig):
    r = rig("1t1r")
    for row, col in np.ndindex(r.cells.g.shape):
        r.light(row, col)
        volts = np.zeros((2, len(r.board.rows)))
        volts[:, row] = 0.15, -0.15
        found = r.crossbar.vmm(volts)
        dark = np.full(len(r.board.cols), DARK)
        dark[col] = BRIGHT
        np.testing.assert_allclose(found, np.outer([0.15, -0.15], dark), atol=0.15 * 4e-6)


SWAPPED = {f"lines.row.drive.{n}": GATED["lines.row.drive"][1 - n] for n in (0, 1)}


def test_drives_of_two_rows_that_are_swapped_on_the_board_are_seen(rig):
    r = rig("1t1r", SWAPPED)
    r.light(0, 2)
    with pytest.raises(ChipError, match="driven and at ground"):
        r.seen()


def test_columns_that_are_swapped_on_the_board_are_seen(rig):
    entries = GATED["lines.col.adc"]
    r = rig("1t1r", {"lines.col.adc": [entries[1], entries[0], *entries[2:]]})
    r.light(3, 0)
    assert r.seen() == [[3, 1]]


def test_an_output_stage_that_inverts_on_the_board_is_seen(rig):
    r = rig("1t1r", {"lines.row.volts_per_volt": -1.28, "lines.row.zero_code": 3583})
    with pytest.raises(ChipError, match="no drive level"):
        r.crossbar.pulse(np.ones(r.cells.g.shape, np.int8), *r.shapes)


def test_a_host_that_falls_silent_in_a_pulse_leaves_the_board_tripped_and_at_rest(rig):
    r = rig("ideal")
    model, codes = r.simulation.model, r.board.codes
    numbers = (np.array([one.number], np.uint8) for one in r.shapes)
    counts = np.full(r.cells.g.shape, 127, np.int8)
    command = commands.Pulse(r.crossbar.region(slice(None)), counts, ShapePer.COMMAND, *numbers)
    r.crossbar.port.post(command, replies.Pulsed)  # sent, and not waited for
    before = model.cycles
    while not model.tripped and model.cycles - before < 3 * codes.silence:
        model.run(1000)
    assert codes.silence < model.cycles - before < 2 * codes.silence
    assert 0 < r.cells.pulses[Polarity.SET].sum() < counts.sum()
    model.run(codes.rest_clocks)
    assert model.resting
    assert model.worst_rest <= codes.rest_clocks
    with pytest.raises(BoardError, match="aborted by SAFE, or by a trip"):
        r.crossbar.status()
    assert r.crossbar.status().trips == Trip.SILENCE


def test_a_trip_is_named_in_the_hosts_error_and_ends_with_safe(rig):
    r = rig("ideal")
    limit = 300
    r.crossbar.narrow_limits(pulses=limit)
    counts = np.zeros(r.cells.g.shape, np.int8)
    counts[1, 1] = 100
    for _ in range(3):
        r.crossbar.pulse(counts, *r.shapes)
    with pytest.raises(BoardError, match="BUDGET"):
        r.crossbar.pulse(counts, *r.shapes)
    assert r.cells.pulses[Polarity.SET, 1, 1] == limit
    assert r.crossbar.status().trips == Trip.BUDGET
    r.crossbar.safe()
    assert not r.crossbar.status().trips


@pytest.mark.parametrize("line", ["dac_sdi", "dac_sclk", "dac_sync_n", "dac_sdo"])
@pytest.mark.parametrize("level", [0, 1])
def test_a_line_of_the_dacs_that_is_stuck_is_named_before_a_cell_gets_anything(rig, line, level):
    r = rig("ideal")
    model, before = r.simulation.model, r.cells.g.copy()
    counts = np.ones(r.cells.g.shape, np.int8)
    model.lenient = True
    model.stick(line, level)
    with pytest.raises(BoardError, match=r"READBACK \(a DAC does not hold"):
        r.crossbar.pulse(counts, *r.shapes)
    r.crossbar.safe()  # does not help: nothing moves while the line is stuck
    with pytest.raises(BoardError, match=r"READBACK|does not drive lines"):
        r.crossbar.read()
    assert r.cells.pulses.sum() == 0
    np.testing.assert_array_equal(r.cells.g, before)
    model.stick(None)
    model.run(20_000)
    r.crossbar.safe()
    model.run(20_000)
    model.lenient = False
    r.crossbar.pulse(counts, *r.shapes)
    np.testing.assert_array_equal(r.cells.pulses[Polarity.SET], counts)


def test_a_dac_that_does_not_answer_at_power_up_trips_at_rest(rig):
    r = rig("ideal")
    r.simulation.reset()
    model = r.simulation.model
    model.stick("dac_sdo")
    model.run(20_000)
    assert (model.tripped, model.resting) == (True, True)
