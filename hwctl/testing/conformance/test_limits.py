"""CONFIGURE_LIMITS: limits fall and never rise. Runs last, as a board keeps them until it loses its power."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hwctl.protocol import commands, replies
from hwctl.protocol.codes import Feature, Polarity, Refusal
from hwctl.protocol.commands import ConfigureLimits
from hwctl.testing.conformance.bench import SET, Bench

NOTHING = ConfigureLimits(0, 0, 0, 0, 0, 0)
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


@pytest.mark.parametrize("name", replies.LIMITS)
def test_a_limit_is_not_widened_and_then_no_other_is_narrowed(narrowing: Bench, name: str) -> None:
    holds = holding(narrowing)
    most = 0xFFFFFFFF if name in ("max_width", "max_form_width", "max_pulses") else 0xFFFF
    if holds.codes[name] == most:
        pytest.skip(f"{name} cannot be widened")
    others: dict[str, Any] = {other: max(value - 1, 1) for other, value in holds.codes.items() if value}
    wider = replace(NOTHING, **{**others, name: holds.codes[name] + 1})
    narrowing.refused(wider, Refusal.OVER_LIMIT)
    assert holding(narrowing).codes == holds.codes


def narrow(bench: Bench, **limits: Any) -> None:
    """Narrow limits, and see that these fall and no other."""
    before = holding(bench).codes
    after = bench.done(replace(NOTHING, **limits), replies.Limits).codes
    assert after == {**before, **limits} == holding(bench).codes
    for name, value in limits.items():
        if value < before[name]:
            wider: dict[str, Any] = {name: value + 1}
            bench.refused(replace(NOTHING, **wider), Refusal.OVER_LIMIT)


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


def test_with_the_shortest_pulse_as_the_limit_nothing_is_left_to_pulse_with(narrowing: Bench) -> None:
    narrow(narrowing, max_width=1)
    for polarity, amplitude, width, gate in narrowing.identity.drive_levels.tolist():
        if width > 1:
            shape = commands.ConfigureShape(NUMBER, Polarity(polarity), amplitude, width, gate, 0)
            narrowing.refused(shape, Refusal.OVER_LIMIT)
