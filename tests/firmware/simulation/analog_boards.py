"""Boards of these tests: few lines and quick parts, and each further one is a model to compile."""

from tests.firmware.analog.board_files import FAST, PASSIVE, TRANSISTORS, UNGATED, changed, on_pins, smaller

ROWS, COLS = 6, 5
GATED = FAST | smaller(ROWS, COLS) | on_pins(ROWS, COLS, ("row_drive", "col_drive"))
"""Drive switches on pins of the FPGA, the others on registers."""
IDEAL = FAST | {
    "board.device": "linear", "pulse.set.gate_V": 2.0, "pulse.reset.gate_V": 3.0, "watchdog.silence_s": 0.02,
    "limits.pulses_per_cell_per_s": 5e4,
}  # fmt: skip
"""A 1T1R array of 16 x 16 cells that all move by the same steps."""
BOARDS = {"1t1r": (TRANSISTORS, GATED), "passive": (PASSIVE, UNGATED), "ideal": (TRANSISTORS, IDEAL)}


def board_file(name, folder):
    """Write a board file of BOARDS. Returns its path."""
    return changed(*BOARDS[name], folder)
