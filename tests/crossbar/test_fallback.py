"""What a board lacks is done with its other commands, to the same bits where that is possible, or is Unsupported."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwctl.errors import LimitError, OverRange, Unsupported
from hwctl.protocol import commands
from hwctl.protocol.codes import Feature, OuterMode, Polarity

SET, RESET, FORM = Polarity.SET, Polarity.RESET, Polarity.FORM
WHOLE = (5, 7)


def usual(crossbar):
    return [crossbar.drive_levels(polarity)[-1] for polarity in (SET, RESET)]


def kinds(crossbar):
    return {type(command) for command in crossbar.link.sent}


def both(opened, lacks, device="reram-es"):
    """Return a board with every command and the same board without some, both with cells all over their range."""
    boards = opened(f"device={device}"), opened(f"device={device}&lacks={lacks}")
    for crossbar in boards:
        crossbar.pulse(np.random.default_rng(1).integers(-127, 128, WHOLE), *usual(crossbar))
        crossbar.link.sent.clear()
    return boards


# -- products ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transposed", [False, True])
def test_a_product_without_vmm_is_that_of_the_readings(opened, transposed):
    full, small = both(opened, "vmm,vmm_t", "linear")
    v = np.random.default_rng(2).uniform(-0.19, 0.19, (4, 6 if transposed else 3))
    region = slice(1, 4), slice(1, 7)
    expected, found = (
        (crossbar.vmm_t if transposed else crossbar.vmm)(v, *region, bits=16) for crossbar in (full, small)
    )
    assert kinds(small) == {commands.Read}
    np.testing.assert_allclose(found, expected, atol=2e-8)  # the linear device has no noise: steps of the converters
    g = small.read(*region)
    driven = np.rint(v / 0.2 * 32768) / 32768 * 0.2
    np.testing.assert_allclose(found, driven @ (g.T if transposed else g), rtol=1e-12)


@pytest.mark.parametrize("wrong", [float("nan"), 0.2, -0.2])
def test_a_product_without_vmm_has_the_same_limits(opened, wrong):
    crossbar = opened("lacks=vmm,vmm_t")
    for multiply, lines in ((crossbar.vmm, 5), (crossbar.vmm_t, 7)):
        with pytest.raises(LimitError):
            multiply(np.full((1, lines), wrong))
    assert crossbar.link.sent == []


def test_a_product_without_vmm_raises_where_a_reading_saturates(opened):
    crossbar = opened("device=linear&lacks=vmm")
    crossbar.configure_read(0.5)
    with pytest.raises(OverRange):
        crossbar.vmm(np.full((1, 5), 0.1))


def test_a_product_without_vmm_is_nan_where_a_reading_saturates_if_that_is_wanted(opened):
    crossbar = opened("device=linear&lacks=vmm")
    crossbar.configure_read(0.5)
    assert np.isnan(crossbar.vmm(np.full((1, 5), 0.1), over_range="nan")).all()


# -- MEASURE -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lacks", ["measure", "measure,vmm"])
def test_a_measurement_with_columns_at_0_v_is_a_product(opened, lacks):
    full, small = both(opened, lacks, "linear")
    row_volts = np.array([0.19, -0.1, 0.0])
    expected, found = (crossbar.measure(row_volts, np.zeros(4), slice(1, 4), slice(2, 6)) for crossbar in (full, small))
    assert kinds(small) == {commands.Read if "vmm" in lacks else commands.Vmm}
    np.testing.assert_allclose(found, expected, atol=2e-8)


def test_a_measurement_with_voltages_on_columns_is_unsupported_without_measure(opened):
    crossbar = opened("lacks=measure")
    with pytest.raises(Unsupported, match=r"emulator:.* has no MEASURE.*; give column voltages of 0"):
        crossbar.measure(np.zeros(5), np.full(7, 0.1))
    with pytest.raises(LimitError):
        crossbar.measure(np.full(5, 0.3), np.zeros(7))  # beyond the inputs of VMM
    assert crossbar.link.sent == []


@pytest.mark.parametrize("lacks", ["measure", "measure,vmm"])
def test_a_measurement_that_saturates_without_measure_is_nan_if_that_is_wanted(opened, lacks):
    crossbar = opened(f"device=linear&lacks={lacks}", tia_ranges=np.array([0], np.uint8))
    crossbar.configure_read(0.5)
    assert np.isnan(crossbar.measure(np.full(5, 0.2), np.zeros(7), over_range="nan")).all()


# -- OUTER ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lacks", ["outer_count,outer_coincidence", "counters"])
@pytest.mark.parametrize("mode", OuterMode)
@settings(max_examples=25, deadline=None)
@given(data=st.data(), slots=st.integers(1, 32), event=st.sampled_from([0, 7, 2**32 - 2]))
def test_an_outer_product_is_the_same_to_the_bit_without_outer(opened, lacks, mode, data, slots, event):
    full, small = both(opened, lacks)
    rows, cols = slice(data.draw(st.integers(0, 3)), 5), slice(data.draw(st.integers(0, 5)), 7)
    events = data.draw(st.integers(1, 4))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    most = 11 if mode == OuterMode.COUNT else 128
    x, d = (rng.integers(-most, most, (events, lines.stop - lines.start)) for lines in (rows, cols))
    x[rng.random(x.shape) < 0.3] = 0
    totals = []
    for crossbar in (full, small):
        crossbar.event, crossbar.stream_seed = event, 0xDEADBEEF
        totals.append(crossbar.outer(x, d, *usual(crossbar), rows, cols, mode=mode, slots=slots))
        assert crossbar.event == (event + events) % 2**32
    assert totals[0] == totals[1]
    np.testing.assert_array_equal(full.dump().words, small.dump().words)
    assert commands.Outer in kinds(full)
    assert commands.Outer not in kinds(small)


def test_outer_falls_back_for_the_mode_alone_that_a_board_lacks(opened):
    crossbar = opened("lacks=outer_count")
    x, d = np.full((1, 5), 127), np.full((1, 7), 1)
    crossbar.outer(x, d, *usual(crossbar), mode=OuterMode.COINCIDENCE)
    assert commands.Outer in kinds(crossbar)
    crossbar.link.sent.clear()
    assert crossbar.outer(x, d, *usual(crossbar), mode=OuterMode.COUNT) == (35 * 127, 0)
    assert kinds(crossbar) == {commands.Pulse}


def test_an_event_without_a_pulse_sends_none(opened):
    crossbar = opened("lacks=outer_count")
    shapes = usual(crossbar)
    crossbar.link.sent.clear()
    assert crossbar.outer(np.zeros((3, 5), int), np.ones((3, 7), int), *shapes, mode=OuterMode.COUNT) == (0, 0)
    assert crossbar.link.sent == []


# -- WRITE_VERIFY and FORM -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lacks", ["write_verify", "counters"])
@pytest.mark.parametrize("device", ["linear", "reram-es", "hfox-1t1r", "neurram"])
@settings(max_examples=8, deadline=None)
@given(
    data=st.data(),
    attempts=st.sampled_from([0, 1, 25]),
    averages=st.sampled_from([1, 4]),
    index=st.sampled_from([0, 2**32 - 9]),
    volts=st.sampled_from([0.2, 0.11]),
)
def test_write_verify_is_the_same_to_the_bit_on_the_host(opened, lacks, device, data, attempts, averages, index, volts):
    full, small = both(opened, lacks, device)
    rows, cols = slice(data.draw(st.integers(0, 4)), 5), slice(data.draw(st.integers(0, 6)), 7)
    shape = rows.stop - rows.start, cols.stop - cols.start
    targets = np.random.default_rng(data.draw(st.integers(0, 2**32))).uniform(5e-6, 40e-6, shape)
    results = []
    for crossbar in (full, small):
        crossbar.configure_read(volts)
        crossbar.noise_index = index
        ramps = [crossbar.drive_levels(polarity) for polarity in (SET, RESET)]
        results.append(crossbar.write_verify(targets, 0.5e-6, *ramps, rows, cols, attempts=attempts, averages=averages))
    for name in ("reached", "conductances", "set_pulses", "reset_pulses", "reads"):
        np.testing.assert_array_equal(*(getattr(result, name) for result in results), err_msg=name)
    np.testing.assert_array_equal(full.dump().words, small.dump().words)
    assert full.noise_index == small.noise_index == (index + (attempts + 1) * averages) % 2**32
    assert commands.WriteVerify in kinds(full)
    assert commands.WriteVerify not in kinds(small)
    assert (results[0].reads >= 1).all()
    assert (results[0].set_pulses + results[0].reset_pulses <= attempts).all()


def test_forming_without_form_is_unsupported_and_nothing_is_sent(opened):
    crossbar = opened("lacks=form&unformed=0.5")
    ramp = [crossbar.shape(FORM, 5.0, 1e-3)]
    crossbar.link.sent.clear()
    with pytest.raises(Unsupported, match=r"emulator:.*lacks=form.* has no FORM"):
        crossbar.form(ramp, 10e-6)
    assert crossbar.link.sent == []


# -- any feature ---------------------------------------------------------------------------------------------------

JOBS = {
    "read": lambda c, s: c.read(),
    "vmm": lambda c, s: c.vmm(np.full((2, 5), 0.1)),
    "vmm_t": lambda c, s: c.vmm_t(np.full((2, 7), 0.1)),
    "measure": lambda c, s: c.measure(np.full(5, 0.1), np.zeros(7)),
    "pulse": lambda c, s: c.pulse(np.ones(WHOLE, int), *s),
    "count": lambda c, s: c.outer(np.ones((2, 5), int), np.ones((2, 7), int), *s, mode=OuterMode.COUNT),
    "coincidence": lambda c, s: c.outer(np.ones((2, 5), int), np.ones((2, 7), int), *s),
    "write_verify": lambda c, s: c.write_verify(np.full(WHOLE, 50e-6), 1e-6, [s[0]], [s[1]]),
    "form": lambda c, s: c.form([c.shape(FORM, 5.0, 1e-3)], 1e-6),
    "pulse_counts": lambda c, s: c.pulse_counts(),
    "restore": lambda c, s: c.restore(c.dump()),
    "wait": lambda c, s: c.wait(1.0),
}
#: Jobs for which nothing stands in.
LOST = {
    Feature.FORM: {"form"},
    Feature.RESTORE: {"restore"},
    Feature.EMULATED: {"restore"},
    Feature.VIRTUAL_TIME: {"wait"},
}


@pytest.mark.parametrize("feature", Feature)
def test_a_board_without_a_feature_does_all_other_jobs(opened, feature):
    crossbar = opened(f"lacks={feature.name.lower()}")
    assert not crossbar.has(feature)
    assert all(crossbar.has(other) for other in Feature if other != feature)
    shapes = usual(crossbar)
    lost = set()
    for name, job in JOBS.items():
        try:
            job(crossbar, shapes)
        except Unsupported as error:
            assert crossbar.link.url in str(error)
            lost.add(name)
    assert lost == LOST.get(feature, set())


def test_a_board_without_any_feature_still_reads_multiplies_pulses_and_verifies(opened):
    crossbar = opened("lacks=" + ",".join(feature.name.lower() for feature in Feature))
    shapes = usual(crossbar)
    for name in ("read", "vmm", "vmm_t", "measure", "pulse", "count", "coincidence", "write_verify", "pulse_counts"):
        JOBS[name](crossbar, shapes)
