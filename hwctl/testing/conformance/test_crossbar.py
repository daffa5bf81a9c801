"""The same board through `Crossbar`, in SI units: what it lacks is done with other commands, or is Unsupported."""

from collections.abc import Callable

import numpy as np
import pytest

from hwctl.crossbar import Crossbar, PulseShape
from hwctl.errors import LimitError, OverRange, Unsupported
from hwctl.protocol import codes, replies
from hwctl.protocol.codes import Feature, OuterMode, Polarity
from hwctl.testing.conformance.bench import RESET, SET, Bench, Int64


def spread(bench: Bench) -> None:
    """Give the block cells over all of its range, where cells can be loaded."""
    if bench.emulated:
        bench.load(bench.graded())


def amperes(bench: Bench, found: np.ndarray, expected: np.ndarray, conversions: float, steps: int) -> None:
    """Compare currents in A within noise and so many conductance steps of the least sensitive range needed."""
    scale = bench.identity.amperes_per_code
    bench.close(found / scale, expected / scale, conversions, 32.0 * steps)


def conductances(bench: Bench) -> np.ndarray:
    """Return the block's conductances in S; skips where one saturates."""
    try:
        return bench.crossbar.read(bench.block, averages=64)
    except OverRange as error:
        pytest.skip(f"{bench.url}: {error}")


def shapes(bench: Bench) -> tuple[PulseShape, PulseShape]:
    return bench.sets[-1], bench.resets[-1]


# -- reading -------------------------------------------------------------------------------------------------------


def test_conductances_are_codes_times_the_scale(bench: Bench) -> None:
    bench.crossbar.noise_index = 40
    found = bench.crossbar.read(bench.block, averages=4, over_range="nan")
    codes_read = bench.read(40, averages_log2=2)
    scale = bench.identity.amperes_per_code / bench.crossbar.read_voltage
    expected = np.where(codes_read == codes.NO_READING, np.nan, codes_read * scale)
    if bench.exact:
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    held = np.isfinite(found) & np.isfinite(expected)
    bench.close(found[held] / scale, expected[held] / scale, conversions=2)
    assert bench.crossbar.noise_index == 44


def test_the_whole_array_can_be_read(bench: Bench) -> None:
    found = bench.crossbar.read(over_range="nan")
    assert found.shape == (bench.rows, bench.cols)
    assert (found[np.isfinite(found)] >= 0.0).all()


@pytest.mark.hwctl_emulated
def test_a_saturated_reading_raises_or_is_nan(bench: Bench) -> None:
    if bench.identity.max_read < 1.2 * bench.voltage:
        pytest.skip(f"{bench.url} cannot saturate a converter within its limits")
    with bench.loaded(bench.graded(65000, 65535)):
        bench.crossbar.configure_read(bench.identity.max_read * bench.identity.volts_per_code)
        with pytest.raises(OverRange):
            bench.crossbar.read(bench.block)
        assert np.isnan(bench.crossbar.read(bench.block, over_range="nan")).any()


@pytest.mark.parametrize("transposed", [False, True], ids=["vmm", "vmm_t"])
def test_a_product_is_that_of_voltages_and_conductances(bench: Bench, transposed: bool) -> None:
    spread(bench)
    g = conductances(bench)
    g = g.T if transposed else g
    volts = np.linspace(-0.4, 0.4, 3 * len(g)).reshape(3, -1) * bench.crossbar.read_voltage
    multiply = bench.crossbar.vmm_t if transposed else bench.crossbar.vmm
    found = multiply(volts, bench.block, bits=16)
    amperes(bench, found, volts @ g, len(g) + 1, len(g) + 1)


def test_measured_currents_are_those_of_voltages_and_conductances(bench: Bench) -> None:
    spread(bench)
    g = conductances(bench)
    if not (bench.has(Feature.MEASURE) or bench.exact):
        pytest.skip(f"{bench.url} lacks MEASURE")
    volts = np.linspace(-0.4, 0.4, len(g)) * bench.crossbar.read_voltage
    gate = float(bench.identity.drive_levels[:, 3].max(initial=0)) * bench.identity.volts_per_code
    found = bench.crossbar.measure(volts, np.zeros(g.shape[1]), bench.block, gate=gate)
    amperes(bench, found, volts @ g, len(g) + 1, len(g) + 1)


# -- pulsing -------------------------------------------------------------------------------------------------------


def counted(bench: Bench, job: Callable[[Crossbar], tuple[int, int]], expected: Int64) -> None:
    """Do a job of which the block's cells must get the signed pulses expected (rows, cols)."""
    before = bench.crossbar.pulse_counts(bench.block)
    wanted = int(expected[expected > 0].sum()), -int(expected[expected < 0].sum())
    status = bench.crossbar.status()
    assert job(bench.crossbar) == wanted
    after = bench.crossbar.status()
    assert (after.set_pulses - status.set_pulses, after.reset_pulses - status.reset_pulses) == wanted
    np.testing.assert_array_equal(bench.crossbar.pulse_counts(bench.block) - before, np.abs(expected))


def test_pulses_of_a_region_are_counted(bench: Bench) -> None:
    counts = np.indices(bench.block.shape).sum(axis=0) % 3 - 1
    counted(bench, lambda crossbar: crossbar.pulse(counts, *shapes(bench), bench.block), counts)


def test_pulses_of_listed_cells_are_counted(bench: Bench) -> None:
    counts = np.zeros(bench.block.shape, int)
    counts[-1, 0], counts[0, -1] = 2, -1
    rows, cols = [bench.rows - 1, bench.block.row0], [bench.block.col0, bench.cols - 1]
    counted(bench, lambda crossbar: crossbar.pulse_cells(rows, cols, [2, -1], *shapes(bench)), counts)


def test_pulses_with_a_shape_of_their_own_are_counted(bench: Bench) -> None:
    counts = np.indices(bench.block.shape).sum(axis=0) % 3 - 1
    sets, resets = (np.full(bench.block.shape, shape.number) for shape in (bench.sets[0], bench.resets[0]))
    counted(bench, lambda crossbar: crossbar.pulse_levels(counts, sets, resets, bench.block), counts)


@pytest.mark.parametrize("mode", OuterMode)
def test_pulses_of_an_outer_product_are_counted(bench: Bench, mode: OuterMode) -> None:
    height, width = bench.block.shape
    full = 1 if mode == OuterMode.COUNT else -128  # of every slot
    x, d = np.zeros((2, height), int), np.zeros((2, width), int)
    x[0, 0], d[0, -1], x[1, -1], d[1, :] = full, full, full, full
    expected = np.zeros(bench.block.shape, int)
    expected[0, -1] += 1
    expected[-1] += 1
    counted(bench, lambda crossbar: crossbar.outer(x, d, *shapes(bench), bench.block, mode=mode, slots=1), expected)


def test_write_verify_says_what_it_did(bench: Bench) -> None:
    if bench.emulated:
        bench.load(bench.graded(20000, 40000))
    scale = bench.identity.amperes_per_code / bench.crossbar.read_voltage
    targets, tolerance = np.full(bench.block.shape, 30000 * scale), 500 * scale
    before = bench.crossbar.pulse_counts(bench.block)
    attempts = 30 if bench.emulated else 3
    found = bench.crossbar.write_verify(
        targets, tolerance, bench.sets, bench.resets, bench.block, attempts=attempts, averages=2
    )
    spent = found.set_pulses + found.reset_pulses
    np.testing.assert_array_equal(bench.crossbar.pulse_counts(bench.block) - before, spent)
    assert (spent <= attempts).all()
    assert (np.abs(found.conductances - targets)[found.reached] <= tolerance * (1 + 1e-9)).all()
    np.testing.assert_array_equal(found.reads, spent + 1)


# -- limits and what is missing ------------------------------------------------------------------------------------

BEYOND: dict[str, Callable[[Bench], object]] = {
    "a row too many": lambda b: b.crossbar.read(slice(0, b.rows + 1)),
    "a column too many": lambda b: b.crossbar.read(0, slice(0, b.cols + 1)),
    "128 pulses": lambda b: b.crossbar.pulse(np.full(b.block.shape, 128), *shapes(b), b.block),
    "a listed cell outside": lambda b: b.crossbar.pulse_cells([b.rows], [0], [1], *shapes(b)),
    "an input voltage beyond full scale": lambda b: b.crossbar.vmm(
        np.full((1, b.rows), 1.01 * b.crossbar.read_voltage)
    ),
    "a read voltage too high": lambda b: b.crossbar.configure_read(
        (b.identity.max_read + 1) * b.identity.volts_per_code
    ),
    "an amplitude too high": lambda b: b.crossbar.shape(
        SET, (b.identity.max_amplitude + 1) * b.identity.volts_per_code, b.sets[-1].width
    ),
    "a width too long": lambda b: b.crossbar.shape(
        RESET, b.resets[-1].amplitude, (b.identity.max_width + 1) * b.identity.seconds_per_code
    ),
    "a forming amplitude too high": lambda b: b.crossbar.shape(
        Polarity.FORM, (b.identity.max_form_amplitude + 1) * b.identity.volts_per_code, 1e-6
    ),
}


@pytest.mark.parametrize("name", BEYOND)
def test_what_is_beyond_a_limit_is_refused_on_the_host_and_nothing_is_executed(bench: Bench, name: str) -> None:
    assert bench.pair
    before = bench.seen()
    with pytest.raises(LimitError):
        BEYOND[name](bench)
    assert bench.seen() == before


LOST: dict[Feature, Callable[[Crossbar], object]] = {
    Feature.FORM: lambda c: c.form([], 0.0),
    Feature.VIRTUAL_TIME: lambda c: c.wait(0.0),
    Feature.EMULATED: lambda c: c.dump(),
}


def test_what_nothing_stands_in_for_is_unsupported(bench: Bench) -> None:
    for feature, job in LOST.items():
        if not bench.has(feature):
            with pytest.raises(Unsupported):
                job(bench.crossbar)


def test_safe_is_seen_in_the_status(bench: Bench) -> None:
    bench.crossbar.read(bench.block, over_range="nan")
    assert not bench.crossbar.status().safe
    bench.crossbar.safe()
    assert bench.crossbar.status().safe
    assert isinstance(bench.link.execute(bench.configure_read()), replies.Done)
