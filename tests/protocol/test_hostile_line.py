"""A session over a line that loses, flips, cuts, repeats and reorders, while boards are reset and hosts crash.

The machine knows what was submitted and watches what the board executes.
"""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import Phase as HypothesisPhase
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hwctl.errors import LimitError
from hwctl.protocol import frame as wire
from hwctl.protocol.frame import Kind
from hwctl.protocol.session import BoardSession, HostSession, Phase

LARGEST = 4096
ABORTED, HALF = b"aborted", b"half"
SMALLEST_RECEIVE = 16 + wire.FRAME_OVERHEAD
SMALLEST_REPLY = wire.SMALLEST_RESERVE + wire.FRAME_OVERHEAD
percent = st.integers(0, 99)
FATE = st.sampled_from(
    ["arrives", "arrives", "arrives", "arrives twice", "arrives and stays", "stays", "is lost", "is damaged"]
)
FATES = st.lists(FATE, min_size=1, max_size=5)


class Line:
    """Chunks under way in one direction."""

    def __init__(self):
        self.chunks = []
        self.tape = []  # all that was ever written

    def write(self, data):
        """Each frame becomes a chunk of its own."""
        frames = [b"\0" + part + b"\0" for part in data.split(b"\0") if part]
        self.chunks += frames
        self.tape += frames

    def pick(self, share):
        return share * len(self.chunks) // 100


class HostileLine(RuleBasedStateMachine):
    board_kind = BoardSession
    host_kind = HostSession

    @initialize(
        receive=st.sampled_from([0, 60, 3000]), reply=st.sampled_from([0, 500, 3000]), opened=st.sampled_from([1, 1, 0])
    )
    def power_up(self, receive, reply, opened):
        self.receive_budget, self.reply_budget = SMALLEST_RECEIVE + receive, SMALLEST_REPLY + reply
        self.board = self.board_kind(self.receive_budget, self.reply_budget, LARGEST)
        self.up, self.down = Line(), Line()
        self.now = 0.0
        self.hosts = 0
        self.boots = 1
        self.submitted = {}  # (session, sequence): payload, reserve
        self.begun = []  # (boot, session, sequence) in order
        self.replies = {}  # (session, sequence): the board's reply
        self.running = None
        self.replaced_while_running = False
        self.safe_through = {}  # session: last sequence number that a SAFE asked to abort
        self.safe_done = {}  # session: the same, once the host has heard SAFE_DONE
        self.new_host()
        for _ in range(3 * opened):
            self.turn(["arrives"], ["arrives"], 0, 0.0)

    def new_host(self):
        self.hosts += 1
        self.host = self.host_kind(1000 + self.hosts)
        self.taken = {}
        self.safe_asked = None

    @property
    def session(self):
        return self.host.session_id

    # -- the host's caller

    def move_on(self):
        """Bring the session on its way as a link does."""
        if self.host.pending - {Kind.SAFE, Kind.PING}:
            return
        if self.host.phase is Phase.NEW:
            self.host.hello(self.now)
        elif self.host.phase is Phase.GREETED:
            self.host.open(self.now, self.host.board.session)
        elif self.host.phase is Phase.LOST:
            self.check_loss()
            self.new_host()

    @precondition(lambda self: self.host.phase is Phase.OPEN)
    @rule(size=st.integers(8, 16), reply=st.integers(0, 440), several=st.integers(1, 6))
    def submit(self, size, reply, several):
        for _ in range(several):
            sequence = self.host._given + 1
            payload = f"{self.session}:{sequence}".encode().ljust(size, b"\0")
            reserve = max(reply, wire.SMALLEST_RESERVE)
            try:
                assert self.host.submit(payload, reply) == sequence
            except LimitError:
                assert reserve + wire.FRAME_OVERHEAD > self.reply_budget
                return
            self.submitted[self.session, sequence] = payload, reserve

    def host_writes(self):
        self.up.write(self.host.outgoing())

    def time_passes(self, seconds):
        self.now += seconds
        self.host.tick(self.now)

    @rule(what=st.sampled_from(["hello", "ping", "safe", "host crashes", "board is reset"]))
    def something_happens(self, what):
        if what == "hello":
            self.host.hello(self.now)
        elif what == "ping" and self.host.phase is Phase.OPEN:
            self.host.ping(self.now)
        elif what == "safe":
            self.safe()
        elif what == "host crashes":
            self.new_host()
        elif what == "board is reset":
            self.board.reset()
            self.boots += 1
            self.running = None

    def safe(self):
        self.host.safe(self.now)
        self.safe_asked = self.host._given
        self.safe_through[self.session] = self.host._given

    def take_replies(self):
        for session, sequence in self.submitted:
            if session == self.session:
                reply = self.host.take_reply(sequence)
                if reply is not None:
                    assert sequence not in self.taken
                    assert reply == self.replies.get((session, sequence), ABORTED)
                    self.taken[sequence] = reply

    # -- the board's caller

    @rule()
    def board_begins(self):
        if self.board.safe_requested():
            self.abort(True)
        command = self.board.next_command()
        if command is not None:
            self.begin(*command)

    def begin(self, sequence, payload):
        session = self.board.session
        assert self.running is None
        assert self.submitted[session, sequence][0] == payload
        assert self.board.reserved() == self.submitted[session, sequence][1]
        before = [(boot, n) for boot, of, n in self.begun if of == session]
        assert all(boot == self.boots for boot, _ in before), "executed before and after a reset"
        last = before[-1][1] if before else 0
        assert sequence > last, "executed twice or out of order"
        assert sequence == last + 1 or sequence - 1 <= self.safe_through.get(session, 0), "left one out"
        assert sequence > self.safe_done.get(session, 0), "executed after SAFE_DONE"
        self.begun.append((self.boots, session, sequence))
        self.running = session, sequence

    @precondition(lambda self: self.running is not None)
    @rule()
    def board_finishes(self):
        self.finish(f"reply {len(self.begun)}".encode())

    def finish(self, reply):
        (session, sequence), self.running = self.running, None
        self.replies[session, sequence] = reply
        self.board.finish(sequence, reply)

    def abort(self, at_once):
        """A SAFE whose sender nobody asks aborts what the board has received."""
        session = self.board.session
        self.safe_through[session] = max(self.safe_through.get(session, 0), self.board.received)
        if self.running is not None and at_once:
            session, sequence = self.running
            self.replies[session, sequence] = HALF
            self.running = None
            self.board.abort(ABORTED, HALF)
        else:
            self.board.abort(ABORTED)

    @precondition(lambda self: self.board.safe_requested())
    @rule(at_once=st.booleans())
    def board_aborts(self, at_once):
        self.abort(at_once)

    def board_writes(self):
        self.down.write(self.board.outgoing())

    # -- the line

    def deliver(self, line, place):
        data = line.chunks.pop(place)
        if line is self.up:
            held = self.board.session
            self.board.receive(data)
            if self.board.session != held and self.running is not None:
                self.replaced_while_running = True
        else:
            self.host.receive(data, self.now)
            if self.safe_asked is not None and Kind.SAFE not in self.host.pending:
                self.safe_done[self.session] = self.safe_asked

    @rule(upward=st.booleans(), share=percent | st.just(0), several=st.integers(1, 5))
    def deliver_some(self, upward, share, several):
        line = self.up if upward else self.down
        for _ in range(min(several, len(line.chunks))):
            self.deliver(line, line.pick(share))

    @rule(
        upward=st.booleans(),
        share=percent,
        what=st.sampled_from(["lose", "repeat", "flip", "cut", "split"]),
        at=percent,
    )
    def harm(self, upward, share, what, at):
        line = self.up if upward else self.down
        if not line.chunks:
            return
        place = line.pick(share)
        chunk = line.chunks[place]
        where = at * len(chunk) // 100
        if what == "lose":
            del line.chunks[place]
        elif what == "repeat":
            line.chunks.append(chunk)
        elif what == "flip":
            line.chunks[place] = chunk[:where] + bytes([chunk[where] ^ 1 << at % 8]) + chunk[where + 1 :]
        elif what == "cut":
            line.chunks[place] = chunk[:where]
        else:
            line.chunks[place : place + 1] = [chunk[:where], chunk[where:]]

    @rule(upward=st.booleans(), share=percent | st.just(0), several=st.integers(1, 6))
    def old_frames_arrive_again(self, upward, share, several):
        line = self.up if upward else self.down
        start = share * len(line.tape) // 100
        for chunk in line.tape[start : start + several]:
            line.chunks.insert(0, chunk)
            self.deliver(line, 0)

    def travel(self, line, fates):
        """Let each chunk that is under way arrive, or not."""
        for n in range(len(line.chunks)):
            fate = fates[n % len(fates)]
            if fate == "arrives":
                self.deliver(line, 0)
            elif fate == "stays":
                line.chunks.append(line.chunks.pop(0))
            elif fate == "arrives twice":
                line.chunks.insert(0, line.chunks[0])
                self.deliver(line, 0)
                self.deliver(line, 0)
            elif fate == "is lost":
                del line.chunks[0]
            elif fate == "arrives and stays":
                line.chunks.append(line.chunks[0])
                self.deliver(line, 0)
            else:
                line.chunks[0] = line.chunks[0][:9] + b"\x55" + line.chunks[0][10:]
                self.deliver(line, 0)

    @rule(up=FATES, down=FATES, executes=st.integers(0, 3), seconds=st.sampled_from([0.0, 0.0, 0.3, 3.0]))
    def turn(self, up, down, executes, seconds):
        self.move_on()
        self.host_writes()
        self.travel(self.up, up)
        for _ in range(executes):
            if self.running is not None:
                self.board_finishes()
            self.board_begins()
        self.board_writes()
        self.travel(self.down, down)
        self.time_passes(seconds)
        self.take_replies()

    @rule(up=FATES, down=FATES, executes=st.integers(1, 3))
    def turn_again(self, up, down, executes):
        self.turn(up, down, executes, 0.3)

    # -- what always holds

    def cost(self, session, sequences, of_reply):
        payloads = (self.submitted[session, n] for n in sequences)
        return sum((reserve if of_reply else len(raw)) + wire.FRAME_OVERHEAD for raw, reserve in payloads)

    @invariant()
    def budgets_hold(self):
        board = self.board
        waiting = self.cost(board.session, range(board.executed + 1, board.received + 1), of_reply=False)
        if self.running is not None and self.running[0] != board.session:
            waiting += self.cost(*[self.running[0], [self.running[1]]], of_reply=False)
        assert waiting <= self.receive_budget
        stored = self.cost(board.session, range(board._acknowledged + 1, board.received + 1), of_reply=True)
        assert stored <= self.reply_budget
        assert self.cost(self.session, self.host.unacknowledged, of_reply=False) <= self.receive_budget
        assert self.replaced_while_running or board.overruns == 0, "the host sent more than the board has room for"

    def check_loss(self):
        """Whatever was executed is answered or in doubt, and nothing that counts as never sent was executed."""
        self.take_replies()
        executed = {n for _, session, n in self.begun if session == self.session}
        assert executed <= set(self.taken) | set(self.host.in_doubt)
        assert executed.isdisjoint(self.host.unsent)
        assert set(self.host.in_doubt).isdisjoint(self.taken)

    @rule()
    def the_line_is_clean_for_a_while(self):
        """Nobody resets and nothing is lost any more: then every exchange ends, in few steps."""
        steps = 40 + 3 * len(self.host.unsent) + 3 * len(self.host.unacknowledged)
        for _ in range(steps):
            self.move_on()
            quiet = not (self.host.unacknowledged or self.host.unsent or self.host.pending)
            if self.host.phase is Phase.OPEN and quiet:
                break
            self.host_writes()
            while self.up.chunks:
                self.deliver(self.up, 0)
            while True:
                self.board_begins()
                if self.running is None:
                    break
                self.finish(b"calm")
            self.board_writes()
            while self.down.chunks:
                self.deliver(self.down, 0)
            self.time_passes(1.0)
        else:
            pytest.fail(
                f"no end after {steps} steps: {self.host.phase}, {self.host.pending}, {self.host.unacknowledged}"
            )
        self.take_replies()
        assert set(self.taken) == set(range(1, self.host._given + 1))

    def teardown(self):
        if hasattr(self, "board"):
            self.the_line_is_clean_for_a_while()


def machine(board=BoardSession, host=HostSession):
    return type("Machine", (HostileLine,), {"board_kind": board, "host_kind": host})


def try_machine(kind, examples, steps=100, shrink=True):
    run_state_machine_as_test(
        kind,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=not shrink,  # a broken end is to be found every time
            print_blob=False,
            phases=[HypothesisPhase.generate, HypothesisPhase.shrink] if shrink else [HypothesisPhase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_every_command_is_executed_at_most_once_and_every_exchange_ends():
    try_machine(machine(), 100)


# -- the test sees what is wrong -----------------------------------------------------------------------------------


class ExecutesTwice(BoardSession):
    """Takes a repeated command for a new one."""

    def _on_command(self, frame):
        if 0 < frame.sequence == self.executed == self.received and frame.payload:
            self.received -= 1
            self._replies.pop(frame.sequence, None)
            self._reply_used -= self._reserved.pop(frame.sequence, 0)
        super()._on_command(frame)


class LeavesOut(BoardSession):
    """Takes a command although the one before it was lost."""

    def _on_command(self, frame):
        if frame.sequence == self.received + 2 and frame.payload:
            self.received += 1
        super()._on_command(frame)


class OpensAnything(BoardSession):
    """Opens for whoever asks, whatever was held before."""

    def _on_open(self, frame, ours):
        allowed = wire.pack(wire.Open(self.session, self._boot))
        super()._on_open(frame._replace(payload=allowed), ours)


class SendsInDoubt(HostSession):
    """Goes on with its session after the board has lost it."""

    def _lose(self):
        self.phase = Phase.NEW
        self._repeat = dict.fromkeys(self._flight, True)


class IgnoresReplyBudget(HostSession):
    """Sends what the board cannot answer."""

    def _launch(self):
        self._reply_used = 0
        return super()._launch()


class NeverAsks(HostSession):
    """Waits for what was lost."""

    def tick(self, now):
        self._now = now


@pytest.mark.parametrize(
    ("board", "host"),
    [
        (ExecutesTwice, HostSession),
        (LeavesOut, HostSession),
        (OpensAnything, HostSession),
        (BoardSession, SendsInDoubt),
        (BoardSession, IgnoresReplyBudget),
        (BoardSession, NeverAsks),
    ],
)
def test_a_broken_end_is_caught(board, host):
    with pytest.raises((AssertionError, KeyError, pytest.fail.Exception)):
        try_machine(machine(board, host), 200, shrink=False)
