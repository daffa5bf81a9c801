"""The driver checks every limit before it sends anything, names what a board refused, and leaves it SAFE."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwctl.crossbar import Crossbar
from hwctl.errors import BoardError, LimitError, ProtocolError, TargetError, Unsupported
from hwctl.links import open_link
from hwctl.protocol import commands, replies
from hwctl.protocol.codes import Feature, HalfSelect, OuterMode, Polarity, Refusal

SET, RESET, FORM = Polarity.SET, Polarity.RESET, Polarity.FORM
NAN = float("nan")
ONES = np.ones((5, 7), int)
HALF = ONES * 50e-6
X, D = np.ones((1, 5), int), np.ones((1, 7), int)


# -- opening and closing -------------------------------------------------------------------------------------------


def test_geometry_device_and_url_are_those_of_the_board(opened):
    crossbar = opened("device=ecram")
    assert (crossbar.rows, crossbar.cols, crossbar.identity.device) == (5, 7, "ecram")
    assert repr(crossbar) == f"<Crossbar 5 x 7 ecram at {crossbar.link.url}>"
    assert crossbar.read_voltage == pytest.approx(0.2)


@pytest.mark.parametrize("version", [0, 2, 255])
def test_a_board_that_speaks_another_protocol_is_refused(opened, version):
    with pytest.raises(ProtocolError, match=rf"emulator:.* speaks protocol {version}, this hwctl 1"):
        opened(protocol_version=version)


def test_a_read_voltage_beyond_the_board_is_not_configured_on_opening(opened):
    assert opened(max_read=100).read_voltage == pytest.approx(0.1)


def test_an_answer_of_another_kind_is_a_protocol_error(opened):
    crossbar = opened()
    crossbar.link.instead[commands.Read] = replies.Done()
    with pytest.raises(ProtocolError, match=r"emulator:.* answered READ with Done"):
        crossbar.read()


@pytest.mark.parametrize("leave", ["close", "with", "error"])
def test_leaving_a_crossbar_leaves_the_board_safe(leave):
    link = open_link("emulator:?rows=2&cols=2")
    crossbar = Crossbar(link)
    crossbar.read()
    assert not crossbar.status().safe
    if leave == "close":
        crossbar.close()
    elif leave == "with":
        with crossbar:
            crossbar.read()
    else:
        with pytest.raises(LimitError), crossbar:
            crossbar.read(9)
    assert link.execute(commands.Status()).safe


def test_opening_what_is_no_target_is_a_target_error():
    with pytest.raises(TargetError):
        Crossbar.open("nothing here")


# -- limits --------------------------------------------------------------------------------------------------------


WRONG = {
    "a row too many": lambda c, s: c.read(slice(0, 6)),
    "a single row outside": lambda c, s: c.read(5),
    "a negative row": lambda c, s: c.read(-1),
    "no rows": lambda c, s: c.read(slice(2, 2)),
    "rows backwards": lambda c, s: c.read(slice(3, 1)),
    "every second row": lambda c, s: c.read(slice(0, 4, 2)),
    "a column too many": lambda c, s: c.read(0, slice(1, 8)),
    "a region for columns": lambda c, s: c.read(0, c.region(0, 0)),
    "0 averages": lambda c, s: c.read(averages=0),
    "3 averages": lambda c, s: c.read(averages=3),
    "-4 averages": lambda c, s: c.read(averages=-4),
    "8192 averages": lambda c, s: c.read(averages=8192),
    "pulses outside": lambda c, s: c.pulse(ONES, *s, slice(0, 6)),
    "128 pulses": lambda c, s: c.pulse(ONES * 128, *s),
    "-128 pulses": lambda c, s: c.pulse((ONES * -128).astype(np.int8), *s),
    "more pulses than an integer holds": lambda c, s: c.pulse(np.full((5, 7), -(2**63)), *s),
    "half a pulse": lambda c, s: c.pulse(ONES * 0.5, *s),
    "whole pulses as float": lambda c, s: c.pulse(ONES * 1.0, *s),
    "NaN pulses": lambda c, s: c.pulse(ONES * NAN, *s),
    "True pulses": lambda c, s: c.pulse(ONES > 0, *s),
    "pulses of another shape": lambda c, s: c.pulse(ONES.T, *s),
    "SET and RESET swapped": lambda c, s: c.pulse(ONES, *s[::-1]),
    "a listed row outside": lambda c, s: c.pulse_cells([0, 5], [0, 0], [1, 1], *s),
    "a listed column outside": lambda c, s: c.pulse_cells([0, 0], [7, 0], [1, 1], *s),
    "a negative listed row": lambda c, s: c.pulse_cells([-1], [0], [1], *s),
    "128 listed pulses": lambda c, s: c.pulse_cells([0], [0], [128], *s),
    "half a listed pulse": lambda c, s: c.pulse_cells([0], [0], [0.5], *s),
    "fewer counts than listed cells": lambda c, s: c.pulse_cells([0, 1], [0, 1], [1], *s),
    "shape 256": lambda c, s: c.pulse_levels(ONES, ONES * 256, ONES),
    "shape -1": lambda c, s: c.pulse_levels(ONES, ONES, ONES * -1),
    "a fraction of a shape": lambda c, s: c.pulse_levels(ONES, ONES * 0.5, ONES),
    "shapes of another shape": lambda c, s: c.pulse_levels(ONES, ONES[0], ONES),
    "128 pulses by level": lambda c, s: c.pulse_levels(ONES * 128, ONES, ONES),
    "x and SET swapped": lambda c, s: c.outer(X, D, *s[::-1]),
    "a target of NaN": lambda c, s: c.write_verify(HALF * NAN, 1e-6, [s[0]], [s[1]]),
    "a negative target": lambda c, s: c.write_verify(-HALF, 1e-6, [s[0]], [s[1]]),
    "a target beyond full scale": lambda c, s: c.write_verify(HALF * 2.1, 1e-6, [s[0]], [s[1]]),
    "targets of another shape": lambda c, s: c.write_verify(HALF[:4], 1e-6, [s[0]], [s[1]]),
    "a negative tolerance": lambda c, s: c.write_verify(HALF, -1e-6, [s[0]], [s[1]]),
    "a tolerance of NaN": lambda c, s: c.write_verify(HALF, NAN, [s[0]], [s[1]]),
    "5 averages in verification": lambda c, s: c.write_verify(HALF, 1e-6, [s[0]], [s[1]], averages=5),
    "an empty ramp": lambda c, s: c.write_verify(HALF, 1e-6, [], [s[1]]),
    "a ramp from strong to weak": lambda c, s: c.write_verify(HALF, 1e-6, [s[1], s[0]], [s[1]]),
    "a negative stop": lambda c, s: c.form([s[0]], -1e-6),
    "a stop of NaN": lambda c, s: c.form([s[0]], NAN),
    "a stop beyond full scale": lambda c, s: c.form([s[0]], 101e-6),
    "an empty forming ramp": lambda c, s: c.form([], 1e-6),
    "an amplitude beyond the board": lambda c, s: c.shape(SET, 1.501, 1e-6),
    "a negative amplitude": lambda c, s: c.shape(SET, -1.5, 1e-6),
    "an amplitude of NaN": lambda c, s: c.shape(SET, NAN, 1e-6),
    "a forming amplitude beyond the board": lambda c, s: c.shape(FORM, 5.001, 1e-3),
    "a width beyond the board": lambda c, s: c.shape(SET, 1.5, 0.011),
    "a negative width": lambda c, s: c.shape(SET, 1.5, -1e-6),
    "a gate beyond its codes": lambda c, s: c.shape(SET, 1.5, 1e-6, 66.0),
    "a compliance beyond its codes": lambda c, s: c.shape(SET, 1.5, 1e-6, 0.0, 7e-3),
    "a read voltage beyond the board": lambda c, s: c.configure_read(0.501),
    "a negative read voltage": lambda c, s: c.configure_read(-0.2),
    "a read voltage of NaN": lambda c, s: c.configure_read(NAN),
    "a negative settle time": lambda c, s: c.configure_read(0.2, settle=-1e-6),
    "waiting into the past": lambda c, s: c.wait(-1.0),
    "waiting NaN": lambda c, s: c.wait(NAN),
    "waiting beyond the clock": lambda c, s: c.wait(1e30),
    "the state of another array": lambda c, s: c.restore(Crossbar.open("emulator:?rows=2&cols=2").dump()),
    "no read voltage": lambda c, s: c.configure_read(0.0),
    "no amplitude": lambda c, s: c.shape(SET, 0.0, 1e-6),
    "no width": lambda c, s: c.shape(SET, 1.5, 0.0),
    "4096 attempts": lambda c, s: c.write_verify(HALF, 1e-6, [s[0]], [s[1]], attempts=4096),
    "-5 attempts": lambda c, s: c.write_verify(HALF, 1e-6, [s[0]], [s[1]], attempts=-5),
    "-5 forming attempts": lambda c, s: c.form([s[0]], 1e-6, attempts=-5),
    "a fraction of a row": lambda c, s: c.read(slice(0.5, 2.5)),
    "half a listed row": lambda c, s: c.pulse_cells([0.5], [0], [1], *s),
    "a listed column of NaN": lambda c, s: c.pulse_cells([0], [NAN], [1], *s),
    "fewer rows than listed columns": lambda c, s: c.pulse_cells([0], [0, 1], [1], *s),
    "x beyond a signed byte": lambda c, s: c.outer(X * 300, D, *s),
    "x of 128": lambda c, s: c.outer(X * 128, D, *s),
    "x of -129": lambda c, s: c.outer(X * -129, D, *s),
    "a fraction of x": lambda c, s: c.outer(X * 1.7, D, *s),
    "an x too short": lambda c, s: c.outer(X[:, :4], D, *s),
    "fewer x than d": lambda c, s: c.outer(X, np.vstack([D, D]), *s),
    "128 pulses of an outer product": lambda c, s: c.outer(X * 64, D * 2, *s, mode=OuterMode.COUNT),
    "33 slots": lambda c, s: c.outer(X, D, *s, slots=33),
    "vectors too short": lambda c, s: c.vmm(np.zeros((2, 4))),
    "a vector without a batch": lambda c, s: c.vmm(np.zeros(5)),
    "an empty batch": lambda c, s: c.vmm(np.zeros((0, 5))),
    "a TIA range that is not there": lambda c, s: c.measure(np.zeros(5), np.zeros(7), tia_range=16),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_beyond_a_limit_is_refused_before_anything_is_sent(opened, name):
    crossbar = opened("device=reram-es")
    shapes = [crossbar.drive_levels(polarity)[0] for polarity in (SET, RESET)]
    before = crossbar.dump().words.copy()
    crossbar.link.sent.clear()
    crossbar.noise_index = 100
    with pytest.raises(LimitError) as error:
        WRONG[name](crossbar, shapes)
    assert "\n" not in str(error.value)
    assert crossbar.link.sent == []
    assert 100 <= crossbar.noise_index < 200  # an index left out is no harm, one used again is
    np.testing.assert_array_equal(crossbar.dump().words, before)


def test_what_is_just_within_the_limits_is_done(opened):
    crossbar = opened("device=reram-es")
    shapes = [crossbar.drive_levels(polarity)[0] for polarity in (SET, RESET)]
    assert crossbar.read(slice(0, 5), slice(0, 7), averages=4096).shape == (5, 7)
    assert crossbar.read(4, 6).shape == (1, 1)
    assert crossbar.pulse(ONES * 127, *shapes) == (35 * 127, 0)
    assert crossbar.pulse(ONES.astype(np.int8) * np.int8(-127), *shapes) == (0, 35 * 127)
    assert crossbar.pulse_cells([4], [6], np.array([127], np.uint8), *shapes) == (127, 0)
    assert crossbar.pulse_cells([], [], np.zeros(0, int), *shapes) == (0, 0)
    crossbar.configure_read(0.5, settle=0.0, half_select=HalfSelect.V_THIRD)
    assert crossbar.shape(FORM, 5.0, 1e-3).polarity == FORM
    crossbar.wait(0.0)
    crossbar.write_verify(ONES * 0.0, 0.0, [shapes[0]], [shapes[1]], attempts=0)


def test_integers_of_numpy_serve_as_lines_and_averages(opened):
    crossbar = opened()
    assert crossbar.read(np.int64(2), np.uint8(3), averages=np.int64(4)).shape == (1, 1)


# -- what a board refuses ------------------------------------------------------------------------------------------


def test_a_refusal_names_the_board_and_the_command(opened):
    crossbar = opened()
    with pytest.raises(BoardError, match=r"emulator:\?rows=5.* refused CONFIGURE_SHAPE: no SET level .*1400") as error:
        crossbar.shape(SET, 1.4, 1e-6)
    assert not isinstance(error.value, Unsupported)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("refusal", [Refusal.ABORTED, Refusal.INTERLOCK])
def test_a_host_that_counts_takes_what_was_aborted_as_executed_and_what_was_refused_not(opened, refusal):
    crossbar = opened("lacks=counters")
    sets, resets = (crossbar.drive_levels(polarity)[0] for polarity in (SET, Polarity.RESET))
    crossbar.link.instead = {kind: replies.Refused(refusal, "x") for kind in (commands.Pulse, commands.PulseSparse)}
    with pytest.raises(BoardError):
        crossbar.pulse(np.full((5, 7), 2), sets, resets)
    with pytest.raises(BoardError):
        crossbar.pulse_cells([1], [1], [-3], sets, resets)
    expected = np.zeros((5, 7), np.int64)
    if refusal == Refusal.ABORTED:
        expected += 2
        expected[1, 1] += 3
    np.testing.assert_array_equal(crossbar.pulse_counts(), expected)


@pytest.mark.parametrize("refusal", Refusal)
def test_every_refusal_is_a_board_error_and_that_of_a_missing_command_is_unsupported(opened, refusal):
    crossbar = opened()
    crossbar.link.instead[commands.Read] = replies.Refused(refusal, "because")
    told = "read its cells back" if refusal == Refusal.ABORTED else "nothing was executed"
    with pytest.raises(BoardError, match=rf"emulator:.* refused READ: because; {told}") as error:
        crossbar.read()
    assert error.value.aborted == (refusal == Refusal.ABORTED)
    assert isinstance(error.value, Unsupported) == (refusal == Refusal.UNSUPPORTED)


def test_a_refused_shape_leaves_its_number_to_the_next(opened):
    crossbar = opened()
    with pytest.raises(BoardError):
        crossbar.shape(SET, 1.4, 1e-6)
    assert crossbar.shape(SET, 1.5, 1e-6).number == 0


# -- SI units ------------------------------------------------------------------------------------------------------


def test_a_shape_is_defined_once_and_its_codes_are_its_si_values(opened):
    crossbar = opened("device=hfox-1t1r")
    shape = crossbar.shape(SET, 2.5, 1e-6, gate=2.0)
    assert (shape.number, shape.polarity, shape.amplitude, shape.width, shape.gate) == (0, SET, 2.5, 1e-6, 2.0)
    assert crossbar.shape(SET, 2.5, 1e-6, gate=2.0) is shape
    assert crossbar.shape(SET, 2.5, 1e-6, gate=0.7).number == 1
    (first, second) = crossbar.link.sent
    assert (first.index, first.amplitude, first.width, first.gate, first.compliance) == (0, 2500, 100, 2000, 0)
    assert (second.index, second.gate) == (1, 700)


def test_drive_levels_are_those_of_the_device_weak_to_strong(opened):
    crossbar = opened("device=hfox-1t1r")
    device_gates = np.linspace(0.7, 2.0, 32)
    sets = crossbar.drive_levels(SET)
    np.testing.assert_allclose([shape.gate for shape in sets], device_gates, atol=5.1e-4)
    assert [shape.number for shape in sets] == list(range(32))
    assert {(shape.amplitude, shape.polarity) for shape in sets} == {(2.5, SET)}
    assert [(s.amplitude, s.gate) for s in crossbar.drive_levels(RESET)] == [(1.75, 5.0)]
    crossbar.link.sent.clear()
    assert crossbar.drive_levels(SET) == sets
    assert crossbar.link.sent == []


def test_more_shapes_than_a_board_numbers_are_refused(opened):
    crossbar = opened()
    for n in range(256):
        crossbar.shape(SET, 1.5, 1e-6, compliance=(n + 1) * 1e-7)
    crossbar.link.sent.clear()
    with pytest.raises(LimitError, match="256 pulse shapes"):
        crossbar.shape(SET, 1.5, 1e-6, compliance=300e-7)
    assert crossbar.link.sent == []
    assert crossbar.shape(SET, 1.5, 1e-6, compliance=3e-7).number == 2


@settings(max_examples=30, deadline=None)
@given(st.floats(0.001, 0.5), st.floats(0, 40))
def test_read_voltage_and_settle_time_survive_the_way_to_codes(opened, voltage, settle):
    crossbar = opened()
    crossbar.configure_read(voltage, settle=settle)
    (sent,) = crossbar.link.sent
    assert sent.voltage * crossbar.identity.volts_per_code == pytest.approx(voltage, abs=0.5e-3)
    assert sent.settle * crossbar.identity.seconds_per_code == pytest.approx(settle, abs=0.5e-8)
    assert crossbar.read_voltage == pytest.approx(voltage, abs=0.5e-3)


def test_status_counts_pulses_conversions_and_seconds(opened):
    crossbar = opened("device=linear")
    shapes = [crossbar.drive_levels(polarity)[0] for polarity in (SET, RESET)]
    crossbar.configure_read(0.2, settle=2e-6)
    crossbar.pulse(ONES * 3, *shapes)
    crossbar.pulse(-ONES[:1], *shapes, 2)
    crossbar.read(0, averages=4)
    crossbar.wait(1.5)
    status = crossbar.status()
    assert (status.set_pulses, status.reset_pulses, status.reads) == (35 * 3, 7, 28)
    busy = (5 * 3 + 1) * 1e-6 + 4 * 2e-6
    assert (status.busy, status.clock) == (pytest.approx(busy), pytest.approx(1.5 + busy))
    assert not status.safe
    crossbar.safe()
    assert crossbar.status().safe


# -- state ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", ["", "lacks=counters"])
def test_pulse_counts_are_those_of_every_kind_of_pulse(opened, options):
    crossbar = opened(options)
    sets, resets = (crossbar.drive_levels(polarity)[0] for polarity in (SET, RESET))
    rng = np.random.default_rng(1)
    counts = rng.integers(-9, 10, (5, 7))
    expected = np.abs(counts)
    crossbar.pulse(counts, sets, resets)
    crossbar.pulse_levels(counts[1:3, 2:4], ONES[1:3, 2:4] * 0, ONES[1:3, 2:4], slice(1, 3), slice(2, 4))
    expected[1:3, 2:4] += np.abs(counts[1:3, 2:4])
    crossbar.pulse_cells([1, 4, 1], [6, 0, 6], [5, -3, -2], sets, resets)
    expected[1, 6] += 7
    expected[4, 0] += 3
    x, d = rng.integers(-3, 4, (4, 5)), rng.integers(-3, 4, (4, 7))
    crossbar.outer(x, d, sets, resets, mode=OuterMode.COUNT)
    expected += np.abs(np.einsum("ei,ej->eij", x, d)).sum(axis=0)
    found = crossbar.write_verify(HALF, 1e-6, [sets], [resets], attempts=9)
    expected += found.set_pulses + found.reset_pulses
    np.testing.assert_array_equal(crossbar.pulse_counts(), expected)
    np.testing.assert_array_equal(crossbar.pulse_counts(slice(1, 4), 3), expected[1:4, 3:4])
    kept_by_host = not any(isinstance(command, commands.Counters) for command in crossbar.link.sent)
    assert kept_by_host == (options == "lacks=counters")


@pytest.mark.parametrize("mode", OuterMode)
def test_the_pulses_of_the_next_events_are_known_before_they_are_sent(opened, mode):
    crossbar = opened("")
    sets, resets = (crossbar.drive_levels(polarity)[0] for polarity in (SET, RESET))
    rng, where, expected = np.random.default_rng(1), (slice(1, 4), slice(2, 7)), np.zeros((5, 7), np.int64)
    for _ in range(3):
        most = 9 if mode == OuterMode.COUNT else 100
        x, d = rng.integers(-most, most, (4, 3)), rng.integers(-most, most, (4, 5))
        planned = crossbar.outer_counts(x, d, *where, mode=mode)
        sent = crossbar.outer(x, d, sets, resets, *where, mode=mode)
        events = list(planned)
        assert sent == tuple(sum(int(np.maximum(sign * counts, 0).sum()) for counts in events) for sign in (1, -1))
        assert len(events) == 4
        expected[where] += np.abs(events).sum(axis=0)
    assert expected.any()
    np.testing.assert_array_equal(crossbar.pulse_counts(), expected)


@pytest.mark.parametrize("options", ["", "lacks=counters"])
def test_pulse_counts_hold_forming_pulses(opened, options):
    crossbar = opened(f"unformed=1&{options}".rstrip("&"))
    ramp = [crossbar.shape(FORM, round(5.0 * share, 3), 1e-3) for share in np.linspace(0.6, 1.0, 16)]
    found = crossbar.form(ramp, 10e-6)
    assert found.formed.all()
    assert found.pulses.min() > 0
    np.testing.assert_array_equal(crossbar.pulse_counts(), found.pulses)


def test_counts_that_a_caller_was_given_do_not_change_under_him(opened):
    crossbar = opened("lacks=counters")
    before = crossbar.pulse_counts()
    crossbar.pulse(ONES, *(crossbar.drive_levels(polarity)[0] for polarity in (SET, RESET)))
    assert before.sum() == 0


@pytest.mark.parametrize("options", ["", "drift=0.05&half-select=0.01"])
def test_a_restored_board_goes_on_as_the_dumped_one(opened, options):
    plain, other = opened(options), opened(options)
    for crossbar in (plain, other):
        shapes = [crossbar.drive_levels(polarity)[0] for polarity in (SET, RESET)]
    plain.pulse(ONES * 40, *shapes)
    plain.wait(3.0)
    other.pulse(ONES * -20, *shapes)
    other.restore(plain.dump())
    other.noise_index = plain.noise_index
    assert other.status().clock == plain.status().clock
    for crossbar in (plain, other):
        crossbar.pulse(ONES * 5, *shapes)
    np.testing.assert_array_equal(plain.read(), other.read())


def test_what_only_an_emulated_board_has_is_unsupported_elsewhere(opened):
    crossbar = opened("lacks=emulated,restore,virtual_time")
    assert not crossbar.has(Feature.EMULATED)
    dumped = opened().dump()
    for name, call in (
        ("DUMP", crossbar.dump),
        ("RESTORE", lambda: crossbar.restore(dumped)),
        ("WAIT", lambda: crossbar.wait(1.0)),
    ):
        with pytest.raises(Unsupported, match=rf"emulator:.* refused {name}"):
            call()
