"""What a bench engineer checks before powering a board up, as aligned text: the board file and what follows from it."""

from collections.abc import Iterator, Sequence

from firmware.analog.boardfile import BoardFile
from firmware.analog.fpga import bits_of
from firmware.analog.pulses import Pulse
from firmware.analog.transfer import exact
from firmware.analog.wiring import Adc, Dac, Line
from hwctl.protocol.codes import HalfSelect

_OTHER = {"row": "col", "col": "row"}
_NAMES = {"row": "row", "col": "column"}


def text(board: BoardFile) -> str:
    """Return the sheet as aligned plain text."""
    parts = (_head, _lines, _limits, _levels, _ranges, _times, _at_rest, _fpga)
    return "\n".join("\n".join(part(board)) + "\n" for part in parts)


def _columns(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    cells = [head, *([str(item) for item in row] for row in rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(head))]
    for row in cells:
        yield "  ".join(item.ljust(width) for item, width in zip(row, widths, strict=True)).rstrip()


def _head(board: BoardFile) -> Iterator[str]:
    gates = f", a gate a {board.gate_per}" if board.gate_per else ""
    yield f"{board.name}: {board.about}"
    yield f"{board.cell}, {len(board.rows)} rows x {len(board.cols)} columns{gates}; device {board.device.reference}"
    schemes = ", ".join(HalfSelect(scheme).name for scheme in board.half_select)
    yield f"unselected lines: {schemes}; {'rows and columns' if board.transposed else 'columns alone'} can be sensed"
    yield ""
    spi: list[tuple[object, ...]] = [
        (item.name, item.part.name, f"{item.reference:g} V", f"{_megahertz(board, item.half_period)} MHz", _said(item))
        for several in (board.dacs.values(), board.adcs.values())
        for item in several
    ]
    chains = [
        (
            chain.name, chain.kind, "", f"{_megahertz(board, chain.half_period)} MHz" * chain.part.shifted,
            f"{chain.outputs} switches, closed at {'high' if chain.closes_high else 'low'}; "
            f"rest {board.rest_pattern(chain.name):#0{2 + chain.outputs // 4}x}",
        )
        for chain in board.chains.values()
    ]  # fmt: skip
    yield from _columns(("part", "kind", "reference", "clock", ""), [*spi, *chains])


def _megahertz(board: BoardFile, half_period: int) -> str:
    return f"{board.clock / 2e6 / half_period:g}" if half_period else ""


def _said(item: Dac | Adc) -> str:
    if isinstance(item, Dac):
        source = "internal" if item.internal else "external"
        read = ", read back" * item.readback
        return f"{item.part.channels} channels, {item.part.bits} bits, {source} reference{read}"
    return f"{item.part.channels} channels, {item.part.bits} bits, 0 to {item.span * item.reference:g} V"


def _lines(board: BoardFile) -> Iterator[str]:
    uses = ("read", "pulse", "form") if board.forms else ("read", "pulse")
    head = (
        "line",
        "DAC",
        "polarity",
        "0 V at",
        "volts",
        *(f"{use} codes" for use in uses),
        "drive",
        "ground",
        "ADC",
        "TIA",
    )
    yield from _columns(head, [_line(board, line, uses) for line in board.lines])


def _line(board: BoardFile, line: Line, uses: Sequence[str]) -> tuple[object, ...]:
    guard, (low, high) = board.codes.guard(line), (float(end) for end in line.transfer.volts)
    return (
        f"{line.side} {line.index}", line.dac, "+" if line.transfer.polarity > 0 else "- (inverts)", line.transfer.zero,
        f"{low:.4g} to {high:.4g}", *("{} to {}".format(*getattr(guard, use)) for use in uses),
        line.drive, line.ground or "-", line.adc or "-", line.sense or "-",
    )  # fmt: skip


def _limits(board: BoardFile) -> Iterator[str]:
    absolute, codes = dict(board.absolute.items()), limit_codes(board)
    rows = [(key, f"{value:g}", codes[key], f"{absolute[key]:g}") for key, value in board.limits.items()]
    yield from _columns(("limit", "value", "in codes", "absolute"), rows)
    if board.limiter is None:
        yield "FORM is refused: there is no limiter"
    else:
        limiter = board.limiter
        yield f"limiter: {limiter.kind}, {limiter.max_current:g} A within {limiter.response_time:g} s"
    if not board.forms and board.limiter is not None:
        yield "FORM is refused: there is no [pulse.form]"


def limit_codes(board: BoardFile) -> dict[str, int]:
    """Return each limit as the gateware has it, rounded down, by its key; the rate as clock ticks between pulses."""
    codes = board.codes
    every = {
        "amplitude_V": codes.max_amplitude,
        "gate_V": codes.max_gate,
        "pulse_width_s": codes.max_width,
        "read_V": codes.max_read,
        "form_amplitude_V": codes.max_form_amplitude,
        "form_width_s": codes.max_form_width,
        "compliance_A": codes.max_compliance,
        "pulses_per_cell_per_s": codes.pulse_interval,
        "pulses_per_cell": codes.pulse_budget,
    }
    return {key: every[key] for key, _ in board.limits.items()}


def _levels(board: BoardFile) -> Iterator[str]:
    for pulse in board.pulses.values():
        yield (
            f"{pulse.polarity.name}: the cell's {_NAMES[pulse.side]} is driven, its {_NAMES[_OTHER[pulse.side]]} "
            f"grounded; DAC codes are those of line 0{'; unselected lines have steps' if _biases(board) else ''}"
        )
        head = ["level", "V", "steps", "DAC", "us", "ticks"]
        head += ["gate V", "gate steps", "gate DAC"] if board.gates else []
        head += [f"{scheme.name} {name}s" for scheme in _biases(board) for name in _NAMES.values()]
        yield from _columns(head, [_level(board, pulse, n) for n in range(len(pulse.levels))])


def _biases(board: BoardFile) -> list[HalfSelect]:
    return [scheme for scheme in board.half_select if scheme != HalfSelect.GROUNDED]


def _level(board: BoardFile, pulse: Pulse, n: int) -> list[object]:
    level = pulse.levels[n]
    row: list[object] = [
        n, f"{level.amplitude:g}", level.amplitude_code, board.driven_codes(pulse, level)[0],
        f"{level.width * 1e6:g}", level.width_ticks,
    ]  # fmt: skip
    if board.gates:
        row += [f"{level.gate:g}", level.gate_steps, board.gates[0].transfer.code_at(level.gate_steps)]
    for scheme in _biases(board):
        driven, other = level.unselected(scheme)
        row += (driven, other) if pulse.side == "row" else (other, driven)
    return row


def _ranges(board: BoardFile) -> Iterator[str]:
    sense, sign = board.sense, "raises" if board.sense.sign > 0 else "lowers"
    yield f"current out of the array {sign} the ADC's input; without current its code is {sense.zero}"
    gate = "" if sense.gate is None else f", gates at {sense.gate:g} V"
    yield (
        f"reads at {sense.read:g} V{gate}: a current code is {board.codes.amperes:.4g} A, a conductance code "
        f"{board.codes.scales.siemens:.4g} S"
    )
    rows = [
        (
            found.number, f"{found.ohm:g}", f"{found.pins:0{max(sense.range_pins, 1)}b}", f"{float(found.factor):.5g}",
            f"{float(sense.highest_current(found)):.4g}", f"{settle * 1e6:g}", ticks,
        )
        for found, settle, ticks in zip(sense.ranges, board.times.sense_settle, board.codes.sense_settle, strict=True)
    ]  # fmt: skip
    yield from _columns(("TIA range", "ohm", "pins", "factor", "up to A", "settles us", "ticks"), rows)


def sequence(board: BoardFile) -> list[tuple[str, int]]:
    """Return what a pulse and a reading are made of, in order, and how many clock ticks each takes."""
    codes = board.codes
    widths = [level.width_ticks for pulse in board.pulses.values() for level in pulse.levels]
    dac = max(2 * item.half_period * item.part.word_bits for item in board.dacs.values())
    adc = max(2 * item.half_period * item.part.word_bits for item in board.adcs.values())
    found = [
        ("a word to a DAC", dac),
        ("dac_settle_s", codes.dac_settle),
        ("the longest pattern to switches", max(chain.shift_ticks for chain in board.chains.values())),
        ("gate_settle_s", codes.gate_settle),
        ("switch_settle_s", codes.switch_settle),
        ("shortest pulse", min(widths)),
        ("longest pulse", max(widths)),
        ("discharge_s", codes.discharge),
        ("pulse to pulse of a cell, at least", codes.pulse_interval),
        ("a frame of an ADC", adc),
    ]
    return [(name, ticks) for name, ticks in found if board.gates or name != "gate_settle_s"]


def _times(board: BoardFile) -> Iterator[str]:
    rows = [(name, f"{float(ticks / exact(board.clock)) * 1e6:.6g}", ticks) for name, ticks in sequence(board)]
    yield from _columns(("sequence", "us", "ticks"), rows)
    watchdog = board.watchdog
    yield (
        f"watchdog: {watchdog.silence:g} s ({board.codes.silence} ticks) of silence or {watchdog.framing_errors} bad "
        f"frames in a second; at rest within {watchdog.rest_clocks} ticks; pulses timed by {board.timed_by}"
    )


def _at_rest(board: BoardFile) -> Iterator[str]:
    power_up = board.power_up
    classes = list(power_up.at_power_on)
    rows = [(name, power_up.at_power_on[name], power_up.unconfigured[name]) for name in classes]
    yield from _columns(("switches", "at power-on", "FPGA unconfigured"), rows)
    yield f"counts on pull-ups: {', '.join(power_up.pull_ups) or 'none'}"
    yield f"counts on pull-downs: {', '.join(power_up.pull_downs) or 'none'}"


def _fpga(board: BoardFile) -> Iterator[str]:
    if board.fpga is None:
        yield "no [fpga]: no bitstream can be built"
        return
    yield f"FPGA pin of each signal: {board.fpga.platform}, {board.fpga.standard}"
    bits = bits_of(board)
    rows = [
        (signal, goes_to, pin)
        for signal, pins in board.fpga.pins.items()
        for goes_to, pin in zip(bits[signal], pins, strict=True)
    ]
    yield from _columns(("signal", "of", "pin"), rows)
