"""docs/registers.md, from the register map."""

from hwctl.protocol import registers as map_
from hwctl.protocol.registers import REGISTERS, WINDOWS, Field, Register

HEAD = """\
# The registers of a board on a bus

Written by `python -m firmware registers` from `hwctl/protocol/registers.py`; gateware and host take it from there too.

An AXI4-Lite slave of {range:#x} bytes, 32-bit words, little-endian. An access to what is not named here, a write to
what is read-only, or to a part of a register's bytes, is answered SLVERR and changes nothing.

| offset | register | access | holds |
|---|---|---|---|
"""
TAIL = """
## How a command goes

The host puts a *record* into COMMANDS, behind what it put there before: the bytes of the encoded command (u32),
`reserve` (u32: bytes that the reply may take, at least {smallest}), the command as in [protocol.md](protocol.md),
then bytes up to a whole word. It then adds the record's bytes to COMMAND_TAIL; several records may be put there
before. A ring's place is the count modulo its size. The board takes records in order, once each, as soon as REPLIES
has room for 4 + `reserve` bytes. It puts there the reply's bytes (u32) and the reply, up to a whole word, then counts
in REPLY_TAIL and EXECUTED. What the host has read it counts in REPLY_HEAD. Reading or writing a ring changes nothing
else: blocks may be copied in any order, and twice.

A record that cannot be (longer than what was put there, or than the board takes; a reply longer than the ring) sets
STATUS.bad_record. Nothing more is taken then until the next session.

## SAFE

CONTROL.safe asks for rest. A command in execution is stopped where it can be, or ends; commands that were put there
before and have not begun are answered ABORTED. Once nothing moves, SAFES counts, and STOPPED and STOPPED_PROGRESS say
what was stopped.

## Which command was the last one

A host that starts reads SESSION, STARTED and EXECUTED before it does anything else. If SESSION holds the number that
it (or the program before it, which crashed) had written, commands 1 to EXECUTED of that session have ended, the
command STARTED, where it is one more, has begun, and no other was executed. Replies that were not taken are in
REPLIES still, between REPLY_HEAD and REPLY_TAIL. It then writes CONTROL.safe, waits for SAFES to change, and writes a
number of its own to SESSION until that is what SESSION reads: from there on numbers begin with 1 again. hwctl keeps
what it found in `MailboxLink.before`.
"""


def page(smallest: int) -> str:
    """Return the whole page. smallest: bytes that every reply may take."""
    rows = [f"| `{r.offset:#07x}` | {r.name} | {r.access.value} | {_text(r)} |" for r in REGISTERS]
    rows += [f"| `{w.offset:#07x}` | {w.name} | {w.access.value} | {w.text}; at most {w.most} bytes |" for w in WINDOWS]
    return HEAD.format(range=map_.RANGE) + "\n".join(rows) + "\n" + TAIL.format(smallest=smallest)


def _text(register: Register) -> str:
    return ". ".join([register.text, *(f"{_bits(field)} `{field.name}`: {field.text}" for field in register.fields)])


def _bits(field: Field) -> str:
    return f"bit {field.low}" if field.width == 1 else f"bits {field.low}-{field.low + field.width - 1}"
