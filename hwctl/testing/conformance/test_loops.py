"""WRITE_VERIFY and FORM: what they report is what they did."""

import numpy as np
import pytest

from hwctl.crossbar import fallback
from hwctl.protocol import commands, replies
from hwctl.protocol.cells import from_words
from hwctl.protocol.codes import NO_READING, CellFlag
from hwctl.testing.conformance.bench import Bench

needs_verify = pytest.mark.hwctl_needs("WRITE_VERIFY")
needs_form = pytest.mark.hwctl_needs("FORM")
LAST_INDEX = 0xFFFFFFFF


def attempts(bench: Bench) -> int:
    """Return an attempt limit: few pulses where cells wear."""
    return 40 if bench.emulated else 4


# -- WRITE_VERIFY --------------------------------------------------------------------------------------------------


def verified(bench: Bench, command: commands.WriteVerify) -> replies.Verified:
    """Send a WRITE_VERIFY and check what it reports against counters and totals."""
    counts, before = bench.counts(), bench.status()
    reply = bench.done(command, replies.Verified)
    after = bench.status()
    sets, resets, reads = (np.asarray(n, np.int64) for n in (reply.set_pulses, reply.reset_pulses, reply.reads))
    np.testing.assert_array_equal(bench.counts() - counts, bench.of_array(sets + resets, bench.block))
    assert after.set_pulses - before.set_pulses == sets.sum()
    assert after.reset_pulses - before.reset_pulses == resets.sum()
    assert after.reads - before.reads == reads.sum() << command.averages_log2
    np.testing.assert_array_equal(reads, sets + resets + 1)
    assert (sets + resets <= command.attempts).all()
    reached, readings = reply.reached.astype(np.bool_), reply.readings.astype(np.int64)
    within = (readings != NO_READING) & (np.abs(readings - command.targets) <= command.tolerance)
    np.testing.assert_array_equal(reached, within)
    assert ((sets + resets)[~reached] == command.attempts).all()
    return reply


@needs_verify
@pytest.mark.parametrize("share", [0.3, 1.0, 1.5])
def test_a_write_verify_reports_what_it_did(bench: Bench, share: float) -> None:
    targets = np.minimum(np.rint(bench.read(averages_log2=4) * share), NO_READING - 1)
    verified(bench, bench.verify(targets, 200, attempts(bench)))


@needs_verify
def test_cells_that_are_there_get_no_pulse(bench: Bench) -> None:
    reply = verified(bench, bench.verify(0x8000, 0xFFFF, attempts(bench)))
    held = reply.readings != NO_READING
    assert (reply.reached == held).all()
    assert (reply.set_pulses[held] == 0).all()
    assert (reply.reset_pulses[held] == 0).all()


@needs_verify
def test_without_an_attempt_cells_are_read_alone(bench: Bench) -> None:
    reply = verified(bench, bench.verify(0, 0, 0))
    assert (reply.reads == 1).all()


@needs_verify
def test_the_same_pulses_and_readings_come_from_a_loop_on_the_host(exact: Bench) -> None:
    targets = np.linspace(50000, 10000, exact.block.rows * exact.block.cols).reshape(exact.block.shape)
    command = exact.verify(targets, 300, 40, LAST_INDEX - 9)
    with exact.loaded(exact.graded()):
        on_board = verified(exact, command)
        words = exact.words()
    with exact.loaded(exact.graded()):
        on_host = fallback.write_verify(exact.crossbar, command)
        np.testing.assert_array_equal(words, exact.words())
    for name in ("reached", "set_pulses", "reset_pulses", "reads"):
        np.testing.assert_array_equal(getattr(on_board, name), getattr(on_host, name), err_msg=name)
    seen = exact.crossbar.units.conductances(on_board.readings)
    np.testing.assert_array_equal(seen, on_host.conductances)


# -- FORM ----------------------------------------------------------------------------------------------------------


@needs_form
def test_forming_without_an_attempt_reads_and_forms_nothing(bench: Bench) -> None:
    before = bench.seen()
    reply = bench.done(bench.form(0), replies.Formed)
    after = bench.seen()
    assert reply.formed.shape == reply.readings.shape == reply.pulses.shape == bench.block.shape
    assert (reply.pulses == 0).all()
    assert after[:2] == before[:2]
    assert after.counters == before.counters


@needs_form
def test_unformed_cells_are_formed_once_and_formed_ones_never(exact: Bench) -> None:
    cells = exact.graded()
    raw = np.indices(exact.block.shape).sum(axis=0) % 2 == 1
    cells["flags"][raw] = CellFlag.UNFORMED
    with exact.loaded(cells):
        counts, totals = exact.counts(), exact.pulses()
        reply = exact.done(exact.form(5), replies.Formed)
        np.testing.assert_array_equal(reply.pulses > 0, raw)
        assert reply.formed.all()
        np.testing.assert_array_equal(exact.counts() - counts, exact.of_array(reply.pulses, exact.block))
        np.testing.assert_array_equal(exact.pulses() - totals, [reply.pulses.sum(), 0])
        after = from_words(exact.words()).reshape(exact.block.shape)
        assert not (after["flags"] & CellFlag.UNFORMED).any()
        np.testing.assert_array_equal(after["state"][~raw], cells["state"][~raw])
        again = exact.done(exact.form(5), replies.Formed)
        assert again.formed.all()
        assert (again.pulses == 0).all()
        assert exact.words().tobytes() == after.tobytes()


@needs_form
def test_forming_that_is_too_weak_says_so(exact: Bench) -> None:
    cells = exact.graded()
    cells["flags"][0, 0] = CellFlag.UNFORMED
    cells["form_level"][0, 0] = 0xFFFF  # above every level
    with exact.loaded(cells):
        reply = exact.done(exact.form(3), replies.Formed)
        after = from_words(exact.words()).reshape(exact.block.shape)
    assert reply.formed[0, 0] == 0
    assert reply.formed.sum() == reply.formed.size - 1
    assert reply.pulses[0, 0] == reply.pulses.sum() == 3
    assert after["flags"][0, 0] == CellFlag.UNFORMED
