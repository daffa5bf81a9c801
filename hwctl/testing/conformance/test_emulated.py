"""Emulated boards: state goes out and in to the bit, and no way of batching changes it."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from hwctl.protocol import commands, replies
from hwctl.protocol.commands import Command
from hwctl.protocol.packing import Region
from hwctl.testing.conformance.bench import Bench, Int64

pytestmark = pytest.mark.hwctl_emulated


def run(bench: Bench, program: list[Command]) -> bytes:
    """Execute commands on graded cells and return the cells that they leave."""
    with bench.loaded(bench.graded()):
        for command in program:
            assert not isinstance(bench.execute(command), replies.Refused)
        return bench.words().tobytes()


# -- load, dump, restore -------------------------------------------------------------------------------------------


def test_loaded_cells_are_what_is_dumped_and_no_other_cell_changes(bench: Bench) -> None:
    cells, before = bench.graded(), bench.crossbar.dump().words.reshape(bench.rows, bench.cols, -1)
    cells["count"] = np.arange(cells.size).reshape(cells.shape) + 0x10000
    cells["offset"][0, 0], cells["form_level"][0, 0] = -3, 7
    with bench.loaded(cells):
        np.testing.assert_array_equal(bench.cells(), cells)
        after = bench.crossbar.dump().words.reshape(bench.rows, bench.cols, -1)
    row0, _, col0, _ = bench.block
    np.testing.assert_array_equal(after[:row0], before[:row0])
    np.testing.assert_array_equal(after[:, :col0], before[:, :col0])


def test_a_dump_changes_nothing(bench: Bench) -> None:
    before = bench.seen()
    bench.crossbar.dump()
    assert bench.seen() == before


@pytest.mark.hwctl_needs("RESTORE")
def test_a_restored_board_goes_on_to_the_same_bits(exact: Bench) -> None:
    bench = exact
    more = bench.pulse(np.indices(bench.block.shape).sum(axis=0) * 3 - 5)
    dumped = bench.crossbar.dump()
    bench.done(more, replies.Pulsed)
    bench.read(17)
    first = bench.crossbar.dump(), bench.read(9)
    bench.done(bench.pulse(np.full(bench.block.shape, 9)), replies.Pulsed)
    bench.crossbar.restore(dumped)
    assert bench.crossbar.dump().words.tobytes() == dumped.words.tobytes()
    assert bench.status().clock == dumped.clock
    bench.done(more, replies.Pulsed)
    bench.read(17)
    assert bench.crossbar.dump().words.tobytes() == first[0].words.tobytes()
    assert bench.crossbar.dump().clock == first[0].clock
    np.testing.assert_array_equal(bench.read(9), first[1])


@pytest.mark.hwctl_needs("COUNTERS")
def test_loaded_counters_go_on_and_stay_at_their_highest(bench: Bench) -> None:
    highest = 0xFFFFFFFF
    counts = np.full(bench.block.shape, highest - 2, np.uint32)
    counts[0] = 7
    before = bench.done(commands.Counters(bench.block), replies.Counts).counts.copy()
    bench.done(commands.LoadCounters(bench.block, counts), replies.Done)
    bench.done(bench.pulse(np.full(bench.block.shape, 5)), replies.Pulsed)
    found = bench.done(commands.Counters(bench.block), replies.Counts).counts
    np.testing.assert_array_equal(found, np.minimum(counts.astype(np.int64) + 5, highest))
    bench.done(commands.LoadCounters(bench.block, before), replies.Done)


# -- time ---------------------------------------------------------------------------------------------------------


@pytest.mark.hwctl_needs("VIRTUAL_TIME")
def test_waiting_moves_the_clock_and_nothing_else(exact: Bench) -> None:
    before, clock = exact.seen(), exact.status().clock
    for time in (1, 0, 123_456_789_012):
        exact.done(commands.Wait(time), replies.Done)
    assert exact.status().clock - clock == 123_456_789_013
    assert exact.seen() == before


def test_the_clock_counts_what_drives_the_array(exact: Bench) -> None:
    exact.done(exact.configure_read(settle=50), replies.Done)
    before = exact.status()
    exact.read(averages_log2=2)
    exact.done(exact.pulse(np.full(exact.block.shape, 2)), replies.Pulsed)
    after = exact.status()
    assert after.clock - before.clock == after.busy - before.busy > 0


# -- batching ------------------------------------------------------------------------------------------------------


def counts_of(bench: Bench, rng: np.random.Generator) -> Int64:
    return rng.integers(-9, 10, bench.block.shape)


def cells_of(region: Region, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return the cells of a region in any order."""
    places = [(i, j) for i in range(region.row0, region.row1) for j in range(region.col0, region.col1)]
    return [places[n] for n in rng.permutation(len(places))]


def listed(bench: Bench, counts: Int64, rng: np.random.Generator) -> Iterator[Command]:
    places = cells_of(bench.block, rng)
    own = [counts[i - bench.block.row0, j - bench.block.col0] for i, j in places]
    yield bench.sparse(places, own)


def regions(bench: Bench, counts: Int64, rng: np.random.Generator) -> Iterator[Command]:
    row0, row1, col0, col1 = bench.block
    for i in rng.permutation(range(row0, row1)):
        for first, last in ((col0 + 1, col1), (col0, col0 + 1)):
            part = Region(int(i), int(i) + 1, first, last)
            yield bench.pulse(counts[i - row0 : i - row0 + 1, first - col0 : last - col0], part)


def portions(bench: Bench, counts: Int64, rng: np.random.Generator) -> Iterator[Command]:
    first = np.trunc(counts * rng.random()).astype(int)
    yield bench.pulse(first)
    yield bench.pulse(counts - first)


def single_pulses(bench: Bench, counts: Int64, rng: np.random.Generator) -> Iterator[Command]:
    for place in cells_of(bench.block, rng):
        count = int(counts[place[0] - bench.block.row0, place[1] - bench.block.col0])
        for _ in range(abs(count)):
            yield bench.sparse([place], [np.sign(count)])


Way = Callable[[Bench, Int64, np.random.Generator], Iterator[Command]]


@pytest.mark.parametrize("way", [listed, regions, portions, single_pulses])
def test_no_way_of_batching_changes_a_bit(exact: Bench, way: Way) -> None:
    rng = np.random.default_rng(3)
    program = [counts_of(exact, rng) for _ in range(3)]
    expected = run(exact, [exact.pulse(counts) for counts in program])
    assert run(exact, [command for counts in program for command in way(exact, counts, rng)]) == expected


def test_commands_on_different_cells_may_come_in_any_order(exact: Bench) -> None:
    row0, _, col0, col1 = exact.block
    row = Region(row0, row0 + 1, col0, col1)
    below = (row0 + 1, col0), (row0 + 1, col0 + 1)
    program: list[Command] = [
        exact.pulse(np.full(row.shape, 6), row),
        exact.sparse([below[0]], [-8]),
        exact.sparse([below[1]], [5]),
        commands.Read(exact.block, 0, 4, 3),
    ]
    expected = run(exact, program)
    for order in ([3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]):
        assert run(exact, [program[n] for n in order]) == expected
