"""Replies that never change: IDENTITY, and one refusal text for each reason. They stand in one read-only memory."""

from dataclasses import dataclass

import numpy as np

from firmware.parameters import Parameters
from hwctl.devices.chip import Chip
from hwctl.protocol import codes, replies
from hwctl.protocol.codec import encode_reply
from hwctl.protocol.codes import Feature, Polarity, Refusal

READ_SECONDS = 1e-6  # settle time of one conversion until CONFIGURE_READ

_TEXTS = {
    Refusal.UNSUPPORTED: "this board has no such command or mode; IDENTIFY says what it has",
    Refusal.MALFORMED: "no well-formed command; see docs/protocol.md",
    Refusal.OUT_OF_REGION: "the region leaves the array; IDENTIFY says its size",
    Refusal.OVER_LIMIT: "beyond the limits of this board; IDENTIFY says them",
    Refusal.NO_SHAPE: "a pulse shape is not configured with this polarity",
    Refusal.NOT_CHARACTERISED: "no such drive level; IDENTIFY lists them",
    Refusal.ABORTED: "aborted by SAFE",
}


@dataclass(frozen=True)
class Scale:
    """What the board's codes are made of, taken from a chip."""

    nominal: int
    """Voltage code of the nominal read voltage."""
    max_read: int
    """Voltage code of the highest read voltage."""
    levels: tuple[tuple[tuple[int, int, int], ...], ...]
    """(amplitude, width, gate) codes of the drive levels of SET, RESET, FORM."""
    settle: int
    """Time codes of a conversion at power-up."""


def scale_of(chip: Chip) -> Scale:
    """Return the codes of a chip, rounded as the software board does."""
    volts, seconds = chip.scales.volts, chip.scales.seconds
    levels = tuple(
        tuple((round(v.amplitude / volts), round(v.width / seconds), round(v.gate / volts)) for v in several)
        for several in chip.levels
    )
    device = chip.device
    settle = round(READ_SECONDS / seconds)
    return Scale(round(device.read_voltage / volts), round(device.max_read_voltage / volts), levels, settle)


def features_of(parameters: Parameters) -> Feature:
    """Return what a build can do."""
    found = Feature.VMM | Feature.COUNTERS | Feature.RESTORE | Feature.VIRTUAL_TIME | Feature.EMULATED
    if parameters.transposed:
        found |= Feature.VMM_T
    if parameters.outer:
        found |= Feature.OUTER_COUNT | Feature.OUTER_COINCIDENCE
    if parameters.loops:
        found |= Feature.WRITE_VERIFY | Feature.FORM
    return found


def identity_of(parameters: Parameters, chip: Chip, build: str) -> replies.Identity:
    """Return what IDENTIFY is answered with. build: id of the bitstream, at most 64 bytes."""
    scale, scales = scale_of(chip), chip.scales
    listed = [(polarity, *level) for polarity in (Polarity.SET, Polarity.RESET) for level in scale.levels[polarity]]
    return replies.Identity(
        protocol_version=codes.PROTOCOL_VERSION,
        rows=parameters.rows,
        cols=parameters.cols,
        features=features_of(parameters),
        volts_per_code=scales.volts,
        siemens_per_code=scales.siemens,
        amperes_per_code=scales.siemens * scale.nominal * scales.volts,
        seconds_per_code=scales.seconds,
        compliance_per_code=scales.compliance,
        max_amplitude=max(level[1] for level in listed),
        max_form_amplitude=round(chip.device.max_form_amplitude / scales.volts),
        max_width=round(1e-2 / scales.seconds),
        max_read=scale.max_read,
        tia_ranges=np.arange(codes.MAX_TIA_RANGE + 1, dtype=np.uint8),
        drive_levels=np.array(listed, np.uint32),
        receive_budget=parameters.receive_budget,
        reply_budget=parameters.reply_budget,
        largest_frame=parameters.largest_frame,
        device=chip.device.name,
        build=build,
    )


@dataclass(frozen=True)
class FixedReplies:
    """The memory, and where each reply stands in it."""

    memory: bytes
    identity: tuple[int, int]
    """Start and length."""
    refusals: dict[Refusal, tuple[int, int]]


def fixed_replies(parameters: Parameters, chip: Chip, build: str) -> FixedReplies:
    """Return the whole replies, one behind the other."""
    memory = encode_reply(identity_of(parameters, chip, build))
    identity = (0, len(memory))
    refusals = {}
    for refusal, text in _TEXTS.items():
        raw = encode_reply(replies.Refused(refusal, text))
        refusals[refusal] = (len(memory), len(raw))
        memory += raw
    return FixedReplies(memory, identity, refusals)
