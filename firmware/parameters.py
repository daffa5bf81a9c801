"""What one build of the gateware is made for."""

from dataclasses import dataclass

from amaranth.utils import bits_for

from hwctl.protocol.codes import MAX_LEVELS, MAX_LINES
from hwctl.protocol.frame import FRAME_OVERHEAD, SMALLEST_RESERVE

LEAST_BUDGET = 2048  # bytes: IDENTITY fits whatever it lists
LARGEST_COMPACT_FRAME = 4096  # bytes: no list in it has as many items as MAX_BATCH allows


@dataclass(frozen=True)
class Parameters:
    """Size and speed of a build. Raises ValueError on what cannot be built."""

    rows: int = 64
    cols: int = 64
    lanes: int = 1
    """Cells that are pulsed, or multiplied, in one clock; a power of two that divides `cols`."""
    clock: int = 48_000_000
    """Hz"""
    divisor: int = 16
    """Clock cycles of one bit on the UART, at least 4."""
    receive_budget: int = 8192
    """Bytes of commands that may be in flight; a power of two."""
    reply_budget: int = 8192
    """Bytes of replies that are stored; a power of two."""
    largest_frame: int = 4096
    """Bytes from header to CRC; a power of two, at most `receive_budget`."""
    rounds_per_stage: int = 1
    """Rounds of the hash between two registers: 1, 2, 4 or 8. More take fewer registers and a slower clock."""
    transposed: bool = True
    """Whether VMM_T is there."""
    loops: bool = True
    """Whether WRITE_VERIFY and FORM are there."""
    vmm: bool = True
    """Whether VMM is there; emulated arrays always have it."""
    outer: bool = True
    """Whether OUTER is there, in both modes."""
    spram: bool = False
    """Whether the rings of the front end are single-port SB_SPRAM256KA of an iCE40 UP5K."""
    physical: bool = False
    """Whether the array is a physical one: it cannot be loaded, and may trip."""
    compact: bool = False
    """Whether engine and array are programs on small processors: little logic, and some hundred clocks a pulse."""

    def __post_init__(self) -> None:
        """Check."""
        if not (1 <= self.rows <= MAX_LINES and 1 <= self.cols <= MAX_LINES):
            raise ValueError(f"array of {self.rows} x {self.cols}; give 1 to {MAX_LINES} lines")
        if self.lanes < 1 or self.lanes & (self.lanes - 1) or self.cols % self.lanes:
            raise ValueError(f"{self.lanes} lanes for {self.cols} columns; give a power of two that divides them")
        if self.divisor < 4:
            raise ValueError(f"{self.divisor} clock cycles a bit; give at least 4")
        for name in ("receive_budget", "reply_budget", "largest_frame"):
            value = getattr(self, name)
            if value < LEAST_BUDGET or value & (value - 1):
                raise ValueError(f"{name} of {value} bytes; give a power of two, at least {LEAST_BUDGET}")
        if self.largest_frame > self.receive_budget:
            raise ValueError(f"largest_frame {self.largest_frame} exceeds receive_budget {self.receive_budget}")
        if self.compact:
            self._check_compact()
        if self.physical and (self.transposed or self.outer or self.compact):
            raise ValueError("builds for physical arrays have no transposed, outer or compact; give False for each")

    def _check_compact(self) -> None:
        """Refuse what the programs do not know."""
        if self.loops or self.outer:
            raise ValueError("compact builds have neither loops nor outer; give loops=False, outer=False")
        if self.lanes != 1:
            raise ValueError(f"{self.lanes} lanes; compact builds take one cell after the other, give 1")
        if self.largest_frame > LARGEST_COMPACT_FRAME:
            raise ValueError(
                f"largest_frame of {self.largest_frame} bytes; compact builds take at most {LARGEST_COMPACT_FRAME}"
            )

    @property
    def baud(self) -> float:
        """Bits/s of the UART."""
        return self.clock / self.divisor

    @property
    def groups(self) -> int:
        """Column groups of a row: columns that the lanes take in one clock."""
        return self.cols // self.lanes

    @property
    def window(self) -> int:
        """Most commands whose replies the host does not hold yet; a power of two."""
        most = self.reply_budget // (SMALLEST_RESERVE + FRAME_OVERHEAD)
        return 1 << bits_for(most - 1)

    @property
    def row_bits(self) -> int:
        """Bits of a row number or of one beyond the last."""
        return bits_for(self.rows)

    @property
    def col_bits(self) -> int:
        """Bits of a column number or of one beyond the last."""
        return bits_for(self.cols)


LEVEL_BITS = bits_for(MAX_LEVELS - 1)
