"""Replies that never change: IDENTITY, and one refusal text for each reason. They stand in one read-only memory."""

from dataclasses import dataclass

from firmware.parameters import Parameters
from hwctl.devices.chip import Chip
from hwctl.devices.identity import identity_of
from hwctl.protocol import replies
from hwctl.protocol.codec import encode_reply
from hwctl.protocol.codes import Feature, Refusal

_TEXTS = {
    Refusal.UNSUPPORTED: "this board has no such command or mode; IDENTIFY says what it has",
    Refusal.MALFORMED: "no well-formed command; see docs/protocol.md",
    Refusal.OUT_OF_REGION: "the region leaves the array; IDENTIFY says its size",
    Refusal.OVER_LIMIT: "beyond the limits of this board; IDENTIFY says them",
    Refusal.NO_SHAPE: "a pulse shape is not configured with this polarity",
    Refusal.NOT_CHARACTERISED: "no such drive level; IDENTIFY lists them",
    Refusal.ABORTED: "aborted by SAFE",
    Refusal.INTERLOCK: "an interlock has tripped, which STATUS names; SAFE as a command acknowledges it",
}

_ABORTED_PHYSICAL = "aborted by SAFE, or by a trip, which STATUS names then"


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


def identity_of_build(parameters: Parameters, chip: Chip, build: str) -> replies.Identity:
    """Return what IDENTIFY is answered with. build: id of the bitstream, at most 64 bytes."""
    return identity_of(
        chip, features=features_of(parameters), build=build, receive_budget=parameters.receive_budget,
        reply_budget=parameters.reply_budget, largest_frame=parameters.largest_frame,
    )  # fmt: skip


@dataclass(frozen=True)
class FixedReplies:
    """The memory, and where each reply stands in it."""

    memory: bytes
    identity: tuple[int, int]
    """Start and length."""
    refusals: dict[Refusal, tuple[int, int]]


def fixed_replies(identified: replies.Identity) -> FixedReplies:
    """Return the whole replies, one behind the other."""
    memory = encode_reply(identified)
    identity = (0, len(memory))
    refusals = {}
    for refusal, text in _TEXTS.items():
        if refusal == Refusal.INTERLOCK and Feature.EMULATED in identified.features:
            continue  # an emulated array never trips
        trips = refusal == Refusal.ABORTED and Feature.EMULATED not in identified.features
        raw = encode_reply(replies.Refused(refusal, _ABORTED_PHYSICAL if trips else text))
        refusals[refusal] = (len(memory), len(raw))
        memory += raw
    return FixedReplies(memory, identity, refusals)
