"""CONFIGURE_LIMITS: limits fall and never rise. Runs last, as a board keeps them until it loses its power."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hwctl.protocol import commands, replies
from hwctl.protocol.codes import Feature, Polarity, Refusal
from hwctl.protocol.commands import ConfigureLimits
from hwctl.testing.conformance.bench import SET, Bench

NOTHING = ConfigureLimits()
NUMBER = 241  # a pulse shape that the driver does not reach


@pytest.fixture
def narrowing(bench: Bench) -> Bench:
    """Return the board under test; skips where its limits cannot be narrowed."""
    if not bench.has(Feature.LIMITS):
        pytest.skip(f"{bench.url} lacks LIMITS")
    return bench


def holding(bench: Bench) -> replies.Limits:
    """Return the limits that hold now."""
    return bench.done(NOTHING, replies.Limits)


def test_a_board_without_the_feature_has_no_such_command(bench: Bench) -> None:
    if not bench.has(Feature.LIMITS):
        bench.refused(NOTHING, Refusal.UNSUPPORTED, Refusal.MALFORMED)


def test_what_holds_is_within_what_the_board_was_built_with_and_asking_changes_nothing(narrowing: Bench) -> None:
    before, identity, holds = narrowing.seen(), narrowing.identity, holding(narrowing)
    for name in ("max_read", "max_amplitude", "max_width", "max_form_amplitude"):
        assert holds.codes[name] <= getattr(identity, name)
    assert holding(narrowing).codes == holds.codes
    assert narrowing.seen() == before


def wider(name: str, holds: int) -> int:
    """Return a limit that is one code wider than the one that holds; -1 where there is none."""
    if name in replies.FLOORS:
        return holds - 1 if holds > 1 else -1
    bits = 32 if name in ("max_width", "max_form_width", "max_pulses") else 16
    return holds + 1 if holds + 1 < 1 << bits else -1


@pytest.mark.parametrize("name", replies.LIMITS)
def test_a_limit_is_not_widened_and_then_no_other_is_narrowed(narrowing: Bench, name: str) -> None:
    holds = holding(narrowing)
    if wider(name, holds.codes[name]) < 0:
        pytest.skip(f"{name} cannot be widened")
    others: dict[str, Any] = {
        other: value + 1 if other in replies.FLOORS else max(value - 1, 1)
        for other, value in holds.codes.items()
        if value
    }
    wide = replace(NOTHING, **{**others, name: wider(name, holds.codes[name])})
    narrowing.refused(wide, Refusal.OVER_LIMIT)
    assert holding(narrowing).codes == holds.codes


def narrow(bench: Bench, **limits: Any) -> None:
    """Narrow limits, and see that these do and no other."""
    before = holding(bench).codes
    after = bench.done(replace(NOTHING, **limits), replies.Limits).codes
    assert after == {**before, **limits} == holding(bench).codes
    for name, value in limits.items():
        if value != before[name]:
            wide: dict[str, Any] = {name: wider(name, value)}
            bench.refused(replace(NOTHING, **wide), Refusal.OVER_LIMIT)


def time_of(bench: Bench) -> int:
    """Return the board's own time in time codes."""
    return bench.done(commands.Status(), replies.BoardStatus).clock


def test_pulses_of_a_cell_follow_each_other_no_sooner_than_they_may(narrowing: Bench) -> None:
    if not narrowing.has(Feature.VIRTUAL_TIME):
        pytest.skip(f"{narrowing.url} does not tell the time that has passed")
    sets, resets = narrowing.pair
    longest = max(level[2] for level in narrowing.identity.drive_levels.tolist())
    interval = 3 * max(holding(narrowing).min_interval, longest)
    narrow(narrowing, min_interval=interval)
    zero = np.zeros(1, np.uint16)

    def taken(*counts: int) -> int:
        begun = time_of(narrowing)
        for count in counts:
            signed = np.array([count], np.int8)
            narrowing.done(commands.PulseSparse(zero, zero, signed, sets, resets), replies.Pulsed)
        return time_of(narrowing) - begun

    assert taken(3) >= 2 * interval
    assert taken(1, -1, 1) >= 2 * interval


def test_forming_stops_where_nothing_holds_its_current_below_the_limit(narrowing: Bench) -> None:
    if not narrowing.has(Feature.FORM):
        pytest.skip(f"{narrowing.url} lacks FORM")
    form, limits = narrowing.form(1), holding(narrowing)
    narrow(narrowing, max_compliance=max((limits.limiter or limits.max_compliance) - 1, 1))
    narrowing.refused(form, Refusal.OVER_LIMIT)


def test_a_cell_takes_no_more_pulses_than_its_budget(narrowing: Bench) -> None:
    sets, resets = narrowing.pair
    counts = narrowing.counts()
    most = int(counts.max())
    at = np.unravel_index(int(counts.argmax()), counts.shape)
    rows, cols = (np.array([n], np.uint16) for n in at)
    once = commands.PulseSparse(rows, cols, np.ones(1, np.int8), sets, resets)
    if holding(narrowing).max_pulses <= most:
        pytest.skip(f"a cell of {narrowing.url} has had its pulses already")
    narrow(narrowing, max_pulses=most + 1)
    narrowing.done(once, replies.Pulsed)
    reply = narrowing.execute(once)
    assert isinstance(reply, replies.Refused)
    assert reply.refusal in (Refusal.OVER_LIMIT, Refusal.ABORTED)  # refused whole, or the board trips
    narrowing.done(commands.Safe(), replies.Done)
    assert narrowing.counts()[at] == most + 1


def test_readings_stop_until_their_voltage_is_within_the_limit(narrowing: Bench) -> None:
    voltage = narrowing.voltage
    if voltage < 2:
        pytest.skip(f"{narrowing.url} has no lower read voltage")
    narrow(narrowing, max_read=voltage - 1)
    narrowing.refused(narrowing.on("READ", narrowing.block), Refusal.OVER_LIMIT)
    narrowing.refused(narrowing.configure_read(voltage=voltage), Refusal.OVER_LIMIT)
    narrowing.done(narrowing.configure_read(voltage=voltage - 1), replies.Done)
    narrowing.read()


def test_a_pulse_beyond_its_amplitude_is_refused_also_with_a_shape_from_before(narrowing: Bench) -> None:
    sets, resets = narrowing.pair
    levels = [level[1:] for level in narrowing.identity.drive_levels.tolist() if level[0] == SET]
    amplitude, width, gate = levels[-1]
    narrowing.done(commands.ConfigureShape(NUMBER, SET, amplitude, width, gate, 0), replies.Done)
    narrow(narrowing, max_amplitude=amplitude - 1)
    narrowing.refused(commands.ConfigureShape(NUMBER + 1, SET, amplitude, width, gate, 0), Refusal.OVER_LIMIT)
    zero = np.zeros(1, np.uint16)
    for number in (NUMBER, sets):
        pulse = commands.PulseSparse(zero, zero, np.ones(1, np.int8), number, resets)
        narrowing.refused(pulse, Refusal.OVER_LIMIT)


def test_a_gate_beyond_its_limit_is_refused_also_in_a_shape_from_before_and_readings_keep_theirs(
    narrowing: Bench,
) -> None:
    most, known = holding(narrowing).max_amplitude, narrowing.identity.drive_levels.tolist()
    allowed = sorted((level for level in known if level[1] <= most), key=lambda level: level[3])
    if not allowed or not allowed[-1][3] > min(level[3] for level in known) > 0:
        pytest.skip(f"{narrowing.url} pulses with one gate voltage, or none")
    polarity, amplitude, width, gate = allowed[-1]
    strong = commands.ConfigureShape(NUMBER, Polarity(polarity), amplitude, width, gate, 0)
    narrowing.done(strong, replies.Done)
    narrow(narrowing, max_gate=gate - 1)
    narrowing.refused(replace(strong, index=NUMBER + 1), Refusal.OVER_LIMIT)
    zero = np.zeros(1, np.uint16)
    narrowing.refused(commands.PulseSparse(zero, zero, np.ones(1, np.int8), NUMBER, NUMBER), Refusal.OVER_LIMIT)
    narrowing.read()


def test_with_the_shortest_pulse_as_the_limit_nothing_is_left_to_pulse_with(narrowing: Bench) -> None:
    narrow(narrowing, max_width=1)
    for polarity, amplitude, width, gate in narrowing.identity.drive_levels.tolist():
        if width > 1:
            shape = commands.ConfigureShape(NUMBER, Polarity(polarity), amplitude, width, gate, 0)
            narrowing.refused(shape, Refusal.OVER_LIMIT)
