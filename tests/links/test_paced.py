"""A limit of pulses a second on the host: what is asked for, and when, whatever the board itself keeps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwctl.crossbar import Crossbar
from hwctl.crossbar.pulsebudget import within_budget
from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.devices.planned import planned_pulses
from hwctl.emulator.board import EmulatedBoard
from hwctl.errors import LimitError, LinkClosed
from hwctl.links.inprocess import InProcessLink
from hwctl.links.paced import Pace, PacedLink, keep_pace, single_pulses
from hwctl.protocol import commands, replies
from hwctl.protocol.codes import Feature, OuterMode, Polarity, Refusal, ShapePer
from hwctl.protocol.packing import Region

ROWS, COLS = SHAPE = 2, 3
INTERVAL = 0.5  # s


class Time:
    """A clock that stands still but for sleeps."""

    def __init__(self):
        self.now, self.slept = 100.0, []

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


class Sent:
    """A link that keeps when what was sent, and answers as it was told or as a board that pulses."""

    url = "test:"
    bytes_moved = 0

    def __init__(self, time):
        self.time, self.sent, self.answers = time, [], []

    def execute(self, command):
        self.sent.append((self.time.now, command))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        counts = getattr(command, "counts", np.zeros(1))
        return answer or replies.Pulsed(int(np.maximum(counts, 0).sum()), int(np.maximum(-counts, 0).sum()))

    post = execute

    def execute_all(self, several):
        return [self.execute(command) for command in several]

    def close(self):
        self.sent.append((self.time.now, None))


def paced(splits, interval=INTERVAL):
    time = Time()
    link = Sent(time)
    return PacedLink(link, Pace(interval, *SHAPE, clock=time.clock, sleep=time.sleep), splits=splits), link, time


def dense(counts):
    found = np.array(counts, np.int8)
    shapes = np.zeros(1, np.uint8)
    return commands.Pulse(Region(0, len(found), 0, len(found[0])), found, ShapePer.COMMAND, shapes, shapes)


def sparse(rows, cols, counts):
    return commands.PulseSparse(np.array(rows, np.uint16), np.array(cols, np.uint16), np.array(counts, np.int8), 0, 0)


EVENT = np.ones((1, 2), np.int8)
OUTER = commands.Outer(Region(0, 2, 0, 2), EVENT, 3 * EVENT, OuterMode.COUNT, 1, 0, 0, 0, 1)
READ = commands.Read(Region(0, 2, 0, 3), 0, 4, 0)
counts = st.integers(-4, 4)
pulsing = st.one_of(
    st.lists(st.lists(counts, min_size=COLS, max_size=COLS), min_size=ROWS, max_size=ROWS).map(dense),
    st.lists(st.tuples(st.integers(0, ROWS - 1), st.integers(0, COLS - 1), counts), min_size=1, max_size=8).map(
        lambda entries: sparse(*zip(*entries, strict=True))
    ),
)


def order(command):
    """Signs of the pulses of each cell in their order."""
    found = {}
    if isinstance(command, commands.Pulse):
        for at, count in np.ndenumerate(command.counts):
            found.setdefault(at, []).extend([int(np.sign(count))] * abs(int(count)))
    else:
        for row, col, count in zip(command.rows.tolist(), command.cols.tolist(), command.counts.tolist(), strict=True):
            found.setdefault((row, col), []).extend([int(np.sign(count))] * abs(count))
    return {at: signs for at, signs in found.items() if signs}


@given(pulsing)
def test_single_pulses_do_the_same_each_cells_in_its_order(command):
    parts, found = list(single_pulses(command, "test:")), {}
    for part in parts:
        part.check()
        assert planned_pulses(part, SHAPE).max() == 1
        for at, signs in order(part).items():
            found.setdefault(at, []).extend(signs)
    assert found == order(command)
    assert len(parts) == planned_pulses(command, SHAPE).max()


@given(st.lists(st.tuples(pulsing, st.floats(0, 3 * INTERVAL), st.sampled_from(["execute", "post", "all"]))))
def test_no_cell_is_asked_for_a_pulse_sooner_than_it_may_be(work):
    for splits in (False, True):
        link, below, time = paced(splits)
        for command, idle, how in work:
            time.now += idle
            _ = link.execute_all([command]) if how == "all" else getattr(link, how)(command)
        again = np.full(SHAPE, -np.inf)
        for when, command in below.sent:
            planned = planned_pulses(command, SHAPE)
            pulsed = planned > 0
            assert (again[pulsed] <= when + 1e-9).all()
            assert not splits or planned.max() <= 1
            again[pulsed] = when + planned[pulsed] * INTERVAL
        if not splits:
            assert len(below.sent) == len(work)


@pytest.mark.parametrize("splits", [False, True])
def test_cells_do_not_wait_for_others_and_readings_for_none(splits):
    link, below, time = paced(splits)
    link.execute(dense([[3, 0, 0], [0, 0, 0]]))
    begun = time.now
    link.execute(dense([[0, 3, 0], [0, 0, 0]][:1]))
    link.execute(READ)
    assert time.now - begun == (2 * INTERVAL if splits else 0)
    assert isinstance(below.sent[-1][1], commands.Read)


def test_parts_of_a_whole_are_sent_together_once_all_their_cells_may_be_pulsed():
    link, below, time = paced(splits=False)
    link.execute(sparse([0], [0], [2]))
    link.execute_all([sparse([1], [1], [1]), sparse([0], [0], [1]), READ])
    assert [when - 100 for when, _ in below.sent] == [0, 2 * INTERVAL, 2 * INTERVAL, 2 * INTERVAL]
    assert time.slept == [2 * INTERVAL]


def test_the_reply_of_a_split_command_is_that_of_the_whole():
    link, below, _ = paced(splits=True)
    reply = link.execute(dense([[3, -2, 0], [1, 0, -1]]))
    assert (reply.set_pulses, reply.reset_pulses) == (4, 3)
    assert len(below.sent) == 3
    (reply,) = link.execute_all([dense([[3, -2, 0], [1, 0, -1]])])
    assert (reply.set_pulses, reply.reset_pulses) == (4, 3)


def test_a_part_that_is_refused_behind_others_was_not_refused_whole():
    link, below, _ = paced(splits=True)
    no = replies.Refused(Refusal.OVER_LIMIT, "no")
    below.answers = [no]
    assert link.execute(dense([[3, 0, 0]])) is no
    below.answers = [replies.Pulsed(1, 0), no]
    reply = link.execute(dense([[3, 0, 0]]))
    assert reply.refusal == Refusal.ABORTED
    assert len(below.sent) == 3


def test_a_line_that_fails_leaves_the_whole_command_in_doubt():
    link, below, _ = paced(splits=True)
    below.answers = [replies.Pulsed(1, 0), replies.Pulsed(1, 0), LinkClosed("gone", "reconnect")]
    first, second = dense([[1, 0, 0]]), dense([[3, 0, 0]])
    with pytest.raises(LinkClosed) as lost:
        link.execute_all([first, second])
    assert lost.value.in_doubt == (second,)
    assert [command for command, _ in lost.value.answered] == [first]


def test_what_a_board_does_in_a_loop_of_its_own_is_refused_where_it_keeps_no_limit():
    link, below, _ = paced(splits=True)
    with pytest.raises(LimitError, match="OUTER pulses cells as fast as test: can"):
        link.execute(OUTER)
    assert not below.sent
    paced(splits=False)[0].execute(OUTER)


# -- where a crossbar puts it -----------------------------------------------------------------------------------------


def opened(lacks):
    board = EmulatedBoard(fabricate(presets.get("linear"), *SHAPE, seed=1), seed=2, lacks=lacks)
    return Crossbar(InProcessLink(board, "emulator:"))


def shapes(crossbar):
    return crossbar.drive_levels(Polarity.SET)[0], crossbar.drive_levels(Polarity.RESET)[0]


@pytest.mark.parametrize(
    ("lacks", "waits", "splits"),
    [(Feature(0), False, False), (Feature.VIRTUAL_TIME, True, False), (Feature.LIMITS, True, True)],
    ids=["a board with its own time", "a board that keeps limits", "a board that keeps none"],
)
def test_a_narrowed_rate_is_kept_by_the_host_unless_time_is_the_boards_own(lacks, waits, splits):
    crossbar = opened(lacks)
    assert crossbar.limits.pulse_rate is None
    assert crossbar.narrow_limits(pulse_rate=2000.0).pulse_rate == pytest.approx(2000.0)
    pace = getattr(crossbar.link, "pace", None)
    assert (pace is not None) == waits
    sets, resets = shapes(crossbar)
    if waits:
        assert pace.interval == pytest.approx(1 / 2000)
        slept = []
        pace._sleep = slept.append
        crossbar.pulse(np.full(SHAPE, 3), sets, resets)
        crossbar.pulse(np.full(SHAPE, 1), sets, resets)
        assert len(slept) == (3 if splits else 1)
    else:
        crossbar.pulse(np.full(SHAPE, 3), sets, resets)
    crossbar.pulse(-np.ones(SHAPE, int), sets, resets)
    assert crossbar.pulse_counts().min() > 3


def test_a_rate_is_kept_once_also_by_a_second_crossbar_on_the_same_link():
    first = opened(Feature.VIRTUAL_TIME)
    first.narrow_limits(pulse_rate=1000.0)
    second = within_budget(first, 100, "--pulse-budget")
    assert second.link.pace is first.link.pace
    second.narrow_limits(pulse_rate=500.0)
    assert first.link.pace.interval == pytest.approx(1 / 500)


def test_a_slower_pace_stays_where_a_faster_one_is_asked_for():
    link, _, _ = paced(splits=True)
    assert keep_pace(link, 2 * INTERVAL, SHAPE, splits=True) is link
    keep_pace(link, INTERVAL, SHAPE, splits=True)
    assert link.pace.interval == 2 * INTERVAL


def test_a_rate_is_rounded_down_and_never_raised():
    crossbar = opened(Feature(0))
    seconds = crossbar.identity.seconds_per_code
    found = crossbar.narrow_limits(pulse_rate=1 / (1000.4 * seconds)).pulse_rate
    assert found == pytest.approx(1 / (1001 * seconds))
    for rate in (found * 1.01, 0.0, -1.0, float("nan"), 1e-9):
        with pytest.raises(LimitError, match="a second holds, and limits can only be narrowed"):
            crossbar.narrow_limits(pulse_rate=rate)
    assert crossbar.limits.pulse_rate == found
