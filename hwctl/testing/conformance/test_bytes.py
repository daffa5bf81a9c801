"""How commands travel: options, commands that nobody waits for, and every pulse once whatever happens to the bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import entry_points

import numpy as np
import pytest

from hwctl.crossbar import Crossbar
from hwctl.errors import BoardError
from hwctl.links.target import GROUP
from hwctl.protocol import commands, replies
from hwctl.protocol.codes import OPTION_CRITICAL, Feature, Option, Refusal
from hwctl.protocol.commands import RawOption
from hwctl.testing.conformance.bench import Bench, Int64
from hwctl.testing.conformance.board import Board

UNKNOWN = 0x7E  # an option that no version knows
FAULTS = "flip=5e-4,drop=0.02,dup=0.02"  # flip: of a byte; the others of a frame


def need_bytes(bench: Bench) -> None:
    if bench.link.bytes_moved == 0:
        pytest.skip(f"{bench.url} takes commands as objects in this process: nothing is encoded")


# -- options -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", [Option.TAG, UNKNOWN], ids=["known", "unknown"])
def test_a_command_with_an_uncritical_option_is_executed(bench: Bench, option: int) -> None:
    need_bytes(bench)
    command = replace(bench.pulse(np.ones(bench.block.shape)), options=(RawOption(option, 0, b"some bytes"),))
    before = bench.pulses()
    reply = bench.done(command, replies.Pulsed)
    assert reply.set_pulses == bench.block.rows * bench.block.cols
    np.testing.assert_array_equal(bench.pulses() - before, [reply.set_pulses, 0])


def test_a_command_with_an_unknown_critical_option_is_refused(bench: Bench) -> None:
    need_bytes(bench)
    options = RawOption(Option.TAG, 0, b"known"), RawOption(UNKNOWN, OPTION_CRITICAL, b"")
    bench.refused(replace(bench.pulse(np.ones(bench.block.shape)), options=options), Refusal.UNSUPPORTED)


def test_bytes_are_counted(bench: Bench) -> None:
    need_bytes(bench)
    before = bench.link.bytes_moved
    bench.status()
    assert bench.link.bytes_moved > before


# -- exactly once --------------------------------------------------------------------------------------------------


@pytest.fixture
def faulty_target(board: Board, request: pytest.FixtureRequest) -> str:
    """URL of the board under test behind a link that damages, drops and doubles what passes. The board is free."""
    if "faulty" not in {point.name for point in entry_points(group=GROUP)}:
        pytest.skip("no scheme 'faulty:' is installed")
    moved = board.crossbar().link.bytes_moved
    board.release()
    if moved == 0:
        pytest.skip(f"{board.url} takes commands as objects in this process: no bytes can be damaged")
    return f"faulty:{FAULTS},seed={request.param}:{board.url}"


@contextmanager
def opened(url: str) -> Iterator[Bench]:
    with Crossbar.open(url) as crossbar:
        yield Bench(crossbar)


def counters(bench: Bench) -> Int64:
    """Return pulses of the block's cells: a small frame, which passes. Skips where the board does not say."""
    if not bench.has(Feature.COUNTERS):
        pytest.skip(f"{bench.url} lacks COUNTERS: pulses of a cell cannot be seen")
    return bench.done(commands.Counters(bench.block), replies.Counts).counts.astype(np.int64)


def program(bench: Bench, rng: np.random.Generator) -> Iterator[tuple[commands.Command, Int64]]:
    """Yield commands with the number of pulses (rows, cols of the block) of each; few of them for a cell."""
    row0, _, col0, _ = bench.block
    for n in range(24):
        counts = rng.integers(-1, 2, bench.block.shape)
        if n % 3:
            yield bench.pulse(counts), np.abs(counts)
        else:
            places = rng.integers(0, bench.block.shape, (3, 2))
            listed, expected = rng.integers(-1, 2, 3), np.zeros(bench.block.shape, np.int64)
            np.add.at(expected, tuple(places.T), np.abs(listed))
            yield bench.sparse(places + np.array([row0, col0]), listed), expected


@pytest.mark.parametrize("faulty_target", [1, 2, 3], indirect=True)
def test_every_pulse_is_executed_exactly_once_under_faults(faulty_target: str) -> None:
    with opened(faulty_target) as bench:
        counts, totals = counters(bench), bench.pulses()
        expected, replied = np.zeros_like(counts), np.zeros(2, np.int64)
        for command, pulses in program(bench, np.random.default_rng(5)):
            reply = bench.done(command, replies.Pulsed)
            replied += (reply.set_pulses, reply.reset_pulses)
            expected += pulses
        np.testing.assert_array_equal(counters(bench) - counts, expected)
        np.testing.assert_array_equal(bench.pulses() - totals, replied)
        assert replied.sum() == expected.sum()


@pytest.mark.parametrize("faulty_target", [4, 5], indirect=True)
def test_commands_sent_together_are_executed_in_order_and_exactly_once_under_faults(faulty_target: str) -> None:
    with opened(faulty_target) as bench:
        counts = counters(bench)
        sent = list(program(bench, np.random.default_rng(6)))
        answers = bench.link.execute_all([command for command, _ in sent])
        assert len(answers) == len(sent)
        for (command, pulses), reply in zip(sent, answers, strict=True):
            assert isinstance(reply, replies.Pulsed), f"{command.op.name} was answered with {reply}"
            assert reply.set_pulses + reply.reset_pulses == pulses.sum()
        np.testing.assert_array_equal(counters(bench) - counts, sum(pulses for _, pulses in sent))
        before = bench.status().reads
        readings = bench.link.execute_all([commands.Read(bench.block, 1, 4, index) for index in range(12)])
        assert all(isinstance(reply, replies.Readings) for reply in readings)
        assert bench.status().reads - before == 12 * 2 * bench.block.rows * bench.block.cols


# -- posted --------------------------------------------------------------------------------------------------------


def test_posted_commands_are_executed_in_their_order(bench: Bench) -> None:
    before = bench.pulses()
    last = bench.rows - 1, bench.cols - 1
    for count in (1, -1, 1):
        bench.link.post(bench.sparse([last], [count]))
    np.testing.assert_array_equal(bench.pulses() - before, [2, 1])


def test_a_posted_command_that_is_refused_is_told_at_the_latest_by_the_next_one(bench: Bench) -> None:
    wrong = bench.sparse([(bench.rows, 0)], [1])
    before = bench.pulses()
    reply = bench.link.post(wrong)
    if reply is None:
        with pytest.raises(BoardError):
            bench.status()
    else:
        assert isinstance(reply, replies.Refused)
    np.testing.assert_array_equal(bench.pulses(), before)
