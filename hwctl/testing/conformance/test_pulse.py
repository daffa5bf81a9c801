"""PULSE and PULSE_SPARSE: every pulse goes to its cell, is counted once, and moves it the right way."""

import numpy as np
import pytest

from hwctl.protocol import codes, commands, replies
from hwctl.protocol.cells import from_words
from hwctl.protocol.codes import NO_READING, Polarity, ShapePer
from hwctl.protocol.packing import Region
from hwctl.testing.conformance.bench import RESET, SET, Bench, Int64


def pattern(region: Region) -> Int64:
    """Return counts (rows, cols) of either sign that differ along rows and along columns."""
    i, j = np.indices(region.shape)
    return (2 * i + j) % 5 - 2


def sent(bench: Bench, command: commands.Command, expected: Int64) -> None:
    """Send a command with pulses, of which the array's cells must get what is expected, signed (rows, cols)."""
    counts, totals = bench.counts(), bench.pulses()
    reply = bench.done(command, replies.Pulsed)
    wanted = np.array([expected[expected > 0].sum(), -expected[expected < 0].sum()])
    np.testing.assert_array_equal([reply.set_pulses, reply.reset_pulses], wanted)
    np.testing.assert_array_equal(bench.pulses() - totals, wanted)
    np.testing.assert_array_equal(bench.counts() - counts, np.abs(expected))


# -- counting ------------------------------------------------------------------------------------------------------


def test_the_reply_and_the_totals_count_every_pulse_once(bench: Bench) -> None:
    counts, before = pattern(bench.block), bench.pulses()
    wanted = [counts[counts > 0].sum(), -counts[counts < 0].sum()]
    reply = bench.done(bench.pulse(counts), replies.Pulsed)
    assert [reply.set_pulses, reply.reset_pulses] == wanted
    np.testing.assert_array_equal(bench.pulses() - before, wanted)


def test_every_cell_of_a_region_gets_its_pulses(bench: Bench) -> None:
    counts = pattern(bench.block)
    sent(bench, bench.pulse(counts), bench.of_array(counts, bench.block))


@pytest.mark.parametrize("way", ["dense", "sparse"])
@pytest.mark.parametrize("corner", ["first", "last", "top right", "bottom left"])
def test_a_single_cell_is_pulsed_where_it_is(bench: Bench, corner: str, way: str) -> None:
    row = bench.rows - 1 if corner in ("last", "bottom left") else 0
    col = bench.cols - 1 if corner in ("last", "top right") else 0
    cell = Region(row, row + 1, col, col + 1)
    command = bench.pulse([[1]], cell) if way == "dense" else bench.sparse([[row, col]], [1])
    sent(bench, command, bench.of_array([[1]], cell))


def test_listed_cells_get_their_pulses_also_where_one_is_listed_twice(bench: Bench) -> None:
    last = bench.rows - 1, bench.cols - 1
    places = [last, (0, 0), (0, last[1]), last, (last[0], 0)]
    counts = [2, -1, 1, 1, -3]
    expected = np.zeros((bench.rows, bench.cols), np.int64)
    np.add.at(expected, tuple(np.transpose(places)), counts)
    sent(bench, bench.sparse(places, counts), expected)


def test_no_pulse_is_none(bench: Bench) -> None:
    sent(bench, bench.pulse(np.zeros(bench.block.shape)), np.zeros((bench.rows, bench.cols), np.int64))


@pytest.mark.hwctl_emulated
def test_a_cell_takes_as_many_pulses_as_a_command_holds(bench: Bench) -> None:
    counts = np.full(bench.block.shape, codes.MAX_PULSES)
    counts[0] *= -1
    sent(bench, bench.pulse(counts), bench.of_array(counts, bench.block))


@pytest.mark.parametrize("per", ShapePer)
def test_pulses_are_counted_whatever_has_a_shape_of_its_own(bench: Bench, per: ShapePer) -> None:
    counts = pattern(bench.block)
    command = commands.Pulse(bench.block, counts.astype(np.int8), per, *shapes_per(bench, per))
    sent(bench, command, bench.of_array(counts, bench.block))


def shapes_per(bench: Bench, per: ShapePer) -> list[np.ndarray]:
    """Return SET and RESET shapes, each line or cell another level as far as there are levels."""
    number = per.count(*bench.block.shape)
    levels = ([shape.number for shape in shapes] for shapes in (bench.sets, bench.resets))
    # From strong to weak, in steps that use levels far apart.
    return [
        np.array([had[-1 - n * max(len(had) // 4, 1) % len(had)] for n in range(number)], np.uint8) for had in levels
    ]


def test_the_array_is_driven_for_as_long_as_the_pulses_of_a_row_last(bench: Bench) -> None:
    counts = pattern(bench.block)
    width = [round(shape.width / bench.identity.seconds_per_code) for shape in (bench.sets[-1], bench.resets[-1])]
    before = bench.status().busy
    bench.done(bench.pulse(counts), replies.Pulsed)
    taken = bench.status().busy - before
    longest = [max(int(sign * counts.min() if sign < 0 else counts.max()), 0) for sign in (1, -1)]
    total = [int(counts[counts > 0].sum()), -int(counts[counts < 0].sum())]
    assert sum(n * w for n, w in zip(longest, width, strict=True)) <= taken
    assert taken <= sum(n * w for n, w in zip(total, width, strict=True))


# -- moving --------------------------------------------------------------------------------------------------------


def change(bench: Bench, polarity: Polarity) -> float | None:
    """Pulse the block with the strongest shape until its mean reading changes clearly; return by how many codes.

    None where that needs too many pulses. Cells that saturate or are known to be defective are left out.
    """
    at_once, most = (127, 10) if bench.emulated else (10, 15)
    held = np.ones(bench.block.shape, np.bool_)
    if bench.emulated:
        held = bench.cells()["flags"] == 0
    before = bench.read(100, averages_log2=4)
    sign = 1 if polarity == SET else -1
    for n in range(most):
        bench.done(bench.pulse(np.full(bench.block.shape, sign * at_once)), replies.Pulsed)
        after = bench.read(200 + 16 * n, averages_log2=4)
        moved = (after - before)[held & (before != NO_READING) & (after != NO_READING)]
        if moved.size == 0:
            pytest.skip(f"no cell of the block of {bench.url} can be moved and read")
        spread = moved.std(ddof=1) if moved.size > 1 else 0.0
        if abs(moved.mean()) > 5 * (spread + bench.noise) / moved.size**0.5:
            return float(moved.mean())
    return None


def test_set_raises_the_conductance_and_reset_lowers_it_on_average(bench: Bench) -> None:
    change(bench, SET)  # from where it was; it may be at its upper bound
    lowered = change(bench, RESET)
    raised = change(bench, SET)
    if not bench.exact and None in (lowered, raised):
        pytest.skip(f"the pulses that may be spent show no clear change on {bench.url}")
    assert lowered is not None
    assert lowered < 0
    assert raised is not None
    assert raised > 0


def answering(bench: Bench, row: int, col: int) -> np.ndarray:
    """Return which cells of the array read clearly lower after RESET and higher after SET pulses of one."""
    at_once = 127 if bench.emulated else 30
    scale = bench.crossbar.units.siemens_per_reading
    moved = []
    for sign in (1, -1, 1):  # the first takes it from its lower bound
        before = bench.crossbar.read(averages=4, over_range="nan")
        bench.done(bench.sparse([(row, col)], [sign * at_once]), replies.Pulsed)
        moved.append((bench.crossbar.read(averages=4, over_range="nan") - before) / scale)
    clearly = 10 * bench.noise
    return np.logical_and(moved[1] < -clearly, moved[2] > clearly)


def test_a_cell_is_read_where_it_is_pulsed(bench: Bench) -> None:
    _, last_row, first_col, _ = bench.block
    places = (0, bench.cols - 1), (last_row - 1, 0), (last_row - 1, first_col)
    found = [(place, answering(bench, *place)) for place in places]
    if not any(cells.any() for _, cells in found):
        pytest.skip(f"no pulses show in readings of {bench.url}")
    for place, cells in found:
        assert cells[place] or not cells.any(), f"pulses of {place} move {np.argwhere(cells).tolist()[:4]}"


def test_pulses_of_a_cell_move_no_other(exact: Bench) -> None:
    before = exact.cells()
    counts = np.zeros(exact.block.shape, np.int64)
    counts[0, 1] = 5
    exact.done(exact.pulse(counts), replies.Pulsed)
    after = exact.cells()
    np.testing.assert_array_equal(after != before, counts != 0)


@pytest.mark.parametrize("per", [ShapePer.ROW, ShapePer.COL, ShapePer.CELL])
def test_each_line_or_cell_is_pulsed_with_its_own_shape(exact: Bench, per: ShapePer) -> None:
    bench = exact
    if len(bench.sets) == len(bench.resets) == 1:
        pytest.skip(f"{bench.url} names one drive level of either polarity")
    counts, shapes = pattern(bench.block).astype(np.int8), shapes_per(bench, per)
    with bench.loaded(bench.graded()):
        bench.done(commands.Pulse(bench.block, counts, per, *shapes), replies.Pulsed)
        together = bench.words()
    with bench.loaded(bench.graded()):
        across, along = per.strides(bench.block.cols)
        for i, j in np.ndindex(bench.block.shape):
            number = i * across + j * along
            row, col = bench.block.row0 + i, bench.block.col0 + j
            cell = Region(row, row + 1, col, col + 1)
            own = (shape[number : number + 1] for shape in shapes)
            single = commands.Pulse(cell, counts[i : i + 1, j : j + 1], ShapePer.COMMAND, *own)
            bench.done(single, replies.Pulsed)
        np.testing.assert_array_equal(together, bench.words())


def test_several_pulses_are_as_many_single_ones(exact: Bench) -> None:
    ones = np.ones(exact.block.shape)
    with exact.loaded(exact.graded()):
        exact.done(exact.pulse(ones * 7), replies.Pulsed)
        together = exact.words()
    with exact.loaded(exact.graded()):
        for _ in range(7):
            exact.done(exact.pulse(ones), replies.Pulsed)
        np.testing.assert_array_equal(together, exact.words())


def test_listed_pulses_of_one_cell_are_executed_in_their_order(exact: Bench) -> None:
    last = exact.rows - 1, exact.cols - 1
    program = [9, -9, 4, -1]
    with exact.loaded(exact.graded()):
        exact.done(exact.sparse([last] * 4, program), replies.Pulsed)
        together = exact.words()
    with exact.loaded(exact.graded()):
        for count in program:
            exact.done(exact.sparse([last], [count]), replies.Pulsed)
        np.testing.assert_array_equal(together, exact.words())


@pytest.mark.parametrize("flag", codes.CellFlag)
def test_defective_cells_count_their_pulses_and_do_not_move(exact: Bench, flag: codes.CellFlag) -> None:
    cells = exact.graded()
    cells["flags"][0, 0] = flag
    with exact.loaded(cells):
        for count in (20, -5):
            exact.done(exact.pulse(np.full(exact.block.shape, count)), replies.Pulsed)
        after = from_words(exact.words()).reshape(exact.block.shape)
    np.testing.assert_array_equal(after["count"], 25)
    assert after["state"][0, 0] == cells["state"][0, 0]
    assert (after["state"] != cells["state"]).any()
