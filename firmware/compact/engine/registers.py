"""What stands between the engine's program and its ports: numbers of the registers that it reads and writes, flags."""

from enum import IntEnum

from firmware.processor.assembler import Flag


class Source(IntEnum):
    """Registers that are read."""

    BYTE = 0  # of the command, while `Outside.BYTE`; goes on to the next
    FIXED = 1  # byte of the fixed replies; goes on to the next
    POSITION = 2  # address of the byte at hand
    START = 3  # of the command port, until `Target.TAKE`, as the next three
    LENGTH = 4
    RESERVE = 5
    REPLY_START = 6
    BAD_FRAMES = 7
    RESULT = 8  # of the array, while `Outside.RESULT`; takes it
    ROWS_DONE = 9
    SET_PULSES = 10
    RESET_PULSES = 11
    CONVERSIONS = 12
    TIME = 13
    TIME_HIGH = 14


class Target(IntEnum):
    """Registers that are written."""

    SEEK = 0  # address of the next byte to be read
    REPLY = 1  # address of the next byte of the reply
    PUT = 2  # byte of the reply; goes on to the next
    TAKE = 3  # take the command: then `Outside.TAKEN` and `Outside.ABORTED` tell what it was
    FINISH = 4  # the command has ended; bytes of the reply
    STOPPED = 5  # the same of one that SAFE has stopped, at rest
    REST = 6  # at rest
    SLEEP = 7  # nothing is to be done until a command or SAFE comes
    PROGRESS = 8
    REQUEST = 9  # ask the array for this operation
    ELEMENT = 10  # for the array, below the bits of SET_LEVEL; only while not `Outside.ELEMENT`
    ROW0 = 11  # from here on fields of requests, which stand until they are written again
    ROW1 = 12
    COL0 = 13
    COL1 = 14
    VOLTAGE = 15
    SETTLE = 16
    DETAIL = 17  # what else an operation has, see `Detail`
    SET_LEVEL = 18
    RESET_LEVEL = 19
    SET_WIDTH = 20  # an ELEMENT takes its place
    INDEX = 21  # or RESET_WIDTH: no operation has both
    KEY = 22
    KEY_HIGH = 23


class Detail(IntEnum):
    """First bits of what is in DETAIL. Fields of different operations share bits."""

    COUNT = 0
    WORD0 = 0
    WORDS = 4
    AVERAGES = 0
    RANGE = 4
    SHIFT = 0
    POLARITY = 5
    TRANSPOSED = 0
    WIDE = 1


DETAIL_BITS = 8


class Outside(IntEnum):
    """Flags."""

    SAFE = Flag.FIRST
    VALID = Flag.FIRST + 1
    TAKEN = Flag.FIRST + 2
    ABORTED = Flag.FIRST + 3
    BYTE = Flag.FIRST + 4
    ELEMENT = Flag.FIRST + 5  # the last one still waits
    RESULT = Flag.FIRST + 6
    BUSY = Flag.FIRST + 7  # the array is
