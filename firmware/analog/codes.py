"""What gateware and host take from a board file: scales, and every limit, wait and level as an integer.

Limits are rounded down and waits up. Codes on the wire are steps of a row; a line's DAC gets `zero + polarity * steps`.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from firmware.analog.pulses import PulseLevel
from firmware.analog.sensing import Range
from firmware.analog.transfer import exact, ticks_down, ticks_up
from firmware.analog.wiring import Line
from hwctl.devices.chip import Scales
from hwctl.devices.identity import BoardCodes
from hwctl.protocol.codes import HalfSelect, Polarity

if TYPE_CHECKING:
    from firmware.analog.boardfile import BoardFile

RATIO_BITS = 12


@dataclass(frozen=True)
class Guard:
    """Codes that a line's DAC may be given, lowest and highest, by what the line is used for."""

    rest: int
    read: tuple[int, int]
    """Of either sign: VMM and MEASURE."""
    pulse: tuple[int, int]
    """Rest to the highest SET or RESET amplitude; of a gate: to its limit."""
    form: tuple[int, int]
    """Rest alone where the board does not form."""


@dataclass(frozen=True)
class BoardFileCodes:
    """Integers of one board. Voltages are steps, which are codes on the wire; times are clock ticks."""

    scales: Scales
    """What one code on the wire is; `seconds` is a clock tick."""
    amperes: float
    """A of one current code."""
    nominal_read: int
    max_read: int
    min_read: int
    """The lowest voltage that all rows and columns reach, at most 0: 0 where nothing below is to be had."""
    max_amplitude: int
    max_form_amplitude: int
    """0 where the board does not form."""
    max_gate: int
    """In steps of a gate's line; 0 where there are none."""
    max_form_gate: int
    """Likewise, of a FORM pulse: with a limiter of kind "gate", that of its current."""
    gate_codes: tuple[int, int]
    """Both on the wire: in steps of a row."""
    gate_ratio: Fraction
    """Steps of a gate's line by code on the wire; 1 where there are none."""
    read_gate: int
    """In steps of a gate's line."""
    max_width: int
    max_form_width: int
    max_compliance: int
    """Compliance codes of a cell that forms; 0 where nothing limits the current."""
    limiter: int
    """Compliance code at which the limiter holds the current; 0 where there is none."""
    ranges: tuple[Range, ...]
    """Most sensitive first; the n-th waits `sense_settle[n]`."""
    sense_settle: tuple[int, ...]
    switch_settle: int
    dac_settle: int
    gate_settle: int
    discharge: int
    pulse_interval: int
    """From one pulse of a cell to its next, at least."""
    pulse_budget: int
    """Pulses of a cell in all."""
    silence: int
    """Without a valid frame, at most."""
    framing_errors: int
    """In a second."""
    rest_clocks: int
    levels: tuple[tuple[PulseLevel, ...], tuple[PulseLevel, ...], tuple[PulseLevel, ...]]
    """Of SET, RESET and FORM."""
    half_select: tuple[HalfSelect, ...]

    @classmethod
    def of(cls, board: "BoardFile") -> "BoardFileCodes":
        """Round what a board file says."""
        clock, limits, times, row = board.clock, board.limits, board.times, board.rows[0].transfer
        gate = board.gates[0].transfer if board.gates else None
        amperes, nominal_read = board.sense.amperes_per_code, row.steps_of(board.sense.read)
        siemens = float(amperes / (nominal_read * row.step))
        scales = Scales(siemens=siemens, volts=float(row.step), seconds=float(1 / exact(clock)))
        limiter, highest_gate = board.limiter, limits.gate or 0.0
        form_gate = min(highest_gate, limiter.gate if limiter and limiter.gate is not None else highest_gate)
        compliance = exact(limits.compliance or 0.0) / exact(scales.compliance)
        max_compliance = compliance.numerator // compliance.denominator
        held = exact(limiter.max_current if limiter else 0.0) / exact(scales.compliance)
        return cls(
            scales=scales,
            amperes=float(amperes),
            nominal_read=nominal_read,
            max_read=row.steps_within(limits.read),
            min_read=max(-row.steps_within(limits.read), *(line.transfer.steps[0] for line in board.rows + board.cols)),
            max_amplitude=row.steps_within(limits.amplitude),
            max_form_amplitude=row.steps_within(limits.form_amplitude or 0.0),
            max_gate=0 if gate is None else gate.steps_within(highest_gate),
            max_form_gate=gate.steps_within(form_gate) if gate and board.forms else 0,
            gate_codes=(
                _gate_code(row.steps_within(highest_gate), board, Polarity.SET, Polarity.RESET),
                _gate_code(row.steps_within(form_gate), board, Polarity.FORM) if board.forms else 0,
            ),
            gate_ratio=Fraction(1) if gate is None else row.step / gate.step,
            read_gate=0 if gate is None else gate.steps_of(board.sense.gate or 0.0),
            max_width=ticks_down(limits.pulse_width, clock),
            max_form_width=ticks_down(limits.form_width or 0.0, clock),
            max_compliance=max_compliance,
            limiter=min(_ceiling(held), max_compliance),
            ranges=board.sense.ranges,
            sense_settle=tuple(ticks_up(settle, clock) for settle in times.sense_settle),
            switch_settle=ticks_up(times.switch_settle, clock),
            dac_settle=ticks_up(times.dac_settle, clock),
            gate_settle=ticks_up(times.gate_settle or 0.0, clock),
            discharge=ticks_up(times.discharge, clock),
            pulse_interval=_ceiling(exact(clock) / exact(limits.pulse_rate)),
            pulse_budget=limits.pulses,
            silence=ticks_down(board.watchdog.silence, clock),
            framing_errors=board.watchdog.framing_errors,
            rest_clocks=board.watchdog.rest_clocks,
            levels=(board.levels(Polarity.SET), board.levels(Polarity.RESET), board.levels(Polarity.FORM)),
            half_select=board.half_select,
        )

    @property
    def gate_ratio_code(self) -> int:
        """`gate_ratio` with 12 bits behind the point, rounded up."""
        return _ceiling(self.gate_ratio * (1 << RATIO_BITS))

    @property
    def board_codes(self) -> BoardCodes:
        """The same as IDENTIFY and the emulated boards take them."""
        return BoardCodes(
            nominal_read=self.nominal_read,
            max_read=self.max_read,
            max_amplitude=self.max_amplitude,
            max_width=self.max_width,
            max_form_amplitude=self.max_form_amplitude,
            max_form_width=self.max_form_width,
            max_pulses=self.pulse_budget,
            max_gate=self.gate_codes[0],
            max_form_gate=self.gate_codes[1],
            max_compliance=self.max_compliance,
            limiter=self.limiter,
            min_interval=self.pulse_interval,
            settle=max(self.sense_settle),
            levels=tuple(tuple(level.codes for level in levels) for levels in self.levels),
            tia_ranges=tuple(one.number for one in self.ranges),
            half_select=self.half_select,
        )

    @property
    def either_sign(self) -> bool:
        """Whether lines reach the read voltage with either sign, as inputs of VMM have."""
        return self.min_read <= -self.max_read

    def guard(self, line: Line) -> Guard:
        """Return what a line's DAC may be given."""
        span, rest = line.transfer.span, line.transfer.zero
        if line.side == "gate":
            allowed = span(0, self.max_gate)
            return Guard(rest, allowed, allowed, span(0, self.max_form_gate))
        return Guard(
            rest,
            span(-self.max_read, self.max_read),
            span(0, self.max_amplitude),
            span(0, self.max_form_amplitude),
        )


def _gate_code(limit: int, board: "BoardFile", *polarities: Polarity) -> int:
    """Return a gate's limit on the wire: rounded down, but the codes of all levels, which were rounded, are within."""
    return max(limit, *(level.gate_code for polarity in polarities for level in board.levels(polarity)))


def _ceiling(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)
