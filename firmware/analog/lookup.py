"""What the gateware looks up of a board file: channels of lines, codes of drive levels, where each column is sensed."""

from dataclasses import dataclass

from amaranth.hdl import Const, Value

from firmware.analog.boardfile import BoardFile
from firmware.analog.dac import Output
from firmware.analog.wiring import Chain, Channel
from firmware.errors import BoardFileError
from hwctl.protocol.codes import MAX_LEVELS, HalfSelect, Polarity


@dataclass(frozen=True)
class Selection:
    """Signals that say which lines take part: each True or 1 for a line."""

    rows: list[Value]
    """Driven rows, those that have a bias among them."""
    cols: list[Value]
    """Driven columns, likewise."""
    sensed: list[Value]
    """Sensed columns."""
    gates: list[Value]
    grounded_rows: list[Value]
    grounded_cols: list[Value]


def outputs_of(board: BoardFile) -> list[Output]:
    """Return the converters' outputs in the order of `board.lines`: rows, columns, gates."""
    chips = list(board.dacs)
    return [Output(chips.index(line.dac.part), line.dac.number, line.transfer.zero) for line in board.lines]


def levels_of(board: BoardFile) -> list[int]:
    """Return steps of the driven line and of the gate (16 bits higher) by polarity * MAX_LEVELS + level."""
    found = [0] * (len(Polarity) * MAX_LEVELS)
    for polarity in Polarity:
        for number, level in enumerate(board.levels(polarity)):
            found[polarity * MAX_LEVELS + number] = level.amplitude_code | level.gate_steps << 16
    return found


def biases_of(board: BoardFile) -> list[int]:
    """Return steps of unselected lines of the driven side, and of the other side (16 bits higher), as of half-select.

    By polarity * MAX_LEVELS + level as `levels_of` has them, of V/2 and then of V/3.
    """
    found = []
    for scheme in (HalfSelect.V_HALF, HalfSelect.V_THIRD):
        for polarity in Polarity:
            biases = [level.unselected(scheme) for level in board.levels(polarity)]
            found += [driven | other << 16 for driven, other in biases] + [0] * (MAX_LEVELS - len(biases))
    return found


def places_of(board: BoardFile) -> list[tuple[int, int]]:
    """Return the ADC and its channel that sense each column."""
    chips = list(board.adcs)
    return [(chips.index(line.adc.part), line.adc.number) for line in board.cols if line.adc is not None]


def pattern(board: BoardFile, chain: Chain, selection: Selection) -> list[Value]:
    """Return the outputs of a chain, from output 0 on, with lines selected."""
    closed: dict[int, Value] = {}
    for n, line in enumerate(board.rows):
        _put(closed, chain, line.drive, selection.rows[n])
        _put(closed, chain, line.ground, selection.grounded_rows[n])
    for n, line in enumerate(board.cols):
        _put(closed, chain, line.drive, selection.cols[n])
        _put(closed, chain, line.sense, selection.sensed[n])
        _put(closed, chain, line.ground, selection.grounded_cols[n])
    for n, line in enumerate(board.gates):
        _put(closed, chain, line.drive, selection.gates[n])
        _put(closed, chain, line.ground, ~selection.gates[n])
    found = [closed.get(n, Const(0, 1))[0] for n in range(chain.outputs)]
    return found if chain.closes_high else [~value for value in found]


def _put(closed: dict[int, Value], chain: Chain, channel: Channel | None, value: Value) -> None:
    if channel is not None and channel.part == chain.name:
        closed[channel.number] = value


def kind_of(board: BoardFile, chain: Chain) -> str:
    """Return what a chain's enable stands for: row, col, line (rows and columns), gate, sense or ground.

    Raises BoardFileError where it holds switches of several kinds, which are enabled at different times.
    """
    kinds = set()
    for line in board.lines:
        for key, channel in (("drive", line.drive), ("sense", line.sense), ("ground", line.ground)):
            if channel is not None and channel.part == chain.name:
                kinds.add(line.side if key == "drive" else "gate" if line.side == "gate" else key)
    if kinds == {"row", "col"}:
        return "line"
    if len(kinds) != 1:
        held = " and ".join(sorted(kinds)) or "no"
        raise BoardFileError(f"switches '{chain.name}' hold {held} switches; give each kind a chain of its own")
    return kinds.pop()
