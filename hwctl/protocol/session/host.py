"""The host's end of a session."""

from collections import OrderedDict, deque
from collections.abc import Callable
from enum import Enum

from hwctl.errors import LimitError, LinkError, SessionLost
from hwctl.protocol import frame as wire
from hwctl.protocol.frame import Deframer, Frame, Kind, encode_frame, pack, unpack
from hwctl.protocol.session.queued import Queued

FIRST_TIMEOUT = 0.25  # s of silence until the host asks again
LAST_TIMEOUT = 2.0  # s: each time without an answer it waits twice as long, up to this
GREETING_LARGEST = 4096  # bytes of the largest frame that a host takes before it knows the board's


class Phase(Enum):
    """What the host knows of the board."""

    NEW = "not greeted"
    GREETED = "greeted, not open"
    OPEN = "open"
    LOST = "reset or taken over"


class HostSession:
    """The host's end: numbers commands, keeps within the board's budgets, repeats what was lost."""

    def __init__(self, session_id: int, timeout: float = FIRST_TIMEOUT) -> None:
        """Begin with a fresh random id, 1 to 2**32 - 1. timeout: s of silence until the first repetition."""
        if not 0 < session_id < 2**32:
            raise LimitError(f"session id {session_id}; draw one of 1 to {2**32 - 1}")
        self.session_id = session_id
        self.phase = Phase.NEW
        self.board: wire.HelloInfo | None = None
        self.opened: wire.Opened | None = None
        self.rejected: wire.Rejected | None = None
        """Why the last OPEN was rejected; say hello again and decide."""
        self.state: wire.BoardState | None = None
        """Of the last PONG or SAFE_DONE."""
        self.stopped: wire.BoardState | None = None
        """Of the last SAFE_DONE: what was in execution when the lines came to rest, and how far it was."""
        self.last_heard: float | None = None
        """When the board last sent a whole frame of this session."""
        self._deframer = Deframer(GREETING_LARGEST)
        self.bad = self._deframer.bad
        self._handlers: dict[Kind, Callable[[Frame], None]] = {
            Kind.HELLO_INFO: self._on_hello_info,
            Kind.OPENED: self._on_opened,
            Kind.REJECTED: self._on_rejected,
            Kind.PONG: self._on_pong,
            Kind.SAFE_DONE: self._on_safe_done,
            Kind.NO_SESSION: self._on_no_session,
            Kind.REPLY: self._on_reply,
        }
        self._given = self._sent = 0  # last sequence number given out, last one sent
        self._queue: deque[Queued] = deque()
        self._flight: OrderedDict[int, Queued] = OrderedDict()  # sent, not answered
        self._replies: dict[int, bytes] = {}
        self._held = 0  # the host holds, or held, all replies up to this one
        self._stored: dict[int, int] = {}  # reply cost of what was sent beyond _held
        self._receive_used = self._reply_used = 0
        self._repeat: dict[int, bool] = {}  # to be sent again: True whole, False as a question for the reply
        self._asked: set[int] = set()
        self._requests = 0
        self._pending: dict[Kind, Frame] = {}  # requests without an answer
        self._urgent: list[Kind] = []
        self._ping_mark = -1  # last sequence number sent before the PING; -1: not sent yet
        self._owes_acknowledgement = False
        self._now = 0.0
        self._due: float | None = None
        self._timeout = self._wait = timeout

    # -- what the caller asks for --------------------------------------------------------------------------------

    def hello(self, now: float) -> None:
        """Ask who the board is: `board`. Changes nothing there."""
        self._request(Kind.HELLO, b"", now)

    def open(self, now: float, replaces: int) -> None:
        """Open this session. replaces: the session that `board` says it holds, 0 for none."""
        if self.phase is not Phase.GREETED or self.board is None:
            raise LinkError(f"session is {self.phase.value}; say hello first")
        self.rejected = None
        self._request(Kind.OPEN, pack(wire.Open(replaces, self.board.boot)), now)

    def ping(self, now: float) -> None:
        """Ask for the board's `state`."""
        self._need_open()
        self._request(Kind.PING, b"", now)

    def safe(self, now: float) -> None:
        """Drive the board to rest; every command submitted so far and not executed is answered ABORTED."""
        self._request(Kind.SAFE, pack(wire.Safe(self._given)), now)

    def submit(self, payload: bytes, reply_bytes: int) -> int:
        """Queue a command and return its sequence number. reply_bytes: most that its reply may take.

        Raises LimitError where the board can never take it, SessionLost, or LinkError where the session is full.
        """
        board = self._need_open()
        reserve = max(reply_bytes, wire.SMALLEST_RESERVE)
        receive_cost, reply_cost = len(payload) + wire.FRAME_OVERHEAD, reserve + wire.FRAME_OVERHEAD
        largest = max(len(payload) + wire.COMMAND_WRAP, reserve + wire.REPLY_WRAP)
        if receive_cost > board.receive_budget or reply_cost > board.reply_budget or largest > board.largest_frame:
            raise LimitError(
                f"command of {len(payload)} bytes with a reply of up to {reserve} bytes; the board receives "
                f"{board.receive_budget}, stores {board.reply_budget}, frames {board.largest_frame}: split it"
            )
        if self._given == wire.LAST_SEQUENCE:
            raise LinkError("session is full; open a new one")
        self._given += 1
        self._queue.append(Queued(self._given, wire.RESERVE.pack(reserve) + payload, receive_cost, reply_cost))
        return self._given

    def take_reply(self, sequence: int) -> bytes | None:
        """Return the reply to a command once, None where there is none (yet)."""
        return self._replies.pop(sequence, None)

    # -- what the caller reads -----------------------------------------------------------------------------------

    @property
    def unacknowledged(self) -> tuple[int, ...]:
        """Commands that were sent and not answered."""
        return tuple(self._flight)

    @property
    def in_doubt(self) -> tuple[int, ...]:
        """Commands that were sent and not answered when the board lost the session: executed or not, nobody knows."""
        return self.unacknowledged if self.phase is Phase.LOST else ()

    @property
    def unsent(self) -> tuple[int, ...]:
        """Commands that were never sent; after a loss they may be submitted to a new session."""
        return tuple(command.sequence for command in self._queue)

    @property
    def pending(self) -> frozenset[Kind]:
        """Requests (HELLO, OPEN, PING, SAFE) that the board has not answered."""
        return frozenset(self._pending)

    def deadline(self) -> float | None:
        """Return when `tick` wants to be called at the latest, in s; None where nothing is awaited."""
        if not self._awaiting():
            return None
        return self._now if self._due is None else self._due

    # -- bytes and time ------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Ask again where the board was silent for too long."""
        self._now = now
        if not self._awaiting():
            self._due = None
        elif self._due is None:
            self._due = now + self._wait
        elif now >= self._due:
            self._wait = min(2 * self._wait, max(LAST_TIMEOUT, self._timeout))
            self._due = now + self._wait
            if self._flight and self.phase is Phase.OPEN and Kind.PING not in self._pending:
                self._request(Kind.PING, b"", now)
            self._urgent = list(self._pending) or [Kind.ACK]

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes from the board."""
        self._now = now
        for frame in self._deframer.feed(data):
            handler = self._handlers.get(frame.kind)
            if handler is not None and frame.session == self.session_id:
                self.last_heard = now
                self._wait = self._timeout
                self._due = now + self._wait
                handler(frame)

    def outgoing(self) -> bytes:
        """Return the bytes to write now: requests, then what is repeated, then what fits the board's budgets."""
        if not self._awaiting():
            self._due = None
        frames = [self._urgent_frame(kind) for kind in self._urgent]
        self._urgent.clear()
        if self.phase is Phase.OPEN:
            again = ((n, whole) for n, whole in sorted(self._repeat.items()) if n in self._flight)
            frames += [self._command_frame(n, self._flight[n].payload if whole else b"") for n, whole in again]
            self._repeat.clear()
            frames += [self._command_frame(n, self._flight[n].payload) for n in self._launch()]
        if frames:
            self._owes_acknowledgement = False
        return b"".join(map(encode_frame, frames))

    # -- sending -------------------------------------------------------------------------------------------------

    def _need_open(self) -> wire.HelloInfo:
        if self.phase is Phase.LOST:
            what = f"the board was reset or taken over by another host; {len(self._flight)} commands are in doubt"
            raise SessionLost(what, "open it again")
        if self.phase is not Phase.OPEN or self.board is None:
            raise LinkError(f"session is {self.phase.value}; open it first")
        return self.board

    def _request(self, kind: Kind, payload: bytes, now: float) -> None:
        if not self._awaiting():
            self._due = now + self._wait
        self._now = now
        asked = self._pending.get(kind)
        # Who asks faster than answers come back would never recognise one if each question had a number of its own.
        if asked is None or asked.payload != payload:
            self._requests += 1
            self._pending[kind] = Frame(kind, self.session_id, self._requests, payload=payload)
            if kind is Kind.PING:
                self._ping_mark = -1
        if kind not in self._urgent:
            self._urgent.append(kind)

    def _awaiting(self) -> bool:
        return bool(self._pending) or (self.phase is Phase.OPEN and (bool(self._flight) or self._owes_acknowledgement))

    def _urgent_frame(self, kind: Kind) -> Frame:
        if kind is Kind.PING and self._ping_mark < 0:
            self._ping_mark = self._sent
        frame = self._pending.get(kind, Frame(kind, self.session_id))
        return frame._replace(acknowledged=self._held)

    def _command_frame(self, sequence: int, payload: bytes) -> Frame:
        return Frame(Kind.COMMAND, self.session_id, sequence, self._held, payload)

    def _launch(self) -> list[int]:
        """Move what fits the board's budgets from queue to flight."""
        board = self._need_open()
        launched = []
        while self._queue:
            command = self._queue[0]
            receive = self._receive_used + command.receive_cost
            reply = self._reply_used + command.reply_cost
            if receive > board.receive_budget or reply > board.reply_budget:
                break
            self._queue.popleft()
            self._receive_used, self._reply_used = receive, reply
            self._sent = command.sequence
            self._flight[command.sequence] = command
            self._stored[command.sequence] = command.reply_cost
            launched.append(command.sequence)
        return launched

    # -- receiving -----------------------------------------------------------------------------------------------

    def _answered(self, kind: Kind, frame: Frame) -> bool:
        """Return whether a frame answers the pending request of a kind, and strike that off."""
        request = self._pending.get(kind)
        if request is None or request.sequence != frame.sequence:
            return False
        del self._pending[kind]
        if kind in self._urgent:
            self._urgent.remove(kind)
        return True

    def _on_hello_info(self, frame: Frame) -> None:
        if not self._answered(Kind.HELLO, frame):
            return
        self.board = unpack(wire.HelloInfo, frame.payload)
        self._deframer.largest = max(self.board.largest_frame, GREETING_LARGEST)
        if self.phase is Phase.NEW:
            self.phase = Phase.GREETED
        elif self.phase is Phase.OPEN and self.board.session != self.session_id:
            self._lose()

    def _on_opened(self, frame: Frame) -> None:
        if self._answered(Kind.OPEN, frame) and self.phase is Phase.GREETED:
            self.opened = unpack(wire.Opened, frame.payload)
            self.phase = Phase.OPEN

    def _on_rejected(self, frame: Frame) -> None:
        if self._answered(Kind.OPEN, frame):
            self.rejected = unpack(wire.Rejected, frame.payload)
            self.phase = Phase.NEW

    def _on_no_session(self, frame: Frame) -> None:
        if self.phase is Phase.OPEN:  # only frames of this phase are answered so
            self._lose()

    def _lose(self) -> None:
        self.phase = Phase.LOST
        for kind in (Kind.PING, Kind.OPEN):
            self._pending.pop(kind, None)
        self._urgent = [kind for kind in self._urgent if kind in self._pending]
        self._repeat.clear()

    def _on_safe_done(self, frame: Frame) -> None:
        if self._answered(Kind.SAFE, frame):
            self.state = self.stopped = unpack(wire.BoardState, frame.payload)

    def _on_pong(self, frame: Frame) -> None:
        """Repeat what the board has not got, and ask for replies that it has sent in vain."""
        asked = self._answered(Kind.PING, frame)
        if not asked and frame.sequence:
            return
        self.state = unpack(wire.BoardState, frame.payload)
        last = self._ping_mark if asked else self._sent
        for sequence in self._flight:
            if sequence > last:
                break
            if sequence <= self.state.executed:
                self._repeat[sequence] = False
            elif sequence > frame.acknowledged:
                self._repeat[sequence] = True

    def _on_reply(self, frame: Frame) -> None:
        self._owes_acknowledgement = True
        command = self._flight.pop(frame.sequence, None)
        if command is None:
            return
        self._receive_used -= command.receive_cost
        self._replies[frame.sequence] = frame.payload
        for sequence in self._flight:
            if sequence > frame.sequence:
                break
            if sequence not in self._asked:  # executed before, so its reply was lost
                self._asked.add(sequence)
                self._repeat[sequence] = False
        self._asked.discard(frame.sequence)
        while self._held < self._sent and self._held + 1 not in self._flight:
            self._held += 1
            self._reply_used -= self._stored.pop(self._held)
