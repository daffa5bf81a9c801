"""SAFE drives every line to rest, lasts until a line is driven, and stops a command that is under way."""

from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
import pytest

from hwctl.errors import BoardError
from hwctl.links import open_link
from hwctl.protocol import codes, commands, replies
from hwctl.protocol.codes import Feature, Refusal
from hwctl.protocol.commands import Command
from hwctl.protocol.packing import Region
from hwctl.protocol.replies import Reply
from hwctl.testing.conformance.bench import DRIVING, REGION_COMMANDS, Bench
from hwctl.testing.conformance.board import Board

TRIES = 40
ROUNDS = 8  # until a command is caught in its middle: with more than a row done
PATIENCE = 120.0  # s until a command that was told to stop is given up


def safe(bench: Bench) -> None:
    bench.done(commands.Safe(), replies.Done)
    assert bench.status().safe == 1


@pytest.mark.parametrize("name", DRIVING)
def test_safe_lasts_until_a_command_drives_a_line(bench: Bench, name: str) -> None:
    feature = REGION_COMMANDS[name]
    if feature is not None and not bench.has(feature):
        pytest.skip(f"{bench.url} lacks {feature.name}")
    command = bench.on(name, bench.block)
    safe(bench)
    assert not isinstance(bench.execute(command), replies.Refused)
    assert bench.status().safe == 0
    safe(bench)


def test_asking_and_configuring_leave_the_board_safe(bench: Bench) -> None:
    shape = bench.sets[-1]
    safe(bench)
    bench.done(commands.Identify(), replies.Identity)
    bench.done(bench.configure_read(), replies.Done)
    bench.crossbar.drive_levels(shape.polarity)
    if bench.has(Feature.COUNTERS):
        bench.done(commands.Counters(bench.block), replies.Counts)
    if bench.emulated:
        bench.load(bench.words())
    if bench.has(Feature.VIRTUAL_TIME):
        bench.done(commands.Wait(1), replies.Done)
    assert bench.status().safe == 1


def test_safe_twice_is_safe_and_changes_nothing_else(bench: Bench) -> None:
    safe(bench)
    before = bench.seen()
    safe(bench)
    assert bench.seen() == before


def test_a_refused_command_leaves_the_board_safe(bench: Bench) -> None:
    command = bench.sparse([(bench.rows, 0)], [1])
    safe(bench)
    bench.refused(command, Refusal.OUT_OF_REGION)
    assert bench.status().safe == 1


def test_a_closed_link_leaves_the_board_safe(bench: Bench, board: Board) -> None:
    bench.read()
    board.release()
    link = open_link(board.url)
    try:
        reply = link.execute(commands.Status())
    finally:
        link.close()
    assert isinstance(reply, replies.BoardStatus)
    assert reply.safe == 1


# -- in the middle of commands ---------------------------------------------------------------------------------------


def interrupted(bench: Bench, several: list[Command], delay: float) -> list[Reply]:
    """Execute commands in another thread, say SAFE after `delay` (s), and return the replies."""
    safe_now = getattr(bench.link, "safe_now", None)
    if safe_now is None:
        pytest.skip(f"the link of {bench.url} has no safe_now(): a command cannot be stopped from outside")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(bench.link.execute_all, several)
        wait([running], delay)
        safe_now()
        answers = running.result(PATIENCE)
    settle(bench)
    return answers


def settle(bench: Bench) -> None:
    """Wait until a SAFE that was said too late has passed: it stops the next command."""
    for _ in range(TRIES):
        if not isinstance(bench.execute(commands.Status()), replies.Refused):
            return
    pytest.fail(f"{bench.url} answers nothing after SAFE")


def stop(bench: Bench, several: list[Command], first: int = 0) -> list[Reply]:
    """Say SAFE until it stops commands that are under way. Return the replies of every try, as one list.

    first: the n-th try waits for n steps. Skips where none could be stopped.
    """
    answers: list[Reply] = []
    for n in range(first, first + TRIES):
        found = interrupted(bench, several, n * 5e-4)
        aborted = [isinstance(reply, replies.Refused) for reply in found]
        assert aborted == sorted(aborted), "a command was executed behind one that SAFE had stopped"
        for reply in found:
            if isinstance(reply, replies.Refused):
                assert reply.refusal == Refusal.ABORTED
                assert "aborted" in reply.detail
        answers += found
        if any(aborted):
            return answers
    pytest.skip(f"all of {len(several)} commands were done on {bench.url} when SAFE arrived, in {TRIES} tries")


def longest(bench: Bench) -> Region:
    """Return the first rows, as many as fit one command and its reply: what takes long enough to be stopped."""
    return bench.port.parts(bench.whole, bytes_per_cell=2)[0]


def progress(bench: Bench, region: Region) -> tuple[int, int]:
    """Return the cells that are done of the command that the last SAFE stopped, and the most that are begun.

    What is done is whole and in row-major order, and of the rest no more than a row is begun. A board whose progress
    is 0 may not count: then any cell may be begun.
    """
    stopped = getattr(bench.link, "stopped", None)
    if stopped is None:
        pytest.skip(f"the link of {bench.url} does not tell what SAFE stopped")
    if not stopped.running:
        return 0, 0
    whole = region.rows * region.cols
    assert 0 <= stopped.progress <= whole, f"a progress of {stopped.progress}; the command has {whole} cells"
    return stopped.progress, stopped.progress + region.cols if stopped.progress else whole


def test_safe_stops_readings_that_are_under_way_where_its_progress_says(bench: Bench) -> None:
    log2, region = 10, longest(bench)
    for first in range(ROUNDS):
        before = bench.status().reads
        answers = stop(bench, [commands.Read(region, log2, codes.MAX_READ_RANGE, n) for n in range(30)], first)
        after = bench.status()
        done = [reply for reply in answers if isinstance(reply, replies.Readings)]
        beyond = after.reads - before - len(done) * (region.rows * region.cols << log2)
        least, most = progress(bench, region)
        assert least << log2 <= beyond <= most << log2
        assert after.safe == 1
        bench.read()
        assert bench.status().safe == 0
        if least > region.cols:
            return


@pytest.mark.hwctl_emulated
def test_cells_of_a_stopped_command_are_pulsed_where_its_progress_says(bench: Bench) -> None:
    most, region = codes.MAX_PULSES, longest(bench)
    command = bench.pulse(np.full(region.shape, most), region)
    for first in range(ROUNDS):
        counts, totals = bench.counts(), bench.pulses()
        answers = stop(bench, [command] * 30, first)
        done = sum(isinstance(reply, replies.Pulsed) for reply in answers)
        found = bench.counts() - counts
        np.testing.assert_array_equal(bench.pulses() - totals, [found.sum(), 0])
        assert found.sum() == found[: region.row1, : region.col1].sum(), "a cell outside the region was pulsed"
        beyond = (found[: region.row1, : region.col1] - done * most).reshape(-1)
        whole, begun = progress(bench, region)
        assert (beyond[:whole] == most).all(), "a cell that is done was not pulsed"
        assert ((beyond[whole:begun] >= 0) & (beyond[whole:begun] <= most)).all()
        assert not beyond[begun:].any(), "a cell was pulsed beyond the progress"
        if whole > region.cols:
            return


@pytest.mark.hwctl_emulated
def test_pulses_of_stopped_commands_are_not_executed_and_never_later(bench: Bench) -> None:
    ones = np.ones(bench.block.shape, np.int64)
    counts, totals = bench.counts(), bench.pulses()
    answers = stop(bench, [bench.pulse(ones) for _ in range(100)])
    done = sum(isinstance(reply, replies.Pulsed) for reply in answers)
    found = bench.counts() - counts
    beyond = found - bench.of_array(done * ones, bench.block)
    assert ((beyond == 0) | (beyond == 1)).all()  # the one that was stopped may have reached some cells
    assert not beyond[bench.of_array(ones, bench.block) == 0].any()
    np.testing.assert_array_equal(bench.pulses() - totals, [found.sum(), 0])
    bench.done(bench.pulse(ones), replies.Pulsed)
    np.testing.assert_array_equal(bench.counts() - counts, found + bench.of_array(ones, bench.block))


def test_the_driver_says_that_its_command_was_aborted(bench: Bench) -> None:
    safe_now = getattr(bench.link, "safe_now", None)
    if safe_now is None:
        pytest.skip(f"the link of {bench.url} has no safe_now(): a command cannot be stopped from outside")
    safe_now()  # taken up once the link waits for a reply
    several = [commands.Read(bench.block, 4, codes.MAX_READ_RANGE, n) for n in range(100)]
    try:
        bench.port.ask_all(several, replies.Readings)
    except BoardError as error:
        assert "aborted" in str(error)
    settle(bench)
