"""How a board that emulates a chip describes itself: the one source for software board and gateware."""

from dataclasses import dataclass

import numpy as np

from hwctl.devices.chip import Chip
from hwctl.protocol import codes, replies
from hwctl.protocol.codes import Feature, HalfSelect, Polarity

LONGEST_PULSE = 1e-2  # s
NO_BUDGET = 0xFFFFFFFF  # more pulses than a cell is ever counted
SETTLE = 1e-6  # s of one conversion, until CONFIGURE_READ

LevelCodes = tuple[int, int, int]
"""Amplitude, width and gate."""


@dataclass(frozen=True)
class BoardCodes:
    """Voltages, times and drive levels of a chip in codes."""

    nominal_read: int
    """Voltage code at which one current code is one conductance code."""
    max_read: int
    max_amplitude: int
    """Of SET and RESET pulses, as `max_width`."""
    max_width: int
    max_form_amplitude: int
    """0 where the board does not form."""
    max_form_width: int
    max_pulses: int
    """Pulses of a cell in all."""
    max_gate: int
    """Of SET and RESET pulses; 0 where there are no gates, as of forming."""
    max_form_gate: int
    settle: int
    levels: tuple[tuple[LevelCodes, ...], ...]
    """Of SET, RESET and FORM."""
    tia_ranges: tuple[int, ...] = tuple(range(codes.MAX_TIA_RANGE + 1))
    """Most sensitive first."""
    half_select: tuple[HalfSelect, ...] = tuple(HalfSelect)
    """Bias of unselected lines that the board can have; the first until CONFIGURE_READ."""
    max_compliance: int = replies.NOT_HELD
    """Of a cell that forms; NOT_HELD where nothing limits it, and then `limiter` is 0."""
    limiter: int = 0
    min_interval: int = 0
    """Time code from one pulse of a cell to its next; 0 where nothing wears by pulses that follow too soon."""

    @property
    def read_range(self) -> int:
        """The least sensitive range that READ may use."""
        return max(one for one in self.tia_ranges if one <= codes.MAX_READ_RANGE)

    @classmethod
    def of(cls, chip: Chip) -> "BoardCodes":
        """Round what a chip's device model says in V and s."""
        device, volts, seconds = chip.device, chip.scales.volts, chip.scales.seconds
        levels = tuple(
            tuple((round(v.amplitude / volts), round(v.width / seconds), round(v.gate / volts)) for v in several)
            for several in chip.levels
        )
        return cls(
            nominal_read=round(device.read_voltage / volts),
            max_read=round(device.max_read_voltage / volts),
            max_amplitude=max(level[0] for several in levels[: Polarity.FORM] for level in several),
            max_width=round(LONGEST_PULSE / seconds),
            max_form_amplitude=round(device.max_form_amplitude / volts),
            max_form_width=round(LONGEST_PULSE / seconds),
            max_pulses=NO_BUDGET,
            max_gate=max(level[2] for several in levels[: Polarity.FORM] for level in several),
            max_form_gate=max((level[2] for level in levels[Polarity.FORM]), default=0),
            settle=round(SETTLE / seconds),
            levels=levels,
        )

    @property
    def limits(self) -> replies.Limits:
        """What CONFIGURE_LIMITS can narrow."""
        return replies.Limits(**{name: getattr(self, name) for name in replies.LIMITS}, limiter=self.limiter)


def identity_of(
    chip: Chip, *, features: Feature, build: str, receive_budget: int, reply_budget: int, largest_frame: int
) -> replies.Identity:
    """Return what IDENTIFY is answered with. build: at most 64 bytes; budgets and frame: bytes."""
    scales, found = chip.scales, BoardCodes.of(chip)
    listed = [(polarity, *level) for polarity in (Polarity.SET, Polarity.RESET) for level in found.levels[polarity]]
    return replies.Identity(
        protocol_version=codes.PROTOCOL_VERSION,
        rows=chip.rows,
        cols=chip.cols,
        features=features,
        volts_per_code=scales.volts,
        siemens_per_code=scales.siemens,
        amperes_per_code=scales.siemens * found.nominal_read * scales.volts,
        seconds_per_code=scales.seconds,
        compliance_per_code=scales.compliance,
        max_amplitude=found.max_amplitude,
        max_form_amplitude=found.max_form_amplitude,
        max_width=found.max_width,
        max_read=found.max_read,
        tia_ranges=np.array(found.tia_ranges, np.uint8),
        drive_levels=np.array(listed, np.uint32),
        receive_budget=receive_budget,
        reply_budget=reply_budget,
        largest_frame=largest_frame,
        device=chip.device.reference,
        build=build,
    )
