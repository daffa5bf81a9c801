"""CONFIGURE_SHAPE and CONFIGURE_READ: what the board named is accepted, all else is refused and changes nothing."""

import numpy as np
import pytest

from hwctl.protocol import codes, commands, replies
from hwctl.protocol.codes import HalfSelect, Polarity, Refusal
from hwctl.testing.conformance.bench import FORM, RESET, SET, UNDEFINED, Bench

NUMBER = 240  # a pulse shape that the driver does not reach


def levels_of(bench: Bench, polarity: Polarity) -> list[list[int]]:
    """Return amplitude, width and gate codes of the levels of a polarity; skips where there are none."""
    found = [level[1:] for level in bench.identity.drive_levels.tolist() if level[0] == polarity]
    if not found:
        pytest.skip(f"{bench.url} names no drive level of {polarity.name}")
    return found


def configured(polarity: Polarity, level: list[int], number: int = NUMBER) -> commands.ConfigureShape:
    amplitude, width, gate = level
    return commands.ConfigureShape(number, polarity, amplitude, width, gate, 0)


@pytest.mark.parametrize("polarity", [SET, RESET, FORM])
def test_every_level_that_the_board_names_can_be_configured_under_any_number(bench: Bench, polarity: Polarity) -> None:
    for level in levels_of(bench, polarity):
        bench.done(configured(polarity, level), replies.Done)
    for number in (0, codes.PULSE_SHAPES - 1):
        bench.done(configured(polarity, level, number), replies.Done)


@pytest.mark.parametrize("polarity", [SET, RESET])
@pytest.mark.parametrize("changed", ["amplitude", "width", "gate"])
def test_a_level_that_is_not_characterised_is_refused(bench: Bench, polarity: Polarity, changed: str) -> None:
    levels = levels_of(bench, polarity)
    column = ("amplitude", "width", "gate").index(changed)
    other = list(levels[0])
    while other in levels:  # the lowest amplitude, or the first width or gate, that is not listed
        other[column] += -1 if changed == "amplitude" else 1
    if other[0] < 1 or other[1] > bench.identity.max_width:
        pytest.skip(f"{bench.url} names every {changed} up to its limit")
    beyond = [Refusal.OVER_LIMIT] if changed == "gate" else []  # IDENTITY does not tell what the highest gate is
    bench.refused(configured(polarity, other), Refusal.NOT_CHARACTERISED, *beyond)


@pytest.mark.parametrize("polarity", [SET, RESET, FORM])
def test_an_amplitude_beyond_the_limit_is_refused(bench: Bench, polarity: Polarity) -> None:
    identity = bench.identity
    highest = identity.max_form_amplitude if polarity == FORM else identity.max_amplitude
    gate, width = 0, 100
    if polarity != FORM:
        _, width, gate = levels_of(bench, polarity)[-1]
    for amplitude in (highest + 1, 0xFFFF):
        if highest < amplitude <= 0xFFFF:
            wrong = configured(polarity, [amplitude, width, gate])
            bench.refused(wrong, Refusal.OVER_LIMIT, Refusal.NOT_CHARACTERISED)


@pytest.mark.parametrize("polarity", [SET, RESET])
def test_a_width_beyond_the_limit_is_refused(bench: Bench, polarity: Polarity) -> None:
    amplitude, _, gate = levels_of(bench, polarity)[-1]
    for width in (bench.identity.max_width + 1, 0xFFFFFFFF):
        wrong = configured(polarity, [amplitude, width, gate])
        bench.refused(wrong, Refusal.OVER_LIMIT, Refusal.NOT_CHARACTERISED)


@pytest.mark.parametrize("level", [[0, 1, 0], [1, 0, 0]], ids=["no amplitude", "no width"])
def test_an_empty_pulse_is_refused(bench: Bench, level: list[int]) -> None:
    bench.refused(configured(SET, level), Refusal.OVER_LIMIT, Refusal.MALFORMED, Refusal.NOT_CHARACTERISED)


def test_a_refused_shape_leaves_the_number_as_it_was(bench: Bench) -> None:
    bench.done(configured(SET, levels_of(bench, SET)[-1]), replies.Done)
    beyond = [bench.identity.max_amplitude + 1, 1, 0]
    if beyond[0] > 0xFFFF:
        pytest.skip(f"{bench.url} takes every amplitude")
    bench.refused(configured(RESET, beyond), Refusal.OVER_LIMIT, Refusal.NOT_CHARACTERISED)
    bench.refused(configured(RESET, beyond, UNDEFINED), Refusal.OVER_LIMIT, Refusal.NOT_CHARACTERISED)
    reset = bench.resets[-1].number
    place = [[bench.rows - 1, 0]]
    for number, refused in ((NUMBER, False), (UNDEFINED, True)):
        rows, cols = np.array(place, np.uint16).T.copy()
        command = commands.PulseSparse(rows, cols, np.array([1], np.int8), number, reset)
        if refused:
            bench.refused(command, Refusal.NO_SHAPE)
        else:
            assert bench.done(command, replies.Pulsed).set_pulses == 1


def test_a_number_can_be_given_to_another_shape(bench: Bench) -> None:
    sets, resets = levels_of(bench, SET), levels_of(bench, RESET)
    bench.done(configured(SET, sets[-1]), replies.Done)
    bench.done(configured(RESET, resets[-1]), replies.Done)
    rows, cols = (np.zeros(1, np.uint16) for _ in range(2))
    one = np.ones(1, np.int8)
    bench.refused(commands.PulseSparse(rows, cols, one, NUMBER, NUMBER), Refusal.NO_SHAPE)
    reply = bench.done(commands.PulseSparse(rows, cols, -one, bench.pair[0], NUMBER), replies.Pulsed)
    assert (reply.set_pulses, reply.reset_pulses) == (0, 1)


# -- CONFIGURE_READ ------------------------------------------------------------------------------------------------


def test_every_read_voltage_up_to_the_limit_is_accepted(bench: Bench) -> None:
    for voltage in {1, max(bench.identity.max_read // 2, 1), bench.identity.max_read}:
        bench.done(bench.configure_read(voltage=voltage), replies.Done)


def test_every_tia_range_that_the_board_names_is_accepted_and_no_other(bench: Bench) -> None:
    named = bench.identity.tia_ranges.tolist()
    for tia_range in range(codes.MAX_TIA_RANGE + 2):
        if tia_range in named:
            bench.done(bench.configure_read(tia_range=tia_range), replies.Done)
        else:
            bench.refused(
                bench.configure_read(tia_range=tia_range), Refusal.OVER_LIMIT, Refusal.MALFORMED, Refusal.UNSUPPORTED
            )


@pytest.mark.parametrize("scheme", HalfSelect)
def test_a_bias_of_unselected_lines_is_accepted_or_refused(bench: Bench, scheme: HalfSelect) -> None:
    command = bench.configure_read(half_select=scheme)
    if scheme == HalfSelect.GROUNDED or not isinstance(bench.execute(command), replies.Refused):
        bench.done(command, replies.Done)
    else:
        bench.refused(command, Refusal.UNSUPPORTED, Refusal.OVER_LIMIT)


@pytest.mark.parametrize("voltage", [0, 1], ids=["no voltage", "one code beyond the limit"])
def test_a_read_voltage_outside_the_limits_is_refused_and_the_former_stays(bench: Bench, voltage: int) -> None:
    before = bench.read(5)
    beyond = bench.identity.max_read + 1 if voltage else 0
    if beyond > 0xFFFF:
        pytest.skip(f"{bench.url} takes every read voltage")
    bench.refused(bench.configure_read(voltage=beyond), Refusal.OVER_LIMIT, Refusal.MALFORMED)
    after = bench.read(5)
    if bench.exact:
        np.testing.assert_array_equal(after, before)
    else:
        bench.close(after, before)


def test_readings_grow_with_the_read_voltage_and_are_flagged_beyond_the_converter(bench: Bench) -> None:
    low = bench.voltage
    if bench.emulated:
        bench.load(bench.graded())
    readings = bench.read()
    if (readings == codes.NO_READING).all():
        pytest.skip(f"every reading of {bench.url} saturates at {low} voltage codes")
    for voltage in {max(low // 2, 1), bench.identity.max_read}:
        bench.done(bench.configure_read(voltage=voltage), replies.Done)
        found, expected = bench.read(), readings * voltage / low
        tolerance = bench.tolerance(expected) + expected.max() / 100  # the ratio of the voltages is rounded
        known = readings != codes.NO_READING
        assert (found[known & (expected > codes.NO_READING + tolerance)] == codes.NO_READING).all()
        held = known & (expected < codes.NO_READING - tolerance)
        if not bench.exact:  # a converter may saturate below the highest code
            held &= found != codes.NO_READING
            assert held.any()
        np.testing.assert_allclose(found[held], expected[held], atol=tolerance, rtol=0)


def test_a_conversion_takes_the_settle_time(bench: Bench) -> None:
    for settle in (0, 1, 1000):
        bench.done(bench.configure_read(settle=settle), replies.Done)
        before = bench.status().busy
        bench.read(averages_log2=2)
        assert bench.status().busy - before >= 4 * settle
