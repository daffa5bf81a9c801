"""Rules of a session one by one, on a line that the test holds in its hand."""

import pytest

from hwctl.errors import LimitError, LinkError, ProtocolError, SessionLost
from hwctl.protocol import frame as wire
from hwctl.protocol.frame import Deframer, Frame, Kind, encode_frame, pack
from hwctl.protocol.session import BoardSession, HostSession, Phase
from hwctl.protocol.session.host import FIRST_TIMEOUT, LAST_TIMEOUT

BUDGET = 1000
LARGEST = 2000
RESERVE = wire.SMALLEST_RESERVE
COST = RESERVE + wire.FRAME_OVERHEAD


class Pair:
    """A host and a board, and what goes between them as frames."""

    def __init__(self, receive=BUDGET, reply=BUDGET, opened=True):
        self.board = BoardSession(receive, reply, LARGEST)
        self.host = HostSession(0x11)
        self.now = 0.0
        self.executed = []
        if opened:
            self.greet()
            self.host.open(self.now, self.host.board.session)
            self.exchange()
            assert self.host.phase is Phase.OPEN

    def greet(self):
        self.host.hello(self.now)
        self.exchange()

    def up(self):
        return Deframer(1 << 20).feed(self.host.outgoing())

    def down(self):
        return Deframer(1 << 20).feed(self.board.outgoing())

    def to_board(self, *frames):
        for frame in frames:
            self.board.receive(encode_frame(frame))

    def to_host(self, *frames):
        for frame in frames:
            self.host.receive(encode_frame(frame), self.now)

    def execute(self):
        while (command := self.board.next_command()) is not None:
            self.executed.append(command)
            self.board.finish(command[0], b"re:" + command[1])

    def exchange(self):
        """Move everything both ways until nothing moves; time stands still."""
        while True:
            up = self.host.outgoing()
            self.board.receive(up)
            self.execute()
            down = self.board.outgoing()
            self.host.receive(down, self.now)
            if not up and not down:
                return

    def silence(self, seconds=FIRST_TIMEOUT):
        self.host.tick(self.now)
        self.now += seconds
        self.host.tick(self.now)


# -- greeting and opening -----------------------------------------------------------------------------------------


def test_hello_tells_who_the_board_is_and_changes_nothing():
    pair = Pair(opened=False)
    assert pair.host.phase is Phase.NEW
    pair.greet()
    assert pair.host.phase is Phase.GREETED
    assert pair.host.board == wire.HelloInfo(1, 0, 1, 0, 0, 0, BUDGET, BUDGET, LARGEST)
    assert pair.board.session == 0


def test_hello_tells_a_second_host_what_the_first_has_done():
    pair = Pair()
    pair.host.submit(b"a", 1)
    pair.host.submit(b"b", 1)
    pair.exchange()
    pair.host.submit(b"c", 1)
    pair.to_board(*pair.up())
    pair.board.next_command()
    pair.board.progress = 41
    pair.host = HostSession(0x22)
    pair.host.hello(0.0)
    pair.to_board(*pair.up())
    pair.to_host(*pair.down())
    info = pair.host.board
    assert (info.session, info.executed, info.running, info.progress) == (0x11, 2, 3, 41)
    assert pair.board.session == 0x11


def test_a_new_session_must_name_the_one_that_it_replaces():
    pair = Pair()
    pair.host = HostSession(0x22)
    pair.greet()
    pair.host.open(0.0, replaces=0)
    pair.exchange()
    assert pair.host.phase is Phase.NEW
    assert pair.host.rejected == wire.Rejected(wire.Rejection.REPLACES, 0x11, 1)
    pair.greet()
    pair.host.open(0.0, replaces=0x11)
    pair.exchange()
    assert (pair.host.phase, pair.board.session, pair.host.rejected) == (Phase.OPEN, 0x22, None)


def test_a_repeated_open_is_answered_again_and_resets_nothing():
    pair = Pair(opened=False)
    pair.greet()
    pair.host.open(0.0, 0)
    (opening,) = pair.up()
    pair.to_board(opening)
    pair.to_host(*pair.down())
    pair.host.submit(b"a", 1)
    pair.exchange()
    pair.to_board(opening, opening)
    assert [frame.kind for frame in pair.down()] == [Kind.OPENED]
    pair.host.submit(b"b", 1)
    pair.exchange()
    assert pair.executed == [(1, b"a"), (2, b"b")]


def test_an_open_from_before_a_reset_opens_nothing():
    pair = Pair(opened=False)
    pair.greet()
    pair.host.open(0.0, 0)
    (opening,) = pair.up()
    pair.board.reset()
    pair.to_board(opening)
    pair.to_host(*pair.down())
    assert pair.board.session == 0
    assert pair.host.rejected.reason == wire.Rejection.BOOT


def test_an_open_without_a_session_id_is_rejected():
    pair = Pair(opened=False)
    pair.to_board(Frame(Kind.OPEN, 0, 1, 0, pack(wire.Open(0, 1))))
    assert [frame.kind for frame in pair.down()] == [Kind.REJECTED]
    assert pair.board.session == 0


def test_what_is_out_of_turn_is_a_link_error():
    pair = Pair(opened=False)
    with pytest.raises(LinkError, match="hello"):
        pair.host.open(0.0, 0)
    with pytest.raises(LinkError, match="open it first"):
        pair.host.submit(b"a", 1)
    with pytest.raises(LinkError, match="open it first"):
        pair.host.ping(0.0)
    for wrong in (0, 2**32, -1):
        with pytest.raises(LimitError, match="session id"):
            HostSession(wrong)


# -- exactly once -------------------------------------------------------------------------------------------------


def test_commands_are_executed_in_order_and_answered():
    pair = Pair()
    numbers = [pair.host.submit(b"%d" % n, 9) for n in range(40)]
    pair.exchange()
    assert numbers == list(range(1, 41))
    assert pair.executed == [(n + 1, b"%d" % n) for n in range(40)]
    assert [pair.host.take_reply(n) for n in numbers] == [b"re:%d" % n for n in range(40)]
    assert pair.host.take_reply(1) is None
    assert (pair.host.unacknowledged, pair.board.overruns, pair.board.repeats, pair.board.gaps) == ((), 0, 0, 0)


def test_a_repeated_command_is_answered_with_the_stored_reply():
    pair = Pair()
    pair.host.submit(b"a", 1)
    (command,) = pair.up()
    pair.to_board(command, command)
    pair.execute()
    first = pair.down()
    pair.to_board(command)
    pair.execute()
    assert pair.down() == first
    assert pair.executed == [(1, b"a")]
    assert pair.board.repeats == 2


def test_a_reply_that_the_host_holds_is_forgotten_and_its_command_still_not_repeated():
    pair = Pair()
    pair.host.submit(b"a", 1)
    (command,) = pair.up()
    pair.to_board(command)
    pair.exchange()
    pair.to_board(Frame(Kind.ACK, 0x11, 0, 1), command)
    pair.execute()
    assert pair.down() == []
    assert pair.executed == [(1, b"a")]


def test_an_acknowledgement_of_what_was_never_executed_frees_nothing():
    pair = Pair()
    pair.host.submit(b"a", 1)
    pair.to_board(Frame(Kind.ACK, 0x11, 0, 99), *pair.up(), Frame(Kind.ACK, 0x11, 0, 99))
    pair.exchange()
    assert pair.host.take_reply(1) == b"re:a"


def test_a_lost_command_is_missed_at_once_and_repeated_with_those_behind_it():
    pair = Pair()
    for payload in (b"a", b"b", b"c"):
        pair.host.submit(payload, 1)
    first, _, third = pair.up()
    pair.to_board(first, third)
    pair.exchange()
    assert [payload for _, payload in pair.executed] == [b"a", b"b", b"c"]
    assert pair.board.gaps == 1


def test_a_lost_reply_is_asked_for_without_its_command():
    pair = Pair()
    pair.host.submit(b"a" * 100, 1)
    pair.host.submit(b"b", 1)
    pair.to_board(*pair.up())
    pair.execute()
    _, second = pair.down()
    pair.to_host(second)
    assert pair.host.take_reply(2) == b"re:b"
    assert pair.up() == [Frame(Kind.COMMAND, 0x11, 1)]
    pair.to_board(Frame(Kind.COMMAND, 0x11, 1))
    pair.exchange()
    assert pair.host.take_reply(1) == b"re:" + b"a" * 100
    assert len(pair.executed) == 2


def test_after_silence_the_board_is_asked_what_it_has_got():
    pair = Pair()
    pair.host.submit(b"a", 1)
    pair.up()  # lost
    pair.silence()
    (ping,) = pair.up()
    assert ping.kind is Kind.PING
    pair.to_board(ping)
    (pong,) = pair.down()
    pair.to_host(pong)
    assert [(frame.sequence, frame.payload[4:]) for frame in pair.up()] == [(1, b"a")]


def test_a_command_in_execution_is_not_sent_again():
    pair = Pair()
    pair.host.submit(b"a", 1)
    pair.to_board(*pair.up())
    pair.board.next_command()
    pair.board.progress = 7
    for _ in range(5):
        pair.silence(5.0)
        pair.to_board(*pair.up())
        pair.to_host(*pair.down())
        assert pair.host.state == wire.BoardState(0, 1, 7)
        assert pair.up() == []
    pair.board.finish(1, b"r")
    pair.exchange()
    assert pair.host.take_reply(1) == b"r"


def test_what_was_sent_after_a_ping_is_not_taken_for_lost_when_the_pong_comes():
    pair = Pair()
    pair.host.submit(b"a", 1)
    pair.up()
    pair.host.ping(0.0)
    (ping,) = pair.up()
    pair.host.submit(b"b", 1)
    pair.up()
    pair.to_board(ping)
    pair.to_host(*pair.down())
    assert [frame.sequence for frame in pair.up()] == [1]


def test_pings_that_come_faster_than_pongs_are_one_ping():
    pair = Pair()
    numbers = set()
    for _ in range(4):
        pair.host.ping(pair.now)
        numbers |= {frame.sequence for frame in pair.up()}
    assert len(numbers) == 1


@pytest.mark.parametrize("kind", [Kind.REPLY, Kind.PONG, Kind.NO_SESSION, Kind.OPENED, Kind.HELLO_INFO])
def test_frames_of_another_session_change_nothing_at_the_host(kind):
    pair = Pair()
    pair.host.submit(b"a", 1)
    pair.up()
    pair.to_host(Frame(kind, 0x99, 1, 5, bytes(40)))
    assert (pair.host.phase, pair.host.unacknowledged, pair.host.take_reply(1)) == (Phase.OPEN, (1,), None)
    assert pair.up() == []


def test_answers_to_earlier_requests_change_nothing():
    pair = Pair()
    pair.to_host(Frame(Kind.HELLO_INFO, 0x11, 1, 0, pack(wire.HelloInfo(1, 0, 5, 0, 0, 0, 1, 1, 1))))
    pair.to_host(Frame(Kind.REJECTED, 0x11, 2, 0, pack(wire.Rejected(wire.Rejection.BOOT, 0, 5))))
    pair.to_host(Frame(Kind.SAFE_DONE, 0x11, 2, 0, pack(wire.BoardState(9, 9, 9))))
    assert (pair.host.phase, pair.host.board.receive_budget, pair.host.state) == (Phase.OPEN, BUDGET, None)


def test_a_board_takes_no_frames_of_boards():
    pair = Pair()
    pair.to_board(*(Frame(kind, 0x11, 1, 0, bytes(40)) for kind in Kind if kind >= Kind.REPLY))
    assert pair.down() == []


# -- credit -------------------------------------------------------------------------------------------------------


def test_only_what_the_board_can_receive_is_in_flight():
    payload = b"x" * 68
    pair = Pair(receive=2 * (68 + wire.FRAME_OVERHEAD), reply=10 * COST)
    for _ in range(5):
        pair.host.submit(payload, 1)
    assert [frame.sequence for frame in pair.up()] == [1, 2]
    assert (pair.host.unacknowledged, pair.host.unsent) == ((1, 2), (3, 4, 5))


def test_only_what_the_board_can_answer_is_in_flight_and_an_acknowledgement_travels_with_each_command():
    pair = Pair(receive=10_000, reply=2 * COST)
    for _ in range(4):
        pair.host.submit(b"x", RESERVE)
    pair.to_board(*pair.up())
    pair.execute()
    one, two = pair.down()
    pair.to_host(two)
    assert [frame.payload for frame in pair.up()] == [b""]  # the host does not hold reply 1: nothing is free
    pair.to_host(one)
    assert [(frame.sequence, frame.acknowledged) for frame in pair.up()] == [(3, 2), (4, 2)]


def test_a_board_takes_nothing_that_it_could_not_answer():
    pair = Pair(reply=2 * COST)
    for sequence in (1, 2, 3):
        payload = wire.RESERVE.pack(RESERVE) + b"x"
        pair.to_board(Frame(Kind.COMMAND, 0x11, sequence, 0, payload))
    assert (pair.board.received, pair.board.overruns) == (2, 1)
    pair.to_board(Frame(Kind.COMMAND, 0x11, 3, 0, wire.RESERVE.pack(RESERVE - 1) + b"x"))
    pair.to_board(Frame(Kind.COMMAND, 0x11, 3, 0, b"xxx"))
    assert pair.board.received == 2


@pytest.mark.parametrize(
    ("command", "reply"),
    [(BUDGET - wire.FRAME_OVERHEAD + 1, 1), (1, BUDGET - wire.FRAME_OVERHEAD + 1)],
)
def test_what_can_never_fit_is_refused_by_the_host(command, reply):
    pair = Pair()
    with pytest.raises(LimitError, match="split it"):
        pair.host.submit(bytes(command), reply)
    assert pair.host.submit(bytes(min(command, BUDGET - wire.FRAME_OVERHEAD)), 1) == 1


@pytest.mark.parametrize(
    ("command", "reply"), [(LARGEST - wire.COMMAND_WRAP + 1, 1), (1, LARGEST - wire.REPLY_WRAP + 1)]
)
def test_what_no_frame_can_hold_is_refused_by_the_host(command, reply):
    pair = Pair(receive=1 << 20, reply=1 << 20)
    with pytest.raises(LimitError, match="split it"):
        pair.host.submit(bytes(command), reply)
    pair.host.submit(bytes(LARGEST - wire.COMMAND_WRAP), LARGEST - wire.REPLY_WRAP)
    pair.exchange()
    assert len(pair.executed) == 1


def test_sequence_numbers_never_wrap():
    pair = Pair()
    pair.host._given = wire.LAST_SEQUENCE - 1
    assert pair.host.submit(b"a", 1) == wire.LAST_SEQUENCE
    with pytest.raises(LinkError, match="open a new one"):
        pair.host.submit(b"b", 1)


def test_replies_are_acknowledged_even_where_no_command_follows():
    pair = Pair()
    pair.host.submit(b"a", 1)
    pair.exchange()
    assert pair.host.deadline() is not None
    pair.silence()
    assert pair.up() == [Frame(Kind.ACK, 0x11, 0, 1)]
    assert pair.host.deadline() is None


# -- time ---------------------------------------------------------------------------------------------------------


def test_nothing_awaited_has_no_deadline():
    pair = Pair()
    assert pair.host.deadline() is None
    pair.silence(100.0)
    assert pair.up() == []


def test_a_silent_board_is_asked_less_and_less_often():
    pair = Pair(opened=False)
    pair.host.hello(0.0)
    pair.up()
    times, waits = [], []
    for _ in range(6):
        due = pair.host.deadline()
        waits.append(due - pair.now)
        pair.host.tick(due - 0.001)
        assert pair.up() == []
        pair.now = due
        pair.host.tick(due)
        times.append([frame.kind for frame in pair.up()])
    assert times == [[Kind.HELLO]] * 6
    assert waits == pytest.approx([FIRST_TIMEOUT * 2**n for n in range(3)] + [LAST_TIMEOUT] * 3)


def test_the_clock_of_a_command_starts_at_the_first_tick_after_it_was_sent():
    pair = Pair()
    pair.host.tick(10.0)
    pair.host.submit(b"a", 1)
    pair.up()
    assert pair.host.deadline() <= 10.0
    pair.host.tick(70.0)
    assert pair.host.deadline() == 70.0 + FIRST_TIMEOUT


# -- reset and crash ----------------------------------------------------------------------------------------------


def test_after_a_reset_what_was_not_answered_is_in_doubt_and_never_sent_again():
    pair = Pair(receive=2 * (1 + wire.FRAME_OVERHEAD))
    pair.host.submit(b"a", 1)
    pair.exchange()
    for payload in (b"b", b"c", b"d"):
        pair.host.submit(payload, 1)
    pair.up()
    pair.board.reset()
    assert pair.host.in_doubt == ()
    for _ in range(3):
        pair.silence(5.0)
        pair.exchange()
    assert pair.host.phase is Phase.LOST
    assert (pair.host.in_doubt, pair.host.unsent) == ((2, 3), (4,))
    assert [payload for _, payload in pair.executed] == [b"a"]
    assert pair.host.take_reply(1) == b"re:a"
    assert pair.host.deadline() is None
    with pytest.raises(SessionLost, match="2 commands are in doubt"):
        pair.host.submit(b"e", 1)


@pytest.mark.parametrize("ask", ["command", "ping", "hello"])
def test_a_reset_shows_at_whatever_is_sent_next(ask):
    pair = Pair()
    pair.board.reset()
    {
        "command": lambda: pair.host.submit(b"a", 1),
        "ping": lambda: pair.host.ping(0.0),
        "hello": lambda: pair.host.hello(0.0),
    }[ask]()
    pair.exchange()
    assert pair.host.phase is Phase.LOST
    assert pair.executed == []


def test_a_session_that_was_replaced_is_lost():
    pair = Pair()
    first = pair.host
    pair.host = HostSession(0x22)
    pair.greet()
    pair.host.open(0.0, 0x11)
    pair.exchange()
    pair.host = first
    pair.host.submit(b"a", 1)
    pair.exchange()
    assert (first.phase, first.in_doubt, pair.executed) == (Phase.LOST, (1,), [])


def test_a_command_that_runs_while_its_session_is_replaced_is_finished_and_its_reply_dropped():
    pair = Pair()
    for payload in (b"a", b"b", b"c"):
        pair.host.submit(payload, 1)
    pair.to_board(*pair.up())
    assert pair.board.next_command() == (1, b"a")
    pair.host = HostSession(0x22)
    pair.greet()
    pair.host.open(0.0, 0x11)
    pair.exchange()
    assert pair.host.opened == wire.Opened(0x11, 1)
    pair.host.submit(b"new", 1)
    pair.exchange()
    pair.host.ping(0.0)
    pair.exchange()
    assert pair.host.state.running == wire.ORPHAN
    assert pair.board.next_command() is None
    pair.board.finish(1, b"late")
    pair.exchange()
    assert pair.executed == [(1, b"new")]
    assert pair.host.take_reply(1) == b"re:new"


# -- SAFE ---------------------------------------------------------------------------------------------------------


def test_safe_overtakes_what_waits_and_aborts_all_that_was_submitted_before_it():
    pair = Pair(receive=2 * (1 + wire.FRAME_OVERHEAD))
    for payload in (b"a", b"b", b"c"):
        pair.host.submit(payload, 1)
    pair.host.safe(0.0)
    assert pair.host.submit(b"d", 1) == 4
    frames = pair.up()
    assert [frame.kind for frame in frames] == [Kind.SAFE, Kind.COMMAND, Kind.COMMAND]
    pair.to_board(frames[1])
    assert pair.board.next_command() == (1, b"a")
    pair.to_board(frames[0], frames[2])
    assert pair.board.safe_requested()
    pair.board.progress = 17
    pair.board.abort(b"aborted", b"half")
    assert not pair.board.safe_requested()
    pair.exchange()
    assert pair.host.state == wire.BoardState(0, 1, 17)
    assert [pair.host.take_reply(n) for n in (1, 2, 3, 4)] == [b"half", b"aborted", b"aborted", b"re:d"]
    assert pair.executed == [(4, b"d")]
    assert Kind.SAFE not in pair.host.pending


def test_nothing_begins_between_safe_and_abort():
    pair = Pair()
    pair.host.submit(b"a", 1)
    pair.to_board(*pair.up(), Frame(Kind.SAFE, 0x11, 50, 0, pack(wire.Safe(0))))
    assert pair.board.next_command() is None
    pair.board.abort(b"aborted")
    assert pair.board.next_command() is None
    assert [frame.kind for frame in pair.down()] == [Kind.SAFE_DONE, Kind.REPLY]


def test_a_running_command_may_be_finished_after_abort():
    pair = Pair()
    pair.host.submit(b"a", 1)
    pair.to_board(*pair.up())
    pair.board.next_command()
    pair.host.safe(0.0)
    pair.to_board(*pair.up())
    pair.board.abort(b"aborted")
    pair.board.finish(1, b"half")
    pair.exchange()
    assert pair.host.take_reply(1) == b"half"
    assert pair.host.state.running == 1


def test_a_safe_that_arrives_again_is_answered_and_aborts_nothing():
    pair = Pair()
    pair.host.safe(0.0)
    (safe,) = pair.up()
    pair.to_board(safe)
    pair.board.abort(b"aborted")
    pair.exchange()
    assert pair.host.state == wire.BoardState(0, 0, 0)
    pair.host.submit(b"a", 1)
    pair.to_board(*pair.up(), safe)
    assert not pair.board.safe_requested()
    (done,) = pair.down()
    assert (done.kind, done.payload) == (Kind.SAFE_DONE, pack(wire.BoardState(0, 0, 0)))
    pair.execute()
    assert pair.executed == [(1, b"a")]


def test_safe_works_without_a_session():
    pair = Pair(opened=False)
    pair.host.safe(0.0)
    pair.to_board(*pair.up())
    assert pair.board.safe_requested()
    pair.board.abort(b"aborted")
    pair.to_host(*pair.down())
    assert not pair.host.pending


def test_safe_of_a_stranger_aborts_what_the_board_has():
    pair = Pair()
    pair.host.submit(b"a", 1)
    pair.to_board(*pair.up(), Frame(Kind.SAFE, 0x99, 1, 0, pack(wire.Safe(500))))
    pair.board.abort(b"aborted")
    pair.host.submit(b"b", 1)
    pair.exchange()
    assert [pair.host.take_reply(n) for n in (1, 2)] == [b"aborted", b"re:b"]


def test_abort_without_a_request_does_nothing():
    pair = Pair()
    pair.board.abort(b"aborted", b"half")
    assert pair.down() == []


# -- the caller of the board --------------------------------------------------------------------------------------


def test_only_the_running_command_can_be_finished_and_within_its_reserve():
    pair = Pair()
    pair.host.submit(b"a", RESERVE + 5)
    pair.to_board(*pair.up())
    assert pair.board.reserved() == 0
    with pytest.raises(ProtocolError, match="not in execution"):
        pair.board.finish(1, b"")
    pair.board.next_command()
    assert pair.board.reserved() == RESERVE + 5
    with pytest.raises(ProtocolError, match="reserved"):
        pair.board.finish(1, bytes(RESERVE + 6))
    with pytest.raises(ProtocolError, match="not in execution"):
        pair.board.finish(2, b"")
    pair.board.finish(1, bytes(RESERVE + 5))
    pair.exchange()
    assert pair.host.take_reply(1) == bytes(RESERVE + 5)
