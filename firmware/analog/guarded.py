"""The guard of a board file: its limits as windows of codes for every channel, its waits as clocks."""

from firmware.analog.boardfile import BoardFile
from firmware.analog.bounds import Channel, GuardParameters
from firmware.analog.outputs import Class
from firmware.errors import BoardFileError

CLASSES = {"row": Class.ROW, "col": Class.COL, "gate": Class.GATE}


def guard_of(board: BoardFile) -> GuardParameters:
    """Return the guard's parameters; channel n is the DAC channel of the n-th of `board.lines`.

    Raises BoardFileError where lines cannot be at rest in as few clocks as the file promises.
    """
    codes = board.codes
    channels = []
    for line in board.lines:
        allowed = codes.guard(line)
        channels.append(Channel(CLASSES[line.side], allowed.rest, allowed.read, allowed.pulse, allowed.form))
    found = GuardParameters(
        channels=tuple(channels),
        width=codes.max_width,
        form_width=codes.max_form_width if board.forms else None,
        dead=codes.switch_settle,
        gap=codes.discharge,
        gate_after=codes.switch_settle,
        silence=codes.silence,
        framing_window=round(board.clock),
        bad_frames=codes.framing_errors,
    )
    if found.rest_clocks > codes.rest_clocks:
        raise BoardFileError(
            f"{board.name}: watchdog.rest_clocks {codes.rest_clocks}, but its switches take {found.rest_clocks} "
            "clocks to come to rest; give as many, or faster switches"
        )
    return found
