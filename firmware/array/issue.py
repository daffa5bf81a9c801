"""What the sequencer puts into the lanes in one clock, and when the lanes do what with it."""

from amaranth.hdl import Signal, unsigned
from amaranth.lib import enum
from amaranth.utils import bits_for

from firmware.parameters import LEVEL_BITS, Parameters
from hwctl.devices.law import ROUNDS, STREAM_COLUMN
from hwctl.protocol.codes import MAX_SLOTS


def brisk(parameters: Parameters) -> bool:
    """Return whether a build is made for a fast clock: registers before multipliers as well as behind them."""
    return parameters.rounds_per_stage <= 2


class Timing:
    """Clocks from the issue of a cell to what happens to it."""

    def __init__(self, parameters: Parameters) -> None:
        """Count from the stages of the hash."""
        self.brisk = brisk(parameters)
        self.aimed = 1  # operand and count are out of their memories
        self.drawn = 2 + ROUNDS // parameters.rounds_per_stage  # the hash is there, and state, offset, flags
        self.product = self.drawn + 2 + self.brisk  # sigma * xi and mean * gain
        self.moved = self.product + 1  # the new state is written
        self.code = self.product + 2 + self.brisk  # what is seen of the cell
        self.summed = self.code + 1  # input * code, added to the sum
        self.held = self.summed + 1  # a finished sum
        self.done = self.held + 1
        #: Clocks between two pulses of one cell: state is read one clock before `drawn`.
        self.again = self.moved + 1 - (self.drawn - 1)


class Check(enum.Enum, shape=unsigned(2)):
    """Which cells of those in the mask are hit."""

    NONE = 0
    """All."""
    COUNT = 1
    """Those whose count is at least `threshold`."""
    BITS = 2
    """Those whose column has the bit of `slot`."""


class Issue:
    """Signals of the clock in which a cell of each lane enters, but for those that say otherwise."""

    def __init__(self, parameters: Parameters) -> None:
        """Make the signals."""
        cells, lines = parameters.rows * parameters.cols, max(parameters.rows, parameters.cols)
        self.valid = Signal()
        self.pulse, self.see, self.form, self.draw = Signal(), Signal(), Signal(), Signal()
        self.last = Signal()  # of a sum
        self.one = Signal()  # the input is 1
        self.mask = Signal(parameters.lanes)
        self.address = Signal(range(max(parameters.rows * parameters.groups, 2)))
        self.spot = Signal(range(operand_depth(parameters)))  # of the operand
        self.check = Signal(Check)
        self.threshold = Signal(8)
        self.slot = Signal(MAX_SLOTS)  # one-hot
        self.flip = Signal()  # SET and RESET change places; with Check.NONE: RESET
        self.unit = Signal(bits_for(max(cells, lines, 2) - 1))  # cell number without the lane's share, or line
        self.kind = Signal(bits_for(STREAM_COLUMN))  # of the draw
        self.index = Signal(32)  # of a draw; one clock after the issue
        self.chunk = Signal(2)  # of a stream
        # Steady while a request runs:
        self.own_level = Signal()  # drive levels are in the operands, else in these:
        self.set_level, self.reset_level = Signal(LEVEL_BITS), Signal(LEVEL_BITS)


def operand_depth(parameters: Parameters) -> int:
    """Return the operands that a lane holds.

    A PULSE needs one a cell of its region, but a region of less than the array comes in a frame of `largest_frame`
    bytes, with each row rounded up to whole column groups. OUTER needs one a column and one a row.
    """
    rows, groups = parameters.rows, parameters.groups
    pulses = min(rows * groups, parameters.largest_frame // parameters.lanes + 2 * rows)
    return max(pulses, groups + rows if parameters.outer else max(groups, rows), 2)
