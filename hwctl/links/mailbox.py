"""Commands to a board on a memory bus: records in a ring, replies in another, as docs/registers.md says."""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hwctl.errors import BoardError, LimitError, LinkClosed, LinkError, LinkTimeout, TargetError
from hwctl.links.link import check_posted, check_version
from hwctl.links.naming import command_name
from hwctl.protocol import registers as map_
from hwctl.protocol.codec import decode_reply, encode_command
from hwctl.protocol.commands import Command
from hwctl.protocol.frame import BoardState
from hwctl.protocol.registers import COMMANDS, REPLIES, WORD_BYTES, offset_of, record_bytes
from hwctl.protocol.replies import Reply
from hwctl.protocol.sizes import reply_bytes

STUCK_TIMEOUT = 60.0  # s in which a command must have come further
SAFE_TIMEOUT = 5.0  # s until the array must be at rest
OPEN_TIMEOUT = 5.0  # s until a new session must have begun
LOOKS = 10  # at the board, one right after the other; then pauses that are a PAUSE_SHARE of the time waited so far
PAUSE_SHARE = 0.25
LONGEST_PAUSE = 0.01  # s
MOST_POSTED = 16  # commands whose replies nobody waits for
WORDS = np.dtype("<u4")
SAFE = 1 << map_.SAFE_BIT
_NAMES = tuple(register.name for register in map_.REGISTERS)


class Bus(Protocol):
    """The master's side of a memory bus. Offsets are bytes from the board's base, of whole words."""

    def read_words(self, offset: int, count: int) -> NDArray[np.uint32]:
        """Read words that follow one another, in one transfer."""

    def write_words(self, offset: int, words: NDArray[np.uint32]) -> None:
        """Write words that follow one another, in one transfer."""

    def close(self) -> None:
        """Release the bus."""


class Before(NamedTuple):
    """What a host before this one left behind: all up to `executed` was executed, nothing beyond `started` was."""

    session: int
    """0: nobody was there since power-up."""
    started: int
    executed: int


class MailboxLink:
    """One session with a board on a bus."""

    def __init__(self, bus: Bus, url: str) -> None:
        """Take an open bus. Raises TargetError where no board of hwctl is there, ProtocolError on another version."""
        self.url = url
        self._bus = bus
        self._moved = 0
        self._head = self._tail = 0  # bytes of the rings, modulo 2**32
        self._taken = 0  # COMMAND_HEAD as it was seen last
        self._pending: deque[tuple[int, Command]] = deque()  # numbers from 1 on, as STARTED counts
        self._replies: dict[int, bytes] = {}
        self._posted: deque[int] = deque()
        self._sent = 0
        self._safe_wanted = threading.Event()
        self._stopped: BoardState | None = None
        self._closed = self._dead = False
        self._greet()

    def _greet(self) -> None:
        identity, version, _, commands, replies = self._words(0, offset_of("REPLY_BYTES") // WORD_BYTES + 1)
        if identity != map_.IDENTITY:
            raise TargetError(
                f"{self.url}: {identity:#010x} is not what a board of hwctl begins with; load its bitstream"
            )
        check_version(self.url, version)
        self._rings = {COMMANDS.name: commands, REPLIES.name: replies}
        state = self._registers("SESSION", "EXECUTED")
        self.before = Before(state["SESSION"], state["STARTED"], state["EXECUTED"])
        """For a host that goes on where another one crashed."""
        self._rest()
        session = secrets.randbelow(2**32 - 1) + 1
        deadline = time.monotonic() + OPEN_TIMEOUT
        while self._registers("SESSION", "SESSION")["SESSION"] != session:
            self._set("SESSION", session)
            if time.monotonic() > deadline:
                raise LinkTimeout(f"{self.url} begins no session", "load its bitstream again")

    # -- commands ------------------------------------------------------------------------------------------------------

    @property
    def bytes_moved(self) -> int:
        """Bytes written and read so far, registers included."""
        return self._moved

    @property
    def stopped(self) -> BoardState | None:
        """What the board said of its last SAFE: which command it stopped, and how far that was; None: not asked yet."""
        return self._stopped

    def execute(self, command: Command) -> Reply:
        """Send a command and return the reply; errors as in `execute_all`."""
        return self.execute_all([command])[0]

    def execute_all(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands, as many at once as the board takes, and return their replies.

        Raises LinkTimeout, LinkClosed: they hold the commands in doubt.
        """
        done: list[Reply] = []
        with self._doubting(commands, done):
            numbers = self._submit(commands)
            self._settle(0)
            done += map(self._reply_to, numbers)
        return done

    def post(self, command: Command) -> None:
        """Send a command and go on; errors as in `execute_all`, BoardError where one before it was refused."""
        with self._doubting([command], []):
            self._posted += self._submit([command])
            self._settle(MOST_POSTED)

    def safe_now(self) -> None:
        """Ask for rest while another thread waits for a command, which is then answered ABORTED."""
        self._safe_wanted.set()

    def close(self) -> None:
        """Leave the board SAFE and release the bus."""
        if self._closed:
            return
        try:
            if not self._dead:
                self._settle(0)
                self._rest()
        except (BoardError, LinkError):
            pass  # the run that posted it is over, or nobody is there to be told
        finally:
            self._closed = True
            self._bus.close()

    @contextmanager
    def _doubting(self, several: Sequence[Command], done: Sequence[Reply]) -> Iterator[None]:
        """Let an error of the bus hold what was answered before it, and what nobody knows of."""
        try:
            yield
        except LinkError as error:
            self._dead = True
            error.answered = tuple(zip(several, done, strict=False))
            error.in_doubt = tuple(command for _, command in self._pending)
            self._pending.clear()
            raise

    def _settle(self, most: int) -> None:
        """Look at replies of posted commands until no more than `most` are open."""
        while len(self._posted) > most:
            number = self._posted.popleft()
            check_posted(self.url, f"command {number}", self._reply_to(number))

    def _reply_to(self, number: int) -> Reply:
        self._wait(lambda: number in self._replies)
        return decode_reply(self._replies.pop(number))

    # -- rings ---------------------------------------------------------------------------------------------------------

    def _submit(self, commands: Sequence[Command]) -> list[int]:
        """Put records into the ring, as many in one transfer as there is room for."""
        if self._closed:
            raise LinkClosed(f"{self.url} is closed", "open it again")
        records = [self._record(command) for command in commands]  # all, before one of them counts
        numbers, batch = [], b""
        for command, record in zip(commands, records, strict=True):
            if len(batch) + len(record) > self._room():
                self._put(batch)
                batch = b""
                self._wait_for_room(len(record))
            batch += record
            self._sent += 1
            self._pending.append((self._sent, command))
            numbers.append(self._sent)
        self._put(batch)
        return numbers

    def _record(self, command: Command) -> bytes:
        """Return a command as it stands in its ring. Raises LimitError on what no ring takes."""
        raw, reserve = encode_command(command), reply_bytes(command)
        record = np.array([len(raw), reserve], WORDS).tobytes() + raw
        record += bytes(-len(record) % WORD_BYTES)
        answer = record_bytes(map_.REPLY_HEADER_BYTES, reserve)
        for name, size in ((COMMANDS.name, len(record)), (REPLIES.name, answer)):
            if size > self._rings[name]:
                raise LimitError(f"{command_name(command)} takes {size} bytes of {name}, which has {self._rings[name]}")
        return record

    def _wait_for_room(self, needed: int) -> None:
        self._wait(lambda: needed <= self._room())

    def _room(self) -> int:
        return self._rings[COMMANDS.name] - (self._tail - self._taken) % 2**32

    def _put(self, batch: bytes) -> None:
        if not batch:
            return
        words, size = np.frombuffer(batch, WORDS), self._rings[COMMANDS.name]
        at = self._tail % size
        first = min(len(words), (size - at) // WORD_BYTES)
        self._write(COMMANDS.offset + at, words[:first])
        if first < len(words):
            self._write(COMMANDS.offset, words[first:])
        self._tail = (self._tail + len(batch)) % 2**32
        self._set("COMMAND_TAIL", self._tail)

    def _collect(self, tail: int) -> None:
        """Take the replies that are there."""
        waiting, size = (tail - self._head) % 2**32, self._rings[REPLIES.name]
        if not waiting:
            return
        at = self._head % size
        first = min(waiting, size - at)
        raw = self._words(REPLIES.offset + at, first // WORD_BYTES).tobytes()
        if first < waiting:
            raw += self._words(REPLIES.offset, (waiting - first) // WORD_BYTES).tobytes()
        self._head = tail
        self._set("REPLY_HEAD", tail)
        begin = 0
        while begin < waiting:
            body = begin + map_.REPLY_HEADER_BYTES
            length = int.from_bytes(raw[begin:body], "little")
            number, _ = self._pending.popleft()
            self._replies[number] = raw[body : body + length]
            begin += record_bytes(map_.REPLY_HEADER_BYTES, length)

    def _wait(self, done: Callable[[], bool]) -> None:
        """Look at the board until `done`. Raises LinkTimeout where nothing moves for STUCK_TIMEOUT."""
        seen: tuple[int, ...] = ()
        began, deadline, looks = time.monotonic(), 0.0, 0
        while not done():
            state = self._registers("STATUS", "PROGRESS")
            self._taken = state["COMMAND_HEAD"]
            self._collect(state["REPLY_TAIL"])
            if self._safe_wanted.is_set():
                self._safe_wanted.clear()
                self._rest()
            if state["STATUS"] >> map_.BAD_RECORD_BIT & 1:
                raise LinkClosed(f"{self.url} met a record that cannot be", "open it again and read the cells back")
            now, moved = time.monotonic(), tuple(state.values())
            if moved != seen:
                seen, deadline = moved, now + STUCK_TIMEOUT
            elif now > deadline:
                number, command = self._pending[0]
                what = f"{self.url} did not go on with command {number} ({command_name(command)})"
                raise LinkTimeout(what, "load its bitstream again and read the cells back")
            looks += 1
            if looks > LOOKS:
                self._safe_wanted.wait(min(LONGEST_PAUSE, PAUSE_SHARE * (now - began)))

    def _rest(self) -> None:
        """Bring the array to rest."""
        safes = self._registers("SAFES", "SAFES")["SAFES"]
        self._set("CONTROL", SAFE)
        deadline = time.monotonic() + SAFE_TIMEOUT
        while (state := self._registers("EXECUTED", "STOPPED_PROGRESS"))["SAFES"] == safes:
            if time.monotonic() > deadline:
                raise LinkTimeout(f"{self.url} does not come to rest", "switch the array's supply off")
        running = state["STOPPED"]
        executed = running - 1 if running else state["EXECUTED"]  # which soon counts the stopped one, too
        self._stopped = BoardState(executed, running, state["STOPPED_PROGRESS"])

    # -- words ---------------------------------------------------------------------------------------------------------

    def _registers(self, first: str, last: str) -> dict[str, int]:
        """Read registers that follow one another, in one transfer."""
        names = _NAMES[_NAMES.index(first) : _NAMES.index(last) + 1]
        return dict(zip(names, self._words(offset_of(first), len(names)).tolist(), strict=True))

    def _words(self, offset: int, count: int) -> NDArray[np.uint32]:
        self._moved += WORD_BYTES * count
        return self._bus.read_words(offset, count)

    def _write(self, offset: int, words: NDArray[np.uint32]) -> None:
        self._moved += WORD_BYTES * len(words)
        self._bus.write_words(offset, words)

    def _set(self, name: str, value: int) -> None:
        self._write(offset_of(name), np.array([value], WORDS))
