"""Half-select voltages at the pins: what a passive array's cells get while one of them is pulsed, and how long."""

import numpy as np
import pytest
from analog_bench import Bench, conductances
from board_files import PASSIVE, UNGATED, loaded

from firmware.analog.buildable import check_buildable
from firmware.port import Operation
from hwctl.protocol.codes import HalfSelect, Polarity

QUICK = {**UNGATED, "times.sense_settle_s": [2e-6] * 4}
WIDTH = 23  # clocks
SHARES = {HalfSelect.V_HALF: (1 / 2, 0.0), HalfSelect.V_THIRD: (1 / 3, -1 / 3)}
"""Of the voltage: what cells get that share a line with the one that is pulsed, and what all others do."""
TWO_CHAINS = {
    "switches": [
        {"name": "row_drive", "part": "74HC595", "chips": 1, "closes_at": "high"},
        {"name": "col_drive", "part": "74HC595", "chips": 1, "closes_at": "high"},
        {"name": "ground", "part": "74HC595", "chips": 2, "closes_at": "low"},
        {"name": "tia", "part": "74HC595", "chips": 2, "closes_at": "high"},
    ],
    "lines.row.drive": [f"row_drive.{n}" for n in range(8)],
    "lines.col.drive": [f"col_drive.{n}" for n in range(8)],
    "power_up.pull_ups": ["row_drive.enable", "col_drive.enable", "ground.enable", "tia.enable"],
    "power_up.pull_downs": ["row_drive.outputs", "col_drive.outputs", "ground.outputs", "tia.outputs"],
}


@pytest.fixture
def board(tmp_path):
    return loaded(PASSIVE, QUICK, tmp_path)


def wanted(board, scheme, polarity, row, col, level=0):
    """Return the V of each cell, row against column."""
    pulse = board.pulses[polarity]
    volts = pulse.levels[level].amplitude * (1 if pulse.side == "row" else -1)
    sharing, others = SHARES[scheme]
    found = np.full((len(board.rows), len(board.cols)), others * volts)
    found[row], found[:, col] = sharing * volts, sharing * volts
    found[row, col] = volts
    return found


def taken(bench, width=WIDTH):
    """Return the V that each cell got in one stretch of so many clocks, the same for all, and forget it."""
    applied, ends = bench.physical.applied, bench.ends
    bench.physical.applied, bench.ends = [], []
    assert len(set(ends)) == 1
    assert {one.clocks for one in applied} == {width}
    assert len({(one.row, one.col) for one in applied}) == len(applied)
    found = np.zeros(bench.physical.g.shape)
    for one in applied:
        found[one.row, one.col] = one.volts
    return found


def same(board, found, expected):
    np.testing.assert_allclose(found, expected, atol=2 * float(board.rows[0].transfer.step))
    sign = np.sign(expected.ravel()[np.abs(expected).argmax()])
    assert np.abs(found).max() == (sign * found).max()  # the selected cell's, of its polarity
    assert (np.abs(found) == np.abs(found).max()).sum() == 1


def count_of(polarity, number=1):
    return number if polarity == Polarity.SET else -number


@pytest.mark.parametrize("scheme", SHARES)
@pytest.mark.parametrize("polarity", [Polarity.SET, Polarity.RESET])
def test_one_cell_gets_the_pulse_and_others_their_share_in_the_same_clocks(board, scheme, polarity):
    bench, seen = Bench(board, conductances(board)), {}
    level = len(board.levels(polarity)) - 1

    async def script(b):
        for cell in ((0, 0), (2, 7), (7, 3)):
            await b.pulse_cell(*cell, count_of(polarity), level, WIDTH, half_select=scheme)
            seen[cell] = taken(b)
        assert b.ctx.get(b.array.trips) == 0

    bench.run(script)
    for cell, found in seen.items():
        same(board, found, wanted(board, scheme, polarity, *cell, level))


def test_codes_that_are_read_back_give_the_same_pulses(tmp_path):
    board = loaded(PASSIVE, {**QUICK, "dac.0.readback": True}, tmp_path)
    bench, seen, told = Bench(board, conductances(board)), [], []

    async def script(b):
        await b.pulse_cell(2, 7, 1, 0, WIDTH, half_select=HalfSelect.V_HALF)
        words = b.words
        seen.append(taken(b))
        told.append(await b.read((2, 3), (0, 8)))
        told.append(b.ctx.get(b.array.trips))
        assert words > 2 * 15  # each line's code, and a question for each

    bench.run(script)
    same(board, seen[0], wanted(board, HalfSelect.V_HALF, Polarity.SET, 2, 7))
    readings, trips = told
    assert trips == 0
    assert len(set(readings[0])) == len(board.cols)


def test_rows_and_columns_may_hang_on_chains_of_their_own(tmp_path):
    board = loaded(PASSIVE, {**QUICK, **TWO_CHAINS}, tmp_path)
    check_buildable(board)
    bench, seen = Bench(board, conductances(board)), {}

    async def script(b):
        for polarity in (Polarity.SET, Polarity.RESET):
            await b.pulse_cell(1, 4, count_of(polarity), 0, WIDTH, half_select=HalfSelect.V_THIRD)
            seen[polarity] = taken(b)

    bench.run(script)
    for polarity, found in seen.items():
        same(board, found, wanted(board, HalfSelect.V_THIRD, polarity, 1, 4))


def test_lines_at_ground_leave_all_cells_alone_that_share_no_driven_line(tmp_path):
    board = loaded(PASSIVE, {**QUICK, "board.half_select": ["grounded", "v/2"]}, tmp_path)
    bench, seen = Bench(board, conductances(board)), {}

    async def script(b):
        for scheme in board.half_select:
            await b.pulse_cell(3, 5, 1, 0, WIDTH, half_select=scheme)
            seen[scheme] = taken(b)

    bench.run(script)
    same(board, seen[HalfSelect.V_HALF], wanted(board, HalfSelect.V_HALF, Polarity.SET, 3, 5))
    volts = seen[HalfSelect.GROUNDED]  # of connected cells: columns that are not selected are open
    assert np.argwhere(volts).tolist() == [[3, 5]]
    assert volts[3, 5] == pytest.approx(board.levels(Polarity.SET)[0].amplitude, abs=2e-3)


def test_a_region_gets_its_counts_in_few_words_and_lines_are_at_rest_again(board):
    bench, counts = Bench(board, conductances(board)), np.array([[2, 1, 0, 3]])
    words = []

    async def script(b):
        region = {"row0": 2, "row1": 3, "col0": 1, "col1": 5, "half_select": HalfSelect.V_HALF}
        await b.ask(Operation.COUNTS, counts.ravel().tolist(), **region)
        for polarity in (Polarity.SET, Polarity.RESET):
            await b.ask(Operation.DRIVES, [WIDTH] * counts.size, polarity=int(polarity), **region)
        before = b.words
        await b.ask(Operation.PULSE, **region)
        words.append(b.words - before)
        assert b.ctx.get(b.array.port.rows_done) == 1
        assert b.ctx.get(b.array.trips) == 0

    bench.run(script)
    got, most = np.zeros((8, 8), int), 0.75 * board.levels(Polarity.SET)[0].amplitude
    for one in bench.physical.applied:
        assert one.clocks == WIDTH
        got[one.row, one.col] += abs(one.volts) > most
    np.testing.assert_array_equal(got[2:3, 1:5], counts)
    assert got.sum() == counts.sum()
    # All lines but the returned one, there and back, and two for each further cell.
    assert words == [15 + 2 * 2 + 15]
    for line in board.lines:
        assert bench.physical.dacs[line.dac.part].codes[line.dac.number] == line.transfer.zero


def test_cells_are_read_between_pulses(board):
    g = conductances(board)
    bench, found = Bench(board, g), []

    async def script(b):
        for scheme in SHARES:
            await b.pulse_cell(6, 2, -2, 0, WIDTH, half_select=scheme)
            found.append((await b.read((6, 7), (0, 8)))[0])
        assert b.ctx.get(b.array.trips) == 0

    bench.run(script)
    siemens = board.codes.scales.siemens
    step = 2 ** max(one.number for one in board.codes.ranges if one.number <= 4) * siemens
    for row in found:
        np.testing.assert_allclose(row * siemens, g[6], atol=1.1 * step)


@pytest.mark.parametrize("polarity", [Polarity.SET, Polarity.RESET])
def test_safe_cuts_the_voltage_of_all_cells_together_and_the_next_pulse_is_whole(board, polarity):
    bench, seen = Bench(board, conductances(board)), []
    scheme = HalfSelect.V_THIRD

    async def script(b):
        async def safe():
            await b.ctx.tick().until(b.array.sequencer.fired)
            await b.ctx.tick().repeat(20)
            b.ctx.set(b.array.safe, 1)

        count = count_of(polarity, 5) & 0xFF
        b.ctx.set(b.array.port.request, {
            "operation": Operation.PULSE_CELL, "row0": 1, "row1": 2, "col0": 3, "col1": 4, "count": count,
            "set_width": 400, "reset_width": 400, "half_select": scheme,
        })  # fmt: skip
        b.ctx.set(b.array.port.start, 1)
        await b.ctx.tick()
        b.ctx.set(b.array.port.start, 0)
        await safe()
        await b.ctx.tick().repeat(b.array.guard.parameters.rest_clocks)
        assert b.ctx.get(b.array.resting)
        assert {b.physical.volts(line) for line in board.lines} == {0.0}
        await b.ctx.tick().until(~b.array.port.busy)
        cut = b.physical.applied[0].clocks
        assert 18 <= cut <= 24
        seen.append(taken(b, cut))
        b.ctx.set(b.array.safe, 0)
        await b.ctx.tick().until(b.array.guard.running)
        await b.pulse_cell(1, 3, count_of(polarity), 0, WIDTH, half_select=scheme)
        seen.append(taken(b))

    bench.run(script)
    for found in seen:
        same(board, found, wanted(board, scheme, polarity, 1, 3))


def test_a_region_without_a_pulse_drives_nothing_also_as_the_first_request(board):
    bench = Bench(board, conductances(board))

    async def script(b):
        region = {"row0": 1, "row1": 3, "col0": 2, "col1": 4, "half_select": HalfSelect.V_HALF}
        await b.ask(Operation.COUNTS, [0] * 4, **region)
        before = b.words
        await b.ask(Operation.PULSE, **region)
        assert b.words == before  # of the DACs
        assert b.ctx.get(b.array.port.rows_done) == 2
        assert not b.pulses()
        assert b.ctx.get(b.array.trips) == 0

    bench.run(script)
