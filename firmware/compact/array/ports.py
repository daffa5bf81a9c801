"""What the program of an array sees outside: registers and flags of `firmware/compact/array/array.py`."""

from enum import IntEnum

from firmware.processor.assembler import Flag, Mode, Operand

#: Fields of a request that are registers, in the order of their numbers.
FIELDS = (
    "operation", "row0", "row1", "col0", "col1", "word0", "words", "averages_log2", "tia_range", "voltage", "settle",
    "index", "shift", "count", "set_level", "reset_level", "set_width", "reset_width",
)  # fmt: skip
#: Those of OUTER.
OUTER_FIELDS = ("slots", "seed", "event")
#: Fields of one bit: flags, so that a jump can ask them.
BITS = ("transposed", "wide", "polarity", "coincidence")


class Port(IntEnum):
    """Registers that are no fields of the request; those behind ELEMENT are written."""

    DATA = 0  # word of the memory at ADDRESS, which goes on to the next one, read or written
    KEY_LOW = 1
    KEY_HIGH = 2
    ELEMENT_HIGH = 3  # bits 32 on of the element
    ELEMENT = 4  # the others; the element is taken
    ADDRESS = 5
    RESULT = 6  # offered, as long as the accumulator stays as it is
    ROWS_DONE = 7
    SET_PULSES = 8
    RESET_PULSES = 9
    CONVERSIONS = 10
    TIME_LOW = 11
    TIME_HIGH = 12
    DONE = 13  # the request ends, whatever is written
    FIRST_FIELD = 14


class Ask(IntEnum):
    """Flags; the fields in `BITS` are behind them."""

    BUSY = Flag.FIRST  # there is a request
    ELEMENT = Flag.FIRST + 1  # there is an element
    RESULT = Flag.FIRST + 2  # the result has not been taken
    STOP = Flag.FIRST + 3
    TRANSPOSED = Flag.FIRST + 4
    WIDE = Flag.FIRST + 5
    POLARITY = Flag.FIRST + 6
    COINCIDENCE = Flag.FIRST + 7


FLAGS = len(Ask)


def port(number: Port) -> Operand:
    """Return the operand for a register."""
    return Operand(Mode.IO, number)


def field(name: str) -> Operand:
    """Return the operand for a field of the request."""
    return Operand(Mode.IO, Port.FIRST_FIELD + (*FIELDS, *OUTER_FIELDS).index(name))
