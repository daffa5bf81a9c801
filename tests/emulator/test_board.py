"""The software board: batching never changes a result, refusals change nothing, and every total is exact."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hwctl.crossbar import fallback
from hwctl.crossbar.driver import Crossbar
from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.devices.outerproduct import event_counts
from hwctl.emulator.board import EmulatedBoard
from hwctl.errors import OverRange
from hwctl.links.inprocess import InProcessLink
from hwctl.protocol import codes, commands, replies
from hwctl.protocol.cells import WORDS_PER_CELL, from_words
from hwctl.protocol.codec import encode_reply
from hwctl.protocol.codes import (
    NO_CURRENT,
    NO_READING,
    RANGE_AS_CONFIGURED,
    CellFlag,
    Feature,
    HalfSelect,
    OuterMode,
    Polarity,
    Refusal,
    ShapePer,
)
from hwctl.protocol.packing import Ramp, Region

ROWS, COLS = 4, 5
WHOLE = Region(0, ROWS, 0, COLS)
SET, RESET, FORM = 3, 7, 100  # pulse shapes
EMPTY = np.zeros(0, np.uint8)


def board_of(device="reram-es", rows=ROWS, cols=COLS, seed=11, unformed=0.0, change=None, **options):
    chip = fabricate(presets.get(device), rows, cols, 5, unformed)
    if change:
        cells = chip.cells.copy()
        change(cells)
        chip = replace(chip, cells=cells)
    board = EmulatedBoard(chip, seed=seed, **options)
    levels = chip.levels
    for index, level in (
        (SET, levels[0][-1]),
        (SET + 1, levels[0][0]),
        (RESET, levels[1][-1]),
        *((FORM + n, level) for n, level in enumerate(levels[2])),
    ):
        volts, ticks = chip.scales.volts, chip.scales.seconds
        shape = (round(level.amplitude / volts), round(level.width / ticks), round(level.gate / volts))
        done(board, commands.ConfigureShape(index, level.polarity, *shape, 0))
    return board


def done(board, command, kind=replies.Reply):
    reply = board.execute(command)
    assert isinstance(reply, kind), reply
    assert not isinstance(reply, replies.Refused), reply
    return reply


def state(board, region=WHOLE):
    dumped = done(board, commands.Dump(region))
    return dumped.words.tobytes(), dumped.clock, dumped.extra.tobytes()


def cells_of(board, region=WHOLE):
    return from_words(done(board, commands.Dump(region)).words).reshape(region.shape)


def status(board):
    reply = done(board, commands.Status())
    return reply.set_pulses, reply.reset_pulses, reply.reads, reply.busy, reply.clock, reply.safe


def pulse(counts, region=WHOLE, sets=SET):
    shapes = np.array([sets], np.uint8), np.array([RESET], np.uint8)
    return commands.Pulse(region, np.asarray(counts, np.int8), ShapePer.COMMAND, *shapes)


def sparse(places, counts):
    rows, cols = (np.array(axis, np.uint16) for axis in zip(*places, strict=True))
    return commands.PulseSparse(rows, cols, np.array(counts, np.int8), SET, RESET)


def read(index=0, region=WHOLE, averages_log2=0, tia_range=4):
    return commands.Read(region, averages_log2, tia_range, index)


def outer(x, d, mode=OuterMode.COUNT, slots=1, event=9):
    return commands.Outer(WHOLE, np.array(x, np.int8), np.array(d, np.int8), mode, slots, 1234, event, SET, RESET)


def verify(targets, tolerance=100, attempts=50, ramp=Ramp(SET, SET, 0), region=WHOLE):  # noqa: B008
    targets = np.broadcast_to(np.uint16(targets), region.shape).copy()
    return commands.WriteVerify(region, targets, tolerance, attempts, 1, ramp, Ramp(RESET, RESET, 0), 40)


# -- batching ------------------------------------------------------------------------------------------------------

programs = st.lists(arrays(np.int8, (ROWS, COLS), elements=st.integers(-5, 5)), min_size=1, max_size=4)


def dense(counts, draw):
    return [pulse(counts)]


def listed(counts, draw):
    places = draw(st.permutations(list(np.ndindex(ROWS, COLS))))
    return [sparse(places, [counts[place] for place in places])]


def regions(counts, draw):
    row, col = draw(st.integers(1, ROWS - 1)), draw(st.integers(1, COLS - 1))
    parts = [Region(a, b, c, d) for a, b in ((0, row), (row, ROWS)) for c, d in ((0, col), (col, COLS))]
    return [pulse(counts[p.row0 : p.row1, p.col0 : p.col1], p) for p in draw(st.permutations(parts))]


def portions(counts, draw):
    first = np.trunc(counts * draw(st.floats(0, 1))).astype(np.int8)
    return [pulse(first), pulse(counts - first)]


def single_pulses(counts, draw):
    steps = [place for place, n in np.ndenumerate(counts) for _ in range(abs(int(n)))]
    return [sparse([place], [int(np.sign(counts[place]))]) for place in draw(st.permutations(steps))]


@pytest.mark.parametrize("way", [listed, regions, portions, single_pulses])
@pytest.mark.parametrize("device", ["reram-es", "hfox-1t1r"])
@settings(max_examples=15, deadline=None)
@given(program=programs, data=st.data())
def test_no_way_of_batching_changes_a_bit(device, way, program, data):
    plain, other = board_of(device), board_of(device)
    for counts in program:
        for command in dense(counts, data.draw):
            done(plain, command)
        for command in way(counts, data.draw):
            done(other, command)
    assert state(plain)[0] == state(other)[0]
    assert status(plain)[:2] == status(other)[:2]
    assert (done(plain, read(5)).readings == done(other, read(5)).readings).all()


events = st.integers(1, 5).flatmap(
    lambda n: st.tuples(
        arrays(np.int8, (n, ROWS), elements=st.integers(-9, 9)),
        arrays(np.int8, (n, COLS), elements=st.integers(-9, 9)),
    )
)


@settings(max_examples=25, deadline=None)
@given(events, st.sampled_from(OuterMode), st.integers(1, 32), st.sampled_from([0, 9, 2**32 - 2]), st.integers(1, 10))
def test_outer_is_the_same_event_by_event_and_as_pulses(vectors, mode, slots, event, scale):
    x, d = vectors
    if mode == OuterMode.COINCIDENCE:
        x = x * np.int8(scale)
    batch, single, plain = board_of(), board_of(), board_of()
    whole = outer(x, d, mode, slots, event)
    total = done(batch, whole, replies.Pulsed)
    for n in range(len(x)):
        done(single, outer(x[n : n + 1], d[n : n + 1], mode, slots, (event + n) & 0xFFFFFFFF))
        done(plain, pulse(event_counts(whole, n)))
    assert state(batch) == state(single)
    assert state(batch)[0] == state(plain)[0]
    assert status(batch)[:2] == status(plain)[:2] == (total.set_pulses, total.reset_pulses)


def test_coincidence_pulses_as_often_as_the_product_of_its_probabilities():
    board = board_of("linear")
    n = 512
    x, d = np.full((n, ROWS), 64, np.int8), np.full((n, COLS), -32, np.int8)
    reply = done(board, outer(x, d, OuterMode.COINCIDENCE, 32))
    trials = n * 32 * ROWS * COLS
    assert reply.set_pulses == 0
    assert abs(reply.reset_pulses / trials - 64 / 128 * 32 / 128) < 0.005


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_commands_on_different_cells_commute(data):
    program = [
        pulse(np.full((2, COLS), 7), Region(0, 2, 0, COLS)),
        pulse(np.full((1, 2), -4), Region(2, 3, 0, 2)),
        sparse([(2, 2), (2, 4)], [3, -3]),
        verify(30000, region=Region(3, 4, 0, COLS)),
        read(3),
    ]
    plain, other = board_of(), board_of()
    for command in program:
        done(plain, command)
    for command in data.draw(st.permutations(program)):
        done(other, command)
    assert state(plain) == state(other)
    assert status(plain) == status(other)


def test_pulses_of_one_cell_do_not_commute():
    plain, other = board_of("hfox-1t1r"), board_of("hfox-1t1r")
    for board, order in ((plain, (1, -1)), (other, (-1, 1))):
        for n in order:
            done(board, pulse(np.full((ROWS, COLS), n)))
    assert state(plain)[0] != state(other)[0]


# -- refusals ------------------------------------------------------------------------------------------------------

ONES = np.ones((ROWS, COLS), np.int8)
INPUTS = np.ones((1, ROWS), np.int8)
DRIVES = np.zeros(ROWS, np.int16), np.zeros(COLS, np.int16)
REGION, LIMIT, SHAPE = Refusal.OUT_OF_REGION, Refusal.OVER_LIMIT, Refusal.NO_SHAPE
OUTSIDE = Region(1, ROWS + 1, 0, COLS)
WORDS = np.zeros((ROWS * COLS, WORDS_PER_CELL), np.uint16)
TOO_HIGH = WORDS.copy()
TOO_HIGH[-1, 3:5] = 0x9000  # low, span

BAD = {
    "pulse outside": (pulse(ONES, OUTSIDE), REGION),
    "empty region": (pulse(np.ones((0, COLS)), Region(1, 1, 0, COLS)), LIMIT),
    "counts of another shape": (pulse(ONES[:2]), LIMIT),
    "count -128": (pulse(np.full((ROWS, COLS), -128)), LIMIT),
    "SET shape not configured": (pulse(ONES, sets=50), SHAPE),
    "SET with a RESET shape": (pulse(ONES, sets=RESET), SHAPE),
    "a shape too few": (
        replace(pulse(ONES), per=ShapePer.ROW, set_shapes=np.full(ROWS - 1, SET, np.uint8)),
        LIMIT,
    ),
    "listed cell outside": (sparse([(0, 0), (ROWS, 0)], [1, 1]), REGION),
    "lists of unequal length": (replace(sparse([(0, 0)], [1]), counts=np.ones(2, np.int8)), LIMIT),
    "listed shape not configured": (replace(sparse([(0, 0)], [1]), set_shape=50), SHAPE),
    "outer beyond 127": (outer(np.full((1, ROWS), 127), np.full((1, COLS), 2)), LIMIT),
    "outer of another shape": (outer(np.ones((1, ROWS)), np.ones((2, COLS))), LIMIT),
    "outer shape not configured": (replace(outer(np.ones((1, ROWS)), np.ones((1, COLS))), set_shape=50), SHAPE),
    "outer without slots": (outer(np.ones((1, ROWS)), np.ones((1, COLS)), OuterMode.COINCIDENCE, 0), LIMIT),
    "verify ramp not configured": (verify(1000, ramp=Ramp(SET, SET + 2, 1)), SHAPE),
    "verify ramp backwards": (verify(1000, ramp=Ramp(SET, SET - 1, 1)), LIMIT),
    "verify attempts": (verify(1000, attempts=4096), LIMIT),
    "verify outside": (verify(1000, region=OUTSIDE), REGION),
    "form with SET shapes": (commands.Form(WHOLE, Ramp(SET, SET, 0), 5, 100, 0, 0), SHAPE),
    "read outside": (read(region=OUTSIDE), REGION),
    "read averages": (read(averages_log2=13), LIMIT),
    "read range": (read(tia_range=5), LIMIT),
    "vectors too short": (commands.Vmm(WHOLE, INPUTS[:, 1:], 4, 0), LIMIT),
    "vmm outside": (commands.Vmm(OUTSIDE, INPUTS, 4, 0), REGION),
    "transposed vectors": (commands.VmmT(WHOLE, INPUTS, 4, 0), LIMIT),
    "measure beyond the read voltage": (
        commands.Measure(WHOLE, DRIVES[0] + np.int16(300), DRIVES[1] - np.int16(300), 0, 4, 0),
        LIMIT,
    ),
    "measure too few lines": (commands.Measure(WHOLE, DRIVES[0][1:], DRIVES[1], 0, 4, 0), LIMIT),
    "no such level": (
        commands.ConfigureShape(1, Polarity.SET, 4321, 10, 0, 0),
        Refusal.NOT_CHARACTERISED,
    ),
    "empty pulse": (commands.ConfigureShape(1, Polarity.SET, 1000, 0, 0, 0), LIMIT),
    "read voltage": (commands.ConfigureRead(60_000, 4, 10, HalfSelect.GROUNDED), LIMIT),
    "read voltage 0": (commands.ConfigureRead(0, 4, 10, HalfSelect.GROUNDED), LIMIT),
    "counters outside": (commands.Counters(OUTSIDE), REGION),
    "counts to load of another shape": (commands.LoadCounters(WHOLE, np.ones((1, 1), np.uint32)), LIMIT),
    "curve of a level that is not there": (
        commands.LoadCurve(Polarity.SET, 31, 11, np.zeros(64, np.int16), np.zeros(64, np.uint16)),
        Refusal.NOT_CHARACTERISED,
    ),
    "curve too short": (
        commands.LoadCurve(Polarity.SET, 0, 11, np.zeros(63, np.int16), np.zeros(64, np.uint16)),
        LIMIT,
    ),
    "curve of FORM": (
        commands.LoadCurve(Polarity.FORM, 0, 11, np.zeros(64, np.int16), np.zeros(64, np.uint16)),
        LIMIT,
    ),
    "cells beyond the code range": (commands.LoadCells(WHOLE, TOO_HIGH), LIMIT),
    "cells of another array": (commands.Restore(WHOLE, WORDS[1:], 0, EMPTY), LIMIT),
    "state beyond the code range": (commands.Restore(WHOLE, TOO_HIGH, 7, EMPTY), LIMIT),
    "state of layers that are not there": (commands.Restore(WHOLE, WORDS, 7, np.ones(8, np.uint8)), LIMIT),
    "dump outside": (commands.Dump(OUTSIDE), REGION),
    "a wait beyond the clock": (commands.Wait((1 << 64) - 1), LIMIT),
}


@pytest.mark.parametrize("name", BAD)
def test_a_refused_command_changes_nothing(name):
    command, expected = BAD[name]
    board = board_of()
    done(board, pulse(ONES * 3))
    before = state(board), status(board), done(board, replace(read(), index=1)).readings.tobytes()
    status_before = status(board)
    reply = board.execute(command)
    assert isinstance(reply, replies.Refused), reply
    assert reply.refusal == expected
    assert "\n" not in reply.detail
    assert status(board) == status_before
    assert before[0][0] == state(board)[0]
    assert before[2] == done(board, read(1)).readings.tobytes()
    done(board, pulse(ONES))


LACKING = {
    Feature.VMM: commands.Vmm(WHOLE, INPUTS, 4, 0),
    Feature.VMM_T: commands.VmmT(WHOLE, np.ones((1, COLS), np.int8), 4, 0),
    Feature.MEASURE: commands.Measure(WHOLE, *DRIVES, 0, 4, 0),
    Feature.OUTER_COUNT: outer(np.ones((2, ROWS)), np.ones((2, COLS))),
    Feature.OUTER_COINCIDENCE: outer(np.ones((2, ROWS)), np.ones((2, COLS)), OuterMode.COINCIDENCE),
    Feature.WRITE_VERIFY: verify(30_000),
    Feature.FORM: commands.Form(WHOLE, Ramp(FORM, FORM + 15, 1), 20, 100, 0, 0),
    Feature.COUNTERS: commands.Counters(WHOLE),
    Feature.RESTORE: commands.Restore(WHOLE, WORDS, 0, EMPTY),
    Feature.VIRTUAL_TIME: commands.Wait(5),
    Feature.EMULATED: commands.LoadCells(WHOLE, WORDS),
    Feature.LIMITS: commands.ConfigureLimits(),
}


@pytest.mark.parametrize("feature", Feature)
def test_what_a_board_lacks_is_unsupported_and_nothing_else_is(feature):
    board = board_of(lacks=feature)
    assert not done(board, commands.Identify()).features & feature
    before = status(board)
    reply = board.execute(LACKING[feature])
    assert isinstance(reply, replies.Refused)
    assert reply.refusal == Refusal.UNSUPPORTED
    assert status(board) == before
    for other, command in LACKING.items():
        if other != feature:
            done(board, command)


# -- readings ------------------------------------------------------------------------------------------------------


def noisy_commands(index):
    return [
        read(index, averages_log2=2),
        commands.Vmm(WHOLE, np.full((2, ROWS), 9, np.int8), 4, index),
        commands.VmmT(WHOLE, np.full((2, COLS), 99, np.int16), 0, index),
        commands.Measure(WHOLE, DRIVES[0] + np.int16(30), DRIVES[1], 0, 4, index),
    ]


def values(board, command):
    reply = done(board, command)
    return reply.readings if isinstance(reply, replies.Readings) else reply.currents


def test_the_index_alone_decides_on_the_noise():
    board = board_of()
    assert not any(done(board, command).over_range.any() for command in noisy_commands(7))
    first = [values(board, command) for command in noisy_commands(7)]
    done(board, read(123))
    for command, before in zip(noisy_commands(7), first, strict=True):
        np.testing.assert_array_equal(values(board, command), before)
    assert all((values(board, c) != before).any() for c, before in zip(noisy_commands(8), first, strict=True))
    done(board, commands.Seed(1))
    assert all((values(board, c) != before).any() for c, before in zip(noisy_commands(7), first, strict=True))


def test_a_batch_draws_the_noise_of_successive_indices():
    board = board_of()
    vectors = np.arange(3 * ROWS, dtype=np.int8).reshape(3, ROWS)
    last = 2**32 - 1
    whole = values(board, commands.Vmm(WHOLE, vectors, 2, last))
    for n in range(3):
        alone = values(board, commands.Vmm(WHOLE, vectors[n : n + 1], 2, (last + n) & last))
        np.testing.assert_array_equal(whole[n], alone[0])
    part = Region(1, ROWS, 2, COLS)
    np.testing.assert_array_equal(values(board, read(7, part)), values(board, read(7))[1:, 2:])


def high_cells(cells):
    cells["low"], cells["span"] = 0, 0xFFFF
    cells["state"] = np.linspace(0, 0xFFFF, cells.size).astype(np.uint16).reshape(cells.shape)


def test_a_saturated_converter_is_flagged_and_never_a_number():
    board = board_of("linear", change=high_cells)
    states = cells_of(board)["state"].astype(np.int64)
    for tia_range in range(5):
        reading = done(board, read(tia_range=tia_range))
        beyond = (states + (1 << tia_range >> 1) >> tia_range) > 4095
        np.testing.assert_array_equal(reading.over_range, beyond)
        np.testing.assert_array_equal(reading.readings == NO_READING, beyond)
        assert (np.abs(reading.readings[~beyond].astype(int) - states[~beyond]) <= 1 << tia_range).all()
    for sign in (1, -1):
        vectors = np.full((1, ROWS), sign * 127, np.int8)
        for tia_range in range(16):
            reply = done(board, commands.Vmm(WHOLE, vectors, tia_range, 0))
            exact = sign * 127 * states.sum(axis=0) / 128 / 2**tia_range
            np.testing.assert_array_equal(reply.currents[0] == NO_CURRENT, np.abs(exact) > 2047.5)
            held = ~reply.over_range[0]
            assert (np.abs(reply.currents[0][held] - exact[held]) < 1).all()


def test_the_driver_raises_or_returns_nan_where_a_reading_saturates():
    crossbar = Crossbar(InProcessLink(board_of("linear", change=high_cells), "test"))
    with pytest.raises(OverRange):
        crossbar.read()
    g = crossbar.read(over_range="nan")
    assert np.isnan(g[-1, -1])
    assert np.isfinite(g[0]).all()


# -- totals, SAFE, stuck cells -------------------------------------------------------------------------------------


def test_totals_and_busy_time_are_exact():
    board = board_of("linear")
    width = 100  # time codes of both shapes: 1 us
    assert status(board) == (0, 0, 0, 0, 0, 1)
    done(board, commands.ConfigureRead(200, 4, 37, HalfSelect.GROUNDED))
    counts = np.array([[3, -2, 0, 1, 0], [0, 0, 0, 0, 0], [5, 0, 0, 0, 0], [-1, -4, 0, 0, 2]])
    done(board, pulse(counts))
    busy = (3 + 2 + 5 + 2 + 4) * width  # of each row its longest SET and its longest RESET train
    assert status(board) == (11, 7, 0, busy, busy, 0)
    done(board, sparse([(0, 0), (0, 1)], [4, -2]))
    busy += 6 * width
    done(board, read(averages_log2=3))
    busy += (ROWS << 3) * 37
    done(board, commands.Vmm(WHOLE, np.ones((6, ROWS), np.int8), 4, 0))
    busy += 6 * 37
    done(board, commands.Wait(1000))
    assert status(board) == (15, 9, (ROWS * COLS << 3) + 6 * COLS, busy, busy + 1000, 0)
    counted = done(board, commands.Counters(WHOLE)).counts
    assert counted.sum() == 15 + 9
    assert counted[0, 0] == 7


@pytest.mark.parametrize("command", [pulse(ONES), read(), commands.Vmm(WHOLE, INPUTS, 4, 0), verify(40_000)])
def test_safe_lasts_until_a_line_is_driven(command):
    board = board_of()
    done(board, commands.Identify())
    assert status(board)[-1] == 1
    done(board, command)
    assert status(board)[-1] == 0
    done(board, commands.Safe())
    done(board, commands.Counters(WHOLE))
    assert status(board)[-1] == 1


def stick(cells):
    cells["flags"][0] = CellFlag.STUCK_ON
    cells["flags"][1] = CellFlag.STUCK_OFF
    cells["flags"][2:] = 0


def test_stuck_cells_do_not_move_but_count_their_pulses():
    board = board_of("linear", change=stick)
    before, seen = cells_of(board), done(board, read()).readings.astype(int)
    done(board, pulse(ONES * 100))
    done(board, pulse(ONES * -30))
    after = cells_of(board)
    np.testing.assert_array_equal(after["count"], 130)
    np.testing.assert_array_equal(after["state"][:2], before["state"][:2])
    assert (after["state"][2:] > before["state"][2:]).all()
    bounds = before["low"].astype(int), before["low"].astype(int) + before["span"]
    assert (np.abs(seen[0] - bounds[1][0]) <= 16).all()
    assert (np.abs(seen[1] - bounds[0][1]) <= 16).all()
    np.testing.assert_array_equal(done(board, read()).readings[:2], seen[:2])


# -- write-verify and form -----------------------------------------------------------------------------------------


def test_write_verify_reaches_its_targets_on_a_linear_device():
    board = board_of("linear")
    rng = np.random.default_rng(2)
    targets = rng.integers(8_000, 56_000, (ROWS, COLS)).astype(np.uint16)
    reply = done(board, replace(verify(0), targets=targets, attempts=800), replies.Verified)
    assert reply.reached.all()
    assert (np.abs(reply.readings.astype(int) - targets) <= 100).all()
    np.testing.assert_array_equal(reply.reads, reply.set_pulses.astype(int) + reply.reset_pulses + 1)
    np.testing.assert_array_equal(
        done(board, commands.Counters(WHOLE)).counts, reply.set_pulses.astype(int) + reply.reset_pulses
    )
    assert (reply.set_pulses.astype(bool) != reply.reset_pulses.astype(bool)).all()
    assert (np.abs(done(board, read()).readings.astype(int) - targets) <= 100).all()


@pytest.mark.parametrize("device", ["linear", "reram-es", "hfox-1t1r"])
@pytest.mark.parametrize("attempts", [0, 1, 20])
def test_write_verify_is_the_same_on_the_board_and_on_the_host(device, attempts):
    command = replace(verify(30_000, attempts=attempts), set_ramp=Ramp(SET, SET + (device == "hfox-1t1r"), 1))
    own, other = board_of(device), board_of(device)
    crossbar = Crossbar(InProcessLink(other, "test"))
    for board in (own, other):
        levels = fabricate(presets.get(device), 1, 1, 0).levels
        for index, level in ((SET, levels[0][0]), (SET + 1, levels[0][-1]), (RESET, levels[1][-1])):
            codes_of = (round(level.amplitude * 1e3), round(level.width * 1e8), round(level.gate * 1e3))
            done(board, commands.ConfigureShape(index, level.polarity, *codes_of, 0))
    on_board = done(own, command, replies.Verified)
    on_host = fallback.write_verify(crossbar, command)
    for name in ("reached", "set_pulses", "reset_pulses", "reads"):
        np.testing.assert_array_equal(getattr(on_board, name), getattr(on_host, name), err_msg=name)
    np.testing.assert_array_equal(crossbar.units.conductances(on_board.readings), on_host.conductances)
    assert state(own)[0] == state(other)[0]


def test_forming_forms_what_is_unformed_and_nothing_twice():
    board = board_of("reram-es", unformed=0.5)
    before = cells_of(board)
    raw = before["flags"] == CellFlag.UNFORMED
    assert 0 < raw.sum() < raw.size
    done(board, pulse(ONES))
    ignored = cells_of(board)
    np.testing.assert_array_equal(ignored["state"][raw], before["state"][raw])
    assert (done(board, read()).readings[raw] < 500).all()
    form = commands.Form(WHOLE, Ramp(FORM, FORM + 15, 1), 20, 5_000, 0, 3)
    reply = done(board, form, replies.Formed)
    assert reply.formed.all()
    after = cells_of(board)
    assert not (after["flags"] & CellFlag.UNFORMED).any()
    np.testing.assert_array_equal(reply.pulses[raw], before["form_level"][raw] + 1)
    assert (reply.pulses[~raw] == 0).all()
    np.testing.assert_array_equal(after["count"] - ignored["count"], reply.pulses)
    again = done(board, form, replies.Formed)
    assert again.formed.all()
    assert (again.pulses == 0).all()
    assert state(board)[0] == after.tobytes()


def test_a_forming_ramp_that_is_too_weak_leaves_cells_unformed():
    board = board_of("reram-es", unformed=1.0)
    levels = cells_of(board)["form_level"].astype(int)
    raw = cells_of(board)["flags"] == CellFlag.UNFORMED
    reply = done(board, commands.Form(WHOLE, Ramp(FORM, FORM + 8, 1), 12, 5_000, 0, 3), replies.Formed)
    np.testing.assert_array_equal(reply.formed, ~raw | (levels <= 8))
    assert (reply.pulses[raw & (levels > 8)] == 12).all()
    assert reply.pulses.sum() == status(board)[0]


# -- dump and restore ----------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(programs, programs)
def test_a_restored_board_continues_to_the_same_bits(before, after):
    plain, other = board_of("hfox-1t1r"), board_of("hfox-1t1r")
    for counts in before:
        done(plain, pulse(counts))
    dumped = done(plain, commands.Dump(WHOLE))
    done(other, pulse(ONES * 50))
    done(other, commands.Restore(WHOLE, dumped.words, dumped.clock, dumped.extra))
    assert state(plain) == state(other)
    for counts in after:
        assert values_after(plain, counts) == values_after(other, counts)
    assert state(plain) == state(other)


def test_the_clock_begins_anew_behind_64_bits():
    board = board_of()
    done(board, pulse(ONES))
    before = done(board, commands.Status(), replies.BoardStatus).busy
    dumped = done(board, commands.Dump(WHOLE))
    done(board, commands.Restore(WHOLE, dumped.words, 2**64 - 1, dumped.extra))
    done(board, pulse(ONES))
    status = done(board, commands.Status(), replies.BoardStatus)
    assert status.busy > before
    assert status.clock == status.busy - before - 1
    assert encode_reply(status)
    done(board, commands.Wait(0))


def values_after(board, counts):
    done(board, pulse(counts))
    return [values(board, command).tobytes() for command in noisy_commands(3)]


def test_a_dump_does_not_change_with_the_cells():
    board = board_of()
    dumped = done(board, commands.Dump(WHOLE))
    before = dumped.words.copy()
    done(board, pulse(ONES * 9))
    np.testing.assert_array_equal(dumped.words, before)


def test_loaded_counters_and_cells_are_what_is_read_back():
    board = board_of()
    counts = np.arange(ROWS * COLS, dtype=np.uint32).reshape(ROWS, COLS) + 0xFFFFFFE0
    done(board, commands.LoadCounters(WHOLE, counts))
    np.testing.assert_array_equal(done(board, commands.Counters(WHOLE)).counts, counts)
    done(board, pulse(ONES * 20))
    full = np.minimum(counts.astype(np.uint64) + 20, 0xFFFFFFFF)
    np.testing.assert_array_equal(done(board, commands.Counters(WHOLE)).counts, full)
    part = Region(1, 3, 1, 3)
    words = done(board, commands.Dump(part)).words
    done(board, commands.LoadCells(Region(0, 2, 0, 2), words))
    np.testing.assert_array_equal(cells_of(board)[:2, :2], from_words(words).reshape(2, 2))


def test_a_loaded_curve_moves_cells():
    board = board_of("linear")
    curve = commands.LoadCurve(Polarity.SET, 0, 12, np.full(64, 100, np.int16), np.zeros(64, np.uint16))
    before = cells_of(board)["state"].astype(int)
    done(board, curve)
    done(board, pulse(ONES * 3))
    assert (cells_of(board)["state"] - before == 300).all()


def test_configured_range_serves_commands_that_name_none():
    board = board_of("linear")
    done(board, commands.ConfigureRead(200, 9, 37, HalfSelect.GROUNDED))
    assert done(board, commands.Vmm(WHOLE, INPUTS, RANGE_AS_CONFIGURED, 0)).tia_range == 9
    refused = board.execute(read(tia_range=RANGE_AS_CONFIGURED))
    assert isinstance(refused, replies.Refused)
    assert refused.refusal == LIMIT
    assert codes.MAX_READ_RANGE < 9
