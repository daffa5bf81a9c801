"""What a build of the emulated array holds from one chip."""

from collections.abc import Sequence
from dataclasses import dataclass

from hwctl.devices.chip import Chip
from hwctl.devices.law import Curve
from hwctl.protocol.cells import WORDS_PER_CELL, as_words


@dataclass(frozen=True)
class ChipConstants:
    """Noise parameters, step curves and first contents of the cells. Raises ValueError on what has no room."""

    write_code: int
    read_code: int
    curves: tuple[tuple[Curve, ...], tuple[Curve, ...]]
    """Of SET and RESET: their number is fixed, their entries are what the tables hold at first."""
    words: Sequence[Sequence[int]]
    """Ten words of each cell, row-major; empty: all zero."""

    def __post_init__(self) -> None:
        """Check."""
        for name in ("write_code", "read_code"):
            if not 0 <= getattr(self, name) <= 0xFFFF:
                raise ValueError(f"{name} of {getattr(self, name)}; the array has 16 bits for it")

    @property
    def levels(self) -> tuple[int, int]:
        """Drive levels of SET and of RESET."""
        return len(self.curves[0]), len(self.curves[1])

    @property
    def tables(self) -> tuple[Curve, ...]:
        """All curves in the order of the curve memories: SET, then RESET."""
        return (*self.curves[0], *self.curves[1])

    def column(self, word: int, lane: int, lanes: int) -> list[int]:
        """Return one word of the cells of a lane: cell k is in lane k % lanes."""
        return [int(cell[word]) for cell in self.words[lane::lanes]]


def constants_of(chip: Chip, initial: bool = True) -> ChipConstants:
    """Return what the array takes from a chip; `initial`: its cells as well, else they are zero until loaded."""
    words = as_words(chip.cells).reshape(-1, WORDS_PER_CELL).tolist() if initial else []
    return ChipConstants(chip.write_code, chip.read_code, chip.curves, words)
