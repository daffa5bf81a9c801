"""Which of the boards that a board file can describe this gateware can drive."""

from firmware.analog.boardfile import BoardFile
from firmware.analog.guarded import guard_of
from firmware.analog.lookup import kind_of
from firmware.errors import BoardFileError


def check_buildable(board: BoardFile) -> None:
    """Raise BoardFileError where `AnalogArray` cannot drive a board. To be asked before one is made."""
    for chain in board.chains.values():
        kind_of(board, chain)
    if board.timed_by != "enable":
        raise BoardFileError(f"{board.name}: pulses timed by '{board.timed_by}'; this gateware times by enables")
    if board.gate_per == "col":
        raise BoardFileError(f"{board.name}: gates per column; this gateware has gates per row")
    for parts, what in ((board.dacs, "DAC"), (board.adcs, "ADC")):
        if len({one.part for one in parts.values()}) != 1:
            raise BoardFileError(f"{board.name}: several kinds of {what}s share one SPI; take one kind")
    guard_of(board)
