"""What the session's machine works on: words of memory, ports and flags."""

from enum import IntEnum, auto

ENTRY = 128  # operands from here on are words of the entry of one sequence number
PORT = 64  # operands from here on are no memory
ANSWER = 16  # the answer to be sent: words of its header and payload
ANSWER_WORDS = 16
REPEAT = 8  # numbers of replies to be sent again
REPEATS = 8  # words of that queue, one of them always free
FRAME_WORDS = 5  # session, sequence, acknowledged, and the first 8 bytes of the payload


class Word(IntEnum):
    """A word of memory; names as in docs/protocol.md, "Rules of a session"."""

    # of the frame that came in
    F_SESSION = 0
    F_SEQUENCE = 1
    F_ACKNOWLEDGED = 2
    F_FIRST = 3  # of the payload: `reserve`, `replaces`, `through`
    F_SECOND = 4  # `boot`
    # a queue: LOAD takes from it, STORE puts into it
    REPEATS = REPEAT
    # of the session
    SESSION = 32
    BOOT = auto()
    RECEIVED = auto()
    EXECUTED = auto()
    ACKNOWLEDGED = auto()
    SENT = auto()  # replies up to this one were sent once, or need not be
    ABORT_THROUGH = auto()
    LAST_SAFE = auto()
    # bytes of the budgets, as running sums that wrap
    RECEIVE_SUM = auto()  # up to RECEIVED
    RECEIVE_RUNNING = auto()  # up to the command that is handed out
    RECEIVE_DONE = auto()  # up to the last one that has ended
    REPLY_SUM = auto()  # up to RECEIVED
    REPLY_DONE = auto()  # up to ACKNOWLEDGED
    # of answers
    OPENED_REPLACED = auto()
    OPENED_EXECUTED = auto()
    OPEN_SESSION = auto()
    OPEN_NUMBER = auto()
    HELLO_SESSION = auto()
    HELLO_NUMBER = auto()
    PONG_NUMBER = auto()
    NO_SESSION_ASKED = auto()
    SAFE_SESSION = auto()
    SAFE_NUMBER = auto()
    SAFE_EXECUTED = auto()
    SAFE_RUNNING = auto()
    SAFE_PROGRESS = auto()
    NOW_RUNNING = auto()
    NOW_PROGRESS = auto()
    REPLY_NUMBER = auto()


class Port(IntEnum):
    """A constant, an input or an output."""

    ZERO = PORT
    ONE = auto()
    ORPHAN = auto()
    OVERHEAD = auto()
    SMALLEST_RESERVE = auto()
    WINDOW = auto()
    RECEIVE_BUDGET = auto()
    REPLY_BUDGET = auto()
    LARGEST_FRAME = auto()
    PROGRESS = auto()
    LENGTH = auto()  # of the encoded command in the frame
    TAIL = auto()  # of the receive ring
    REPLY_START = auto()  # where the reply in execution is written
    REPLY_LENGTH = auto()
    COMMAND_START = auto()  # the command that is handed out
    COMMAND_LENGTH = auto()
    COMMAND_RESERVE = auto()
    ANSWER_START = auto()  # the reply that is sent
    ANSWER_LENGTH = auto()


class Entry(IntEnum):
    """A word of a sequence number's entry; the number is taken modulo the window."""

    START = ENTRY  # of the command in the receive ring, then of the reply in the reply ring
    LENGTH = auto()
    RESERVE = auto()
    RECEIVE_SUM = auto()
    REPLY_SUM = auto()


class Flag(IntEnum):
    """A bit that the program can ask for."""

    ALWAYS = 0
    # of the last COMPARE
    EQUAL = auto()
    LESS = auto()
    AT_MOST = auto()
    # events: set from outside
    FRAME = auto()
    FINISH = auto()
    AT_REST = auto()
    STOPPED = auto()
    HEARD = auto()
    # inputs
    BUSY = auto()  # an answer is being sent
    QUESTION = auto()
    IS_COMMAND = auto()
    IS_HELLO = auto()
    IS_OPEN = auto()
    IS_PING = auto()
    IS_SAFE = auto()
    # state
    HELD = auto()
    OFFERED = auto()  # a command is handed out and not taken
    RUNNING = auto()
    ORPHANED = auto()  # the running command is one of a session that was replaced
    SAFE = auto()
    ABORTED = auto()
    GAP_TOLD = auto()
    REPEATS = auto()  # some reply has to be sent again
    REPEATS_FULL = auto()
    # answers to be sent
    TELL_SAFE_DONE = auto()
    TELL_HELLO_INFO = auto()
    TELL_OPENED = auto()
    TELL_REJECTED = auto()
    BOOT_DIFFERS = auto()  # the reason of REJECTED is BOOT
    TELL_PONG = auto()
    TELL_NO_SESSION = auto()


INPUTS = frozenset(range(Flag.ALWAYS, Flag.FRAME)) | frozenset(range(Flag.BUSY, Flag.HELD)) | {Flag.REPEATS_FULL}
"""Flags that the program cannot change."""
assert len(Flag) <= 32, "a flag has 5 bits"
assert max(Word) < PORT, "a word has 6 bits"
