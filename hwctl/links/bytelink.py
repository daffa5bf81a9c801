"""Commands to a board at the other end of a byte line: encoded, framed, each executed exactly once."""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from hwctl.errors import BoardError, LinkClosed, LinkError, LinkTimeout, SessionLost
from hwctl.links.link import check_posted, check_version
from hwctl.links.naming import command_name
from hwctl.links.ports import Port
from hwctl.protocol.codec import decode_reply, encode_command
from hwctl.protocol.commands import Command
from hwctl.protocol.frame import BoardState, Kind
from hwctl.protocol.replies import Reply
from hwctl.protocol.session import HostSession, Phase
from hwctl.protocol.sizes import reply_bytes

GREETING_TIMEOUT = 5.0  # s until a board must have said who it is
SILENCE_TIMEOUT = 10.0  # s without a whole frame from the board while commands are under way
SAFE_TIMEOUT = 5.0  # s until a board must have said that its lines are at rest
DEAD_TIMEOUT = 1.0  # s of the same on a line that has failed: the board may hear it all the same
RECONNECT_TIMEOUT = 10.0  # s that a vanished port is tried again
RECONNECT_PAUSE = 0.2  # s between tries
SAID = 32  # bytes of a stranger's words that a message shows
MOST_POSTED = 16  # commands whose replies nobody waits for


class ByteLink:
    """One session with a board behind a port."""

    def __init__(self, port: Port, url: str) -> None:
        """Take an open port; call `connect` instead, which greets the board."""
        self.url = url
        self._port = port
        self._session = HostSession(secrets.randbelow(2**32 - 1) + 1)
        self._moved = 0
        self._commands: dict[int, Command] = {}  # whose replies nobody has looked at
        self._safe_wanted = threading.Event()
        self._closed = False
        self._posted: deque[int] = deque()
        self._said = b""  # first bytes since the last frame: another instrument says something else
        self._dead = False  # the line has failed: nobody waits for it again

    @classmethod
    def connect(cls, port: Port, url: str) -> "ByteLink":
        """Greet the board and open a session, replacing one that a host before left behind.

        Raises LinkTimeout where nobody answers, ProtocolError where the board speaks another version; the port is
        closed then.
        """
        link = cls(port, url)
        try:
            link._open_session()
        except BaseException:
            port.close()
            raise
        return link

    def _open_session(self) -> None:
        session = self._session
        deadline = time.monotonic() + GREETING_TIMEOUT
        while session.phase is not Phase.OPEN:
            session.hello(time.monotonic())
            self._wait(lambda: Kind.HELLO not in session.pending, deadline, "who it is")
            board = session.board
            assert board is not None
            check_version(self.url, board.protocol_version)
            session.open(time.monotonic(), board.session)
            self._wait(lambda: Kind.OPEN not in session.pending, deadline, "OPEN")

    @property
    def bytes_moved(self) -> int:
        """Bytes sent and received so far."""
        return self._moved

    # -- commands ------------------------------------------------------------------------------------------------

    def execute(self, command: Command) -> Reply:
        """Send a command and return the reply; errors as in `execute_all`."""
        return self.execute_all([command])[0]

    def execute_all(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands, as many at once as the board takes, and return their replies.

        Raises LinkTimeout, LinkClosed, and SessionLost where the board was reset: they hold the commands in doubt.
        """
        done: list[Reply] = []
        with self._doubting(commands, done):
            numbers = [self._submit(command) for command in commands]
            self._settle(0)
            done += map(self._reply_to, numbers)
        return done

    def post(self, command: Command) -> None:
        """Send a command and go on; errors as in `execute_all`, BoardError where one before it was refused."""
        with self._doubting([command], []):
            self._posted.append(self._submit(command))
            self._settle(MOST_POSTED)
            with suppress(LinkClosed):  # the next wait opens the port again
                self._send()

    @contextmanager
    def _doubting(self, several: Sequence[Command], done: Sequence[Reply]) -> Iterator[None]:
        """Let an error of the line hold what was answered before it, and what nobody knows of."""
        try:
            yield
        except LinkError as error:
            self._dead = True
            error.answered = tuple(zip(several, done, strict=False))
            sent = [number for number in self._session.unacknowledged if number in self._commands]
            error.in_doubt = tuple(self._commands.pop(number) for number in sent)
            raise

    def _settle(self, most: int) -> None:
        """Look at replies of posted commands until no more than `most` are open."""
        while len(self._posted) > most:
            number = self._posted.popleft()
            name = self._name_of(number)
            check_posted(self.url, name, self._reply_to(number))

    def _submit(self, command: Command) -> int:
        if self._closed:
            raise LinkClosed(f"{self.url} is closed", "open it again")
        number = self._session.submit(encode_command(command), reply_bytes(command))
        self._commands[number] = command
        return number

    def _reply_to(self, number: int) -> Reply:
        found: list[bytes] = []

        def answered() -> bool:
            raw = self._session.take_reply(number)
            if raw is not None:
                found.append(raw)
            return bool(found)

        self._wait(answered, None, self._name_of(number))
        del self._commands[number]
        return decode_reply(found[0])

    def _name_of(self, number: int) -> str:
        command = self._commands.get(number)
        return f"command {number}" + ("" if command is None else f" ({command_name(command)})")

    def safe_now(self) -> None:
        """Ask for rest while another thread waits for a command, which is then answered ABORTED."""
        self._safe_wanted.set()

    @property
    def stopped(self) -> BoardState | None:
        """What the board said of its last SAFE: which command it stopped, and how far that was; None: not asked yet."""
        return self._session.stopped

    def close(self) -> None:
        """Leave the board SAFE and release the port; a board that is gone is left as it is."""
        if self._closed:
            return
        try:
            if self._session.phase is Phase.OPEN and not self._dead:
                self._settle(0)  # SAFE would abort what was posted and not begun
        except (BoardError, LinkError):
            pass  # the run that posted it is over
        self._closed = True
        try:
            if self._session.phase is Phase.OPEN:
                self._session.safe(time.monotonic())
                deadline = time.monotonic() + (DEAD_TIMEOUT if self._dead else SAFE_TIMEOUT)
                self._wait(lambda: Kind.SAFE not in self._session.pending, deadline, "SAFE", reconnect=False)
        except (LinkClosed, LinkTimeout, SessionLost):
            pass  # nobody is there to be told
        finally:
            self._port.close()

    # -- the pump ------------------------------------------------------------------------------------------------

    def _wait(self, done: Callable[[], bool], deadline: float | None, wanted: str, *, reconnect: bool = True) -> None:
        """Move bytes until `done`. Raises LinkTimeout at the deadline, or after SILENCE_TIMEOUT without a frame."""
        session = self._session
        started = time.monotonic()
        while not done():
            if session.phase is Phase.LOST:
                raise SessionLost(self._lost(), "open it again and read the cells back")
            now = time.monotonic()
            if self._safe_wanted.is_set():
                self._safe_wanted.clear()
                session.safe(now)
            session.tick(now)
            try:
                self._pump()
            except LinkClosed:
                if not reconnect:
                    raise
                self._reconnect(wanted)
                started = time.monotonic()
            heard = max(started, session.last_heard or 0.0) + self._line_time()
            limit = heard + SILENCE_TIMEOUT if deadline is None else deadline
            if time.monotonic() > limit:
                raise self._silent(wanted)

    def _line_time(self) -> float:
        """Return the s that all that may be under way takes on the line."""
        board = self._session.board
        return 0.0 if board is None else (board.receive_budget + board.reply_budget) / self._port.bytes_per_second

    def _send(self) -> None:
        out = self._session.outgoing()
        if out:
            self._port.write(out)
            self._moved += len(out)

    def _pump(self) -> None:
        self._send()
        data = self._port.read()
        if data:
            heard = self._session.last_heard
            self._moved += len(data)
            self._session.receive(data, time.monotonic())
            self._said = (self._said + data)[:SAID] if self._session.last_heard == heard else b""

    def _reconnect(self, wanted: str) -> None:
        """Open the port again; the session goes on where it was, as the board still holds it."""
        deadline = time.monotonic() + RECONNECT_TIMEOUT
        while True:
            try:
                self._port.reopen()
            except LinkClosed as error:
                if time.monotonic() > deadline:
                    sent = self._session.unacknowledged
                    last = self._name_of(sent[-1]) if sent else wanted
                    what = f"link closed: {self._port.name} vanished after {last}"
                    raise LinkClosed(what, "reconnect, and open it again") from error
                time.sleep(RECONNECT_PAUSE)
            else:
                return

    def _silent(self, wanted: str) -> LinkTimeout:
        bad, said = self._session.bad.total, self._said.strip(b"\0\r\n ")
        if self._session.last_heard is None and said:
            what = f"{self.url} is no board of hwctl, or its baud rate is another"
            met = f"a frame that says {wanted} was expected, {repr(said)[1:]} came"
            return LinkTimeout(f"{what}: {met}", "check --target and its baud=")
        came = f", {repr(said)[1:]} came" if said else ""
        noise = f", {bad} broken frames in all" if bad else ""
        todo = "check that the board is powered and connected"
        return LinkTimeout(f"{self.url} did not answer {wanted}{came}{noise}", todo)

    def _lost(self) -> str:
        doubtful = [self._name_of(number) for number in self._session.in_doubt]
        named = ", ".join(doubtful[:3]) + (f" and {len(doubtful) - 3} more" if len(doubtful) > 3 else "")
        return f"{self.url} was reset or taken over by another host; " + (
            f"in doubt, count their pulses as executed: {named}" if doubtful else "no command is in doubt"
        )
