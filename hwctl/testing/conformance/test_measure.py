"""MEASURE: each line at its own voltage; columns carry the sum of G (V_row - V_col)."""

import numpy as np
import pytest
from numpy.typing import ArrayLike

from hwctl.protocol import commands, replies
from hwctl.protocol.codes import NO_CURRENT, NO_READING
from hwctl.protocol.packing import Region
from hwctl.testing.conformance.bench import Bench, Int64

pytestmark = pytest.mark.hwctl_needs("MEASURE")


def measure(
    bench: Bench,
    rows: ArrayLike,
    cols: ArrayLike,
    tia_range: int | None = None,
    index: int = 0,
    region: Region | None = None,
) -> Int64:
    """Return currents (columns,) of a region, default the block, in current codes, with every gate fully open."""
    chosen = bench.coarsest if tia_range is None else tia_range
    drives = np.asarray(rows, np.int16), np.asarray(cols, np.int16)
    gate = int(bench.identity.drive_levels[:, 3].max(initial=0))
    reply = bench.done(commands.Measure(region or bench.block, *drives, gate, chosen, index), replies.Currents)
    assert reply.currents.shape == (1, bench.block.cols)
    found = reply.currents[0].astype(np.int64)
    return np.where(found == NO_CURRENT, NO_CURRENT, found << chosen)


def known_cells(bench: Bench) -> tuple[Int64, int, int]:
    """Return readings of the block, half the read voltage in codes, and a TIA range for it; skips on saturation."""
    if bench.emulated:
        bench.load(bench.graded())
    readings = bench.read(averages_log2=6)
    if (readings == NO_READING).any():
        pytest.skip(f"cells of {bench.url} saturate its converters at {bench.crossbar.read_voltage:.3g} V")
    tia_range = bench.crossbar.units.range_for(0.6 * float(readings.sum(axis=0).max()) + 100 * bench.noise)
    return readings, bench.voltage // 2, tia_range


def test_a_row_at_a_voltage_shows_its_cells(bench: Bench) -> None:
    cells, half, tia_range = known_cells(bench)
    resting = measure(bench, np.zeros(len(cells)), np.zeros(cells.shape[1]), tia_range)
    for row, expected in enumerate(cells * half / bench.voltage):
        volts = np.zeros(len(cells))
        volts[row] = half
        found = measure(bench, volts, np.zeros(cells.shape[1]), tia_range)
        bench.close(found - resting, expected, conversions=2, step=1 << tia_range)
        found = measure(bench, -volts, np.zeros(cells.shape[1]), tia_range)
        bench.close(found - resting, -expected, conversions=2, step=1 << tia_range)


def whole_columns(bench: Bench) -> tuple[Region, Int64, int, int]:
    """Return the block's columns over all rows, their readings, half the read voltage and a TIA range.

    A row outside the region is at 0 V: it carries a current once a column is at a voltage.
    """
    region = Region(0, bench.rows, bench.block.col0, bench.block.col1)
    if 2 * (region.rows + region.cols) > bench.port.room:
        pytest.skip(f"{bench.url} takes no voltages for whole columns")
    readings = np.rint(
        bench.crossbar.read(region, averages=64, over_range="nan") / bench.crossbar.units.siemens_per_reading
    )
    if np.isnan(readings).any():
        pytest.skip(f"cells of {bench.url} saturate its converters at {bench.crossbar.read_voltage:.3g} V")
    tia_range = bench.crossbar.units.range_for(0.6 * float(readings.sum(axis=0).max()) + 100 * bench.noise)
    return region, readings.astype(np.int64), bench.voltage // 2, tia_range


def test_a_column_at_a_voltage_takes_its_current_alone(bench: Bench) -> None:
    region, cells, half, tia_range = whole_columns(bench)
    grounded = np.zeros(region.rows)
    resting = measure(bench, grounded, np.zeros(region.cols), tia_range, region=region)
    for col in range(region.cols):
        volts, expected = np.zeros(region.cols), np.zeros(region.cols)
        volts[col] = half
        expected[col] = -cells[:, col].sum() * half / bench.voltage
        found = measure(bench, grounded, volts, tia_range, region=region)
        bench.close(found - resting, expected, conversions=region.rows + 1, step=1 << tia_range)


def test_lines_at_one_voltage_carry_no_current(bench: Bench) -> None:
    region, _, half, tia_range = whole_columns(bench)
    found = measure(bench, np.full(region.rows, half), np.full(region.cols, half), tia_range, region=region)
    resting = measure(bench, np.zeros(region.rows), np.zeros(region.cols), tia_range, region=region)
    bench.close(found, resting, 2, 1 << tia_range)


def test_a_line_beyond_the_range_is_flagged_and_no_other(bench: Bench) -> None:
    cells, half, _ = known_cells(bench)
    expected = cells.sum(axis=0) * half / bench.voltage
    for tia_range in bench.identity.tia_ranges.tolist():
        found = measure(bench, np.full(len(cells), half), np.zeros(cells.shape[1]), tia_range)
        tolerance = bench.tolerance(expected, len(cells) + 1, (len(cells) + 1) << tia_range)
        assert (found[expected > (2048 << tia_range) + tolerance] == NO_CURRENT).all()
        held = expected < (2047 << tia_range) - tolerance
        np.testing.assert_allclose(found[held], expected[held], atol=tolerance, rtol=0)


def test_a_measurement_counts_its_conversions_and_leaves_cells_alone(bench: Bench) -> None:
    before = bench.seen()
    measure(bench, np.zeros(bench.block.rows), np.zeros(bench.block.cols))
    after = bench.seen()
    assert after.reads - before.reads == bench.block.cols
    assert after[:2] == before[:2]
    assert after.counters == before.counters
    if bench.exact:
        assert after.words == before.words


def test_the_noise_index_alone_decides_on_the_noise(exact: Bench) -> None:
    rest = np.zeros(exact.block.rows), np.zeros(exact.block.cols)
    finest = int(exact.identity.tia_ranges[0])
    first = [measure(exact, *rest, finest, index) for index in (3, 4)]
    for index, before in zip((4, 3), first[::-1], strict=True):
        np.testing.assert_array_equal(measure(exact, *rest, finest, index), before)
