"""A limit of pulses a second on the host: what is asked for, and when, whatever the board itself keeps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwctl.crossbar import Crossbar
from hwctl.crossbar.metered import PulseBudget
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
    """A link to a board that takes `lasts` s a pulse, cell by cell, and answers as it was told, or what it did.

    `sent` has commands and when they were; `pulsed` when each cell had its pulses.
    """

    url = "test:"
    bytes_moved = 0

    def __init__(self, time):
        self.time, self.sent, self.answers, self.lasts = time, [], [], 0.0
        self.pulsed, self.posted = {}, []

    def execute(self, command):
        for earlier in self.posted:
            self._pulse(earlier)
        self.posted.clear()
        self.sent.append((self.time.now, command))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            return answer
        self._pulse(command)
        counts = getattr(command, "counts", np.zeros(1))
        return replies.Pulsed(int(np.maximum(counts, 0).sum()), int(np.maximum(-counts, 0).sum()))

    def _pulse(self, command):
        planned = planned_pulses(command, SHAPE)
        for at, count in np.ndenumerate(np.zeros(SHAPE, int) if planned is None else planned):
            for _ in range(count):
                self.time.now += self.lasts
                self.pulsed.setdefault(at, []).append(self.time.now)

    def post(self, command):
        """Queue a command: the board does it when something waits for a reply."""
        self.sent.append((self.time.now, command))
        self.posted.append(command)

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


ASKED = given(
    st.lists(st.tuples(pulsing, st.floats(0, 3 * INTERVAL), st.sampled_from(["execute", "post", "all"]))),
    st.floats(0, INTERVAL),
)
"""Commands, the s before each and how it is sent; and s that a pulse lasts."""


def asked_for(link, command, how):
    """Send a command in one of the ways of ASKED."""
    _ = link.execute_all([command]) if how == "all" else getattr(link, how)(command)


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


@ASKED
def test_no_cell_is_pulsed_sooner_than_it_may_be_by_a_board_that_keeps_no_limit(work, lasts):
    link, below, time = paced(splits=True)
    below.lasts = lasts
    for command, idle, how in work:
        time.now += idle
        asked_for(link, command, how)
    for times in below.pulsed.values():
        assert all(gap >= INTERVAL - 1e-9 for gap in np.diff(times))
    assert all(planned_pulses(command, SHAPE).max() <= 1 for _, command in below.sent)


@ASKED
def test_a_board_that_paces_is_asked_for_no_more_than_it_may_give(work, lasts):
    """Unless it may still execute something: then its reply is awaited."""
    link, below, time = paced(splits=False)
    below.lasts = lasts
    again, running = np.full(SHAPE, -np.inf), np.zeros(SHAPE, bool)
    for command, idle, how in work:
        time.now += idle
        pulses, waiting = planned_pulses(command, SHAPE), len(below.posted)
        asked_for(link, command, how)
        cells, asked = pulses > 0, below.sent[-1][0]
        early = (again[cells] > asked + 1e-9).any()
        assert not early or (waiting and not below.posted)
        if below.posted:
            again[cells] = asked + pulses[cells] * INTERVAL
            running |= cells
        else:  # all that was asked for is over
            again[cells | running] = time.now + INTERVAL
            running[:] = False
    assert [c for _, c in below.sent] == [command for command, _, _ in work]


def test_nobody_sleeps_while_a_posted_command_may_still_run():
    """The link looks after a board in execution only while it waits for a reply."""
    link, below, time = paced(splits=False)
    below.lasts = 0.6
    for cell in ([0], [1]):
        assert link.post(sparse(cell, cell, [3])) is None
    assert link.execute(READ)
    assert not time.slept
    assert link.post(sparse([0], [0], [1])) is None
    assert time.slept == [pytest.approx(INTERVAL)]
    assert link.post(sparse([0], [0], [1])) is not None
    assert not below.posted
    assert len(time.slept) == 1


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
    assert [when - 100 for when, _ in below.sent] == [0, INTERVAL, INTERVAL, INTERVAL]
    assert time.slept == [INTERVAL]


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


def test_commands_that_the_line_has_left_in_doubt_stay_so_and_what_was_not_sent_is_not():
    link, below, _ = paced(splits=True)
    posted, command = sparse([1], [1], [1]), dense([[3, 0, 0]])
    gone = LinkClosed("gone", "reconnect")
    gone.in_doubt = (posted,)
    below.answers = [gone]
    with pytest.raises(LinkClosed) as lost:
        link.execute(command)
    assert lost.value.in_doubt == (posted,)
    gone.in_doubt = (posted,)
    below.answers = [replies.Pulsed(1, 0), gone]
    with pytest.raises(LinkClosed) as lost:
        link.execute(command)
    assert lost.value.in_doubt == (posted, command)


def test_what_a_board_does_in_a_loop_of_its_own_is_refused_where_it_keeps_no_limit():
    link, below, _ = paced(splits=True)
    for work in (lambda: link.execute(OUTER), lambda: link.execute_all([dense([[1, 0, 0]]), OUTER])):
        with pytest.raises(LimitError, match="OUTER pulses cells as fast as test: can"):
            work()
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
        pace._sleep, pace._clock = slept.append, lambda: 0.0
        crossbar.pulse(np.full(SHAPE, 3), sets, resets)
        crossbar.pulse(np.full(SHAPE, 1), sets, resets)
        assert len(slept) == (3 if splits else 1)
    else:
        crossbar.pulse(np.full(SHAPE, 3), sets, resets)
    crossbar.pulse(-np.ones(SHAPE, int), sets, resets)
    assert crossbar.pulse_counts().min() > 3


def test_a_budget_gets_back_what_a_paced_link_refuses_to_send():
    link, *_ = paced(splits=True)
    budget = PulseBudget(5, *SHAPE)
    metered = budget.metered(link)
    for work in (lambda: metered.execute(OUTER), lambda: metered.post(OUTER), lambda: metered.execute_all([OUTER])):
        with pytest.raises(LimitError, match="OUTER pulses cells as fast"):
            work()
    assert not budget.spent.any()
    metered.execute(dense([[5, 0, 0]]))
    assert budget.spent.max() == 5


@pytest.mark.parametrize("limits", [("pulses", "pulse_rate"), ("pulse_rate", "pulses")])
@pytest.mark.parametrize("lacks", [Feature.LIMITS, Feature.LIMITS | Feature.COUNTERS])
def test_a_budget_counts_commands_whole_whichever_of_both_was_narrowed_first(lacks, limits):
    crossbar = opened(lacks)
    for limit in limits:
        crossbar.narrow_limits(**{limit: {"pulses": 5, "pulse_rate": 1e5}[limit]})
    sets, resets = shapes(crossbar)
    with pytest.raises(LimitError, match="would get 8 pulses"):
        crossbar.pulse(np.full(SHAPE, 8), sets, resets)
    assert not crossbar.pulse_counts().any()
    crossbar.pulse(np.full(SHAPE, 5), sets, resets)
    assert (crossbar.pulse_counts() == 5).all()


def test_what_a_board_would_do_too_fast_is_done_with_single_pulses():
    crossbar = opened(Feature.LIMITS)
    crossbar.narrow_limits(pulse_rate=1e5, pulses=50)
    sets, resets = shapes(crossbar)
    crossbar.outer(np.full((1, ROWS), 2), np.ones((1, COLS), int), sets, resets, mode=OuterMode.COUNT)
    assert (crossbar.pulse_counts() == 2).all()
    assert not crossbar.has(Feature.WRITE_VERIFY)


def test_a_rate_is_kept_once_also_by_a_second_crossbar_on_the_same_link():
    first = opened(Feature.VIRTUAL_TIME)
    first.narrow_limits(pulse_rate=1000.0)
    second = within_budget(first, 100, "--pulse-budget")
    pace = first.link.pace
    assert second.link.pace is pace
    second.narrow_limits(pulse_rate=500.0)
    assert first.link.pace is second.link.pace is pace
    assert pace.interval == pytest.approx(1 / 500)


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
    assert crossbar.narrow_limits(pulse_rate=found).pulse_rate == found
    for rate in (1 / 20, 1 / 33.3):  # codes of ten digits
        slow = crossbar.narrow_limits(pulse_rate=rate).pulse_rate
        assert slow <= rate * (1 + 1e-15)
        assert crossbar.narrow_limits(pulse_rate=slow).pulse_rate == slow


def test_a_budget_of_many_pulses_is_kept_to_the_pulse():
    crossbar = opened(Feature(0))
    assert crossbar.narrow_limits(pulses=2_000_000_001).pulses == 2_000_000_001
    assert crossbar.narrow_limits(pulses=2_000_000_000).pulses == 2_000_000_000
