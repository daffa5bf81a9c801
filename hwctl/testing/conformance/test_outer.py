"""OUTER: the pulses of count and coincidence are those that the host computes, event by event."""

import numpy as np
import pytest

from hwctl.devices.outerproduct import event_counts
from hwctl.protocol import commands, replies
from hwctl.protocol.codes import MAX_SLOTS, OuterMode
from hwctl.testing.conformance.bench import Bench, Int64

modes = pytest.mark.parametrize(
    "mode",
    [
        pytest.param(OuterMode.COUNT, id="count", marks=pytest.mark.hwctl_needs("OUTER_COUNT")),
        pytest.param(OuterMode.COINCIDENCE, id="coincidence", marks=pytest.mark.hwctl_needs("OUTER_COINCIDENCE")),
    ],
)
LAST_EVENT = 0xFFFFFFFF


def vectors(bench: Bench, mode: OuterMode, events: int) -> tuple[Int64, Int64]:
    """Return x (events, rows) and d (events, cols) of either sign, with zeros; few pulses where cells wear."""
    rng = np.random.default_rng(7)
    most = 128 if mode == OuterMode.COINCIDENCE else 9 if bench.emulated else 1
    x, d = (rng.integers(-most, most, (events, lines), endpoint=most < 128) for lines in bench.block.shape)
    x[0, 0] = d[-1, -1] = 0
    return x, d


def pulses_of(command: commands.Outer) -> list[Int64]:
    """Return the signed pulses (rows, cols) of each event, computed on the host."""
    return [event_counts(command, number) for number in range(len(command.x))]


@modes
@pytest.mark.parametrize("events", [1, 5])
def test_the_pulses_of_each_cell_are_those_computed_on_the_host(bench: Bench, mode: OuterMode, events: int) -> None:
    command = bench.outer(*vectors(bench, mode, events), mode, slots=4)
    expected = pulses_of(command)
    counts = bench.counts()
    bench.done(command, replies.Pulsed)
    total = sum(np.abs(event) for event in expected)
    np.testing.assert_array_equal(bench.counts() - counts, bench.of_array(total, bench.block))


@modes
def test_the_reply_and_the_totals_count_every_pulse_once(bench: Bench, mode: OuterMode) -> None:
    command = bench.outer(*vectors(bench, mode, 3), mode, slots=4)
    expected = np.array(pulses_of(command))
    wanted = [expected[expected > 0].sum(), -expected[expected < 0].sum()]
    before = bench.pulses()
    reply = bench.done(command, replies.Pulsed)
    assert [reply.set_pulses, reply.reset_pulses] == wanted
    np.testing.assert_array_equal(bench.pulses() - before, wanted)


@modes
@pytest.mark.parametrize("slots", [1, 17, MAX_SLOTS])
@pytest.mark.parametrize("event", [0, 12345, LAST_EVENT - 1], ids=["first", "later", "at the last number"])
def test_an_outer_product_leaves_the_cells_as_its_pulses_do(
    exact: Bench, mode: OuterMode, slots: int, event: int
) -> None:
    command = exact.outer(*vectors(exact, mode, 4), mode, slots, event)
    with exact.loaded(exact.graded()):
        exact.done(command, replies.Pulsed)
        found = exact.words()
    with exact.loaded(exact.graded()):
        for counts in pulses_of(command):
            exact.done(exact.pulse(counts), replies.Pulsed)
        np.testing.assert_array_equal(found, exact.words())


@modes
def test_a_batch_of_events_is_the_same_as_its_events_one_by_one(exact: Bench, mode: OuterMode) -> None:
    x, d = vectors(exact, mode, 6)
    event = LAST_EVENT - 2
    with exact.loaded(exact.graded()):
        exact.done(exact.outer(x, d, mode, 9, event), replies.Pulsed)
        together = exact.words()
    with exact.loaded(exact.graded()):
        for n in range(6):
            single = exact.outer(x[n : n + 1], d[n : n + 1], mode, 9, (event + n) & LAST_EVENT)
            exact.done(single, replies.Pulsed)
        np.testing.assert_array_equal(together, exact.words())


@modes
def test_events_without_a_pulse_give_none(bench: Bench, mode: OuterMode) -> None:
    height, width = bench.block.shape
    before = bench.pulses()
    reply = bench.done(bench.outer(np.zeros((3, height)), np.ones((3, width)), mode, 4), replies.Pulsed)
    assert (reply.set_pulses, reply.reset_pulses) == (0, 0)
    np.testing.assert_array_equal(bench.pulses(), before)


@pytest.mark.hwctl_needs("OUTER_COINCIDENCE")
def test_full_scale_on_both_lines_pulses_in_every_slot(bench: Bench) -> None:
    height, width = bench.block.shape
    x, d = np.full((1, height), -128), np.full((1, width), -128)
    reply = bench.done(bench.outer(x, d, OuterMode.COINCIDENCE, 2), replies.Pulsed)
    assert (reply.set_pulses, reply.reset_pulses) == (2 * height * width, 0)
