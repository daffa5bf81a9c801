"""What reaches the array: levels of the output stage, and codes of its converters. 1 is on, whatever a pin's level."""

from amaranth.hdl import Shape, unsigned
from amaranth.lib import data, enum

CODE_BITS = 16  # of a converter's code; parts of 12 bits take the lower ones


class Side(enum.Enum, shape=unsigned(1)):
    """The lines that a pulse drives; those of the other side are returned to ground."""

    ROW = 0
    COL = 1


class Levels(data.Struct):
    """Switches that act on many lines at once. `REST` is what every board comes to rest with.

    A line that is selected has its converter, its amplifier or ground; one that is not has its converter, ground, or
    is left open.
    """

    ground: unsigned(1)
    """All lines to ground, whatever else is on."""
    drive_row: unsigned(1)
    """Selected rows to their converters."""
    drive_col: unsigned(1)
    return_row: unsigned(1)
    """Selected rows to ground."""
    return_col: unsigned(1)
    sense: unsigned(1)
    """Selected columns to their transimpedance amplifiers."""
    bias: unsigned(1)
    """Lines of both sides that are not selected to their converters, as of half-select schemes: with a driver alone."""
    gate: unsigned(1)
    """Selected gates to their converters; off, all gates are at ground."""


REST = {"ground": 1}
"""Levels at rest; what is not named is off."""


class Class(enum.Enum, shape=unsigned(2)):
    """What a converter's channel drives: each has a limit of its own."""

    ROW = 0
    COL = 1
    GATE = 2
    RAIL = 3


def write_layout(channels: int) -> data.StructLayout:
    """Return the layout of a code for one of so many channels, numbered over all converters."""
    return data.StructLayout({"channel": Shape.cast(range(max(channels, 2))), "code": unsigned(CODE_BITS)})
