"""A physical array behind the array port, at the pins of models of its parts: one cell at a time, and nothing else."""

import numpy as np
import pytest
from analog_bench import Bench, conductances
from board_files import FAST, TRANSISTORS, loaded, smaller

from firmware.port import Operation
from hwctl.protocol.codes import NO_CURRENT, NO_READING, CellFlag, Polarity, Trip

SMALL = FAST | smaller(6, 5)


@pytest.fixture
def board(tmp_path):
    return loaded(TRANSISTORS, SMALL, tmp_path)


@pytest.mark.parametrize("polarity", [Polarity.SET, Polarity.RESET])
def test_a_pulse_reaches_its_own_cell_alone_with_its_voltage_polarity_and_length(board, polarity):
    bench, seen = Bench(board, conductances(board)), []
    level = len(board.levels(polarity)) - 1
    wanted, pulse = board.levels(polarity)[level], board.pulses[polarity]
    width = max(wanted.width_ticks % 40, 7)

    async def script(b):
        last = len(board.rows) - 1, len(board.cols) - 1
        for row, col in ((0, 0), (1, last[1]), last, (2, 0)):
            await b.pulse_cell(row, col, 1 if polarity == Polarity.SET else -1, level, width)
            seen.append((row, col, b.pulses()))
        assert b.ctx.get(b.array.trips) == 0

    bench.run(script)
    sign = 1 if pulse.side == "row" else -1
    for row, col, got in seen:
        assert [(one.row, one.col, one.clocks) for one in got] == [(row, col, width)]
        assert got[0].volts == pytest.approx(sign * wanted.amplitude, abs=2 * float(board.rows[0].transfer.step))
        if board.gates:
            assert got[0].gate == pytest.approx(wanted.gate, abs=2 * float(board.gates[0].transfer.step))


def test_cells_are_read_where_they_are(board):
    g = np.full((len(board.rows), len(board.cols)), 6e-6)
    bright = {(0, 0): 30e-6, (1, 3): 20e-6, (len(board.rows) - 1, len(board.cols) - 2): 40e-6}
    for cell, value in bright.items():
        g[cell] = value
    bench, found = Bench(board, g), {}

    async def script(b):
        for row in sorted({row for row, _ in bright}):
            found[row] = (await b.read((row, row + 1), (0, len(board.cols))))[0]
        found["part"] = (await b.read((1, 2), (2, 5)))[0]
        assert b.ctx.get(b.array.trips) == 0
        assert not b.pulses()

    bench.run(script)
    siemens = board.codes.scales.siemens
    step = 2 ** next(one.number for one in board.codes.ranges if one.number <= 4 and one.number >= 4) * siemens
    for row in {row for row, _ in bright}:
        np.testing.assert_allclose(found[row] * siemens, g[row], atol=1.1 * step)
    np.testing.assert_allclose(found["part"] * siemens, g[1, 2:5], atol=1.1 * step)


def test_the_mean_of_several_conversions_is_their_mean(board):
    bench, found = Bench(board, conductances(board)), []

    async def script(b):
        for averages in (0, 2):
            found.append((await b.read((3, 4), (0, 4), averages_log2=averages))[0])
            assert b.ctx.get(b.array.port.spent.conversions) == 4 << averages
            before, b.conversions = b.conversions, sum(adc.conversions for adc in b.physical.adcs.values())
            assert b.conversions - before == (4 << averages) + 2  # of those four channels alone, and two empty frames

    bench.run(script)
    assert np.abs(found[0] - found[1]).max() <= 1
    assert len(set(found[0])) > 2


def test_a_saturated_converter_is_no_reading(board):
    g = conductances(board)
    g[1, 2] = 1.0
    bench, found = Bench(board, g), []

    async def script(b):
        found.append((await b.read((1, 2), (1, 4)))[0])

    bench.run(script)
    assert found[0][1] == NO_READING
    assert (found[0][[0, 2]] < NO_READING).all()


def test_a_region_gets_its_counts_each_cell_its_own(board):
    bench, rng = Bench(board, conductances(board)), np.random.default_rng(1)
    counts = rng.integers(-2, 3, (3, 4))
    counts[1] = 0
    levels = len(board.levels(Polarity.SET)), len(board.levels(Polarity.RESET))
    seen, kept = [], {}

    async def script(b):
        region = {"row0": 2, "row1": 5, "col0": 1, "col1": 5}
        await b.ask(Operation.COUNTS, [int(n) & 0xFF for n in counts.ravel()], **region)
        for polarity in (Polarity.SET, Polarity.RESET):
            drive = 9 + polarity | (levels[polarity] - 1) << 32
            await b.ask(Operation.DRIVES, [drive] * counts.size, polarity=int(polarity), **region)
        await b.ask(Operation.PULSE, **region)
        seen.extend(b.pulses())
        spent = b.array.port.spent
        kept["spent"] = b.ctx.get(spent.set_pulses), b.ctx.get(spent.reset_pulses), b.ctx.get(spent.time)
        kept["rows"] = b.ctx.get(b.array.port.rows_done)
        words = await b.ask(Operation.READ_WORDS, results=2 * counts.size, **{**region, "word0": 1, "words": 2})
        kept["counts"] = np.array(words[0::2]).reshape(counts.shape)
        assert words[1::2] == [0] * counts.size

    bench.run(script)
    got = np.zeros((3, 4), int)
    for one in seen:
        got[one.row - 2, one.col - 1] += 1
        assert one.clocks == (9 if counts[one.row - 2, one.col - 1] > 0 else 10)
    np.testing.assert_array_equal(got, np.abs(counts))
    np.testing.assert_array_equal(kept["counts"], np.abs(counts))
    ups, downs = counts[counts > 0].sum(), -counts[counts < 0].sum()
    assert kept["spent"] == (ups, downs, 9 * ups + 10 * downs)
    assert kept["rows"] == 3


def test_no_gate_is_on_before_slow_switches_have_their_patterns(tmp_path):
    slow = {**SMALL, **{f"switches.{n}.shift_hz": 1e6 for n in range(5)}}
    board = loaded(TRANSISTORS, slow, tmp_path)
    bench, region = Bench(board, conductances(board)), {"row0": 3, "row1": 5, "col0": 1, "col1": 2}

    async def script(b):
        await b.ask(Operation.COUNTS, [1, 1], **region)
        for polarity in (Polarity.SET, Polarity.RESET):
            await b.ask(Operation.DRIVES, [9, 9], polarity=int(polarity), **region)
        await b.ask(Operation.PULSE, **region)
        assert [(one.row, one.col) for one in b.pulses()] == [(3, 1), (4, 1)]
        await b.read((3, 4), (0, 4))  # `Bench` looks at every clock

    bench.run(script)


def test_a_cell_whose_budget_is_spent_gets_no_pulse_and_the_trip_is_named(board, tmp_path):
    few = {**SMALL, "limits.pulses_per_cell": 3}
    bench = Bench(loaded(TRANSISTORS, few, tmp_path), conductances(board))

    async def script(b):
        await b.pulse_cell(1, 1, 2, 0, 8)
        assert len(b.pulses()) == 2
        await b.pulse_cell(1, 1, 2, 0, 8)
        assert len(b.pulses()) == 1
        assert b.ctx.get(b.array.trips) == Trip.BUDGET
        await b.pulse_cell(2, 2, 1, 0, 8)
        assert not b.pulses()

    bench.run(script)


def test_safe_cuts_a_pulse_and_leaves_every_line_at_ground(board):
    bench = Bench(board, conductances(board))

    async def script(b):
        async def safe():
            await b.ctx.tick().until(b.array.sequencer.fired)
            await b.ctx.tick().repeat(20)
            b.ctx.set(b.array.safe, 1)

        b.ctx.set(b.array.port.request, {
            "operation": Operation.PULSE_CELL, "row0": 1, "row1": 2, "col0": 1, "col1": 2, "count": 5, "set_width": 400,
        })  # fmt: skip
        b.ctx.set(b.array.port.start, 1)
        await b.ctx.tick()
        b.ctx.set(b.array.port.start, 0)
        await safe()
        await b.ctx.tick().repeat(b.array.guard.parameters.rest_clocks)
        assert b.ctx.get(b.array.resting)
        lines = board.rows + board.cols
        assert {b.physical.volts(line) for line in lines} == {0.0}
        await b.ctx.tick().until(~b.array.port.busy)
        (cut,) = b.pulses()
        assert 18 <= cut.clocks <= 24
        assert b.ctx.get(b.array.port.spent.set_pulses) == 1

    bench.run(script)


def test_safe_in_a_reading_leaves_no_reading_and_every_line_at_ground(board):
    bench, found = Bench(board, conductances(board)), []

    async def script(b):
        b.ctx.set(b.array.port.request, {
            "operation": Operation.READ, "row0": 2, "row1": 4, "col1": 2, "voltage": 256, "tia_range": 4,
        })  # fmt: skip
        b.ctx.set(b.array.port.start, 1)
        await b.ctx.tick()
        b.ctx.set(b.array.port.start, 0)
        await b.ctx.tick().until(b.array.guard.levels.sense)
        await b.ctx.tick().repeat(50)
        b.ctx.set(b.array.safe, 1)
        b.ctx.set(b.array.port.results.ready, 1)
        while b.ctx.get(b.array.port.busy):
            if b.ctx.get(b.array.port.results.valid):
                found.append(b.ctx.get(b.array.port.results.payload))
            await b.ctx.tick()
        assert b.ctx.get(b.array.resting)
        assert {b.physical.volts(line) for line in board.rows + board.cols} == {0.0}

    bench.run(script)
    assert found == [NO_READING] * 4


def test_words_that_a_physical_cell_has_are_its_counter_and_that_nobody_knows_if_it_is_formed(board):
    bench, found = Bench(board, conductances(board)), []

    async def script(b):
        cell = {"row0": 2, "row1": 3, "col0": 3, "col1": 4}
        await b.ask(Operation.WRITE_WORDS, [0x1234, 0x0056], word0=1, words=2, **cell)
        found.append(await b.ask(Operation.READ_WORDS, results=10, word0=0, words=10, **cell))

    bench.run(script)
    assert found == [[0, 0x1234, 0x0056, 0, 0, 0, 0, 0, CellFlag.UNFORMED, 0]]


# -- products ----------------------------------------------------------------------------------------------------------


def amperes(board, codes, tia_range):
    """Return current codes in A."""
    return np.array(codes, np.uint16).view(np.int16) * board.codes.amperes * 2**tia_range


async def product(bench, inputs, rows, cols, tia_range=8, wide=False, **fields):
    """Return current codes of one vector."""
    elements = [int(one) & 0xFFFF for one in inputs]
    (row0, row1), (col0, col1) = rows, cols
    region = {"row0": row0, "row1": row1, "col0": col0, "col1": col1}
    return await bench.ask(
        Operation.VMM, elements, results=col1 - col0, tia_range=tia_range, wide=wide, **region, **fields
    )


@pytest.mark.parametrize(("wide", "full"), [(False, 128), (True, 32768)])
def test_a_product_is_that_of_the_cells_of_its_region_with_inputs_of_either_sign(board, wide, full):
    g, found = conductances(board), []
    bench = Bench(board, g)
    vectors = np.random.default_rng(3).integers(-full, full, (3, 4))

    async def script(b):
        found.extend([await product(b, vector, (2, 6), (1, 5), wide=wide) for vector in vectors])
        assert b.ctx.get(b.array.trips) == 0
        assert not b.pulses()

    bench.run(script)
    row = board.rows[0].transfer
    volts = np.rint(vectors / full * board.codes.nominal_read) * float(row.step)  # what converters can make of them
    step = board.codes.amperes * 2**8
    for got, expected in zip(found, volts @ g[2:6, 1:5], strict=True):
        np.testing.assert_allclose(amperes(board, got, 8), expected, atol=1.1 * step)
    assert np.abs(amperes(board, found, 8)).max() > 20 * step


def test_what_comes_behind_a_product_finds_the_rows_at_rest(board):
    g, found = conductances(board), {}
    bench, level = Bench(board, g), len(board.levels(Polarity.SET)) - 1

    async def script(b):
        for n in range(2):  # of the same region, then of another, a reading, a pulse
            found["same", n] = await product(b, [-100, 90], (1, 3), (0, 4))
        found["other"] = await product(b, [50], (2, 3), (0, 4))
        found["read"] = await b.read((1, 2), (0, 4))
        await product(b, [-128, -128], (1, 3), (0, 4))
        await b.pulse_cell(1, 2, 1, level, 9)
        found["pulse"] = b.pulses()
        assert b.ctx.get(b.array.trips) == 0

    bench.run(script)
    np.testing.assert_array_equal(found["same", 0], found["same", 1])
    step = board.codes.amperes * 2**8
    np.testing.assert_allclose(amperes(board, found["other"], 8), 50 / 128 * board.sense.read * g[2, :4], atol=2 * step)
    np.testing.assert_allclose(found["read"][0] * board.codes.scales.siemens, g[1, :4], atol=0.5e-6)
    assert [(one.row, one.col, one.clocks) for one in found["pulse"]] == [(1, 2, 9)]


def test_a_current_beyond_the_converter_is_none_of_either_sign(board):
    g = np.full((len(board.rows), len(board.cols)), 30e-6)
    g[:, 1] = 1.0
    bench, found = Bench(board, g), []

    async def script(b):
        found.extend([await product(b, [one] * 4, (0, 4), (0, 3)) for one in (127, -128)])

    bench.run(script)
    for got in np.array(found, np.uint16).view(np.int16):
        assert got[1] == NO_CURRENT
        assert (got[[0, 2]] != NO_CURRENT).all()


def test_a_reading_waits_for_its_range_or_as_long_as_it_was_asked_to(board):
    bench, took = Bench(board, conductances(board)), {}

    async def script(b):
        for name, fields in {"own": {}, "longer": {"settle": 3000}, "sensitive": {"tia_range": 0}}.items():
            await b.read((0, 1), (0, 1), **fields)
            took[name] = b.ctx.get(b.array.port.spent.time)

    bench.run(script)
    settles = dict(zip((one.number for one in board.codes.ranges), board.codes.sense_settle, strict=True))
    assert took["longer"] - took["own"] == 3000 - settles[4]
    assert took["sensitive"] - took["own"] == settles[0] - settles[4]
