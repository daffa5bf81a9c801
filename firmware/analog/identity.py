"""How the gateware of a physical board describes itself."""

import numpy as np

from firmware.analog.boardfile import BoardFile
from firmware.parameters import Parameters
from hwctl.protocol import codes, replies
from hwctl.protocol.codes import Feature, Polarity


def identity_of_board(board: BoardFile, parameters: Parameters, build: str) -> replies.Identity:
    """Return what IDENTIFY is answered with. build: id of the bitstream, at most 64 bytes."""
    found, scales = board.codes, board.codes.scales
    features = Feature.COUNTERS | Feature.LIMITS | (Feature.VMM if parameters.vmm else Feature(0))
    if parameters.loops:
        features |= Feature.WRITE_VERIFY | (Feature.FORM if board.forms else Feature(0))
    levels = [
        (polarity, *level.codes) for polarity in (Polarity.SET, Polarity.RESET) for level in board.levels(polarity)
    ]
    return replies.Identity(
        protocol_version=codes.PROTOCOL_VERSION, rows=len(board.rows), cols=len(board.cols), features=features,
        volts_per_code=scales.volts, siemens_per_code=scales.siemens, amperes_per_code=found.amperes,
        seconds_per_code=scales.seconds, compliance_per_code=scales.compliance,
        max_amplitude=found.max_amplitude, max_form_amplitude=found.max_form_amplitude,
        max_width=max(found.max_width, found.max_form_width), max_read=found.max_read,
        tia_ranges=np.array([one.number for one in found.ranges], np.uint8),
        drive_levels=np.array(levels, np.uint32),
        receive_budget=parameters.receive_budget, reply_budget=parameters.reply_budget,
        largest_frame=parameters.largest_frame, device=board.device.reference, build=build,
    )  # fmt: skip
