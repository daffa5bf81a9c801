"""The board's rules of a session (docs/protocol.md) as a program of the session's machine.

It goes round from `idle`: a frame, the end of a command, a SAFE that is done, an answer, the next command. Each of
these takes a bounded number of instructions: a frame is done with before the first word of the next one arrives.
"""

from firmware.front.assembler import Op, Program
from firmware.front.state import Entry, Flag, Port, Word


def rules() -> Program:
    """Return the program."""
    p = Program()
    _power_up(p)
    _idle(p)
    _frame(p)
    _open(p)
    _safe(p)
    _command(p)
    _again(p)
    _end(p)
    _at_rest(p)
    return p


def _goto(p: Program, target: str) -> None:
    p.jump_if(Flag.ALWAYS, target)


def _clear_session(p: Program) -> None:
    """Forget all sequence numbers. RECEIVE_DONE stays: an orphan may still count."""
    p.do(Op.LOAD, Port.ZERO)
    p.do(Op.STORE, Word.RECEIVED, Word.EXECUTED, Word.ACKNOWLEDGED, Word.SENT, Word.ABORT_THROUGH, Word.LAST_SAFE)
    p.do(Op.STORE, Word.REPLY_SUM, Word.REPLY_DONE)


def _power_up(p: Program) -> None:
    """Hold no session; count until the first byte comes, so that `boot` is another one after each reset."""
    _clear_session(p)
    p.do(Op.STORE, Word.SESSION, Word.RECEIVE_SUM, Word.RECEIVE_DONE, Word.OPENED_REPLACED, Word.OPENED_EXECUTED)
    p.label("boot")
    p.do(Op.LOAD, Word.BOOT)
    p.do(Op.ADD, Port.ONE)
    p.do(Op.STORE, Word.BOOT)
    p.do(Op.COMPARE, Port.ZERO)
    p.jump_if(Flag.EQUAL, "boot")
    p.jump_unless(Flag.HEARD, "boot")


def _idle(p: Program) -> None:
    p.label("idle")
    p.jump_if(Flag.FRAME, "frame")
    p.jump_if(Flag.AT_REST, "at rest")
    p.jump_if(Flag.FINISH, "finish")
    p.jump_if(Flag.BUSY, "next command")
    p.jump_if(Flag.TELL_SAFE_DONE, "tell SAFE_DONE")
    p.jump_if(Flag.TELL_HELLO_INFO, "tell HELLO_INFO")
    p.jump_if(Flag.TELL_OPENED, "tell OPENED")
    p.jump_if(Flag.TELL_REJECTED, "tell REJECTED")
    p.jump_if(Flag.TELL_PONG, "tell PONG")
    p.jump_if(Flag.TELL_NO_SESSION, "tell NO_SESSION")
    _goto(p, "next reply")


def _frame(p: Program) -> None:
    """Acknowledge, then do what the kind says."""
    p.label("frame")
    p.jump_unless(Flag.HELD, "other")
    p.do(Op.LOAD, Word.F_SESSION)
    p.do(Op.COMPARE, Word.SESSION)
    p.jump_unless(Flag.EQUAL, "other")
    p.label("held")
    p.do(Op.LOAD, Word.EXECUTED)
    p.do(Op.COMPARE, Word.F_ACKNOWLEDGED)
    p.jump_if(Flag.LESS, "acknowledge")
    p.do(Op.LOAD, Word.F_ACKNOWLEDGED)
    p.label("acknowledge")
    p.do(Op.COMPARE, Word.ACKNOWLEDGED)
    p.jump_if(Flag.AT_MOST, "ours")
    p.do(Op.STORE, Word.ACKNOWLEDGED)
    p.do(Op.INDEX, 0)
    p.label("acknowledged")
    p.move((Entry.REPLY_SUM, Word.REPLY_DONE))
    p.label("ours")
    p.jump_if(Flag.IS_COMMAND, "command")
    p.jump_if(Flag.IS_PING, "ping")
    p.jump_if(Flag.IS_HELLO, "hello")
    p.jump_if(Flag.IS_OPEN, "opened")
    p.jump_if(Flag.IS_SAFE, "safe")
    _goto(p, "done")

    p.label("other")
    p.jump_if(Flag.IS_HELLO, "hello")
    p.jump_if(Flag.IS_OPEN, "open")
    p.jump_if(Flag.IS_SAFE, "safe of another")
    p.jump_if(Flag.IS_COMMAND, "no session")
    p.jump_unless(Flag.IS_PING, "done")
    p.label("no session")
    p.move((Word.F_SESSION, Word.NO_SESSION_ASKED))
    p.do(Op.SET, Flag.TELL_NO_SESSION)
    _goto(p, "done")

    p.label("hello")
    p.move((Word.F_SESSION, Word.HELLO_SESSION), (Word.F_SEQUENCE, Word.HELLO_NUMBER))
    p.do(Op.SET, Flag.TELL_HELLO_INFO)
    _goto(p, "done")

    p.label("ping")
    p.move((Word.F_SEQUENCE, Word.PONG_NUMBER))
    p.do(Op.SET, Flag.TELL_PONG)
    p.label("done")
    p.do(Op.CLEAR, Flag.FRAME)
    _goto(p, "idle")


def _open(p: Program) -> None:
    p.label("open")
    p.do(Op.SET, Flag.BOOT_DIFFERS)
    p.do(Op.LOAD, Word.F_SECOND)
    p.do(Op.COMPARE, Word.BOOT)
    p.jump_unless(Flag.EQUAL, "reject")
    p.do(Op.CLEAR, Flag.BOOT_DIFFERS)
    p.do(Op.LOAD, Word.F_FIRST)
    p.do(Op.COMPARE, Word.SESSION)
    p.jump_unless(Flag.EQUAL, "reject")
    p.do(Op.LOAD, Word.F_SESSION)
    p.do(Op.COMPARE, Port.ZERO)
    p.jump_if(Flag.EQUAL, "reject")

    p.label("replace")
    p.do(Op.CLEAR, Flag.OFFERED, Flag.HELD)
    p.move((Word.SESSION, Word.OPENED_REPLACED))
    p.do(Op.LOAD, Word.EXECUTED)
    p.jump_unless(Flag.RUNNING, "begun")
    p.jump_if(Flag.ORPHANED, "begun")
    p.do(Op.ADD, Port.ONE)
    p.label("begun")
    p.do(Op.STORE, Word.OPENED_EXECUTED)
    p.do(Op.LOAD, Word.RECEIVE_DONE)
    p.jump_unless(Flag.RUNNING, "forget")
    p.do(Op.SET, Flag.ORPHANED)
    p.do(Op.LOAD, Word.RECEIVE_RUNNING)
    p.label("forget")
    p.do(Op.STORE, Word.RECEIVE_SUM)
    _clear_session(p)
    p.move((Word.F_SESSION, Word.SESSION))
    p.label("named")
    p.do(Op.SET, Flag.HELD)
    p.do(Op.CLEAR, Flag.GAP_TOLD, Flag.TELL_PONG, Flag.REPEATS)

    p.label("opened")
    p.do(Op.SET, Flag.TELL_OPENED)
    p.do(Op.CLEAR, Flag.TELL_REJECTED)
    _goto(p, "opener")
    p.label("reject")
    p.do(Op.SET, Flag.TELL_REJECTED)
    p.do(Op.CLEAR, Flag.TELL_OPENED)
    p.label("opener")
    p.move((Word.F_SESSION, Word.OPEN_SESSION), (Word.F_SEQUENCE, Word.OPEN_NUMBER))
    _goto(p, "done")


def _safe(p: Program) -> None:
    """Raise abort_through, and ask for rest; a command that is not taken yet is one that was not begun."""
    p.label("safe")
    p.do(Op.LOAD, Word.F_SEQUENCE)
    p.do(Op.COMPARE, Word.LAST_SAFE)
    p.jump_if(Flag.AT_MOST, "safe again")
    p.do(Op.STORE, Word.LAST_SAFE)
    p.do(Op.LOAD, Word.F_FIRST)
    p.do(Op.COMPARE, Word.RECEIVED)
    p.jump_unless(Flag.LESS, "abort")
    p.label("safe of another")
    p.do(Op.LOAD, Word.RECEIVED)
    p.label("abort")
    p.do(Op.COMPARE, Word.ABORT_THROUGH)
    p.jump_if(Flag.AT_MOST, "rest")
    p.do(Op.STORE, Word.ABORT_THROUGH)
    p.label("rest")
    p.do(Op.CLEAR, Flag.OFFERED, Flag.TELL_SAFE_DONE)
    p.do(Op.SET, Flag.SAFE)
    p.label("safe asked")
    p.move((Word.F_SESSION, Word.SAFE_SESSION), (Word.F_SEQUENCE, Word.SAFE_NUMBER))
    _goto(p, "done")
    p.label("safe again")
    p.jump_if(Flag.SAFE, "done")
    p.do(Op.SET, Flag.TELL_SAFE_DONE)
    _goto(p, "safe asked")


def _command(p: Program) -> None:
    p.label("command")
    p.do(Op.LOAD, Word.F_SEQUENCE)
    p.do(Op.COMPARE, Word.RECEIVED)
    p.jump_if(Flag.AT_MOST, "repeat")
    p.do(Op.LOAD, Word.RECEIVED)
    p.do(Op.ADD, Port.ONE)
    p.do(Op.COMPARE, Word.F_SEQUENCE)
    p.jump_unless(Flag.EQUAL, "gap")
    p.label("in turn")
    p.jump_if(Flag.QUESTION, "done")
    p.label("whole")
    p.do(Op.COMPARE, Port.ORPHAN)  # one beyond the last sequence number
    p.jump_if(Flag.EQUAL, "done")
    p.do(Op.SUBTRACT, Port.ONE)
    p.do(Op.SUBTRACT, Word.ACKNOWLEDGED)
    p.do(Op.COMPARE, Port.WINDOW)
    p.jump_unless(Flag.LESS, "done")
    p.label("window open")
    p.do(Op.LOAD, Word.F_SEQUENCE)
    p.do(Op.INDEX, 0)
    p.label("entry")
    _reply_credit(p)
    _receive_credit(p)
    _accept(p)


def _reply_credit(p: Program) -> None:
    p.do(Op.LOAD, Word.F_FIRST)
    p.do(Op.COMPARE, Port.SMALLEST_RESERVE)
    p.jump_if(Flag.LESS, "done")
    p.do(Op.COMPARE, Port.REPLY_BUDGET)  # so that the sum cannot wrap
    p.jump_unless(Flag.LESS, "done")
    p.do(Op.STORE, Entry.RESERVE)
    p.do(Op.ADD, Port.OVERHEAD, Word.REPLY_SUM)
    p.do(Op.STORE, Entry.REPLY_SUM)
    p.do(Op.SUBTRACT, Word.REPLY_DONE)
    p.do(Op.COMPARE, Port.REPLY_BUDGET)
    p.jump_unless(Flag.AT_MOST, "done")


def _receive_credit(p: Program) -> None:
    p.do(Op.LOAD, Port.LENGTH)
    p.do(Op.STORE, Entry.LENGTH)
    p.do(Op.ADD, Port.OVERHEAD, Word.RECEIVE_SUM)
    p.do(Op.STORE, Entry.RECEIVE_SUM)
    p.do(Op.SUBTRACT, Word.RECEIVE_DONE)
    p.do(Op.COMPARE, Port.RECEIVE_BUDGET)
    p.jump_unless(Flag.AT_MOST, "done")


def _accept(p: Program) -> None:
    p.move((Entry.REPLY_SUM, Word.REPLY_SUM), (Entry.RECEIVE_SUM, Word.RECEIVE_SUM), (Port.TAIL, Entry.START))
    p.do(Op.ADD, Port.LENGTH)
    p.do(Op.STORE, Port.TAIL)
    p.label("accept")
    p.move((Word.F_SEQUENCE, Word.RECEIVED))
    p.label("accepted")
    p.do(Op.CLEAR, Flag.GAP_TOLD)
    _goto(p, "done")


def _again(p: Program) -> None:
    """Treat a command that is there already, or that one before is missing for."""
    p.label("repeat")
    p.do(Op.COMPARE, Word.ACKNOWLEDGED)
    p.jump_if(Flag.AT_MOST, "done")
    p.do(Op.COMPARE, Word.SENT)  # a later one will be sent anyway, once it is executed
    p.jump_unless(Flag.AT_MOST, "done")
    p.jump_if(Flag.REPEATS_FULL, "done")
    p.do(Op.STORE, Word.REPEATS)
    _goto(p, "done")

    p.label("gap")
    p.jump_if(Flag.GAP_TOLD, "done")
    p.jump_if(Flag.TELL_PONG, "done")
    p.do(Op.SET, Flag.GAP_TOLD, Flag.TELL_PONG)
    p.move((Port.ZERO, Word.PONG_NUMBER))
    _goto(p, "done")


def _end(p: Program) -> None:
    """End the command in execution; hand out the next one."""
    p.label("finish")
    p.move((Word.RECEIVE_RUNNING, Word.RECEIVE_DONE))
    p.jump_if(Flag.ORPHANED, "ended")
    p.do(Op.LOAD, Word.EXECUTED)
    p.do(Op.ADD, Port.ONE)
    p.do(Op.STORE, Word.EXECUTED)
    p.label("executed")
    p.do(Op.INDEX, 0)
    p.label("reply")
    p.move((Port.REPLY_START, Entry.START), (Port.REPLY_LENGTH, Entry.LENGTH))
    p.do(Op.ADD, Port.REPLY_START)
    p.do(Op.STORE, Port.REPLY_START)
    p.label("ended")
    p.do(Op.CLEAR, Flag.FINISH, Flag.ORPHANED, Flag.RUNNING)
    _goto(p, "idle")

    p.label("next command")
    p.jump_if(Flag.OFFERED, "idle")
    p.jump_if(Flag.RUNNING, "idle")
    p.jump_if(Flag.SAFE, "idle")
    p.do(Op.LOAD, Word.EXECUTED)
    p.do(Op.COMPARE, Word.RECEIVED)
    p.jump_if(Flag.EQUAL, "idle")
    p.label("waiting")
    p.do(Op.ADD, Port.ONE)
    p.do(Op.INDEX, 0)
    p.label("turn")
    p.do(Op.CLEAR, Flag.ABORTED)
    p.do(Op.COMPARE, Word.ABORT_THROUGH)
    p.jump_unless(Flag.AT_MOST, "offer")
    p.do(Op.SET, Flag.ABORTED)
    p.label("offer")
    p.move((Entry.START, Port.COMMAND_START))
    p.label("found")
    p.move((Entry.LENGTH, Port.COMMAND_LENGTH))
    p.move((Entry.RESERVE, Port.COMMAND_RESERVE), (Entry.RECEIVE_SUM, Word.RECEIVE_RUNNING))
    p.do(Op.SET, Flag.OFFERED)
    p.label("offered")
    _goto(p, "idle")


def _at_rest(p: Program) -> None:
    """Tell of rest. What ended before comes first; a command that was stopped ends behind it."""
    p.label("at rest")
    p.jump_if(Flag.FINISH, "finish")
    p.move((Word.EXECUTED, Word.SAFE_EXECUTED))
    running(p, "rest", Word.SAFE_RUNNING, Word.SAFE_PROGRESS)
    p.do(Op.CLEAR, Flag.SAFE, Flag.AT_REST)  # in this order: `safe` must not rise again
    p.do(Op.SET, Flag.TELL_SAFE_DONE)
    p.jump_unless(Flag.STOPPED, "idle")
    p.do(Op.SET, Flag.FINISH)
    p.do(Op.CLEAR, Flag.STOPPED)
    _goto(p, "idle")


def running(p: Program, where: str, number: Word, progress: Word) -> None:
    """Store which command is in execution, and how far it is. where: to tell the labels apart."""
    end, orphan = f"{where}: stored", f"{where}: orphan"
    p.move((Port.ZERO, number))
    p.do(Op.STORE, progress)
    p.jump_unless(Flag.RUNNING, end)
    p.move((Port.PROGRESS, progress))
    p.do(Op.LOAD, Port.ORPHAN)
    p.jump_if(Flag.ORPHANED, orphan)
    p.do(Op.LOAD, Word.EXECUTED)
    p.do(Op.ADD, Port.ONE)
    p.label(orphan)
    p.do(Op.STORE, number)
    p.label(end)
