"""The array port: everything that stands between the command engine and an array, emulated or physical.

One request at a time. The engine puts the request on `request` with `start` high for one clock, while `busy` is low.
It then offers the elements that the operation takes and takes the results that it returns, both in the order of
`docs/protocol.md` (row-major). `busy` falls once everything is done, pulses in flight included; `spent` then holds
what this request took, until the next one starts. From power-up on `busy` may be high for a while, too.

`stop` asks a running PULSE or OUTER to end after the row that it is at; `rows_done` says how many rows were finished.
What else runs is short for one request, and goes to its end. Elements and results of a stopped request are none.

`voltage`, `settle`, `set_width` and `reset_width` of a request stand still while `busy`; the other fields are looked at
with `start` alone. A PULSE comes directly behind its COUNTS and both DRIVES, which count its `spent.time`; one that was
stopped has the time of the whole.

The engine checks everything before it asks: an array is never asked for what it cannot do. A physical one has `trips`
beside it, of protocol.codes.Trip: while one is set it does nothing, and what runs ends early; `acknowledge` clears it.
With `narrow` high for one clock, as `start`, it lowers its own limits to those of `limits` that are lower.
"""

from amaranth.hdl import unsigned
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from firmware.parameters import LEVEL_BITS, Parameters
from hwctl.protocol.codes import MAX_AVERAGES_LOG2, HalfSelect


class Operation(enum.Enum, shape=unsigned(4)):
    """What the array is asked for. Elements are 48 bits, results 16 bits."""

    WRITE_WORDS = 0
    """Cell words `word0` to `word0 + words - 1` of each cell of the region, one an element. No results."""
    READ_WORDS = 1
    """The same words, one a result. No elements."""
    WRITE_CURVE = 2
    """64 means, then 64 sigmas, one an element, of drive level `set_level` of `polarity`, with `shift`."""
    READ = 3
    """One result a cell: READ of the cell law, 2**averages_log2 conversions."""
    VMM = 4
    """One element (i16, two's complement) a driven line: a row, or a column where `transposed`. One result a line."""
    COUNTS = 5
    """One element (i8, two's complement) a cell: pulses to come. They replace those of the COUNTS before."""
    DRIVES = 6
    """One element a cell: bits 0-31 width of a pulse in time codes, from bit 32 on drive level. Cells whose count has
    `polarity` take it; others ignore it. Comes behind COUNTS, for the same region, once for either polarity."""
    PULSE = 7
    """Pulse the region as COUNTS and DRIVES say. `spent.time`: each row's longest train of SET and of RESET."""
    PULSE_CELL = 8
    """|count| pulses of cell (row0, col0), SET where count > 0, at `set_level` / `reset_level` and widths."""
    FORM_CELL = 9
    """One FORM pulse of cell (row0, col0) at FORM level `set_level` and `set_width`."""
    OUTER = 10
    """Outer product of one event: rows' elements x (i8), then columns' elements d (i8). `coincidence`: mode."""


class SpentLayout(data.Struct):
    """What a request took."""

    set_pulses: unsigned(32)
    reset_pulses: unsigned(32)
    conversions: unsigned(32)
    """Conversions of the array's converters: one a cell or sensed line and average."""
    time: unsigned(64)
    """Time codes in which the array was driven."""


class LimitsLayout(data.Struct):
    """Limits as CONFIGURE_LIMITS has them."""

    max_read: unsigned(16)
    max_amplitude: unsigned(16)
    max_width: unsigned(32)
    max_form_amplitude: unsigned(16)
    max_form_width: unsigned(32)
    max_pulses: unsigned(32)
    max_gate: unsigned(16)
    max_form_gate: unsigned(16)
    max_compliance: unsigned(16)
    min_interval: unsigned(32)


def request_layout(parameters: Parameters) -> data.StructLayout:
    """Return the fields of a request; what an operation does not name is not looked at."""
    row, col = unsigned(parameters.row_bits), unsigned(parameters.col_bits)
    # Gateware emulates nothing that happens on unselected lines.
    of_physical = {"half_select": unsigned(bits_for(max(HalfSelect)))} if parameters.physical else {}
    return data.StructLayout(
        {
            "operation": Operation,
            "row0": row,
            "row1": row,  # one beyond the last
            "col0": col,
            "col1": col,
            "word0": unsigned(4),
            "words": unsigned(4),
            "averages_log2": unsigned(4),
            "tia_range": unsigned(4),
            "voltage": unsigned(16),  # relative read voltage of the cell law: 256 is nominal
            "settle": unsigned(32),  # time codes of one conversion
            "index": unsigned(32),  # noise index
            "transposed": unsigned(1),  # VMM: columns are driven, rows sensed
            "wide": unsigned(1),  # VMM: inputs are i16, full scale 32768; else i8, 128
            "polarity": unsigned(1),
            "shift": unsigned(5),
            "count": unsigned(8),  # two's complement, -127 to 127
            "set_level": unsigned(LEVEL_BITS),
            "reset_level": unsigned(LEVEL_BITS),
            "set_width": unsigned(32),
            "reset_width": unsigned(32),
            "coincidence": unsigned(1),
            "slots": unsigned(6),
            "seed": unsigned(32),
            "event": unsigned(32),
            **of_physical,
        }
    )


class ArrayPort(wiring.Signature):
    """The port as the engine sees it; the array has it flipped."""

    def __init__(self, parameters: Parameters) -> None:
        """Make the signature for an array of this size."""
        interlock = (
            {"trips": In(16), "acknowledge": Out(1), "narrow": Out(1), "limits": Out(LimitsLayout)}
            if parameters.physical
            else {}
        )
        super().__init__(
            {
                **interlock,
                "request": Out(request_layout(parameters)),
                "start": Out(1),
                "stop": Out(1),
                "key": Out(64),  # of all noise; an array without emulated noise ignores it
                "elements": Out(stream.Signature(48)),
                "results": In(stream.Signature(16)),
                "busy": In(1),
                "rows_done": In(parameters.row_bits),
                "spent": In(SpentLayout),
            }
        )


assert MAX_AVERAGES_LOG2 < 16, "averages_log2 has 4 bits"
