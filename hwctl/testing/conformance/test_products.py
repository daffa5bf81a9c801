"""VMM and VMM_T: the right lines, linear, batches as single vectors, saturation flagged."""

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from hwctl.protocol import commands, replies
from hwctl.protocol.codes import NO_CURRENT, NO_READING, RANGE_AS_CONFIGURED
from hwctl.protocol.packing import Region
from hwctl.testing.conformance.bench import Bench, Int64

HALF = 64  # input code of half the read voltage, of 128
LAST_INDEX = 0xFFFFFFFF

products = pytest.mark.parametrize(
    "kind",
    [
        pytest.param(commands.Vmm, id="VMM", marks=pytest.mark.hwctl_needs("VMM")),
        pytest.param(commands.VmmT, id="VMM_T", marks=pytest.mark.hwctl_needs("VMM_T")),
    ],
)
Kind = type[commands.Vmm]
Flags = NDArray[np.bool_]


def lines(bench: Bench, kind: Kind) -> tuple[int, int]:
    """Return how many lines of the block are driven and sensed."""
    rows, cols = bench.block.shape
    return (cols, rows) if kind is commands.VmmT else (rows, cols)


def ask(
    bench: Bench, kind: Kind, vectors: ArrayLike, tia_range: int, index: int = 0, region: Region | None = None
) -> replies.Currents:
    """Return the reply to input codes, int8 where they are not int16."""
    codes = np.asarray(vectors)
    codes = codes if codes.dtype == np.int16 else codes.astype(np.int8)
    return bench.done(kind(region or bench.block, codes, tia_range, index), replies.Currents)


def range_of(bench: Bench, readings: Int64, share: float) -> int:
    """Return a TIA range for currents of `share` of the sums of readings over the longer side."""
    return bench.crossbar.units.range_for(1.2 * share * float(readings.sum(axis=1).max() + readings.sum(axis=0).max()))


def known_cells(bench: Bench, kind: Kind) -> Int64:
    """Return readings (driven, sensed) of the block, which spans its range where cells can be loaded.

    Skips where a reading saturates.
    """
    if bench.emulated:
        bench.load(bench.graded())
    readings = bench.read(averages_log2=6)
    if (readings == NO_READING).any():
        pytest.skip(f"cells of {bench.url} saturate its converters at {bench.crossbar.read_voltage:.3g} V")
    return readings.T if kind is commands.VmmT else readings


def currents(bench: Bench, kind: Kind, vectors: ArrayLike, tia_range: int, index: int = 0) -> Int64:
    """Return unsaturated currents in current codes, less those of no input where they may not be 0."""
    reply = ask(bench, kind, vectors, tia_range, index)
    assert not reply.over_range.any()
    found = reply.currents.astype(np.int64) << tia_range
    if bench.exact:
        return found
    nothing = ask(bench, kind, np.zeros((1, lines(bench, kind)[0])), tia_range, index + 1000)
    return found - (nothing.currents.astype(np.int64) << tia_range)


@products
def test_a_single_driven_line_shows_the_cells_of_that_line(bench: Bench, kind: Kind) -> None:
    cells = known_cells(bench, kind)
    tia_range = range_of(bench, cells, 0.5)
    found = currents(bench, kind, np.eye(len(cells)) * HALF, tia_range)
    bench.close(found, cells / 2, conversions=2, step=1 << tia_range)


@products
def test_lines_are_neither_exchanged_nor_mirrored(bench: Bench, kind: Kind) -> None:
    cells = known_cells(bench, kind)
    found = 2 * currents(bench, kind, np.eye(len(cells)) * HALF, range_of(bench, cells, 0.5))
    mirrored = [cells[::-1], cells[:, ::-1], cells[::-1, ::-1]] + [cells.T] * (cells.shape[0] == cells.shape[1])
    unlike = min(np.abs(other - cells).mean() for other in mirrored)
    if unlike < 0.1 * cells.mean() or unlike < 10 * bench.noise:
        pytest.skip(f"cells of {bench.url} are too much alike to tell its lines apart")
    distance = np.abs(found - cells).mean()
    assert all(distance < np.abs(found - other).mean() for other in mirrored)


@products
def test_the_currents_of_driven_lines_add_up(bench: Bench, kind: Kind) -> None:
    cells = known_cells(bench, kind)
    tia_range = range_of(bench, cells, 0.5)
    singles = currents(bench, kind, np.eye(len(cells)) * HALF, tia_range)
    together = currents(bench, kind, np.full((1, len(cells)), HALF), tia_range, 50)
    bench.close(together[0], singles.sum(axis=0), 2.0 * len(cells) + 2, (len(cells) + 1) << tia_range)


@products
def test_the_current_is_proportional_to_the_input_and_changes_its_sign(bench: Bench, kind: Kind) -> None:
    cells = known_cells(bench, kind)
    tia_range = range_of(bench, cells, 1.0)
    one = np.ones(len(cells), int)
    found = currents(bench, kind, [one * 0, one * HALF, one * -HALF, one * 127, one * -127], tia_range)
    expected = np.outer([0, HALF, -HALF, 127, -127], cells.sum(axis=0) / 128)
    bench.close(found, expected, conversions=2, step=1 << tia_range)


@products
def test_inputs_of_16_bits_count_as_those_of_8(bench: Bench, kind: Kind) -> None:
    cells = known_cells(bench, kind)
    tia_range = range_of(bench, cells, 0.5)
    coarse = np.arange(3 * len(cells)).reshape(3, -1) % 120 - HALF
    fine = (coarse * 256).astype(np.int16)
    found = [currents(bench, kind, vectors, tia_range) for vectors in (coarse, fine)]
    bench.close(found[0], found[1], conversions=0 if bench.exact else 4, step=1 << tia_range)


@products
def test_a_batch_is_the_same_as_its_vectors_one_by_one(bench: Bench, kind: Kind) -> None:
    driven, _ = lines(bench, kind)
    vectors = np.random.default_rng(1).integers(-60, 61, (10, driven))
    tia_range = range_of(bench, known_cells(bench, kind), 0.5)
    first = LAST_INDEX - 4  # noise indices wrap
    whole = ask(bench, kind, vectors, tia_range, first)
    for n, vector in enumerate(vectors):
        alone = ask(bench, kind, vector[None], tia_range, (first + n) & LAST_INDEX)
        if bench.exact:
            np.testing.assert_array_equal(alone.currents[0], whole.currents[n])
        else:
            bench.close(alone.currents[0] * 2.0**tia_range, whole.currents[n] * 2.0**tia_range, 4, 1 << tia_range)


@products
def test_a_part_of_the_array_is_as_the_whole_with_other_lines_undriven(bench: Bench, kind: Kind) -> None:
    row0, _, col0, _ = bench.block
    transposed = kind is commands.VmmT
    first, sensed0 = (col0, row0) if transposed else (row0, col0)
    driven, sensed = lines(bench, kind)
    longest = max(bench.rows, bench.cols)
    if 2 * longest > bench.port.room:
        pytest.skip(f"{bench.url} takes no vector for its whole array")
    tia_range = range_of(bench, known_cells(bench, kind), 0.5)
    part = np.arange(1, driven + 1)[None] * 8
    all_lines = np.zeros((1, bench.cols if transposed else bench.rows), np.int8)
    all_lines[:, first : first + driven] = part
    alone = ask(bench, kind, part, tia_range, 9)
    whole = ask(bench, kind, all_lines, tia_range, 9, bench.whole).currents[:, sensed0 : sensed0 + sensed]
    if bench.exact:
        np.testing.assert_array_equal(alone.currents, whole)
    else:
        bench.close(alone.currents * 2.0**tia_range, whole * 2.0**tia_range, 4, 1 << tia_range)


# -- saturation ----------------------------------------------------------------------------------------------------


def expected_flags(bound: int, expected: NDArray[np.float64], tolerance: float) -> tuple[Flags, Flags]:
    """Return which lines must be flagged, and which must not."""
    return np.abs(expected) > bound + tolerance, np.abs(expected) < bound - tolerance


@products
@pytest.mark.parametrize("sign", [1, -1])
def test_a_line_beyond_the_range_is_flagged_and_no_other(bench: Bench, kind: Kind, sign: int) -> None:
    cells = known_cells(bench, kind)
    driven = len(cells)
    expected = sign * 127 / 128 * cells.sum(axis=0)
    for tia_range in bench.identity.tia_ranges.tolist():
        reply = ask(bench, kind, np.full((1, driven), 127 * sign), tia_range)
        assert reply.tia_range == tia_range
        found = reply.currents[0].astype(np.int64)
        tolerance = bench.tolerance(expected, driven + 1, (driven + 1) << tia_range)
        saturated, held = expected_flags(2048 << tia_range, expected, tolerance)
        assert (found[saturated] == NO_CURRENT).all()
        np.testing.assert_allclose(found[held] << tia_range, expected[held], atol=tolerance, rtol=0)
        assert ((np.abs(found) <= 2048) | (found == NO_CURRENT)).all()


@products
def test_a_command_that_names_no_range_takes_the_configured_one(bench: Bench, kind: Kind) -> None:
    for tia_range in {int(bench.identity.tia_ranges[0]), bench.coarsest}:
        bench.done(bench.configure_read(tia_range=tia_range), replies.Done)
        reply = ask(bench, kind, np.zeros((1, lines(bench, kind)[0])), RANGE_AS_CONFIGURED)
        assert reply.tia_range == tia_range


# -- what a product leaves -----------------------------------------------------------------------------------------


@products
def test_a_product_counts_its_conversions_and_leaves_cells_alone(bench: Bench, kind: Kind) -> None:
    driven, sensed = lines(bench, kind)
    before = bench.seen()
    ask(bench, kind, np.ones((5, driven)), bench.coarsest)
    after = bench.seen()
    assert after.reads - before.reads == 5 * sensed
    assert after[:2] == before[:2]
    assert after.counters == before.counters
    assert after.busy >= before.busy
    if bench.exact:
        assert after.words == before.words


@products
def test_the_noise_index_alone_decides_on_the_noise(exact: Bench, kind: Kind) -> None:
    vectors = np.full((3, lines(exact, kind)[0]), 5)
    tia_range = int(exact.identity.tia_ranges[0])
    first = [ask(exact, kind, vectors, tia_range, index).currents for index in (7, 20)]
    exact.read(7)
    for index, before in zip((20, 7), first[::-1], strict=True):
        np.testing.assert_array_equal(ask(exact, kind, vectors, tia_range, index).currents, before)
