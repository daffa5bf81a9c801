"""READ: the right cells, averages, ranges and flags; and it leaves everything as it was."""

import numpy as np
import pytest

from hwctl.protocol import codes, commands, replies
from hwctl.protocol.codes import NO_READING, RANGE_AS_CONFIGURED
from hwctl.protocol.packing import Region
from hwctl.testing.conformance.bench import Bench

LAST_INDEX = 0xFFFFFFFF


def test_a_reading_is_there_for_every_cell_of_the_region(bench: Bench) -> None:
    for region in (bench.block, Region(0, 1, 0, 2), Region(bench.rows - 1, bench.rows, bench.cols - 1, bench.cols)):
        assert bench.read(region=region).shape == region.shape


def test_a_part_of_the_array_reads_as_it_does_in_the_whole(bench: Bench) -> None:
    row0, row1, col0, col1 = bench.block
    whole = bench.read(3)
    for i in range(row0, row1):
        for j in range(col0, col1):
            alone = bench.read(3, Region(i, i + 1, j, j + 1))
            if bench.exact:
                assert alone[0, 0] == whole[i - row0, j - col0]
            elif NO_READING not in (alone[0, 0], whole[i - row0, j - col0]):
                bench.close(alone[0, 0], whole[i - row0, j - col0], conversions=2)


@pytest.mark.hwctl_emulated
def test_every_cell_is_read_at_its_own_place(bench: Bench) -> None:
    for row, col in np.ndindex(bench.block.shape):
        cells = bench.graded(6000, 6000)
        cells["state"][row, col] = 58000  # more than any write noise above the others
        bench.load(cells)
        found = bench.read(averages_log2=2)
        assert np.unravel_index(found.argmax(), found.shape) == (row, col)


@pytest.mark.parametrize("log2", [0, 1, 4, codes.MAX_AVERAGES_LOG2])
def test_every_number_of_averages_is_executed_and_counted(bench: Bench, log2: int) -> None:
    cell = Region(bench.rows - 1, bench.rows, 0, 1)
    before = bench.status()
    assert bench.read(region=cell, averages_log2=log2).shape == (1, 1)
    after = bench.status()
    assert after.reads - before.reads == 1 << log2
    assert after.busy >= before.busy


def test_conversions_of_a_region_are_counted(bench: Bench) -> None:
    before = bench.status().reads
    bench.read(averages_log2=3)
    assert bench.status().reads - before == bench.block.rows * bench.block.cols << 3


def test_a_read_leaves_cells_and_counters_alone(bench: Bench) -> None:
    before = bench.seen()
    for index in range(5):
        bench.read(index, averages_log2=2)
    after = bench.seen()
    assert after[:2] == before[:2]
    assert after.counters == before.counters
    if bench.exact:
        assert after.words == before.words


def test_readings_are_alike_from_one_time_to_the_next(bench: Bench) -> None:
    first, second = bench.read(0, averages_log2=4), bench.read(16, averages_log2=4)
    held = (first != NO_READING) & (second != NO_READING)
    bench.close(first[held], second[held], conversions=2)


# -- noise ---------------------------------------------------------------------------------------------------------


def test_the_noise_index_alone_decides_on_the_noise(exact: Bench) -> None:
    bench = exact
    series = [bench.read(index) for index in range(8)]
    for index in (5, 0, 7, 5):
        np.testing.assert_array_equal(bench.read(index), series[index])
    alone = Region(bench.rows - 1, bench.rows, bench.cols - 1, bench.cols)
    assert bench.read(6, alone)[0, 0] == series[6][-1, -1]


@pytest.mark.parametrize("index", [0, 77, LAST_INDEX - 2], ids=["0", "77", "at the last index"])
def test_an_average_is_that_of_successive_indices(exact: Bench, index: int) -> None:
    singles = np.array([exact.read((index + n) & LAST_INDEX) for n in range(8)])
    np.testing.assert_array_equal(exact.read(index, averages_log2=3), (singles.sum(axis=0) + 4) >> 3)


# -- ranges --------------------------------------------------------------------------------------------------------


def test_a_reading_beyond_the_range_is_flagged_and_no_other(bench: Bench) -> None:
    if bench.emulated:
        bench.load(bench.graded(0, 0xFFFF))
    reference = bench.read(averages_log2=4)
    known = reference != NO_READING
    for tia_range in (r for r in bench.identity.tia_ranges.tolist() if r <= codes.MAX_READ_RANGE):
        found = bench.read(tia_range=tia_range)
        highest = 4095 << tia_range
        tolerance = bench.tolerance(reference[known])
        assert (found[known & (reference > highest + tolerance)] == NO_READING).all()
        held = known & (reference < highest - tolerance)
        np.testing.assert_allclose(found[held], reference[held], atol=tolerance, rtol=0)
        assert ((found <= highest) | (found == NO_READING)).all()


def test_a_command_that_names_no_range_takes_the_configured_one(bench: Bench) -> None:
    for tia_range in (r for r in bench.identity.tia_ranges.tolist() if r <= codes.MAX_READ_RANGE):
        bench.done(bench.configure_read(tia_range=tia_range), replies.Done)
        found = bench.read(4, tia_range=RANGE_AS_CONFIGURED)
        named = bench.read(4, tia_range=tia_range)
        if bench.exact:
            np.testing.assert_array_equal(found, named)
        held = (found != NO_READING) & (named != NO_READING)
        if held.any():
            bench.close(found[held], named[held], conversions=2)


def test_replies_come_in_the_order_of_the_commands(bench: Bench) -> None:
    cells = [Region(0, 1 + n % 2, 0, 1 + n // 2) for n in range(4)]
    answers = bench.link.execute_all([commands.Read(cell, 0, codes.MAX_READ_RANGE, 0) for cell in cells])
    shapes = [answer.readings.shape for answer in answers if isinstance(answer, replies.Readings)]
    assert shapes == [cell.shape for cell in cells]
