"""The board's end of a session."""

from collections import OrderedDict, deque

from hwctl.errors import ProtocolError
from hwctl.protocol import frame as wire
from hwctl.protocol.codes import PROTOCOL_VERSION
from hwctl.protocol.frame import Deframer, Frame, Kind, encode_frame, pack, unpack
from hwctl.protocol.session.queued import Queued


class BoardSession:
    """The board's end: hands out each command once, in order, and keeps its reply until the host holds it."""

    def __init__(
        self,
        receive_budget: int,
        reply_budget: int,
        largest_frame: int,
        protocol_version: int = PROTOCOL_VERSION,
        boot: int = 1,
    ) -> None:
        """Power up. Budgets in bytes; boot: a number that the power-up before did not have."""
        self._limits = (receive_budget, reply_budget, largest_frame)
        self._version = protocol_version
        self._boot = boot
        self._deframer = Deframer(largest_frame)
        self.bad = self._deframer.bad
        self.repeats = 0
        """Commands that arrived again."""
        self.gaps = 0
        """Commands that arrived although one before them is missing."""
        self.overruns = 0
        """Commands for which there was no room: the host broke the rules, or this board's session was replaced."""
        self.progress = 0
        """How far the command in execution is; set by the caller."""
        self._running: Queued | None = None
        self._orphan = False  # the running command is one of a session that was replaced
        self._opened = wire.Opened(0, 0)
        self._safe_request: tuple[int, int] | None = None  # session and number of a SAFE not done yet
        self._out: OrderedDict[tuple[Kind, int, int], bytes] = OrderedDict()
        self._begin(0)

    def _begin(self, session: int) -> None:
        self.session = session
        self.received = self.executed = self._acknowledged = 0
        self._queue: deque[Queued] = deque()
        self._replies: dict[int, bytes] = {}
        self._reserved: dict[int, int] = {}  # reply cost by sequence number
        self._reply_used = 0
        self._queue_used = 0  # receive cost of the queue
        self._gap_told = -1
        self._abort_through = self._last_safe = 0
        self._abort_reply = b""
        self._safe_state = b""  # of the last SAFE_DONE

    def reset(self, boot: int | None = None) -> None:
        """Forget everything, as a power cycle does; what runs is not finished any more."""
        self._boot = (self._boot + 1) % 2**32 if boot is None else boot
        self._running, self._orphan, self._safe_request = None, False, None
        self.progress = 0
        self._deframer = Deframer(self._limits[2])
        self.bad = self._deframer.bad
        self._out.clear()
        self._begin(0)

    # -- the caller executes -------------------------------------------------------------------------------------

    def next_command(self) -> tuple[int, bytes] | None:
        """Return sequence number and bytes of the next command to execute; `finish` it before the next one."""
        if self._running is not None or self._safe_request is not None:
            return None
        while self._queue:
            command = self._queue.popleft()
            self._queue_used -= command.receive_cost
            self._running, self._orphan, self.progress = command, False, 0
            if command.sequence > self._abort_through:
                return command.sequence, command.payload
            self.finish(command.sequence, self._abort_reply)
        return None

    @property
    def in_execution(self) -> int:
        """Sequence number of the command that `next_command` returned and nobody finished; 0: none."""
        return 0 if self._running is None else self._running.sequence

    def reserved(self) -> int:
        """Return the bytes that the reply to the running command may take."""
        return 0 if self._running is None else self._running.reply_cost - wire.FRAME_OVERHEAD

    def finish(self, sequence: int, reply: bytes) -> None:
        """Store and send the reply of the command that `next_command` returned."""
        command = self._running
        if command is None or command.sequence != sequence:
            raise ProtocolError(f"command {sequence} is not in execution")
        if len(reply) > self.reserved():
            raise ProtocolError(f"reply of {len(reply)} bytes; the host reserved {self.reserved()}")
        self._running = None
        if self._orphan:
            return
        self.executed = sequence
        self._replies[sequence] = reply
        self._send(Kind.REPLY, self.session, sequence, reply)

    def safe_requested(self) -> bool:
        """Return whether a SAFE waits for `abort`. Until then nothing is handed out."""
        return self._safe_request is not None

    def abort(self, queued: bytes, running: bytes | None = None) -> None:
        """Report that the lines are at rest.

        queued: reply of commands that were not begun. running: reply of the one that was; None: `finish` follows.
        """
        if self._safe_request is None:
            return
        self._abort_reply = queued
        self._safe_state = pack(self._state())  # of the moment: how far the running command came is in no reply
        if self._running is not None and running is not None:
            self.finish(self._running.sequence, running)
        session, number = self._safe_request
        self._safe_request = None
        self._send(Kind.SAFE_DONE, session, number, self._safe_state)

    # -- bytes ---------------------------------------------------------------------------------------------------

    def outgoing(self) -> bytes:
        """Return the bytes to write now."""
        frames = [Frame(kind, session, n, self.received, raw) for (kind, session, n), raw in self._out.items()]
        self._out.clear()
        return b"".join(map(encode_frame, frames))

    def receive(self, data: bytes) -> None:
        """Take bytes from a host."""
        for frame in self._deframer.feed(data):
            ours = frame.session == self.session and frame.session != 0
            if ours:
                self._acknowledge(frame.acknowledged)
            if frame.kind is Kind.HELLO:
                self._send(Kind.HELLO_INFO, frame.session, frame.sequence, pack(self._info()))
            elif frame.kind is Kind.OPEN:
                self._on_open(frame, ours)
            elif frame.kind is Kind.SAFE:
                self._on_safe(frame, ours)
            elif frame.kind in (Kind.COMMAND, Kind.PING) and not ours:
                self._send(Kind.NO_SESSION, frame.session, 0, pack(wire.NoSession(self.session, self._boot)))
            elif frame.kind is Kind.PING:
                self._send(Kind.PONG, frame.session, frame.sequence, pack(self._state()))
            elif frame.kind is Kind.COMMAND:
                self._on_command(frame)

    def _send(self, kind: Kind, session: int, sequence: int, payload: bytes) -> None:
        key = (kind, session, sequence)
        self._out.pop(key, None)  # the latest of equal answers is enough, and in its place
        self._out[key] = payload

    def _state(self) -> wire.BoardState:
        running = 0 if self._running is None else wire.ORPHAN if self._orphan else self._running.sequence
        return wire.BoardState(self.executed, running, self.progress if running else 0)

    def _info(self) -> wire.HelloInfo:
        return wire.HelloInfo(self._version, self.session, self._boot, *self._state(), *self._limits)

    def _acknowledge(self, acknowledged: int) -> None:
        while self._acknowledged < min(acknowledged, self.executed):
            self._acknowledged += 1
            del self._replies[self._acknowledged]
            self._reply_used -= self._reserved.pop(self._acknowledged)

    def _on_open(self, frame: Frame, ours: bool) -> None:
        wanted = unpack(wire.Open, frame.payload)
        reason = None
        if not ours:
            if wanted.boot != self._boot:
                reason = wire.Rejection.BOOT
            elif wanted.replaces != self.session or frame.session == 0:
                reason = wire.Rejection.REPLACES
            else:
                running = self._running is not None and not self._orphan
                self._opened = wire.Opened(self.session, self.executed + running)
                self._orphan = self._running is not None
                self._begin(frame.session)
        if reason is None:
            self._send(Kind.OPENED, frame.session, frame.sequence, pack(self._opened))
        else:
            rejected = wire.Rejected(reason, self.session, self._boot)
            self._send(Kind.REJECTED, frame.session, frame.sequence, pack(rejected))

    def _on_safe(self, frame: Frame, ours: bool) -> None:
        if ours and frame.sequence <= self._last_safe:
            if self._safe_request is None:
                self._send(Kind.SAFE_DONE, frame.session, frame.sequence, self._safe_state)
            return
        through = self.received
        if ours:
            self._last_safe = frame.sequence
            through = max(through, unpack(wire.Safe, frame.payload).through)
        self._abort_through = max(self._abort_through, through)
        self._safe_request = (frame.session, frame.sequence)

    def _on_command(self, frame: Frame) -> None:
        sequence = frame.sequence
        if sequence <= self.received:
            self.repeats += 1
            if sequence in self._replies:
                self._send(Kind.REPLY, self.session, sequence, self._replies[sequence])
        elif sequence > self.received + 1:
            self.gaps += 1
            if self._gap_told != self.received:
                self._gap_told = self.received
                self._send(Kind.PONG, self.session, 0, pack(self._state()))
        elif len(frame.payload) >= wire.RESERVE.size and sequence <= wire.LAST_SEQUENCE:
            self._accept(sequence, frame.payload)

    def _accept(self, sequence: int, payload: bytes) -> None:
        (reserve,) = wire.RESERVE.unpack_from(payload)
        raw = payload[wire.RESERVE.size :]
        command = Queued(sequence, raw, len(raw) + wire.FRAME_OVERHEAD, reserve + wire.FRAME_OVERHEAD)
        running = 0 if self._running is None else self._running.receive_cost
        receive_used = running + self._queue_used + command.receive_cost
        fits = receive_used <= self._limits[0] and self._reply_used + command.reply_cost <= self._limits[1]
        if not fits or reserve < wire.SMALLEST_RESERVE:
            self.overruns += 1
            return
        self.received = sequence
        self._reserved[sequence] = command.reply_cost
        self._reply_used += command.reply_cost
        self._queue.append(command)
        self._queue_used += command.receive_cost
