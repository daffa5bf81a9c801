"""Numbers that host, software board and gateware share: one source for all of them."""

from enum import IntEnum, IntFlag

PROTOCOL_VERSION = 1

MAX_LINES = 4096  # rows or columns of one array
MAX_CELLS = 1 << 20  # cells of one region, so that a reply stays below 2 MiB, and of one array
MAX_BATCH = 4096  # input vectors of one VMM, events of one OUTER
MAX_PULSES = 127  # pulses of one cell in one command: what a signed byte holds
MAX_AVERAGES_LOG2 = 12  # averaging in powers of two, so that a board shifts and never divides
MAX_ATTEMPTS = 4095  # pulses of one cell in one WRITE_VERIFY or FORM
MAX_SLOTS = 32  # bits of a stream in OUTER's coincidence mode
MAX_LEVELS = 32  # characterised drive levels of one polarity
PULSE_SHAPES = 256
CURVE_ENTRIES = 64  # entries of a step curve over the cell's range

RANGE_AS_CONFIGURED = 255  # "tia_range" of a command that takes the range of CONFIGURE_READ
MAX_TIA_RANGE = 15  # range r: one step of the converter is 2**r current codes
MAX_READ_RANGE = 4  # of READ: its 12 bits then span all conductance codes
ADC_BITS = 12
NO_READING = 0xFFFF  # conductance code of a saturated converter
NO_CURRENT = -0x8000  # current code of a saturated converter
NOMINAL_READ_CODE = 256  # read voltage code at which one current code is one conductance code


class Op(IntEnum):
    """Command codes: the first byte of a command's header."""

    IDENTIFY = 1
    CONFIGURE_SHAPE = 2
    CONFIGURE_READ = 3
    READ = 4
    VMM = 5
    VMM_T = 6
    MEASURE = 7
    PULSE = 8
    PULSE_SPARSE = 9
    OUTER = 10
    WRITE_VERIFY = 11
    FORM = 12
    STATUS = 13
    COUNTERS = 14
    LOAD_COUNTERS = 15
    SAFE = 16
    CONFIGURE_LIMITS = 17
    # emulated boards only
    LOAD_CURVE = 32
    LOAD_CELLS = 33
    DUMP = 34
    RESTORE = 35
    SEED = 36
    WAIT = 37


class Answer(IntEnum):
    """Reply codes: the first byte of a reply's header."""

    DONE = 128
    IDENTITY = 129
    READINGS = 130
    CURRENTS = 131
    PULSED = 132
    VERIFIED = 133
    FORMED = 134
    STATUS = 135
    COUNTS = 136
    DUMPED = 137
    LIMITS = 138
    REFUSED = 255


class Refusal(IntEnum):
    """Why a board refused a command. Nothing of a refused command was executed."""

    UNSUPPORTED = 1
    MALFORMED = 2
    OUT_OF_REGION = 3
    OVER_LIMIT = 4
    NO_SHAPE = 5
    NOT_CHARACTERISED = 6
    INTERLOCK = 7
    ABORTED = 8


class Trip(IntFlag):
    """Why a board has brought its array to rest by itself: the lower half of STATUS' `faults`, until acknowledged."""

    AMPLITUDE = 1  # a code above a limit was to be driven
    WIDTH = 2  # a pulse was cut at its limit
    CONFLICT = 4  # a driver together with another, or with a path to ground
    ORDER = 8  # a driver closed too soon after ground opened, or too soon after the pulse before
    SILENCE = 16  # no whole frame for too long while lines were not at rest
    FRAMING = 32  # too many damaged frames
    RATE = 64  # too many pulses of one cell in a second
    BUDGET = 128  # a cell has had all pulses that it may take
    OVER_CURRENT = 256  # a cell drew more than it may
    READBACK = 512  # a converter does not hold the code that it was sent


class Feature(IntFlag):
    """What a board can do, as IDENTIFY reports it."""

    VMM = 1
    VMM_T = 2
    MEASURE = 4
    OUTER_COUNT = 8
    OUTER_COINCIDENCE = 16
    WRITE_VERIFY = 32
    FORM = 64
    COUNTERS = 128
    RESTORE = 256
    VIRTUAL_TIME = 512
    EMULATED = 1024
    LIMITS = 2048


class Polarity(IntEnum):
    """Direction of a pulse shape; SET and RESET index their step curves."""

    SET = 0
    RESET = 1
    FORM = 2


class ShapePer(IntEnum):
    """What has a pulse shape of its own in a PULSE."""

    COMMAND = 0
    ROW = 1
    COL = 2
    CELL = 3

    def count(self, rows: int, cols: int) -> int:
        """Return the number of shapes for a region."""
        return (1, rows, cols, rows * cols)[self]

    def strides(self, cols: int) -> tuple[int, int]:
        """Return (row, column) strides: cell (i, j) has shape i * row + j * column."""
        return ((0, 0), (1, 0), (0, 1), (cols, 1))[self]


class OuterMode(IntEnum):
    """How OUTER turns two vectors into pulses."""

    COUNT = 0
    COINCIDENCE = 1


class HalfSelect(IntEnum):
    """Bias of the lines that a pulse does not select."""

    GROUNDED = 0
    """Where a board cannot have that: the bias that it has at power-up. No board refuses it."""
    V_HALF = 1
    V_THIRD = 2


class CellFlag(IntFlag):
    """Defects of a cell."""

    STUCK_ON = 1
    STUCK_OFF = 2
    UNFORMED = 4


class Option(IntEnum):
    """Typed options behind a command's fixed header."""

    TAG = 1  # any bytes that a log shows beside the command


OPTION_CRITICAL = 0x80  # flag of an option that a board must know or refuse
