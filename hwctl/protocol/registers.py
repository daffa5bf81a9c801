"""The register map of a board on a memory bus: the one source of gateware, offsets, HWH and docs/registers.md.

32-bit words, little-endian, of an AXI4-Lite slave (AMBA AXI and ACE Protocol Specification, ARM IHI 0022E, B1).
"""

from dataclasses import dataclass
from enum import Enum

from hwctl.protocol.codes import PROTOCOL_VERSION

IDENTITY = int.from_bytes(b"hwct", "little")
"""What the first register holds: nothing else is one of these boards."""
VLNV, CORE_VERSION = "hwctl:ip:crossbar", "1.0"
"""What the core is called in a Vivado block design: vendor, library, name; and version."""
RANGE = 0x40000
"""Bytes that the board takes on its bus."""
WORD_BYTES = 4


class Access(Enum):
    """What a host may do with a register."""

    READ = "read-only"
    WRITE = "write-only"
    BOTH = "read-write"


@dataclass(frozen=True)
class Field:
    """Some bits of a register."""

    name: str
    low: int
    width: int
    text: str


@dataclass(frozen=True)
class Register:
    """One word."""

    name: str
    offset: int
    access: Access
    text: str
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True)
class Window:
    """A ring of bytes, in words of memory. Reading or writing it changes nothing else."""

    name: str
    offset: int
    access: Access
    most: int
    """Bytes at most; how many a board has, a register says."""
    text: str


_R, _W, _RW = Access.READ, Access.WRITE, Access.BOTH
SAFE_BIT, INTERRUPT_BIT = 0, 1
EXECUTING_BIT, SAFE_PENDING_BIT, REPLY_BIT, DRIVING_BIT, BAD_RECORD_BIT = range(5)
_PARTS = (
    ("IDENTITY", _R, f"{IDENTITY:#010x}: the bytes 'hwct'", ()),
    ("VERSION", _R, f"Version of the protocol; this is {PROTOCOL_VERSION}", ()),
    ("GEOMETRY", _R, "Size of the array", (Field("rows", 0, 16, "Rows"), Field("cols", 16, 16, "Columns"))),
    ("COMMAND_BYTES", _R, "Bytes of the ring COMMANDS, a power of two", ()),
    ("REPLY_BYTES", _R, "Bytes of the ring REPLIES, a power of two", ()),
    ("CONTROL", _RW, "What the board shall do", (
        Field("safe", SAFE_BIT, 1, "Write 1: bring the array to rest; reads 0"),
        Field("interrupt", INTERRUPT_BIT, 1, "Whether the pin `irq` is high while a reply waits"),
    )),
    ("SESSION", _RW, "A host's number, not 0. Writing it empties both rings and sets the counts to 0, where no command "
     "is in execution; else it stays", ()),
    ("COMMAND_TAIL", _RW, "Bytes that the host has put into COMMANDS in this session, modulo 2^32", ()),
    ("REPLY_HEAD", _RW, "Bytes that the host has taken from it", ()),
    ("STATUS", _R, "What the board does", (
        Field("executing", EXECUTING_BIT, 1, "A command is in execution"),
        Field("safe_pending", SAFE_PENDING_BIT, 1, "A SAFE waits for the array to come to rest"),
        Field("reply", REPLY_BIT, 1, "A reply waits: REPLY_TAIL is not REPLY_HEAD"),
        Field("driving", DRIVING_BIT, 1, "The array is busy"),
        Field("bad_record", BAD_RECORD_BIT, 1, "A record's length cannot be; nothing more is taken until SESSION"),
    )),
    ("COMMAND_HEAD", _R, "Bytes that the board has taken from it", ()),
    ("REPLY_TAIL", _R, "Bytes that the board has put into REPLIES in this session, modulo 2^32", ()),
    ("PROGRESS", _R, "How far the last command that began has come, as in PONG", ()),
    ("STARTED", _R, "Commands of this session that have begun", ()),
    ("EXECUTED", _R, "Commands of this session that have ended, aborted ones included", ()),
    ("SAFES", _R, "Times that the array came to rest because CONTROL.safe was written", ()),
    ("STOPPED", _R, "Number of the command that the last SAFE stopped in execution; 0: none", ()),
    ("STOPPED_PROGRESS", _R, "How far that command had come, as in SAFE_DONE", ()),
)  # fmt: skip
REGISTERS = tuple(
    Register(name, WORD_BYTES * n, access, text, fields) for n, (name, access, text, fields) in enumerate(_PARTS)
)
COMMANDS = Window("COMMANDS", 0x10000, Access.WRITE, 0x10000, "Records of commands, from the host")
REPLIES = Window("REPLIES", 0x20000, Access.READ, 0x10000, "Records of replies, from the board")
WINDOWS = (COMMANDS, REPLIES)
COMMAND_HEADER_BYTES, REPLY_HEADER_BYTES = 8, 4
"""Of a record: length and `reserve` before a command, length before a reply; u32 each. Then bytes, up to a word."""

_OFFSETS = {register.name: register.offset for register in REGISTERS}


def offset_of(name: str) -> int:
    """Return the byte offset of a register. Raises KeyError where there is none of that name."""
    return _OFFSETS[name]


def record_bytes(header: int, length: int) -> int:
    """Return the bytes of a record in its ring."""
    return header + -(-length // WORD_BYTES) * WORD_BYTES
