"""The answers of a board, gathered by the session's machine: header words, then the payload's."""

from firmware.front.assembler import Op, Program
from firmware.front.rules import rules, running
from firmware.front.state import Entry, Flag, Port, Word
from hwctl.protocol.frame import Kind


def program() -> Program:
    """Return the whole program: the rules and the answers."""
    p = rules()
    _tell_state(p)
    _tell_session(p)
    _tell_replies(p)
    return p


def _tell(p: Program, flag: Flag, kind: Kind, *words: int) -> None:
    """Send an answer; while it goes out, the next command has its turn."""
    p.do(Op.CLEAR, flag)
    p.do(Op.COPY, *words)
    p.do(Op.SEND, kind)
    p.jump_if(Flag.ALWAYS, "idle")


def _tell_state(p: Program) -> None:
    state = (Word.EXECUTED, Word.NOW_RUNNING, Word.NOW_PROGRESS)
    limits = (Port.RECEIVE_BUDGET, Port.REPLY_BUDGET, Port.LARGEST_FRAME)
    p.label("tell HELLO_INFO")
    running(p, "hello", Word.NOW_RUNNING, Word.NOW_PROGRESS)
    header = (Word.HELLO_SESSION, Word.HELLO_NUMBER, Word.RECEIVED)
    _tell(p, Flag.TELL_HELLO_INFO, Kind.HELLO_INFO, *header, Word.SESSION, Word.BOOT, *state, *limits)
    p.label("tell PONG")
    running(p, "ping", Word.NOW_RUNNING, Word.NOW_PROGRESS)
    header = (Word.SESSION, Word.PONG_NUMBER, Word.RECEIVED)
    _tell(p, Flag.TELL_PONG, Kind.PONG, *header, *state)
    p.label("tell SAFE_DONE")
    header = (Word.SAFE_SESSION, Word.SAFE_NUMBER, Word.RECEIVED)
    _tell(p, Flag.TELL_SAFE_DONE, Kind.SAFE_DONE, *header, Word.SAFE_EXECUTED, Word.SAFE_RUNNING, Word.SAFE_PROGRESS)


def _tell_session(p: Program) -> None:
    header = (Word.OPEN_SESSION, Word.OPEN_NUMBER, Word.RECEIVED)
    p.label("tell OPENED")
    _tell(p, Flag.TELL_OPENED, Kind.OPENED, *header, Word.OPENED_REPLACED, Word.OPENED_EXECUTED)
    p.label("tell REJECTED")
    _tell(p, Flag.TELL_REJECTED, Kind.REJECTED, *header, Word.SESSION, Word.BOOT)
    p.label("tell NO_SESSION")
    header = (Word.NO_SESSION_ASKED, Port.ZERO, Word.RECEIVED)
    _tell(p, Flag.TELL_NO_SESSION, Kind.NO_SESSION, *header, Word.SESSION, Word.BOOT)


def _tell_replies(p: Program) -> None:
    """First what was asked for again, where it is still stored, then the next in order."""
    p.label("next reply")
    p.jump_unless(Flag.REPEATS, "in order")
    p.do(Op.LOAD, Word.REPEATS)
    p.do(Op.COMPARE, Word.ACKNOWLEDGED)
    p.jump_if(Flag.AT_MOST, "next command")
    p.jump_if(Flag.ALWAYS, "tell REPLY")

    p.label("in order")
    p.do(Op.LOAD, Word.SENT)
    p.do(Op.COMPARE, Word.ACKNOWLEDGED)
    p.jump_unless(Flag.LESS, "stored")
    p.do(Op.LOAD, Word.ACKNOWLEDGED)
    p.label("stored")
    p.do(Op.COMPARE, Word.EXECUTED)
    p.jump_unless(Flag.LESS, "next command")
    p.do(Op.ADD, Port.ONE)
    p.do(Op.STORE, Word.SENT)

    p.label("tell REPLY")
    p.do(Op.STORE, Word.REPLY_NUMBER)
    p.do(Op.INDEX, 0)
    p.move((Entry.START, Port.ANSWER_START), (Entry.LENGTH, Port.ANSWER_LENGTH))
    p.do(Op.COPY, Word.SESSION, Word.REPLY_NUMBER, Word.RECEIVED)
    p.do(Op.SEND, Kind.REPLY)
    p.jump_if(Flag.ALWAYS, "idle")
